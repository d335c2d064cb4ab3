import LinuxSystem
public import Primitives

/// An interface of a network namespace, as rtnetlink tells of it.
public struct InterfaceState: Hashable, Sendable {
  /// Its name.
  public var name: String
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
  /// What made it, in the kernel's words, as "bridge", "tun" or "veth"; nil for hardware and the loopback.
  public var kind: String?
  /// What it is a part of, as "bridge" for a bridge's port; nil where it has no master.
  public var portKind: String?
  /// Whether it has a carrier, up or not: a cable is in, or a process holds the TAP device.
  public var hasCarrier: Bool

  /// Whether it is up.
  public var isUp: Bool { flags & Self.up != 0 }

  /// Whether it is up and has a carrier: somebody holds the TAP device, a cable is in, a bridge has a port that runs.
  public var isRunning: Bool { flags & Self.running != 0 }

  /// Whether it is a bridge of the kernel's.
  public var isBridge: Bool { kind == "bridge" }

  /// Whether it is a TAP device; a TUN device, of the same kind, has no hardware address.
  public var isTAP: Bool { kind == "tun" && hardware != nil }

  /// Whether it is a port of such a bridge.
  public var isBridgePort: Bool { portKind == "bridge" }

  static let up: UInt32 = 1
  static let running: UInt32 = 0x40

  /// Reads what follows a message's header: `struct ifinfomsg` and attributes.
  ///
  /// ```
  /// 0 ifi_family   2 ifi_type   4 ifi_index   8 ifi_flags   12 ifi_change   16 ...
  /// ```
  init?(_ body: ArraySlice<UInt8>) {
    guard body.count >= 16 else { return nil }
    // The bridge's own messages about its ports (AF_BRIDGE) have the same kind, but not what is asked for here.
    guard body.native(at: 0) as UInt8 == RouteFamily.all else { return nil }
    let fields = NetlinkAttributes(body.dropFirst(16))
    index = body.native(at: 4)
    flags = body.native(at: 8)
    name = fields.text(LinkAttribute.name) ?? ""
    mtu = fields.integer(LinkAttribute.mtu) ?? 0
    hardware = fields.hardware(LinkAttribute.hardware)
    master = fields.integer(LinkAttribute.master)
    hasCarrier = fields.first(LinkAttribute.carrier)?.first == 1
    let information = fields.nested(LinkAttribute.information)
    kind = information.text(LinkAttribute.Information.kind)
    portKind = information.text(LinkAttribute.Information.portKind)
  }
}

/// What is to change of an interface; nil leaves a property as it is.
public struct InterfaceChange: Hashable, Sendable {
  /// Whether it is up.
  public var isUp: Bool?
  /// The longest packet, in bytes.
  public var mtu: UInt32?
  /// Packets that wait to be sent at most.
  public var queueLength: UInt32?
  /// The hardware address.
  public var hardware: MACAddress?
  /// The number of the bridge that it becomes a port of, 0 to be none any more.
  public var master: UInt32?
  /// The descriptor of the network namespace that it moves to.
  public var namespace: Int32?

  /// Changes nothing unless given.
  public init(
    isUp: Bool? = nil, mtu: UInt32? = nil, queueLength: UInt32? = nil, hardware: MACAddress? = nil,
    master: UInt32? = nil, namespace: Int32? = nil
  ) {
    self.isUp = isUp
    self.mtu = mtu
    self.queueLength = queueLength
    self.hardware = hardware
    self.master = master
    self.namespace = namespace
  }
}

extension RouteSocket {
  // MARK: Looking

  /// What is known of an interface, nil where there is none of the name.
  public mutating func interface(named name: String) throws(RouteError) -> InterfaceState? {
    var message = begin(RouteMessageKind.getLink)
    message.appendInterface(0)
    message.append(LinkAttribute.name, text: name)
    do throws(RouteError) {
      return try exchange(message, "look up the interface", name).flatMap { InterfaceState($0.body) }
    } catch  where error.error.number == SystemError.noDevice {
      return nil
    }
  }

  /// Every interface of the namespace, by rising numbers.
  public mutating func interfaces() throws(RouteError) -> [InterfaceState] {
    try list(
      RouteMessageKind.getLink, "list the interfaces",
      { message in
        message.appendInterface(0)
        message.append(LinkAttribute.extent, integer: LinkAttribute.withoutCounters)
      }, read: { $0.type == RouteMessageKind.newLink ? InterfaceState($0.body) : nil })
  }

