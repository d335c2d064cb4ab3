/// What a guest's packet asks of the routers on its way, carried over to the packet that the host sends for it.
///
/// Without any the host's own defaults hold, which costs nothing.
public struct PacketMarks: Hashable, Sendable {
  /// Time to live, or hop limit: what the guest has set, less the one hop that the gateway is. 0 for the host's default.
  public var hopLimit: UInt8
  /// The class of service (DSCP, six bits, RFC 2474). ECN is a matter of two ends, and the host's socket is one:
  /// it is never carried over.
  public var dscp: UInt8
  /// Whether the packet may be fragmented on its way: false with the flag DF (RFC 791), and for what is sent over
  /// IPv6 in one piece. Then nobody cuts it, and a path too narrow for it is reported.
  public var mayFragment: Bool

  /// Makes marks of their parts.
  @inlinable
  public init(hopLimit: UInt8 = 0, dscp: UInt8 = 0, mayFragment: Bool = true) {
    self.hopLimit = hopLimit
    self.dscp = dscp
    self.mayFragment = mayFragment
  }
}
