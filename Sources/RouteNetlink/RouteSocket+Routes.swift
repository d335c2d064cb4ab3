public import Primitives

/// A route of the kernel's main table, as rtnetlink tells of it.
public struct Route: Hashable, Sendable {
  /// Of which family the packets are that take it.
  public var family: IPAddress.Family
  /// The network that it leads to; nil for everything that has no other route.
  public var destination: InterfaceAddress?
  /// Who passes packets on; nil where their receivers are on the link.
  public var gateway: IPAddress?
  /// The number of the interface that packets leave by; of several paths, the first's. nil where nothing leaves.
  public var interface: UInt32?
  /// Of several routes that fit, the least goes first.
  public var metric: UInt32
  /// Whether packets take it. The kernel knows such as refuse, and such whose interface is off; one whose interface is on
  /// but has no carrier is taken.
  public var isUsable: Bool

  /// Reads what follows a message's header: `struct rtmsg` and attributes; nil for a route of another table.
  ///
  /// ```
  /// 0 rtm_family   1 rtm_dst_len   2 rtm_src_len   3 rtm_tos   4 rtm_table   5 rtm_protocol   6 rtm_scope   7 rtm_type
  /// 8 rtm_flags   12 ...
  /// ```
  init?(_ body: ArraySlice<UInt8>) {
    guard body.count >= 12 else { return nil }
    let fields = NetlinkAttributes(body.dropFirst(12))
    let table = fields.integer(RouteAttribute.table) ?? UInt32(body.native(at: 4) as UInt8)
    guard table == Self.mainTable else { return nil }
    switch body.native(at: 0) as UInt8 {
    case RouteFamily.ipv4: family = .ipv4
    case RouteFamily.ipv6: family = .ipv6
    default: return nil
    }
    let length = Int(body.native(at: 1) as UInt8)
    if length > 0 {
      guard let network = fields.address(RouteAttribute.destination) else { return nil }
      destination = InterfaceAddress(network, prefixLength: length)
    }
    metric = fields.integer(RouteAttribute.metric) ?? 0
    isUsable = body.native(at: 7) as UInt8 == Self.unicast && (body.native(at: 8) as UInt32) & Self.dead == 0
    gateway = fields.address(RouteAttribute.gateway)
    interface = fields.integer(RouteAttribute.output)
    if let paths = fields.first(RouteAttribute.paths) { takeFirst(of: paths) }
  }

  /// Takes the first path that is usable, or else the first.
  ///
  /// ```
  /// 0 rtnh_len   2 rtnh_flags   3 rtnh_hops   4 rtnh_ifindex   8 ...      (struct rtnexthop)
  /// ```
  private mutating func takeFirst(of paths: ArraySlice<UInt8>) {
    var (rest, found) = (paths, false)
    isUsable = false
    while rest.count >= 8 {
      let length = Int(rest.native(at: 0) as UInt16)
      guard length >= 8, length <= rest.count else { return }
      let isGood = UInt32(rest.native(at: 2) as UInt8) & Self.dead == 0
      if !found || isGood {
        (interface, isUsable, found) = (rest.native(at: 4), isGood, true)
        gateway = NetlinkAttributes(rest.prefix(length).dropFirst(8)).address(RouteAttribute.gateway)
      }
      if isGood { return }
      rest = rest.dropFirst((length + 3) & ~3)
    }
  }

  /// RT_TABLE_MAIN.
  private static let mainTable: UInt32 = 254
  /// RTN_UNICAST.
  private static let unicast: UInt8 = 1
  /// RTNH_F_DEAD.
  private static let dead: UInt32 = 1
}

extension RouteSocket {
  /// Every route of the main table, of both families.
  public mutating func routes() throws(RouteError) -> [Route] {
    try list(
      RouteMessageKind.getRoute, "list the routes", { $0.appendRoute(RouteFamily.all, protocol: 0, type: 0) },
      read: { $0.type == RouteMessageKind.newRoute ? Route($0.body) : nil })
  }

  /// The route that packets of a family take which have no other; nil where there is none.
  public mutating func defaultRoute(_ family: IPAddress.Family) throws(RouteError) -> Route? {
    let candidates = try routes().filter { $0.family == family && $0.destination == nil && $0.isUsable }
    // The first of several with the same metric, as the kernel does.
    return candidates.min { $0.metric < $1.metric }
  }

  /// Leads everything that has no other route to a gateway.
  public mutating func addDefaultRoute(via gateway: IPAddress, on name: String) throws(RouteError) {
    let index = try require(name).index
    var message = begin(RouteMessageKind.newRoute, [.create, .exclusive])
    // By an operator (RTPROT_STATIC), to single receivers (RTN_UNICAST).
    message.appendRoute(gateway.netlinkFamily, protocol: 4, type: 1)
    message.append(RouteAttribute.gateway, address: gateway)
    message.append(RouteAttribute.output, integer: index)
    try exchange(message, "add the default route via", "\(gateway)")
  }
}

extension NetlinkMessage {
  /// `struct rtmsg` of a route to everything, of the main table and the whole world's scope.
  mutating func appendRoute(_ family: UInt8, protocol: UInt8, type: UInt8) {
    for byte: UInt8 in [family, 0, 0, 0, 254, `protocol`, 0, type] { append(byte) }
    append(UInt32(0))
  }
}
