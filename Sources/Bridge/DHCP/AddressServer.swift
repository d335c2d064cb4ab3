public import Netstack
public import Primitives
import Wire

/// Who gives guests on a bridge their addresses: frames in, frames out, no socket and no clock.
///
/// IPv4 by DHCP (`DHCPServer`): before an address is offered to somebody new, everybody is asked by ARP who has it, and
/// if another than the client answers it is kept back and the next one is looked at (RFC 2131 section 4.4.1). IPv6 by
/// router advertisements, of which guests make addresses themselves.
///
///     DISCOVER ──▶ an address is chosen ──▶ ARP "who has it?" ──▶ 0.5 s of silence ──▶ OFFER
///                        ▲                                  └──▶ somebody ──▶ kept back ─┐
///                        └───────────────────────────────────────────────────────────────┘
public struct AddressServer: Sendable {
  /// What has happened, for a log.
  public enum Event: Hashable, Sendable {
    /// A lease was granted or extended.
    case leased(DHCPLease)
    /// A guest gave its address back.
    case released(IPv4Address, by: MACAddress)
    /// A guest found its address in use, or somebody was found to use one that was to be offered.
    case inUse(IPv4Address, MACAddress?)
    /// A guest was refused the address that it wanted.
    case refused(MACAddress)
    /// There was no address left for a guest.
    case exhausted(MACAddress)
    /// A guest has accepted what another server on the bridge offered it; that one's address.
    case otherServer(IPv4Address)
  }

  /// An offer that waits for whether somebody has its address.
  private struct Probe {
    let client: MACAddress
    let address: IPv4Address
    /// The DISCOVER, once more the newest.
    var request: [UInt8]
    /// The frame with the offer.
    var offer: [UInt8]
    /// When nobody has it.
    let end: Instant
  }

  /// What is given out.
  public let settings: BridgeDHCPSettings
  /// The bridge's hardware address.
  public let hardware: MACAddress
  /// The bridge's link-local address, by which it is known as a router.
  public let linkLocal: IPv6Address
  private var server: DHCPServer
  private var probes: [Probe] = []
  private var schedule = AdvertisementSchedule()
  private var generator: SeededGenerator
  /// Frames to be sent, in their order; whoever calls takes them.
  private var output: [[UInt8]] = []
  private var events: [Event] = []

  /// How long somebody has to say that an address is theirs. A bridge is fast; a guest that is emulated is not.
  static let probeTime = Interval.milliseconds(500)
  /// Offers that wait at most; further ones are made without asking.
  static let mostProbes = 64
  /// Frames and events that wait at most, if nobody takes them.
  static let mostWaiting = 1024

  /// Makes a server.
  /// - Parameters:
  ///   - linkLocal: by default the one that the kernel makes of the hardware address (RFC 4291 appendix A).
  ///   - seed: for the times of advertisements; nothing secret.
  /// - Precondition: `settings.complaint` is nil.
  public init(
    _ settings: BridgeDHCPSettings, hardware: MACAddress, linkLocal: IPv6Address? = nil, seed: UInt64, at now: Instant
  ) {
    if let complaint = settings.complaint { preconditionFailure(complaint) }
    self.settings = settings
    self.hardware = hardware
    self.linkLocal = linkLocal ?? Self.linkLocal(of: hardware)
    server = DHCPServer(settings: settings.network, terms: settings.terms)
    generator = SeededGenerator(seed: seed)
    if settings.ipv6Prefix != nil {
      schedule.begin(at: now)
      schedule.advertiseSoon(at: now)
    }
  }

  /// fe80::/64 and the modified EUI-64 identifier.
  static func linkLocal(of hardware: MACAddress) -> IPv6Address {
    let (upper, lower) = (hardware.bits >> 24, hardware.bits & 0xff_ffff)
    return IPv6Address(high: 0xfe80 << 48, low: (upper ^ 0x02_0000) << 40 | 0xff_fe00_0000 | lower)
  }

  // MARK: What is known

  /// The leases at `now`, in the order of their addresses.
  public func leases(at now: Instant) -> [DHCPLease] { server.leases(at: now) }

  /// Counts what has changed of who has a lease: a file of leases is written when it does.
  public var revision: Int { server.revision }

