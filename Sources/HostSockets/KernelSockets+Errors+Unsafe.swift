import CLinux
import Glibc
import LinuxSystem
public import Netstack
import Primitives

/// What the network reports of packets sent: the error queue of a socket (ip(7), IP_RECVERR).
extension KernelSockets {
  /// Takes the oldest failure: of the error queue, else what the socket itself has to say.
  public mutating func takeError(_ flow: FlowID, quote: inout MutableSpan<UInt8>) -> HostFailure? {
    let (socket, kind) = (descriptor(flow), table[flow].kind)
    for _ in 0..<Self.foreignErrors {
      guard var failure = takeQueuedError(socket, quote: &quote) else { break }
      table[flow].error = 0
      // A raw socket is told of everybody's packets.
      if kind == .rawEcho && !isOwnEcho(quote.span.extracting(0..<failure.quoteLength), flow) { continue }
      if kind == .echo || kind == .rawEcho, let destination = failure.destination {
        failure.destination = Endpoint(destination.address, port: 0)
      }
      return failure
    }
    // A stream's pending error is for whoever asks how connecting has ended.
    return kind == .stream || kind == .localStream ? nil : takePendingError(flow)
  }

  /// How many errors about others' packets are passed over at once; more come with the next event.
  private static var foreignErrors: Int { 256 }

  /// An error that found no room in the queue, or was met in reading, is known by its number only.
  private mutating func takePendingError(_ flow: FlowID) -> HostFailure? {
    var number = table[flow].error
    table[flow].error = 0
    do throws(SystemError) {
      let pending = try SocketOption.pendingError.value(on: descriptor(flow))
      if number == 0 { number = pending }
    } catch {
      if number == 0 { number = error.number }
    }
    return number == 0 ? nil : HostFailure(HostError(number: number))
  }

  /// Takes the oldest entry of a socket's error queue; the packet, as far as it was quoted, goes to `quote`.
  private mutating func takeQueuedError(_ socket: Int32, quote: inout MutableSpan<UInt8>) -> HostFailure? {
    var entry = clinux_queued_error()
    var offender = sockaddr_storage()
    var destination = sockaddr_storage()
    // SAFETY: the system writes within the span's bounds, and one structure each.
    let count = unsafe quote.withUnsafeMutableBytes { bytes in
      unsafe clinux_take_queued_error(socket, bytes.baseAddress, bytes.count, &entry, &offender, &destination)
    }
    guard count >= 0 else { return nil }
    var scope: UInt32 = 0
    let reporter = unsafe SocketAddress.endpoint(unsafe: &offender, scope: &scope)
    return HostFailure(
      HostError(number: entry.number), report: NetworkReport(entry), reporter: reporter?.address,
      destination: unsafe SocketAddress.endpoint(unsafe: &destination, scope: &scope), quoteLength: count)
  }

  /// Whether an echo request that somebody sent is of this flow's identifier.
  private func isOwnEcho(_ message: Span<UInt8>, _ flow: FlowID) -> Bool {
    message.count >= 8 && message.bigEndian16(at: 4) == table[flow].identifier
  }
}

extension NetworkReport {
  /// The meaning of an entry of the error queue, nil where it has none beyond its number.
  init?(_ entry: clinux_queued_error) {
    let tooBig = NetworkReport.tooBig(mtu: Int(entry.information))
    switch entry.origin {
    case CLINUX_ERROR_ORIGIN_ICMP: self.init(icmpv4: entry.type, entry.code, tooBig)
    case CLINUX_ERROR_ORIGIN_ICMPV6: self.init(icmpv6: entry.type, entry.code, tooBig)
    default:
      // The host itself: a packet longer than its own link takes.
      guard entry.number == EMSGSIZE else { return nil }
      self = tooBig
    }
  }

  /// RFC 792, RFC 1812 section 5.2.7.
  private init?(icmpv4 type: UInt8, _ code: UInt8, _ tooBig: NetworkReport) {
    switch (type, code) {
    case (3, 0), (3, 6), (3, 11): self = .networkUnreachable
    case (3, 2): self = .protocolUnreachable
    case (3, 3): self = .portUnreachable
    case (3, 4): self = tooBig
    case (3, 9), (3, 10), (3, 13), (3, 14), (3, 15): self = .prohibited
    case (3, _): self = .hostUnreachable
    case (11, 0): self = .timeExceeded
    case (11, _): self = .reassemblyTimeExceeded
    case (12, _): self = .parameterProblem
    default: return nil
    }
  }

  /// RFC 4443.
  private init?(icmpv6 type: UInt8, _ code: UInt8, _ tooBig: NetworkReport) {
    switch (type, code) {
    case (1, 0): self = .networkUnreachable
    case (1, 1), (1, 5), (1, 6): self = .prohibited
    case (1, 4): self = .portUnreachable
    case (1, _): self = .hostUnreachable
    case (2, _): self = tooBig
    case (3, 0): self = .timeExceeded
    case (3, _): self = .reassemblyTimeExceeded
    case (4, _): self = .parameterProblem
    default: return nil
    }
  }
}
