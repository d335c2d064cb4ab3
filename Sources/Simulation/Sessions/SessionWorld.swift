import Netstack
import Primitives

/// What the world behind the network did in a recorded session, read off from what the network told the guest: who was
/// there, what servers and a forward's clients said and when, which answers name servers gave, which files there were.
///
/// A stream's bytes that came without a word of the guest's in between were written at once, when the first of them
/// came: how they become segments, and when, is the stack's business. A peer whose window was closed has not read until
/// it was opened.
struct SessionWorld {
  /// Something that happens outside.
  enum Event {
    /// The next connection to this place ends so.
    case offers(Endpoint, RemoteService)
    /// A client connects to a forward to a port of the guest's.
    case connects(stream: Int)
    /// The peer of a stream writes.
    case writes(stream: Int, [UInt8])
    /// The peer of a stream ends its half.
    case finishes(stream: Int)
    /// The peer of a stream resets it.
    case resets(stream: Int)
    /// The peer of a stream begins to read.
    case reads(stream: Int)
    /// A datagram comes for a port of the guest's.
    case datagram(from: Endpoint, toGuestPort: UInt16, [UInt8])
    /// The network says what became of a datagram from a port of the guest's.
    case failure(guestPort: UInt16, HostFailure)
  }

  private let settings: NetworkSettings
  /// In the order of their times.
  private(set) var events: [(time: Interval, event: Event)] = []
  private(set) var streams: [SessionStream] = []
  /// The routers on the way to an address, the nearest first.
  private(set) var routers: [IPAddress: [IPAddress]] = [:]
  /// Who answers pings.
  private(set) var echoResponders: Set<IPAddress> = []
  /// What a name server says to a question, by datagram and by stream, without the identifier.
  private(set) var answers: [DNSQuestionKey: DNSAnswers] = [:]
  /// The files that were asked for, as far as they were sent.
  private(set) var files: [String: [Int: ArraySlice<UInt8>]] = [:]
  /// For each SYN of the guest's, by its place in the session, the kinds of options that the network did not take.
  private(set) var refusedOptions: [Int: Set<UInt8>] = [:]

  private var current: [SessionFlow: Int] = [:]
  private var transfers: [UInt16: String] = [:]
  private var hopLimits: [SessionQuote: UInt8] = [:]
  private var parts: [PlainIPv4] = []
  private var partsV6: [PlainIPv6] = []

  /// Reads a session of a network with these settings.
  init(_ frames: [SessionFrame], settings: NetworkSettings) {
    self.settings = settings
    for (index, frame) in frames.enumerated() {
      if frame.segment != nil { noteSegment(frame, at: index) }
      if frame.isFromGuest { noteFromGuest(frame) } else { noteToGuest(frame) }
    }
    for index in streams.indices { tell(of: index) }
    // A stable order, so that what happens at one time happens in the order of the session.
    let order = events.indices.sorted { (events[$0].time, $0) < (events[$1].time, $1) }
    events = order.map { events[$0] }
  }

  private mutating func add(_ event: Event, at time: Interval) { events.append((time, event)) }

  /// Where something is on the host that the guest knows by an address of the network's.
  func hostPlace(of address: IPAddress) -> IPAddress {
    switch address {
    case IPAddress(settings.ipv4Gateway): IPAddress(IPv4Address.loopback)
    case IPAddress(settings.ipv6Gateway): IPAddress(IPv6Address.loopback)
    default: address
    }
  }

  private func hostPlace(of endpoint: Endpoint) -> Endpoint {
    Endpoint(hostPlace(of: endpoint.address), port: endpoint.port)
  }

  func isResolver(_ endpoint: Endpoint) -> Bool {
    let resolvers = [IPAddress(settings.ipv4Resolver), IPAddress(settings.ipv6Resolver)]
    return endpoint.port == 53 && resolvers.contains(endpoint.address)
  }

  private func isGateway(_ address: IPAddress) -> Bool {
    address == IPAddress(settings.ipv4Gateway) || address == IPAddress(settings.ipv6Gateway)
      || address == IPAddress(settings.ipv6LinkLocal)
  }

  // MARK: Streams

