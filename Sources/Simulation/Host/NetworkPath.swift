public import Netstack
public import Primitives

/// The way from the host to an address of the simulated world: routers that count hops, links of some width, and what
/// is at its end. Addresses without one are next door, behind links that take everything.
public struct NetworkPath: Hashable, Sendable {
  /// The routers, the nearest first.
  public var routers: [IPAddress]
  /// The longest IP packet that the link behind the last router takes, in bytes.
  public var mtu: Int
  /// What the last router says instead of passing packets on, nil where it does.
  public var refusal: NetworkReport?

  /// Makes a way of its parts.
  public init(through routers: [IPAddress] = [], mtu: Int = .max, refusal: NetworkReport? = nil) {
    self.routers = routers
    self.mtu = mtu
    self.refusal = refusal
  }

  /// The time to live of packets that were given none.
  public static let defaultHopLimit: UInt8 = 64

  /// What becomes of a packet of `length` bytes: nil where it arrives.
  func failure(of marks: PacketMarks, length: Int, to destination: Endpoint) -> HostFailure? {
    let hopLimit = Int(marks.hopLimit == 0 ? Self.defaultHopLimit : marks.hopLimit)
    if hopLimit <= routers.count {
      return HostFailure(
        .hostUnreachable, report: .timeExceeded, reporter: routers[hopLimit - 1], destination: destination)
    }
    if !marks.mayFragment && length > mtu {
      return HostFailure(
        .messageTooLong, report: .tooBig(mtu: mtu), reporter: routers.last, destination: destination)
    }
    guard let refusal else { return nil }
    return HostFailure(
      refusal.hostError, report: refusal, reporter: routers.last ?? destination.address, destination: destination)
  }
}

extension NetworkReport {
  /// The error number that Linux gives a socket for it (icmp_err_convert).
  var hostError: HostError {
    switch self {
    case .networkUnreachable: .networkUnreachable
    case .hostUnreachable, .timeExceeded, .reassemblyTimeExceeded: .hostUnreachable
    case .protocolUnreachable: .other(92)
    case .portUnreachable: .refused
    case .prohibited: .hostUnreachable
    case .tooBig: .messageTooLong
    case .parameterProblem: .other(71)
    }
  }
}