  /// Takes over a lease that was granted before this server was made.
  public mutating func restore(_ lease: DHCPLease, at now: Instant) throws(DHCPLease.Refusal) {
    try server.restore(lease, at: now)
  }

  /// When `advance` has something to do; `.never` for nothing.
  public var nextDeadline: Instant { min(probes.map(\.end).min() ?? .never, schedule.next) }

  /// Takes the frames to be sent.
  public mutating func takeOutput() -> [[UInt8]] {
    defer { output = [] }
    return output
  }

  /// Takes what has happened.
  public mutating func takeEvents() -> [Event] {
    defer { events = [] }
    return events
  }

  // MARK: What comes

  /// Takes a frame that came in by the bridge, whole. What is not for this server is passed over.
  /// - Parameter isChecksumPending: whether nobody has filled in its transport checksum.
  public mutating func receive(_ bytes: Span<UInt8>, isChecksumPending: Bool, at now: Instant) {
    do throws(WireError) {
      let frame = try EthernetFrame(bytes)
      guard frame.source.isUnicast else { return }
      switch frame.etherType {
      case .ipv4 where settings.givesAddresses: try receiveIPv4(frame, isChecksumPending, at: now)
      case .arp: receive(try ARPPacket(frame.payload).message, at: now)
      case .ipv6: try receiveIPv6(frame, isChecksumPending, at: now)
      default: break
      }
    } catch {
      // A stranger's malformed frame is its own affair.
    }
  }

  private mutating func receiveIPv4(_ frame: EthernetFrame, _ isPending: Bool, at now: Instant) throws(WireError) {
    let packet = try IPv4Packet(frame.payload)
    let destination = packet.destination
    guard packet.proto == .udp, !packet.isFragment, packet.isHeaderChecksumValid,
      [settings.address, .broadcast, settings.subnet.broadcast].contains(destination)
    else { return }
    let datagram = try UDPDatagram(packet.payload)
    guard datagram.destinationPort == DHCPPort.server else { return }
    if !isPending, datagram.checksum != 0 {
      var sum = InternetChecksum()
      sum.addPseudoHeader(source: packet.source, destination: destination, proto: .udp, length: datagram.length)
      sum.add(packet.payload.extracting(0..<datagram.length))
      guard sum.folded == 0xffff else { return }
    }
    let payload = datagram.payload
    answer((0..<payload.count).map { payload[$0] }, from: frame.source, at: now)
  }

  /// Somebody has an address. The client itself may: it still has it, and shall be offered it.
  private mutating func receive(_ message: ARPMessage, at now: Instant) {
    guard message.operation == .reply, message.senderMAC.isUnicast,
      let index = probes.firstIndex(where: { $0.address == message.senderAddress && $0.client != message.senderMAC })
    else { return }
    let probe = probes.remove(at: index)
    server.keepBack(probe.address, at: now)
    note(.inUse(probe.address, message.senderMAC))
    answer(probe.request, from: probe.client, at: now)
  }

  private mutating func receiveIPv6(_ frame: EthernetFrame, _ isPending: Bool, at now: Instant) throws(WireError) {
    guard settings.ipv6Prefix != nil else { return }
    let packet = try IPv6Packet(frame.payload)
    let payload = packet.payload
    // RFC 4861 section 6.1.1.
    guard packet.nextHeader == .icmpv6, packet.hopLimit == neighborDiscoveryHopLimit, payload.count >= 8,
      payload[0] == ICMPv6Type.routerSolicitation.rawValue, payload[1] == 0
    else { return }
    if !isPending {
      var sum = InternetChecksum()
      sum.addPseudoHeader(
        source: packet.source, destination: packet.destination, proto: .icmpv6, length: packet.payloadLength)
      sum.add(payload)
      guard sum.folded == 0xffff else { return }
    }
    let options = try NeighborOptions(payload.extracting(droppingFirst: 8))
    guard packet.source != .any else {
      if options.sourceLinkLayer == nil { schedule.advertiseSoon(at: now) }
      return
    }
    let station = options.sourceLinkLayer ?? frame.source
    guard station.isUnicast, packet.source.isLinkLocal || settings.ipv6Prefix?.contains(packet.source) == true else {
      return
    }
    advertise(to: packet.source, station)
  }

  // MARK: DHCP