  private mutating func noteSegment(_ frame: SessionFrame, at index: Int) {
    guard let (ends, segment) = frame.segment else { return }
    if segment.flags.intersection([.syn, .ack]) == .syn {
      let isRepeated = current[ends].map { streams[$0].opening == segment.sequence } ?? false
      if !isRepeated {
        current[ends] = streams.count
        streams.append(
          SessionStream(
            ends, isForward: !frame.isFromGuest, opening: segment.sequence, at: frame.time,
            ordinal: streams.count { $0.flow.remote == ends.remote && !$0.isForward }))
      }
      if frame.isFromGuest, let stream = current[ends] { streams[stream].synIndices.append(index) }
    }
    guard let stream = current[ends] else { return }
    if frame.isFromGuest {
      streams[stream].noteFromGuest(segment)
    } else {
      streams[stream].noteToGuest(segment, at: frame.time)
      if segment.flags.contains([.syn, .ack]) { noteOptions(of: segment, stream) }
    }
  }

  /// What a SYN offers is taken only if the answer offers it too (RFC 7323 sections 2.5 and 3.2, RFC 2018 section 2).
  private mutating func noteOptions(of synAck: PlainTCP, _ stream: Int) {
    var refused: Set<UInt8> = []
    if synAck.windowScale == nil { refused.insert(3) }
    if !synAck.options.contains(.sackPermitted) { refused.insert(4) }
    if synAck.timestamps == nil { refused.insert(8) }
    for index in streams[stream].synIndices { refusedOptions[index] = refused }
  }

  /// Makes events of what a stream's peer did.
  private mutating func tell(of index: Int) {
    let stream = streams[index]
    guard !isResolver(stream.flow.remote) else {
      for message in stream.messages { noteAnswer(message, isStream: true) }
      return
    }
    if stream.isForward {
      add(.connects(stream: index), at: stream.opened)
    } else {
      add(.offers(hostPlace(of: stream.flow.remote), stream.service), at: stream.opened)
    }
    for burst in stream.bursts {
      if !burst.bytes.isEmpty { add(.writes(stream: index, burst.bytes), at: burst.time) }
      if burst.isLast { add(.finishes(stream: index), at: burst.time) }
    }
    if let time = stream.reopened { add(.reads(stream: index), at: time) }
    if let time = stream.reset { add(.resets(stream: index), at: time) }
  }

  // MARK: Datagrams and messages

  private mutating func noteFromGuest(_ frame: SessionFrame) {
    if let (quote, hopLimit) = SessionQuote.sent(in: frame) { hopLimits[quote] = hopLimit }
    guard case .udp(let datagram)? = frame.plain?.payload, datagram.destinationPort == GuestTranslation.tftpPort,
      let message = TFTPMessage(datagram.payload), message.isRequest
    else { return }
    transfers[datagram.sourcePort] = message.fileName
  }

  private mutating func noteToGuest(_ frame: SessionFrame) {
    guard let source = frame.plain?.packetSource, let payload = whole(frame) else { return }
    switch payload {
    case .udp(let datagram): noteDatagram(datagram, from: source, at: frame.time)
    case .icmp(let message) where message.type == (source.family == .ipv4 ? 0 : 129):
      if !isGateway(source) { echoResponders.insert(source) }
    case .icmp(let message): noteError(message, from: source, at: frame.time)
    default: break
    }
  }

  /// What a frame carries; of fragments all together, with the last of them.
  private mutating func whole(_ frame: SessionFrame) -> PlainPayload? {
    if let packet = frame.plain?.ipv4, packet.isFragment {
      parts.append(packet)
      let mine = parts.filter { $0.identification == packet.identification && $0.source == packet.source }
      guard let joined = joinFragments(mine) else { return nil }
      parts.removeAll { $0.identification == packet.identification && $0.source == packet.source }
      // What is no packet once it is put together was none.
      return (try? PlainIPv4(decoding: joined.encoded, strictly: false))?.payload
    }
    if let packet = frame.plain?.ipv6, packet.isFragment {
      partsV6.append(packet)
      let mine = partsV6.filter {
        $0.fragment?.identification == packet.fragment?.identification && $0.source == packet.source
      }
      guard let joined = joinFragments(mine) else { return nil }
      partsV6.removeAll {
        $0.fragment?.identification == packet.fragment?.identification && $0.source == packet.source
      }
      return (try? PlainIPv6(decoding: joined.encoded, strictly: false))?.payload
    }
    return frame.plain?.payload
  }

  private mutating func noteDatagram(_ datagram: PlainUDP, from source: IPAddress, at time: Interval) {
    let remote = Endpoint(source, port: datagram.sourcePort)
    // What DHCP says is the stack's own business.
    guard ![67, 547].contains(datagram.sourcePort) else { return }
    if isResolver(remote) { return noteAnswer(datagram.payload, isStream: false) }
    if isGateway(source), let name = transfers[datagram.destinationPort], let message = TFTPMessage(datagram.payload) {
      if message.operation == 3 { files[name, default: [:]][message.block] = message.data }
      return
    }
    add(
      .datagram(from: hostPlace(of: remote), toGuestPort: datagram.destinationPort, datagram.payload), at: time)
  }

