public import Primitives

/// What the network has said of a packet that did not arrive, in the words of ICMP (RFC 792, RFC 4443).
public enum NetworkReport: Hashable, Sendable {
  /// There is no way to the network.
  case networkUnreachable
  /// There is no way to the host.
  case hostUnreachable
  /// The host does not speak the protocol.
  case protocolUnreachable
  /// Nobody has the port.
  case portUnreachable
  /// A filter forbids it.
  case prohibited
  /// A packet that must not be fragmented is longer than a link takes: `mtu` bytes with its IP header, 0 if unknown.
  case tooBig(mtu: Int)
  /// The hop limit ran out on the way.
  case timeExceeded
  /// Fragments went missing, and the receiver has waited for long enough.
  case reassemblyTimeExceeded
  /// Somebody did not understand the header.
  case parameterProblem
}

/// A failure of something that was sent, which the host learned of afterwards.
public struct HostFailure: Hashable, Sendable {
  /// The failure as an error of the host.
  public var error: HostError
  /// What the network has said, or the host itself where `reporter` is nil; nil where there is no more than the error.
  public var report: NetworkReport?
  /// Who said so; nil for the host itself.
  public var reporter: IPAddress?
  /// Where the packet went that failed; nil where that is not known, or the flow knows it. An echo has port 0.
  public var destination: Endpoint?
  /// Bytes known of the packet: of a datagram the payload from its start, of an echo its ICMP message.
  public var quoteLength: Int

  /// Makes a failure of its parts.
  public init(
    _ error: HostError, report: NetworkReport? = nil, reporter: IPAddress? = nil, destination: Endpoint? = nil,
    quoteLength: Int = 0
  ) {
    self.error = error
    self.report = report
    self.reporter = reporter
    self.destination = destination
    self.quoteLength = quoteLength
  }
}
