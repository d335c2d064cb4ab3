public import Netstack
import Primitives

/// An independent witness of everything that crosses the link, which no frame of the stack gets past unexamined.
///
/// It sees the guest's frames as the stack receives them and the stack's frames as it sends them (before and after
/// what the link does to them), decodes both with its own reading of the RFCs, and holds the stack to them: lengths,
/// checksums, addresses and options of every frame, and over time the rules of each TCP connection (`TCPWitness`).
/// What it finds is in `faults`, in words and with the frame's bytes.
public struct FrameChecker {
  let settings: NetworkSettings
  /// What is wrong, the first first.
  public private(set) var faults: [String] = []
  /// How many frames of the stack were examined.
  public private(set) var frameCount = 0

  /// The longest IP packet that each hardware address has shown to take, in bytes.
  var knownMTU: [MACAddress: Int] = [:]
  /// Who uses which address.
  var stations: [IPAddress: MACAddress] = [:]
  /// All stations that were ever heard of, where not everything is true that guests say.
  private var claims: Set<MACAddress>?
  private var witnesses: [FlowPair: TCPWitness] = [:]
  private var fragments: [FragmentKey: [PlainIPv4]] = [:]
  var fragmentsV6: [FragmentKey: [PlainIPv6]] = [:]
  private var guestFragments: [FragmentKey: [PlainIPv4]] = [:]
  private var guestFragmentsV6: [FragmentKey: [PlainIPv6]] = [:]
  /// Echo requests that were not answered yet.
  private var openEchoes: [PlainICMP] = []
  /// Starts of the packets that the guest sent, which ICMP errors quote.
  private var quotable: Set<Quote> = []

  /// The two ends of a TCP connection, as the guest sees them.
  struct FlowPair: Hashable {
    var guest: Endpoint
    var remote: Endpoint
  }

  struct FragmentKey: Hashable {
    var source, destination: IPAddress
    var identification: UInt32
    var proto: UInt8
  }

  /// What identifies the packet that an ICMP error quotes.
  private struct Quote: Hashable {
    var source, destination: IPAddress
    var proto: UInt8
    var ports: [UInt8]
  }

  /// Makes a checker of a stack with these settings.
  ///
  /// Where there are liars the stack need not believe what the checker does, of frames either that the checker cannot
  /// read to their end: a packet may go to any station that was heard of.
  public init(settings: NetworkSettings, hasLiars: Bool = false) {
    self.settings = settings
    if hasLiars { claims = [] }
  }

  // MARK: From the guest

  /// The stack receives a frame.
  mutating func received(_ bytes: [UInt8]) {
    if claims != nil && bytes.count >= 12 { claims?.insert(MACAddress(bytes.span, at: 6)) }
    // What does not decode is nothing that the stack may act upon, but for telling the sender.
    guard let frame = try? PlainFrame(decoding: bytes, strictly: false) else { return noteUndecodable(bytes) }
    switch frame.body {
    case .arp(let message): learn(IPAddress(message.senderAddress), at: message.senderMAC)
    case .ipv4(let packet):
      guard !packet.isFragment else { return receivedPart(packet, in: frame) }
      received(
        packet.payload, packet.proto, from: IPAddress(packet.source), to: IPAddress(packet.destination), in: frame,
        length: bytes.count - 14)
    case .ipv6(let packet):
      guard !packet.isFragment else { return receivedPart(packet, in: frame) }
      received(
        packet.payload, packet.proto, from: IPAddress(packet.source), to: IPAddress(packet.destination), in: frame,
        length: bytes.count - 14)
    case .other: break
    }
  }

  private mutating func received(
    _ payload: PlainPayload, _ proto: UInt8, from source: IPAddress, to destination: IPAddress,
    in frame: PlainFrame, length: Int
  ) {
    learn(source, at: frame.source)
    raiseMTU(of: frame.source, to: length)
    quotable.insert(
      Quote(
        source: source, destination: destination, proto: proto,
        ports: Array(payload.encoded(from: source, to: destination).prefix(4))))
    let isV4 = source.family == .ipv4
    switch payload {
    case .icmp(let message) where message.type == (isV4 ? 8 : 128): openEchoes.append(message)
    case .icmp(let message) where !isV4: receivedDiscovery(message, in: frame)
    case .tcp(let segment):
      let headers = isV4 ? 40 : 60
      if segment.flags.contains(.syn), let mss = segment.mss { raiseMTU(of: frame.source, to: Int(mss) + headers) }
      let pair = FlowPair(
        guest: Endpoint(source, port: segment.sourcePort),
        remote: Endpoint(destination, port: segment.destinationPort))
      witnesses[pair, default: TCPWitness(source.family)].guestSent(segment)
    default: break
    }
  }