  private mutating func noteAnswer(_ message: [UInt8], isStream: Bool) {
    guard let key = DNSQuestionKey(message) else { return }
    answers[key, default: DNSAnswers()].note(message, isStream: isStream)
  }

  /// What the network said of a packet of the guest's.
  private mutating func noteError(_ message: PlainICMP, from source: IPAddress, at time: Interval) {
    guard let report = NetworkReport(message, source.family),
      let quote = SessionQuote(of: message, source.family)
    else { return }
    if report == .timeExceeded {
      guard !isGateway(source), let hopLimit = hopLimits[quote], hopLimit >= 2 else { return }
      // The gateway is the first hop.
      var way = routers[quote.destination] ?? []
      while way.count < Int(hopLimit) - 1 { way.append(source) }
      way[Int(hopLimit) - 2] = source
      routers[quote.destination] = way
    } else if quote.proto == 17 {
      let destination = Endpoint(hostPlace(of: quote.destination), port: quote.words.1)
      let failure = HostFailure(
        report.hostError, report: report, reporter: hostPlace(of: source), destination: destination)
      add(.failure(guestPort: quote.words.0, failure), at: time)
    } else if quote.proto == 6 {
      let ends = SessionFlow(
        guest: Endpoint(quote.source, port: quote.words.0), remote: Endpoint(quote.destination, port: quote.words.1))
      if let stream = current[ends] { streams[stream].fail(report.hostError, at: time) }
    }
  }
}

extension NetworkReport {
  /// What an ICMP error says (RFC 792, RFC 4443 section 3); nil for other messages.
  fileprivate init?(_ message: PlainICMP, _ family: IPAddress.Family) {
    switch (family, message.type, message.code) {
    case (.ipv4, 3, 0), (.ipv6, 1, 0): self = .networkUnreachable
    case (.ipv4, 3, 1), (.ipv6, 1, 3): self = .hostUnreachable
    case (.ipv4, 3, 3), (.ipv6, 1, 4): self = .portUnreachable
    case (.ipv4, 3, 13), (.ipv6, 1, 1): self = .prohibited
    case (.ipv4, 11, 0), (.ipv6, 3, 0): self = .timeExceeded
    default: return nil
    }
  }
}

/// What tells the packet that an ICMP error quotes from others.
struct SessionQuote: Hashable {
  let source: IPAddress
  let destination: IPAddress
  let proto: UInt8
  /// Two words behind the IP header that change from packet to packet: the ports, or the identifier and the number of an
  /// echo.
  private let first: UInt16
  private let second: UInt16
  var words: (UInt16, UInt16) { (first, second) }

  /// Reads a packet as far as it is there; nil for what is too short, or neither TCP, UDP nor ICMP.
  private init?(_ packet: [UInt8], _ family: IPAddress.Family) {
    let span = packet.span
    let header = family == .ipv4 ? (Int(packet.first ?? 0) & 15) * 4 : 40
    guard header >= 20, packet.count >= header + 8 else { return nil }
    if family == .ipv4 {
      (source, destination) = (IPAddress(IPv4Address(span, at: 12)), IPAddress(IPv4Address(span, at: 16)))
      proto = packet[9]
    } else {
      (source, destination) = (IPAddress(IPv6Address(span, at: 8)), IPAddress(IPv6Address(span, at: 24)))
      proto = packet[6]
    }
    guard [1, 6, 17, 58].contains(proto) else { return nil }
    let isEcho = proto == 1 || proto == 58
    first = span.bigEndian16(at: header + (isEcho ? 4 : 0))
    second = span.bigEndian16(at: header + (isEcho ? 6 : 2))
  }

  /// The packet that an error quotes.
  init?(of message: PlainICMP, _ family: IPAddress.Family) { self.init(message.payload, family) }

  /// The packet of a frame, and its hop limit.
  static func sent(in frame: SessionFrame) -> (SessionQuote, hopLimit: UInt8)? {
    guard let plain = frame.plain, let family = plain.packetSource?.family,
      let quote = SessionQuote(Array(frame.bytes.dropFirst(14)), family)
    else { return nil }
    return (quote, plain.ipv4?.timeToLive ?? plain.ipv6?.hopLimit ?? 0)
  }
}
