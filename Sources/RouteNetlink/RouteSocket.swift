public import LinuxSystem
public import Primitives

/// Why the kernel refused a change.
public struct RouteError: Error, Hashable, Sendable, CustomStringConvertible {
  /// What was tried, on what, and the kernel's error.
  public let error: SystemError
  /// The kernel's own words, where it has any.
  public let explanation: String?

  /// "cannot add the address 10.0.2.15/24: File exists (Address already assigned)".
  public var description: String { error.description + (explanation.map { " (\($0))" } ?? "") }
}

/// An interface of a network namespace, as rtnetlink tells of it.
public struct InterfaceState: Hashable, Sendable {
  /// Its number in its namespace.
  public var index: UInt32
  /// IFF_* of netdevice(7).
  public var flags: UInt32
  /// The longest packet, in bytes.
  public var mtu: UInt32
  /// Its hardware address; nil where it is no Ethernet.
  public var hardware: MACAddress?
  /// The number of the bridge that it is a port of, or of another interface above it; nil for none.
  public var master: UInt32?

  /// Whether it is up.
  public var isUp: Bool { flags & Self.up != 0 }

  static let up: UInt32 = 1
}

/// Links, addresses and routes of the network namespace in which the socket was made, by rtnetlink(7).
public struct RouteSocket: ~Copyable {
  private let descriptor: FileDescriptor
  private var sequence: UInt32 = 0

  /// Opens a socket in the network namespace of the calling thread.
  public init() throws(SystemError) { descriptor = try FileDescriptor.routeSocket() }

  /// The kinds of messages (RTM_*).
  private enum Kind {
    static let newLink: UInt16 = 16
    static let getLink: UInt16 = 18
    static let newAddress: UInt16 = 20
    static let newRoute: UInt16 = 24
  }

  /// The attributes of an interface (IFLA_*).
  private enum LinkAttribute {
    static let hardware: UInt16 = 1
    static let name: UInt16 = 3
    static let mtu: UInt16 = 4
    static let master: UInt16 = 10
    static let queueLength: UInt16 = 13
    static let namespace: UInt16 = 28
  }

  /// The attributes of an address (IFA_*) and of a route (RTA_*).
  private enum AddressAttribute {
    static let address: UInt16 = 1
    static let local: UInt16 = 2
    static let flags: UInt16 = 8
    static let output: UInt16 = 4
    static let gateway: UInt16 = 5
  }

  // MARK: Interfaces

  /// What is known of an interface, nil where there is none of the name.
  public mutating func interface(named name: String) throws(RouteError) -> InterfaceState? {
    var message = begin(Kind.getLink)
    message.appendInterface(0)
    message.append(LinkAttribute.name, text: name)
    let reply: NetlinkReply?
    do throws(RouteError) {
      reply = try exchange(message, "look up the interface", name)
    } catch  where error.error.number == SystemError.noDevice {
      return nil
    }
    guard let body = reply?.body, body.count >= 16 else { return nil }
    let fields = NetlinkAttributes(body.dropFirst(16))
    let (index, flags) = NetlinkMessage.interface(body)
    return InterfaceState(
      index: index, flags: flags, mtu: fields.integer(LinkAttribute.mtu) ?? 0,
      hardware: fields.hardware(LinkAttribute.hardware), master: fields.integer(LinkAttribute.master))
  }

  /// What is to change of an interface; nil leaves a property as it is.
  public struct InterfaceChange: Hashable, Sendable {
    /// Whether it is up.
    public var isUp: Bool?
    /// The longest packet, in bytes.
    public var mtu: UInt32?
    /// Packets that wait to be sent at most.
    public var queueLength: UInt32?
    /// The descriptor of the network namespace that it moves to.
    public var namespace: Int32?

    /// Changes nothing unless given.
    public init(isUp: Bool? = nil, mtu: UInt32? = nil, queueLength: UInt32? = nil, namespace: Int32? = nil) {
      self.isUp = isUp
      self.mtu = mtu
      self.queueLength = queueLength
      self.namespace = namespace
    }
  }

