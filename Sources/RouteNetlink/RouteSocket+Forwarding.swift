public import Primitives

/// A hardware address that a bridge knows, and the port behind which it is.
public struct ForwardingEntry: Hashable, Sendable {
  /// The hardware address.
  public var hardware: MACAddress
  /// The number of the port's interface, or of the bridge itself.
  public var port: UInt32
  /// The number of the bridge.
  public var bridge: UInt32
  /// Whether the address is the interface's own, and not one that was seen to send behind it.
  public var isOwn: Bool

  /// Reads what follows a message's header: `struct ndmsg` and attributes; nil for what is no bridge's.
  ///
  /// ```
  /// 0 ndm_family   4 ndm_ifindex   8 ndm_state   10 ndm_flags   11 ndm_type   12 ...
  /// ```
  init?(_ body: ArraySlice<UInt8>) {
    guard body.count >= 12, body.native(at: 0) as UInt8 == RouteFamily.bridge else { return nil }
    let fields = NetlinkAttributes(body.dropFirst(12))
    // The multicast addresses that an interface listens to have no bridge.
    guard let hardware = fields.hardware(NeighborAttribute.hardware),
      let bridge = fields.integer(NeighborAttribute.bridge)
    else { return nil }
    (self.hardware, self.bridge) = (hardware, bridge)
    port = body.native(at: 4)
    isOwn = (body.native(at: 8) as UInt16) & Self.permanent != 0
  }

  /// NUD_PERMANENT.
  private static let permanent: UInt16 = 0x80
}

extension RouteSocket {
  /// The hardware addresses that a bridge knows. Those that were learned are forgotten after five minutes of silence
  /// (`ageing_time`).
  public mutating func forwardingEntries(of bridge: String) throws(RouteError) -> [ForwardingEntry] {
    let index = try require(bridge).index
    return try list(
      RouteMessageKind.getNeighbor, "list what the bridge knows",
      { message in
        // `struct ndmsg` without attributes, to which the kernel tells of all bridges.
        message.append(RouteFamily.bridge)
        for _ in 1..<12 { message.append(UInt8(0)) }
      }, read: { $0.type == RouteMessageKind.newNeighbor ? ForwardingEntry($0.body) : nil }
    ).filter { $0.bridge == index }
  }
}
