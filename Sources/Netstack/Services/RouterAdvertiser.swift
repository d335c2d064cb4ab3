import BasicContainers
import Buffers
import Primitives
import Wire

/// When a router advertises itself, and what it says (RFC 4861 section 6.2).
struct RouterAdvertiser: ~Copyable {
  /// The message behind its ICMPv6 header, the same every time.
  let body: UniqueArray<UInt8>
  /// The second word of its ICMPv6 header.
  let restOfHeader: UInt32
  /// When everybody is next told; `.never` without IPv6.
  private(set) var next = Instant.never
  /// When everybody was last told.
  private var last: Instant?
  private let isEnabled: Bool
  /// How many of the first advertisements are still to come.
  private var initialCount = 0

  /// MaxRtrAdvInterval and MinRtrAdvInterval (RFC 4861 section 6.2.1).
  private static var longestInterval: Interval { .seconds(600) }
  private static var shortestInterval: Interval { .seconds(200) }
  /// MAX_INITIAL_RTR_ADVERT_INTERVAL and MAX_INITIAL_RTR_ADVERTISEMENTS (RFC 4861 section 10).
  private static var initialInterval: Interval { .seconds(16) }
  private static var maximumInitialCount: Int { 3 }
  /// MIN_DELAY_BETWEEN_RAS (RFC 4861 section 10).
  private static var shortestGap: Interval { .seconds(3) }
  /// AdvDefaultLifetime, and by RFC 8106 section 5.1 that of resolvers: three times MaxRtrAdvInterval.
  private static var lifetime: UInt16 { 1800 }

  init(settings: NetworkSettings) {
    // RFC 4861 section 4.2: a lifetime of 0 says that the router leads nowhere; its prefix holds all the same.
    var message = RouterAdvertisement(
      lifetime: settings.isRestricted ? 0 : Self.lifetime, sourceLinkLayer: settings.ipv6GatewayMAC,
      mtu: UInt32(clamping: settings.mtu),
      prefix: settings.ipv6Prefix, validLifetime: 86_400, preferredLifetime: 14_400)
    // RFC 4861 section 4.2: addresses and all else are to be had by DHCPv6, too; who makes its own address does so.
    (message.isManaged, message.hasOtherConfiguration) = (true, true)
    message.resolvers = settings.isRestricted ? [] : [settings.ipv6Resolver]
    message.searchDomains = settings.searchDomains
    message.resolverLifetime = UInt32(Self.lifetime)
    let bytes = message.body
    body = UniqueArray(copying: bytes)
    restOfHeader = message.restOfHeader
    isEnabled = settings.isIPv6Enabled
  }

  /// A link has a peer: the first few advertisements follow each other more closely.
  mutating func begin(at now: Instant) {
    guard isEnabled else { return }
    initialCount = Self.maximumInitialCount
    next = min(next, now + Self.initialInterval)
  }

  /// Everybody shall be told: at once, unless that was done just now.
  mutating func advertiseSoon(at now: Instant) {
    guard isEnabled else { return }
    next = min(next, last.map { max(now, $0 + Self.shortestGap) } ?? now)
  }

  /// Everybody was told.
  mutating func advertised(at now: Instant, by generator: inout SeededGenerator) {
    last = now
    if initialCount > 0 {
      initialCount -= 1
      next = now + Self.initialInterval
      return
    }
    let range = Self.shortestInterval.nanoseconds...Self.longestInterval.nanoseconds
    next = now + Interval(nanoseconds: Int64.random(in: range, using: &generator))
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