  /// Changes an interface.
  public mutating func change(_ name: String, _ change: InterfaceChange) throws(RouteError) {
    let index = try require(name).index
    var message = begin(Kind.newLink)
    message.appendInterface(
      index, flags: change.isUp == true ? InterfaceState.up : 0, mask: change.isUp == nil ? 0 : InterfaceState.up)
    if let mtu = change.mtu { message.append(LinkAttribute.mtu, integer: mtu) }
    if let length = change.queueLength { message.append(LinkAttribute.queueLength, integer: length) }
    if let namespace = change.namespace {
      message.append(LinkAttribute.namespace, integer: UInt32(bitPattern: namespace))
    }
    try exchange(message, "change the interface", name)
  }

  private mutating func require(_ name: String) throws(RouteError) -> InterfaceState {
    guard let state = try interface(named: name) else {
      throw RouteError(error: SystemError(SystemError.noDevice, "find the interface", name), explanation: nil)
    }
    return state
  }

  // MARK: Addresses and routes

  /// Gives an interface an address; one of IPv6 is used at once, without asking whether somebody has it (RFC 4862
  /// section 5.4: the network has no other).
  public mutating func add(_ address: IPAddress, prefixLength: Int, to name: String) throws(RouteError) {
    let index = try require(name).index
    var message = begin(Kind.newAddress, [.create, .exclusive])
    message.append(address.netlinkFamily)
    message.append(UInt8(prefixLength))
    message.append(UInt16(0))
    message.append(index)
    message.append(AddressAttribute.local, address: address)
    message.append(AddressAttribute.address, address: address)
    if address.family == .ipv6 { message.append(AddressAttribute.flags, integer: Self.withoutDetection) }
    try exchange(message, "add the address", "\(address)/\(prefixLength)")
  }

  /// IFA_F_NODAD.
  private static var withoutDetection: UInt32 { 2 }

  /// Leads everything that has no other route to a gateway.
  public mutating func addDefaultRoute(via gateway: IPAddress, on name: String) throws(RouteError) {
    let index = try require(name).index
    var message = begin(Kind.newRoute, [.create, .exclusive])
    // rtm_family, dst_len, src_len, tos, table (main), protocol (static), scope (universe), type (unicast), flags.
    for byte: UInt8 in [gateway.netlinkFamily, 0, 0, 0, 254, 4, 0, 1] { message.append(byte) }
    message.append(UInt32(0))
    message.append(AddressAttribute.gateway, address: gateway)
    message.append(AddressAttribute.output, integer: index)
    try exchange(message, "add the default route via", "\(gateway)")
  }

  // MARK: Messages

  private mutating func begin(_ kind: UInt16, _ flags: NetlinkMessage.Flags = []) -> NetlinkMessage {
    sequence += 1
    return NetlinkMessage(kind, flags, sequence: sequence)
  }

  /// Sends a message and waits until the kernel has answered it.
  /// - Returns: what came before the acknowledgment, if anything did.
  @discardableResult
  private mutating func exchange(
    _ message: NetlinkMessage, _ operation: StaticString, _ subject: String
  ) throws(RouteError) -> NetlinkReply? {
    var answer: NetlinkReply?
    try send(message)
    while true {
      var rest = try receive()[...]
      while let reply = NetlinkReply(takingFrom: &rest) {
        guard reply.sequence == sequence else { continue }
        guard let number = reply.errorNumber else {
          answer = reply
          continue
        }
        if number == 0 { return answer }
        throw RouteError(error: SystemError(number, operation, subject), explanation: reply.explanation)
      }
    }
  }

  private func send(_ message: NetlinkMessage) throws(RouteError) {
    do throws(SystemError) {
      _ = try descriptor.write(message.finished.span)
    } catch {
      throw RouteError(error: error, explanation: nil)
    }
  }

  private func receive() throws(RouteError) -> [UInt8] {
    var buffer = [UInt8](repeating: 0, count: 32 * 1024)
    var space = buffer.mutableSpan
    do throws(SystemError) {
      let count = try descriptor.read(into: &space) ?? 0
      return Array(buffer.prefix(count))
    } catch {
      throw RouteError(error: error, explanation: nil)
    }
  }
}

extension NetlinkMessage {
  /// `struct ifinfomsg`: family and kind are nobody's.
  fileprivate mutating func appendInterface(_ index: UInt32, flags: UInt32 = 0, mask: UInt32 = 0) {
    append(UInt32(0))
    append(index)
    append(flags)
    append(mask)
  }

  /// The index and the flags of a `struct ifinfomsg`.
  fileprivate static func interface(_ body: ArraySlice<UInt8>) -> (index: UInt32, flags: UInt32) {
    (body.native(at: 4), body.native(at: 8))
  }
}
