import BasicContainers
import Buffers
import Primitives
import Wire

extension NetworkReport {
  /// What an error of the host means in the words of ICMP, as far as it has any.
  init?(_ error: HostError) {
    switch error {
    case .refused: self = .portUnreachable
    case .hostUnreachable, .timedOut: self = .hostUnreachable
    case .networkUnreachable: self = .networkUnreachable
    case .forbidden: self = .prohibited
    case .reset, .addressInUse, .addressUnavailable, .exhausted, .notASocket, .messageTooLong, .other: return nil
    }
  }

  /// The message that says the same to a guest of `family`.
  func message(in family: IPAddress.Family) -> ICMPError {
    switch self {
    case .networkUnreachable: .unreachable(.network)
    case .hostUnreachable: .unreachable(.host)
    case .protocolUnreachable:
      .unknownProtocol(pointer: 6)  // Where IPv6 has its next header field (RFC 8200 section 3).
    case .portUnreachable: .unreachable(.port)
    case .prohibited: .unreachable(.prohibited)
    // RFC 8200 section 5, RFC 791 section 3.1: no link is narrower. 0 is an old router's, which does not tell.
    case .tooBig(let mtu): .packetTooBig(mtu: family == .ipv6 ? max(mtu, 1280) : mtu == 0 ? 0 : max(mtu, 68))
    case .timeExceeded: .timeExceeded
    case .reassemblyTimeExceeded: .reassemblyTimeExceeded
    case .parameterProblem: .parameterProblem(.erroneousField, pointer: 0)
    }
  }
}

// What the host learns of packets that did not arrive, passed on to the guests that sent them (RFC 5508 section 4.2,
// RFC 4787 section 11): from whom it came, about the packet as the guest knows it.
extension Stack where Host: ~Copyable, Watcher: ~Copyable {
  /// Takes the failures that wait at a socket and tells the guests whose packets they are about.
  @discardableResult
  mutating func reportFailures<Sink: FrameSink & ~Copyable>(
    _ socket: FlowID, at now: Instant, into sink: inout Sink
  ) -> ToldFailures {
    var told = ToldFailures()
    while told.count < ToldFailures.limit, let failure = host.takeError(socket, quote: &request) {
      told.count += 1
      // What the host itself did not send is a matter of the packet that is being sent.
      if failure.reporter == nil, case .tooBig? = failure.report {
        told.tooBig = failure.report
      } else {
        report(failure, of: socket, at: now, into: &sink)
      }
    }
    return told
  }

  /// Tells a guest of a failure of one of its flows, or of a forward. What is known of the packet is in `request`.
  mutating func report<Sink: FrameSink & ~Copyable>(
    _ failure: HostFailure, of id: FlowID, at now: Instant, into sink: inout Sink
  ) {
    guard let report = failure.report ?? NetworkReport(failure.error) else { return }
    switch flows.slot(of: id) {
    case .udp(let slot): self.report(report, failure, udp: slot, at: now, into: &sink)
    case .echo(let slot): self.report(report, failure, echo: slot, at: now, into: &sink)
    case .listener(let slot):
      guard let client = failure.destination,
        let (_, slot) = findForwardedFlow(listeners[slot].forward, client: client)
      else { return }
      self.report(report, failure, udp: slot, at: now, into: &sink)
    case .tcp, .transfer, .dns, nil: break
    }
  }

  private mutating func report<Sink: FrameSink & ~Copyable>(
    _ report: NetworkReport, _ failure: HostFailure, udp slot: UInt32, at now: Instant, into sink: inout Sink
  ) {
    let flow = udp[slot]
    var (host, remote) = (flow.host, flow.remote)
    if case .mapping = flow.kind {
      // A mapping speaks with many: only the packet tells with whom.
      guard let destination = failure.destination, destination.port != 0 else { return }
      (host, remote) = (destination, destination)
    }
    let quote = QuotedPacket.udp(from: flow.guest, to: remote, payloadLength: failure.quoteLength)
    let reporter = reporterAddress(
      failure.reporter, host: host.address, remote: remote.address, guest: flow.guest.address)
    sendError(
      report.message(in: flow.guest.address.family), about: quote, followedBy: 0..<failure.quoteLength,
      reporter: reporter, hint: flow.neighbor, at: now, into: &sink)
  }

