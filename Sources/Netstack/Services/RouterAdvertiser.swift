import BasicContainers
import Buffers
import Primitives
import Wire

/// What the network's router says of itself, and when (RFC 4861 section 6.2).
struct RouterAdvertiser: ~Copyable {
  /// The message behind its ICMPv6 header, the same every time.
  let body: UniqueArray<UInt8>
  /// The second word of its ICMPv6 header.
  let restOfHeader: UInt32
  /// When everybody is told; never without IPv6.
  private var schedule = AdvertisementSchedule()
  private let isEnabled: Bool

  init(settings: NetworkSettings) {
    // RFC 4861 section 4.2: a lifetime of 0 says that the router leads nowhere; its prefix holds all the same.
    var message = RouterAdvertisement(
      lifetime: settings.isRestricted ? 0 : AdvertisementSchedule.routerLifetime,
      sourceLinkLayer: settings.ipv6GatewayMAC, mtu: UInt32(clamping: settings.mtu),
      prefix: settings.ipv6Prefix, validLifetime: 86_400, preferredLifetime: 14_400)
    // RFC 4861 section 4.2: addresses and all else are to be had by DHCPv6, too; who makes its own address does so.
    (message.isManaged, message.hasOtherConfiguration) = (true, true)
    message.resolvers = settings.isRestricted ? [] : [settings.ipv6Resolver]
    message.searchDomains = settings.searchDomains
    message.resolverLifetime = UInt32(AdvertisementSchedule.routerLifetime)
    let bytes = message.body
    body = UniqueArray(copying: bytes)
    restOfHeader = message.restOfHeader
    isEnabled = settings.isIPv6Enabled
  }

  /// When everybody is next told; `.never` without IPv6.
  var next: Instant { schedule.next }

  /// A link has a peer: the first few advertisements follow each other more closely.
  mutating func begin(at now: Instant) {
    if isEnabled { schedule.begin(at: now) }
  }

  /// Everybody shall be told: at once, unless that was done just now.
  mutating func advertiseSoon(at now: Instant) {
    if isEnabled { schedule.advertiseSoon(at: now) }
  }

  /// Everybody was told.
  mutating func advertised(at now: Instant, by generator: inout SeededGenerator) {
    schedule.advertised(at: now, by: &generator)
  }
}

extension Stack where Host: ~Copyable, Watcher: ~Copyable {
  /// RFC 4861 section 6.2.6: a guest that has an address is answered alone and at once, others with everybody.
  mutating func receiveRouterSolicitation<Sink: FrameSink & ~Copyable>(
    _ options: NeighborOptions, _ context: PacketContext, from hardware: MACAddress, at now: Instant,
    into sink: inout Sink
  ) {
    guard !context.source.isAny else {
      // RFC 4861 section 6.1.1.
      guard options.sourceLinkLayer == nil else { return drop(.malformed, on: context.port) }
      if steering.isFirst { advertiser.advertiseSoon(at: now) }
      return
    }
    let station = options.sourceLinkLayer ?? hardware
    guard station.isUnicast else { return drop(.badSource, on: context.port) }
    learn(context.source, at: station, on: context.port, now)
    if steering.isFirst { advertise(to: context.source, station, on: context.port, into: &sink) }
  }

  /// Tells everybody, if it is time.
  mutating func advertiseIfDue<Sink: FrameSink & ~Copyable>(at now: Instant, into sink: inout Sink) {
    guard advertiser.next <= now else { return }
    advertiser.advertised(at: now, by: &generator)
    let everybody = IPv6Address.allNodes
    for port in 0..<ports.count where ports[port].isAttached {
      advertise(to: IPAddress(everybody), everybody.groupMAC, on: PortID(rawValue: UInt16(port)), into: &sink)
    }
  }

  private mutating func advertise<Sink: FrameSink & ~Copyable>(
    to destination: IPAddress, _ hardware: MACAddress, on port: PortID, into sink: inout Sink
  ) {
    let path = GuestPath(neighbor: 0, port: port, hardware: hardware, mtu: defaultMTU)
    let byteCount = ICMPv6Header.length + advertiser.body.count
    var ip = packetHeader(
      path, from: IPAddress(settings.ipv6LinkLocal), to: destination, .icmpv6, payloadLength: byteCount)
    ip.hopLimit = neighborDiscoveryHopLimit
    var header = ICMPv6Header(type: .routerAdvertisement, restOfHeader: advertiser.restOfHeader)
    var sum = sum(of: header, in: ip)
    sum.add(advertiser.body.span)
    header.checksum = sum.checksum
    let length = ip.length + ICMPv6Header.length
    let slot = SlotRequest(port: port, headerLength: length, payloadLength: advertiser.body.count)
    guard let run = reserve(slot, in: &sink) else { return drop(.linkFull, on: port) }
    var regions = sink.payload(of: run)
    _ = regions.write(advertiser.body.span)
    var bytes = sink.header(0, of: run)
    ip.write(to: &bytes)
    header.write(to: &bytes, at: ip.length)
    commit(run, on: port, headerLength: length, payload: advertiser.body.count, into: &sink)
  }
}