  /// The guest's addresses that neighbor discovery tells of (RFC 4861 section 4.6.1).
  private mutating func receivedDiscovery(_ icmp: PlainICMP, in frame: PlainFrame) {
    // RFC 4861 section 7.1: what the stack must not believe.
    guard frame.ipv6?.hopLimit == 255, icmp.code == 0, let message = try? PlainDiscovery(icmp) else { return }
    if let source = frame.packetSource, let station = message.linkLayer(1) { learn(source, at: station) }
    if message.type == 136, let target = message.target.map({ IPAddress($0) }), let station = message.linkLayer(2) {
      // RFC 4861 section 7.2.5: without the override flag only what is not known.
      let overrides = message.rest & 0x2000_0000 != 0
      if overrides || stations[target] == nil { learn(target, at: station) }
    }
  }

  /// A fragment of the guest's: the stack may quote it, and acts on the whole when the last has come.
  private mutating func receivedPart(_ packet: PlainIPv4, in frame: PlainFrame) {
    let (source, destination) = (IPAddress(packet.source), IPAddress(packet.destination))
    let key = FragmentKey(
      source: source, destination: destination, identification: UInt32(packet.identification), proto: packet.proto)
    learn(source, at: frame.source)
    if packet.fragmentOffset == 0 { noteQuote(packet.payload, packet.proto, source, destination) }
    guestFragments[key, default: []].append(packet)
    guard let joined = joinFragments(guestFragments[key, default: []]) else { return }
    guestFragments[key] = nil
    guard let whole = try? PlainIPv4(decoding: joined.encoded, strictly: false) else { return }
    // A packet in fragments shows nothing of how long the packets are that the guest takes.
    received(whole.payload, whole.proto, from: source, to: destination, in: frame, length: 0)
  }

  private mutating func receivedPart(_ packet: PlainIPv6, in frame: PlainFrame) {
    let (source, destination) = (IPAddress(packet.source), IPAddress(packet.destination))
    let key = FragmentKey(
      source: source, destination: destination, identification: packet.fragment?.identification ?? 0, proto: 0)
    learn(source, at: frame.source)
    // RFC 8200 section 4.5: any part may be told of.
    noteQuote(packet.payload, packet.proto, source, destination)
    guestFragmentsV6[key, default: []].append(packet)
    guard let joined = joinFragments(guestFragmentsV6[key, default: []]) else { return }
    guestFragmentsV6[key] = nil
    guard let whole = try? PlainIPv6(decoding: joined.encoded, strictly: false) else { return }
    received(whole.payload, whole.proto, from: source, to: destination, in: frame, length: 0)
  }

  private mutating func noteQuote(
    _ payload: PlainPayload, _ proto: UInt8, _ source: IPAddress, _ destination: IPAddress
  ) {
    let ports = Array(payload.encoded(from: source, to: destination).prefix(4))
    quotable.insert(Quote(source: source, destination: destination, proto: proto, ports: ports))
  }

  /// A hop limit that ends is told of before the content is looked at.
  private mutating func noteUndecodable(_ bytes: [UInt8]) {
    guard bytes.count >= 14 + 28 else { return }
    let span = bytes.span
    switch span.bigEndian16(at: 12) {
    case 0x0800:
      let ports = 14 + Int(bytes[14] & 15) * 4
      guard bytes.count >= ports + 4 else { return }
      quotable.insert(
        Quote(
          source: IPAddress(IPv4Address(span, at: 26)), destination: IPAddress(IPv4Address(span, at: 30)),
          proto: bytes[23], ports: Array(bytes[ports..<(ports + 4)])))
    case 0x86dd where bytes.count >= 58:
      quotable.insert(
        Quote(
          source: IPAddress(IPv6Address(span, at: 22)), destination: IPAddress(IPv6Address(span, at: 38)),
          proto: bytes[20], ports: Array(bytes[54..<58])))
    default: break
    }
  }

  private mutating func learn(_ address: IPAddress, at hardware: MACAddress) {
    guard !address.isAny else { return }
    stations[address] = hardware
    claims?.insert(hardware)
  }

  /// Whether a frame for `address` may go to `hardware`.
  func isStation(_ hardware: MACAddress, of address: IPAddress) -> Bool {
    stations[address] == hardware || claims?.contains(hardware) == true
  }

  private mutating func raiseMTU(of hardware: MACAddress, to length: Int) {
    knownMTU[hardware] = max(knownMTU[hardware] ?? 1500, min(length, settings.mtu))
  }

  // MARK: From the stack

  /// The stack sends a frame.
  mutating func sent(_ bytes: [UInt8], at now: Instant) {
    frameCount += 1
    do throws(PacketFault) {
      let frame = try PlainFrame(decoding: bytes)
      for fault in check(frame, length: bytes.count - 14) { note(fault, bytes, at: now, frame.description) }
    } catch {
      note(error.description, bytes, at: now, "undecodable")
    }
  }

