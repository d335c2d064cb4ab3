public import Primitives

/// Something of the host's that a guest's connection may lead to and that is not an endpoint of a network: a UNIX
/// socket, or a command that is started for each connection. What is behind the number, the `HostNetwork` knows.
public struct HostService: Hashable, Sendable {
  /// Which of the host's services it is, counted from 0.
  public var number: Int
  /// What logs and tables call it.
  public var name: String

  /// Makes a service of its parts.
  public init(_ number: Int, name: String) {
    self.number = number
    self.name = name
  }
}

/// Where on the host a connection of a guest's ends.
public enum StreamTarget: Hashable, Sendable {
  /// At an endpoint of the host's network.
  case endpoint(Endpoint)
  /// At something else.
  case service(HostService)
  /// Nowhere: the network's own resolver answers, as at its address.
  case resolver

  /// The endpoint, nil for something else.
  var endpoint: Endpoint? {
    guard case .endpoint(let endpoint) = self else { return nil }
    return endpoint
  }
}

/// A TCP port in the guests' network behind which there is something of the host's.
public struct GuestForward: Hashable, Sendable {
  /// Where guests find it: an address that is nobody else's, and a port of it.
  public var endpoint: Endpoint
  /// Where it leads.
  public var target: StreamTarget

  /// Makes a forward of its parts.
  public init(_ endpoint: Endpoint, to target: StreamTarget) {
    self.endpoint = endpoint
    self.target = target
  }
}

/// The addresses of the guests' network at which there is something of the host's, besides the gateway and the
/// resolver. Most networks have none, which is one comparison.
struct ServiceAddresses {
  let isEmpty: Bool
  private let addresses: [IPAddress]
  private let stations: [MACAddress]

  init(_ forwards: [GuestForward]) {
    var addresses: [IPAddress] = []
    for forward in forwards where !addresses.contains(forward.endpoint.address) {
      addresses.append(forward.endpoint.address)
    }
    self.addresses = addresses
    stations = addresses.map { NetworkSettings.hardwareAddress(of: $0) }
    isEmpty = addresses.isEmpty
  }

  /// Whether `address` is one of them.
  @inline(__always)
  func contains(_ address: IPAddress) -> Bool {
    guard !isEmpty else { return false }
    return addresses.contains(address)
  }

  /// Whether `hardware` is the hardware address of one of them.
  @inline(__always)
  func contains(_ hardware: MACAddress) -> Bool {
    guard !isEmpty else { return false }
    return stations.contains(hardware)
  }
}
