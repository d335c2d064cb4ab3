public import LinuxSystem
public import Netstack
public import Primitives

/// DHCP, and with an IPv6 prefix router advertisements, on a bridge of the kernel's: an `AddressServer` on a packet socket.
///
/// Sees frames before any packet filter, so that no rule of anybody's is needed for it. One thread at a time:
///
///     var service = try BridgeDHCPService(settings, interface: bridge.index, name: "bridge0", hardware: ..., at: now)
///     for lease in file { try service.restore(lease, at: now) }
///     while running {
///       // wait until `service.descriptor` is readable, at most until `service.nextDeadline`
///       for event in try service.step(at: MonotonicClock.now) { log(event) }
///       if service.revision != written { write(service.leases(at: now)) }
///     }
///     try service.retire()                 // only where the bridge ends, too
///
/// `step` may be called at any time; it does what there is to do and does not wait. That the bridge goes down does not
/// matter; where it was removed, nothing comes any more.
public struct BridgeDHCPService: ~Copyable {
  /// The server: its leases, its settings.
  public private(set) var server: AddressServer
  private let socket: PacketSocket
  /// Keeps the port, so that the kernel does not answer renewals, which come to the host's address, by "port unreachable";
  /// nil where somebody else has it.
  private let port: Socket?

  /// Frames of one step at most; what is left makes the descriptor readable at once.
  private static let mostFrames = 64

  /// Opens the sockets, in the network namespace of the calling thread. Needs CAP_NET_RAW, and for the port
  /// CAP_NET_BIND_SERVICE.
  /// - Parameters:
  ///   - interface: the bridge's number (`InterfaceState.index`), and its name.
  ///   - hardware: its hardware address, which must not change: set it, or the kernel takes that of a port.
  ///   - linkLocal: its link-local address; by default the one that the kernel makes of the hardware address.
  ///   - seed: for the times of advertisements; nothing secret.
  /// - Precondition: `settings.complaint` is nil.
  public init(
    _ settings: BridgeDHCPSettings, interface: UInt32, name: String, hardware: MACAddress,
    linkLocal: IPv6Address? = nil, seed: UInt64, at now: Instant
  ) throws(SystemError) {
    let socket = try PacketSocket(interface: interface)
    let port = try Self.takePort(on: name)
    self.socket = socket
    self.port = port
    server = AddressServer(settings, hardware: hardware, linkLocal: linkLocal, seed: seed, at: now)
  }

  /// No DHCP message is longer; what is, is cut, and then malformed.
  private static let longestFrame = 4096

  private static func takePort(on name: String) throws(SystemError) -> Socket? {
    let address = SocketAddress.internet(Endpoint(IPv4Address.any, port: DHCPPort.server))
    let port = try Socket(.datagram, for: address)
    try port.bind(toInterface: name)
    try port.set(.reuseAddress, to: true)
    try port.takeNothing()
    do throws(SystemError) {
      try port.bind(to: address)
    } catch  where error.isAddressInUse {
      return nil
    }
    return port
  }

  /// Whether another program has the port of DHCP servers for all interfaces: it may answer guests, too.
  public var hasRival: Bool { port == nil }

  /// Readable while frames wait.
  public var descriptor: Int32 { socket.rawValue }

  /// When `step` is to be called though nothing has come; `.never` for no such time.
  public var nextDeadline: Instant { server.nextDeadline }

  /// Reads what waits, does what is due, sends what there is to send, and says what has happened.
  public mutating func step(at now: Instant) throws(SystemError) -> [AddressServer.Event] {
    var buffer = [UInt8](repeating: 0, count: Self.longestFrame)
    for _ in 0..<Self.mostFrames {
      var space = buffer.mutableSpan
      guard let frame = try socket.receive(into: &space) else { break }
      guard frame.byteCount <= buffer.count else { continue }
      server.receive(
        buffer.span.extracting(0..<frame.byteCount), isChecksumPending: frame.isChecksumPending, at: now)
      try send()
    }
    server.advance(to: now)
    try send()
    return server.takeEvents()
  }

  /// Tells IPv6 guests that the host is no router any more.
  public mutating func retire() throws(SystemError) {
    server.retire()
    try send()
  }

  private mutating func send() throws(SystemError) {
    for frame in server.takeOutput() { try socket.send(frame.span) }
  }

  // MARK: Leases

  /// The leases at `now`, in the order of their addresses: hardware address, name, and when they end.
  public func leases(at now: Instant) -> [DHCPLease] { server.leases(at: now) }

  /// Counts what has changed of who has a lease.
  public var revision: Int { server.revision }

  /// Takes over a lease of an earlier run; at most as many as there are addresses find room.
  public mutating func restore(_ lease: DHCPLease, at now: Instant) throws(DHCPLease.Refusal) {
    try server.restore(lease, at: now)
  }
}