  /// Answers a message, or begins to find out whether it can be.
  private mutating func answer(_ request: [UInt8], from station: MACAddress, at now: Instant) {
    do throws(WireError) {
      let message = try DHCPMessage(request.span)
      let client = message.header.clientHardware
      let held = server.heldAddress(of: client, at: now)
      var reply = [UInt8](repeating: 0, count: Self.longestReply)
      var space = reply.mutableSpan
      switch server.answer(message, from: station, at: now, into: &space) {
      case .silence(let reason): note(reason, message, client)
      case .reply(let sent):
        let bytes = reply.span.extracting(0..<sent.byteCount)
        let frame = ServerFrame.datagram(
          bytes, from: Endpoint(settings.address, port: DHCPPort.server),
          to: Endpoint(sent.destination, port: DHCPPort.client), at: sent.hardware, by: hardware)
        guard sent.type == .offer else {
          endProbe(for: client)
          note(sent, client)
          return send(frame)
        }
        offer(try DHCPMessage(bytes).header.yiaddr, held, request, frame, to: client, at: now)
      }
    } catch {
      // A stranger's malformed message is its own affair.
    }
  }

  /// What fits a packet of 1500 bytes behind the headers of IP and UDP.
  private static let longestReply = 1472

  private mutating func offer(
    _ address: IPv4Address, _ held: IPv4Address?, _ request: [UInt8], _ frame: [UInt8], to client: MACAddress,
    at now: Instant
  ) {
    if let waiting = probes.firstIndex(where: { $0.client == client && $0.address == address }) {
      // The client asks again: it gets one answer, to its last question.
      (probes[waiting].request, probes[waiting].offer) = (request, frame)
      return
    }
    endProbe(for: client)
    guard held != address, probes.count < Self.mostProbes else { return send(frame) }
    probes.append(
      Probe(client: client, address: address, request: request, offer: frame, end: now + Self.probeTime))
    send(ServerFrame.question(about: address, from: settings.address, by: hardware))
  }

  private mutating func endProbe(for client: MACAddress) { probes.removeAll { $0.client == client } }

  private mutating func note(_ reason: DHCPServer.Silence, _ message: DHCPMessage, _ client: MACAddress) {
    switch reason {
    case .exhausted: note(.exhausted(client))
    case .released(let address): note(.released(address, by: client))
    case .declined(let address): note(.inUse(address, nil))
    case .forAnotherServer:
      endProbe(for: client)
      if let other = message.address(.serverIdentifier) { note(.otherServer(other)) }
    case .malformed, .relayed, .unknownType, .notHeld, .unknownAddress: break
    }
  }

  private mutating func note(_ sent: DHCPServer.Reply, _ client: MACAddress) {
    if let lease = sent.lease { note(.leased(lease)) }
    if sent.type == .nak { note(.refused(client)) }
  }

  // MARK: Time

  /// Does what is due at `now`.
  public mutating func advance(to now: Instant) {
    for probe in probes where probe.end <= now { send(probe.offer) }
    probes.removeAll { $0.end <= now }
    guard schedule.next <= now else { return }
    schedule.advertised(at: now, by: &generator)
    advertise(to: .allNodes, IPv6Address.allNodes.groupMAC)
  }

  /// Tells everybody that the host is no router any more, and that its prefix is not to be used for new connections
  /// (RFC 4861 section 6.2.5). For the end of the bridge, not for a restart.
  public mutating func retire() {
    guard var message = settings.advertisement(from: hardware) else { return }
    (message.lifetime, message.preferredLifetime, message.resolverLifetime) = (0, 0, 0)
    schedule = AdvertisementSchedule()
    send(
      ServerFrame.advertisement(
        message, from: linkLocal, to: .allNodes, at: IPv6Address.allNodes.groupMAC, by: hardware))
  }

  private mutating func advertise(to destination: IPv6Address, _ station: MACAddress) {
    guard let message = settings.advertisement(from: hardware) else { return }
    send(ServerFrame.advertisement(message, from: linkLocal, to: destination, at: station, by: hardware))
  }

  private mutating func send(_ frame: [UInt8]) {
    if output.count < Self.mostWaiting { output.append(frame) }
  }

  private mutating func note(_ event: Event) {
    if events.count < Self.mostWaiting { events.append(event) }
  }
}

/// The ports of DHCP (RFC 2131 section 4.1).
enum DHCPPort {
  static let server: UInt16 = 67
  static let client: UInt16 = 68
}