  private mutating func note(_ fault: String, _ bytes: [UInt8], at now: Instant, _ frame: String) {
    // The first few tell all; a broken invariant repeats itself in every frame after.
    guard faults.count < 20 else { return }
    faults.append("\(now.nanoseconds / 1000) us: \(fault)\n  \(frame)\n\(hexDump(bytes))")
  }

  private mutating func check(_ frame: PlainFrame, length: Int) -> [String] {
    var faults: [String] = []
    if !frame.source.isUnicast { faults.append("the source address \(frame.source) is not a station's") }
    switch frame.body {
    case .arp(let message): faults += check(message, in: frame)
    case .ipv4(let packet): faults += check(packet, in: frame, length: length)
    case .ipv6(let packet): faults += check(packet, in: frame, length: length)
    case .other(let type, _): faults.append("EtherType \(type) is not one that this stack speaks")
    }
    return faults
  }

  private func check(_ message: PlainARP, in frame: PlainFrame) -> [String] {
    var faults: [String] = []
    if frame.source != message.senderMAC {
      faults.append("ARP sender \(message.senderMAC) in a frame of \(frame.source)")
    }
    if message.senderMAC != NetworkSettings.hardwareAddress(of: message.senderAddress) {
      faults.append("ARP gives \(message.senderAddress) the hardware address \(message.senderMAC)")
    }
    if !isStacksOwn(message.senderAddress) {
      faults.append("ARP speaks for \(message.senderAddress)")
    }
    switch message.operation {
    case 1:
      // RFC 1122 section 2.3.2.1 (2): a poll goes to the station that is thought to have the address.
      if frame.destination != .broadcast && !isStation(frame.destination, of: IPAddress(message.targetAddress)) {
        faults.append("an ARP request to \(frame.destination)")
      }
    case 2: if frame.destination != message.targetMAC { faults.append("an ARP reply to another than it names") }
    default: faults.append("ARP operation \(message.operation)")
    }
    return faults
  }

  private mutating func check(_ packet: PlainIPv4, in frame: PlainFrame, length: Int) -> [String] {
    var faults: [String] = []
    if packet.timeToLive == 0 { faults.append("time to live 0") }
    if !packet.options.isEmpty { faults.append("IPv4 options") }
    let expected =
      packet.source == settings.ipv4Resolver
      ? [settings.gatewayMAC, NetworkSettings.hardwareAddress(of: settings.ipv4Resolver)] : [settings.gatewayMAC]
    if !expected.contains(frame.source) { faults.append("a packet from the hardware address \(frame.source)") }
    if !mayBeSource(packet.source) { faults.append("a packet from \(packet.source)") }
    let isToClient = if case .udp(let datagram) = packet.payload { datagram.destinationPort == 68 } else { false }
    if !isToClient { faults += checkDestination(packet, in: frame) }
    if length > knownMTU[frame.destination] ?? 1500 {
      faults.append("\(length) bytes to a guest that takes \(knownMTU[frame.destination] ?? 1500)")
    }
    if packet.isFragment { return faults + checkFragment(packet) }
    return faults
      + checkPayload(
        packet.payload, packet.proto, from: IPAddress(packet.source), to: IPAddress(packet.destination))
  }

  private func checkDestination(_ packet: PlainIPv4, in frame: PlainFrame) -> [String] {
    guard settings.ipv4Prefix.contains(packet.destination) else {
      return ["a packet to \(packet.destination), which is no guest's address"]
    }
    if isStation(frame.destination, of: IPAddress(packet.destination)) { return [] }
    guard let station = stations[IPAddress(packet.destination)] else {
      return ["a packet to \(packet.destination), never heard of"]
    }
    return ["a packet for \(station) in a frame to \(frame.destination)"]
  }

  private func mayBeSource(_ address: IPv4Address) -> Bool {
    if isStacksOwn(address) { return true }
    return !settings.ipv4Prefix.contains(address) && !address.isLoopback && !address.isMulticast && !address.isReserved
      && !address.isThisNetwork
  }

  private func isStacksOwn(_ address: IPv4Address) -> Bool {
    address == settings.ipv4Gateway || address == settings.ipv4Resolver || isService(IPAddress(address))
  }

  /// Whether guests find something of the host's at an address of their network.
  func isService(_ address: IPAddress) -> Bool {
    settings.guestForwards.contains { $0.endpoint.address == address }
  }

  mutating func checkPayload(
    _ payload: PlainPayload, _ proto: UInt8, from source: IPAddress, to destination: IPAddress
  ) -> [String] {
    switch payload {
    case .tcp(let segment):
      let pair = FlowPair(
        guest: Endpoint(destination, port: segment.destinationPort),
        remote: Endpoint(source, port: segment.sourcePort))
      return witnesses[pair, default: TCPWitness(source.family)].stackSent(segment)
    case .udp: return []
    case .icmp(let message): return check(message, source.family)
    case .raw: return ["IP protocol \(proto) is not one that this stack speaks"]
    }
  }

