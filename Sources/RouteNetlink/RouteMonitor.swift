public import LinuxSystem

/// What has changed in a network namespace.
public enum RouteEvent: Hashable, Sendable {
  /// An interface is new, or something of it has changed.
  case interfaceChanged(InterfaceState)
  /// An interface is gone, as it was.
  case interfaceRemoved(InterfaceState)
  /// An interface has an address.
  case addressAdded(AssignedAddress)
  /// An interface has lost an address.
  case addressRemoved(AssignedAddress)
  /// Some route of the main table has come or gone.
  case routesChanged
  /// More has changed than the kernel keeps for a slow reader: everything is to be looked at anew.
  case missed

  /// What the messages of one read tell, in their order.
  package static func events(in bytes: [UInt8]) -> [RouteEvent] {
    var (rest, events): (ArraySlice<UInt8>, [RouteEvent]) = (bytes[...], [])
    while let message = NetlinkReply(takingFrom: &rest) {
      if let event = RouteEvent(message) { events.append(event) }
    }
    return events
  }

  /// What a message tells; nil for what is of no concern here.
  init?(_ message: NetlinkReply) {
    switch message.type {
    case RouteMessageKind.newLink:
      guard let state = InterfaceState(message.body) else { return nil }
      self = .interfaceChanged(state)
    case RouteMessageKind.removeLink:
      guard let state = InterfaceState(message.body) else { return nil }
      self = .interfaceRemoved(state)
    case RouteMessageKind.newAddress:
      guard let address = AssignedAddress(message.body) else { return nil }
      self = .addressAdded(address)
    case RouteMessageKind.removeAddress:
      guard let address = AssignedAddress(message.body) else { return nil }
      self = .addressRemoved(address)
    case RouteMessageKind.newRoute, RouteMessageKind.removeRoute:
      guard Route(message.body) != nil else { return nil }
      self = .routesChanged
    default: return nil
    }
  }
}

/// Hears what changes of the interfaces, addresses and routes of the network namespace in which it was made.
///
/// What was there before is not told: who wants to know makes the monitor first, and then asks a `RouteSocket`.
public struct RouteMonitor: ~Copyable, Sendable {
  /// Readable when something has changed; never waits.
  public let descriptor: FileDescriptor

  /// RTMGRP_LINK, RTMGRP_IPV4_IFADDR and _ROUTE, RTMGRP_IPV6_IFADDR and _ROUTE.
  private static let groups: UInt32 = 0x1 | 0x10 | 0x40 | 0x100 | 0x400

  /// Begins to hear, in the network namespace of the calling thread.
  public init() throws(SystemError) { descriptor = try FileDescriptor.netlinkListener(.route, groups: Self.groups) }

  /// Takes what has been heard since the last time, as much as one read gives, in its order; nil where nothing waits.
  public func events() throws(SystemError) -> [RouteEvent]? {
    do throws(SystemError) {
      guard let bytes = try descriptor.readRouteMessages() else { return nil }
      return RouteEvent.events(in: bytes)
    } catch  where error.isOverrun {
      return [.missed]
    }
  }
}
