public import Primitives

/// A port of the host that leads to a guest, or several in a row, as an operator asks for them.
public struct HostForward: Hashable, Sendable {
  /// Which transport's port is forwarded.
  public enum Transport: String, Hashable, Sendable { case tcp, udp }

  /// TCP or UDP.
  public var transport: Transport
  /// Where the host listens; port 0 lets the host choose.
  public var host: Endpoint
  /// The guest's address, nil for the first address that DHCP leases.
  public var guestAddress: IPAddress?
  /// The guest's port, at least 1.
  public var guestPort: UInt16
  /// How many ports of the host lead to as many of the guest, from these on.
  public var count = 1

  /// Makes a forward of its parts.
  public init(transport: Transport, host: Endpoint, guestAddress: IPAddress?, guestPort: UInt16) {
    self.transport = transport
    self.host = host
    self.guestAddress = guestAddress
    self.guestPort = guestPort
  }
}

extension HostForward {
  /// Why a rule could not be read, in QEMU's words.
  public struct SyntaxError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The rule as it was given.
    public let rule: String
    /// What is wrong with it.
    public let reason: String

    /// QEMU's message.
    public var description: String { "Invalid host forwarding rule '\(rule)' (\(reason))" }
  }

  /// The most ports in a range: each takes a descriptor and a place among the flows.
  private static let longestRange = 4096

  /// The forwards of the single ports.
  public var ports: [HostForward] {
    (0..<UInt16(count)).map { index in
      HostForward(
        transport: transport, host: Endpoint(host.address, port: host.port + index), guestAddress: guestAddress,
        guestPort: guestPort + index)
    }
  }

  /// Reads a rule in QEMU's syntax, `[tcp|udp]:[HOSTADDR]:HOSTPORT-[GUESTADDR]:GUESTPORT`.
  ///
  /// An empty protocol is TCP, an empty host address every IPv4 address of the host, an empty guest address the first
  /// lease. Ports may be written in C's bases. Beyond QEMU, an IPv6 address may stand in brackets, and a range of ports
  /// in the place of the host's: `FIRST-LAST`, the guest's being the first of as many.
  public init(rule: String) throws(SyntaxError) {
    var rest = Substring(rule)
    func field(upTo separator: Character, orFail reason: String) throws(SyntaxError) -> Substring {
      guard let field = rest.removeField(upTo: separator) else { throw SyntaxError(rule: rule, reason: reason) }
      return field
    }
    func address(_ text: Substring, orFail reason: String) throws(SyntaxError) -> IPAddress? {
      guard !text.isEmpty else { return nil }
      guard let address = IPAddress(forwardField: text) else { throw SyntaxError(rule: rule, reason: reason) }
      return address
    }
    func port(_ text: Substring, from lowest: UInt32, orFail reason: String) throws(SyntaxError) -> UInt16 {
      guard let number = UInt32(anyBase: text), number >= lowest, let port = UInt16(exactly: number) else {
        throw SyntaxError(rule: rule, reason: reason)
      }
      return port
    }

    switch try field(upTo: ":", orFail: "No : separators") {
    case "", "tcp": transport = .tcp
    case "udp": transport = .udp
    default: throw SyntaxError(rule: rule, reason: "Bad protocol name")
    }
    let hostField = try field(upTo: ":", orFail: "Missing : separator")
    let hostAddress = try address(hostField, orFail: "Bad host address") ?? IPAddress(IPv4Address.any)
    let hostPort = try field(upTo: "-", orFail: "Bad host port separator")
    // No guest's address has a dash: one more separates the last port of a range.
    let lastPort = rest.removeField(upTo: "-")
    host = Endpoint(hostAddress, port: try port(hostPort, from: lastPort == nil ? 0 : 1, orFail: "Bad host port"))
    guestAddress = try address(field(upTo: ":", orFail: "Missing guest address"), orFail: "Bad guest address")
    guestPort = try port(rest, from: 1, orFail: "Bad guest port")
    if let lastPort {
      count = try Int(port(lastPort, from: UInt32(host.port), orFail: "Bad host port range")) - Int(host.port) + 1
      guard count <= Self.longestRange else { throw SyntaxError(rule: rule, reason: "More than 4096 ports") }
      guard Int(guestPort) + count - 1 <= Int(UInt16.max) else {
        throw SyntaxError(rule: rule, reason: "Guest ports beyond 65535")
      }
    }
  }
}

extension HostForward: CustomStringConvertible {
  /// The rule in QEMU's syntax.
  public var description: String {
    func text(_ address: IPAddress) -> String { address.family == .ipv6 ? "[\(address)]" : "\(address)" }
    let range = count == 1 ? "" : "-\(Int(host.port) + count - 1)"
    return
      "\(transport.rawValue):\(text(host.address)):\(host.port)\(range)-\(guestAddress.map(text) ?? ""):\(guestPort)"
  }
}

extension Substring {
  /// Takes what stands before the next `separator`, and the separator; nil, with nothing taken, where there is none.
  /// A separator inside a leading pair of brackets does not count.
  mutating func removeField(upTo separator: Character) -> Substring? {
    let start = hasPrefix("[") ? (firstIndex(of: "]") ?? startIndex) : startIndex
    guard let end = self[start...].firstIndex(of: separator) else { return nil }
    let field = self[..<end]
    self = self[index(after: end)...]
    return field
  }
}

extension IPAddress {
  /// Parses an address as it stands in a forwarding rule: IPv4 as `inet_aton` reads it, or IPv6 in brackets.
  init?(forwardField text: Substring) {
    if text.hasPrefix("["), text.hasSuffix("]") {
      guard let address = IPv6Address(text.dropFirst().dropLast()) else { return nil }
      self.init(address)
    } else {
      guard let address = IPv4Address(inetAton: text) else { return nil }
      self.init(address)
    }
  }
}