  private mutating func check(_ message: PlainICMP, _ family: IPAddress.Family) -> [String] {
    switch (family, message.type) {
    case (.ipv4, 0), (.ipv6, 129):
      let request = openEchoes.firstIndex { $0.rest == message.rest && $0.payload == message.payload }
      guard let request else { return ["an echo reply to nothing that was asked"] }
      openEchoes.remove(at: request)
      return message.code == 0 ? [] : ["an echo reply of code \(message.code)"]
    case (.ipv4, 3), (.ipv4, 11), (.ipv4, 12): return checkQuote(message)
    case (.ipv6, 1...4): return checkQuoteV6(message)
    default: return ["ICMP type \(message.type)"]
    }
  }

  /// RFC 792: an error quotes the IP header and at least eight bytes of a packet that the guest sent.
  private func checkQuote(_ message: PlainICMP) -> [String] {
    let quote = message.payload
    guard quote.count >= 28, quote[0] >> 4 == 4 else { return ["an ICMP error that quotes \(quote.count) bytes"] }
    let headerLength = Int(quote[0] & 15) * 4
    guard headerLength >= 20, quote.count >= headerLength + 8 else { return ["an ICMP error quotes no whole header"] }
    guard plainChecksum(Array(quote[..<headerLength])) == 0 else { return ["the quoted header's checksum is wrong"] }
    let span = quote.span
    let known = Quote(
      source: IPAddress(IPv4Address(span, at: 12)), destination: IPAddress(IPv4Address(span, at: 16)),
      proto: quote[9], ports: Array(quote[headerLength..<(headerLength + 4)]))
    return quotable.contains(known) ? [] : ["an ICMP error quotes a packet that the guest never sent"]
  }

  /// RFC 4443 section 3: an error quotes as much as fits 1280 bytes of a packet that the guest sent.
  private func checkQuoteV6(_ message: PlainICMP) -> [String] {
    let quote = message.payload
    guard quote.count >= 40, quote.count <= 1232, quote[0] >> 4 == 6 else {
      return ["an ICMPv6 error that quotes \(quote.count) bytes"]
    }
    let span = quote.span
    let (source, destination) = (IPAddress(IPv6Address(span, at: 8)), IPAddress(IPv6Address(span, at: 24)))
    // Behind extension headers the ports are not looked for.
    guard [6, 17, 58].contains(quote[6]), quote.count >= 48 else {
      let isKnown = quotable.contains { $0.source == source && $0.destination == destination }
      return isKnown ? [] : ["an ICMPv6 error quotes a packet that the guest never sent"]
    }
    let known = Quote(
      source: source, destination: destination, proto: quote[6], ports: Array(quote[40..<44]))
    return quotable.contains(known) ? [] : ["an ICMPv6 error quotes a packet that the guest never sent"]
  }

  /// RFC 791 section 3.2: fragments fit together to the whole packet, whose content is then checked.
  private mutating func checkFragment(_ packet: PlainIPv4) -> [String] {
    guard case .raw(let bytes) = packet.payload else { return [] }
    if packet.dontFragment { return ["a fragment that must not be fragmented"] }
    if packet.moreFragments && bytes.count % 8 != 0 { return ["a fragment of \(bytes.count) bytes before another"] }
    let key = FragmentKey(
      source: IPAddress(packet.source), destination: IPAddress(packet.destination),
      identification: UInt32(packet.identification), proto: packet.proto)
    fragments[key, default: []].append(packet)
    let parts = fragments[key, default: []]
    guard let whole = joinFragments(parts) else { return [] }
    fragments[key] = nil
    do throws(PacketFault) {
      let whole = try PlainIPv4(decoding: whole.encoded)
      return checkPayload(whole.payload, whole.proto, from: key.source, to: key.destination)
    } catch {
      return ["put together from \(parts.count) fragments: \(error)"]
    }
  }
}

/// The packet that `parts` make, nil while one is missing.
func joinFragments(_ parts: [PlainIPv4]) -> PlainIPv4? {
  var bytes: [UInt8] = []
  for part in parts.sorted(by: { $0.fragmentOffset < $1.fragmentOffset }) {
    guard case .raw(let more) = part.payload, part.fragmentOffset <= bytes.count else { return nil }
    bytes = Array(bytes[..<part.fragmentOffset]) + more
  }
  guard let last = parts.max(by: { $0.fragmentOffset < $1.fragmentOffset }), !last.moreFragments else { return nil }
  var whole = PlainIPv4(from: last.source, to: last.destination, .raw(bytes), proto: last.proto)
  whole.identification = last.identification
  return whole
}