  private mutating func report<Sink: FrameSink & ~Copyable>(
    _ report: NetworkReport, _ failure: HostFailure, echo slot: UInt32, at now: Instant, into sink: inout Sink
  ) {
    guard let remote = failure.destination?.address, failure.quoteLength >= ICMPv4Header.length else { return }
    let guest = echo[slot].guest
    let family = guest.address.family
    let quote = QuotedPacket(
      source: guest.address, destination: remote, proto: family == .ipv4 ? .icmp : .icmpv6,
      byteCount: failure.quoteLength,
      first: quotedEcho(failure.quoteLength, from: guest, to: remote))
    let reporter = reporterAddress(failure.reporter, host: remote, remote: remote, guest: guest.address)
    sendError(
      report.message(in: family), about: quote, followedBy: ICMPv4Header.length..<failure.quoteLength,
      reporter: reporter, hint: echo[slot].neighbor, at: now, into: &sink)
  }

  /// The header of the echo request in `request` as the guest has sent it: with its own identifier, and the checksum
  /// that goes with that.
  private func quotedEcho(_ count: Int, from guest: Endpoint, to remote: IPAddress) -> UInt64 {
    let message = request.span.extracting(0..<count)
    let (checksum, identifier) = (message.bigEndian16(at: 2), message.bigEndian16(at: 4))
    let sequenceNumber = message.bigEndian16(at: 6)
    guard guest.address.family == .ipv6 else {
      // RFC 1624: the rest of the packet may be missing.
      var sum = InternetChecksum()
      sum.add(~checksum)
      sum.add(~identifier)
      sum.add(guest.port)
      return ICMPv4Header(
        type: .echoRequest, identifier: guest.port, sequenceNumber: sequenceNumber, checksum: sum.checksum
      ).bits
    }
    // The checksum covers the source address, which is another one outside. Routers quote all that fits 1280 bytes.
    var header = ICMPv6Header(type: .echoRequest, identifier: guest.port, sequenceNumber: sequenceNumber)
    var sum = InternetChecksum()
    sum.addPseudoHeader(source: guest.address, destination: remote, proto: .icmpv6, length: count)
    sum.add(header.bits)
    sum.add(message.extracting(droppingFirst: ICMPv6Header.length))
    header.checksum = sum.checksum
    return header.bits
  }

  /// Under which address a guest hears of a failure, nil for the gateway's: that of who reported it, or of what it
  /// knows the reporter as.
  func reporterAddress(
    _ reporter: IPAddress?, host: IPAddress, remote: IPAddress, guest: IPAddress
  ) -> IPAddress? {
    guard let reporter else { return nil }
    if reporter == host { return remote }
    return policy.appearance(of: reporter, toGuest: guest)
  }

  // MARK: Connections

  /// Tells a guest what the network said while its connection was being made (RFC 1122 section 4.2.3.9), and gives the
  /// attempt up: the kernel has. A SYN that comes again is another attempt.
  mutating func reportConnecting<Sink: FrameSink & ~Copyable>(
    _ failure: HostFailure, _ id: FlowID, _ slot: UInt32, at now: Instant, into sink: inout Sink
  ) {
    guard let report = failure.report ?? NetworkReport(failure.error) else {
      sendReset(id, slot, at: now, into: &sink)
      return endTCP(id, slot, .failed(failure.error), abortively: true)
    }
    let (guest, remote, host) = (tcp[slot].guest, tcp[slot].remote, tcp[slot].host)
    let quote = QuotedPacket.tcp(from: guest, to: remote, sequence: tcp[slot].initialReceive)
    let reporter = reporterAddress(
      failure.reporter, host: host.address, remote: remote.address, guest: guest.address)
    sendError(
      report.message(in: guest.address.family), about: quote, reporter: reporter, hint: tcp[slot].neighbor, at: now,
      into: &sink)
    endTCP(id, slot, .failed(failure.error), abortively: true)
  }
}
