public import Primitives

/// A port of the host that leads to a guest, or several in a row, or a UNIX socket, as an operator asks for them.
public struct HostForward: Hashable, Sendable {
  /// Which transport's port is forwarded.
  public enum Transport: String, Hashable, Sendable { case tcp, udp }

  /// Where the host waits for clients.
  public enum Place: Hashable, Sendable {
    /// At a port; 0 lets the host choose.
    case port(Transport, Endpoint)
    /// On a UNIX stream socket at an absolute path. It leads to a TCP port.
    case unix(path: String)
  }

  /// Where the host listens.
  public var host: Place
  /// The guest's address, nil for the first address that DHCP leases.
  public var guestAddress: IPAddress?
  /// The guest's port, at least 1.
  public var guestPort: UInt16
  /// How many ports of the host lead to as many of the guest, from these on.
  public var count = 1

  /// Makes a forward of its parts.
  public init(_ host: Place, guestAddress: IPAddress?, guestPort: UInt16) {
    self.host = host
    self.guestAddress = guestAddress
    self.guestPort = guestPort
  }

  /// The path of the socket that the host listens on, nil for a port.
  public var path: String? {
    guard case .unix(let path) = host else { return nil }
    return path
  }

  /// The forwards of the single ports.
  public var ports: [HostForward] {
    guard case .port(let transport, let first) = host else { return [self] }
    return (0..<UInt16(count)).map { index in
      HostForward(
        .port(transport, Endpoint(first.address, port: first.port + index)), guestAddress: guestAddress,
        guestPort: guestPort + index)
    }
  }
}

extension HostForward: CustomStringConvertible {
  /// The rule in QEMU's syntax.
  public var description: String { "\(hostSide)-\(guestAddress.map(Self.text) ?? ""):\(guestPort)" }

  /// What stands before the dash.
  var hostSide: String {
    switch host {
    case .port(let transport, let first):
      let range = count == 1 ? "" : "-\(Int(first.port) + count - 1)"
      return "\(transport.rawValue):\(Self.text(first.address)):\(first.port)\(range)"
    case .unix(let path): return "unix:\(path)"
    }
  }

  private static func text(_ address: IPAddress) -> String {
    address.family == .ipv6 ? "[\(address)]" : "\(address)"
  }
}