  // MARK: Changing

  /// Changes an interface, all that is asked for by one message. The kernel makes the changes one after the other: where
  /// one fails, those before it have been made.
  /// - Throws: ENODEV where there is no interface of the name.
  public mutating func change(_ name: String, _ change: InterfaceChange) throws(RouteError) {
    let index = try require(name).index
    var message = begin(RouteMessageKind.newLink)
    message.append(change, of: index)
    try exchange(message, "change the interface", name)
  }

  /// Makes a bridge, which is down, has no port, and has no spanning tree protocol.
  /// - Parameter hardware: its hardware address for good. Without one the kernel gives it a random one, and then the least
  ///   of its ports', whenever those change.
  /// - Throws: EEXIST where there is an interface of the name.
  public mutating func makeBridge(_ name: String, hardware: MACAddress? = nil) throws(RouteError) {
    var message = begin(RouteMessageKind.newLink, [.create, .exclusive])
    message.appendBridge(name, hardware: hardware)
    try exchange(message, "make the bridge", name)
  }

  /// Removes a bridge, whose ports become free, or another interface that was made by somebody.
  /// - Throws: ENODEV where there is none of the name, EOPNOTSUPP for one that nobody has made.
  public mutating func removeInterface(_ name: String) throws(RouteError) {
    let index = try require(name).index
    var message = begin(RouteMessageKind.removeLink)
    message.appendInterface(index)
    try exchange(message, "remove the interface", name)
  }

  /// Makes an interface a port of a bridge, whose MTU the bridge may take over if that is less than its own.
  ///
  /// What else shall change by the same message is `change`.
  /// - Throws: ENODEV where either is missing, EBUSY where the interface has another master, EINVAL or ELOOP where it is a
  ///   bridge itself, EOPNOTSUPP where the other is no bridge.
  public mutating func attach(
    _ name: String, to bridge: String, _ change: InterfaceChange = InterfaceChange()
  ) throws(RouteError) {
    var change = change
    change.master = try require(bridge).index
    let index = try require(name).index
    var message = begin(RouteMessageKind.newLink)
    message.append(change, of: index)
    try exchange(message, "attach", "\(name) to the bridge \(bridge)")
  }

  /// Takes an interface off its bridge; one without a bridge stays as it is.
  public mutating func release(_ name: String) throws(RouteError) { try change(name, InterfaceChange(master: 0)) }

  /// What is known of an interface.
  /// - Throws: ENODEV where there is none of the name.
  public mutating func require(_ name: String) throws(RouteError) -> InterfaceState {
    guard let state = try interface(named: name) else {
      throw RouteError(error: SystemError(SystemError.noDevice, "find the interface", name), explanation: nil)
    }
    return state
  }
}

extension NetlinkMessage {
  /// `struct ifinfomsg`: family and kind are nobody's.
  mutating func appendInterface(_ index: UInt32, flags: UInt32 = 0, mask: UInt32 = 0) {
    append(UInt32(0))
    append(index)
    append(flags)
    append(mask)
  }

  /// What changes of the interface of a number.
  mutating func append(_ change: InterfaceChange, of index: UInt32) {
    appendInterface(
      index, flags: change.isUp == true ? InterfaceState.up : 0, mask: change.isUp == nil ? 0 : InterfaceState.up)
    if let mtu = change.mtu { append(LinkAttribute.mtu, integer: mtu) }
    if let length = change.queueLength { append(LinkAttribute.queueLength, integer: length) }
    if let hardware = change.hardware { append(LinkAttribute.hardware, hardware: hardware) }
    if let master = change.master { append(LinkAttribute.master, integer: master) }
    if let namespace = change.namespace {
      append(LinkAttribute.namespace, integer: UInt32(bitPattern: namespace))
    }
  }

  /// A bridge that is to be made.
  mutating func appendBridge(_ name: String, hardware: MACAddress?) {
    appendInterface(0)
    append(LinkAttribute.name, text: name)
    if let hardware { append(LinkAttribute.hardware, hardware: hardware) }
    append(LinkAttribute.information) { $0.append(LinkAttribute.Information.kind, text: "bridge") }
  }
}
