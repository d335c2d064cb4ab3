import BridgeHelper
import LinuxSystem
import RouteNetlink

/// A TAP device that outlives who uses it: made once, as root, for a user who may then open it by its name.
public struct PersistentDevice: Hashable, Sendable {
  /// Its name.
  public var name: String
  /// The number of the user who may open it; nil for root only, or a group.
  public var user: UInt32?
  /// The number of the group whose members may; with a user, who must be one of them.
  public var group: UInt32?
  /// The bridge that it becomes a port of; nil for none.
  public var bridge: String?
  /// Whether it is opened several times at once, each time for a queue.
  public var isMultiQueue: Bool

  /// Makes a device's description of its parts.
  public init(
    _ name: String, user: UInt32? = nil, group: UInt32? = nil, bridge: String? = nil, isMultiQueue: Bool = false
  ) {
    self.name = name
    self.user = user
    self.group = group
    self.bridge = bridge
    self.isMultiQueue = isMultiQueue
  }

  /// Makes the device, up and on its bridge, in the network namespace of the calling thread. Where something fails, there
  /// is none.
  public func create() throws(ServiceError) {
    guard HelperRequest.isInterfaceName(name) else {
      throw ServiceError("'\(name)' cannot be an interface's name: those have up to 15 bytes, none of ' /:'")
    }
    try ServiceError.wrapping {
      var routes = try RouteSocket()
      if let found = try routes.interface(named: name) {
        throw ServiceError(
          "there is an interface '\(name)' already; "
            + (found.isTAP ? "'culvert tap delete \(name)' removes it" : "give another name"))
      }
      // Before there is a device: what is no bridge is the likeliest mistake.
      if let bridge { _ = try BridgePort.find(bridge, by: &routes) }
      let device = try open()
      // The kernel lets everybody open a device that is nobody's.
      if let user = user ?? (group == nil ? 0 : nil) { try device.setOwner(user) }
      if let group { try device.setGroup(group) }
      if let bridge {
        try BridgePort.attach(name, to: bridge, by: &routes)
      } else {
        try routes.change(name, InterfaceChange(isUp: true))
      }
      // At the end, so that a device that is not finished goes with its descriptor.
      try device.setPersistent(true)
    }
  }

  private func open() throws(ServiceError) -> UnreadTAPDevice {
    do throws(SystemError) {
      return try UnreadTAPDevice(name: name, isMultiQueue: isMultiQueue, usesHeader: true)
    } catch  where error.subject == TAPDevice.path {
      throw ServiceError(NamespaceAdvice.words(forDevice: error))
    } catch {
      throw ServiceError("cannot make tap:\(name): \(error.reason)\(error.isForbidden ? "; try as root" : "")")
    }
  }

  /// Removes the device of a name, whoever has made it.
  public static func delete(_ name: String) throws(ServiceError) {
    try ServiceError.wrapping {
      var routes = try RouteSocket()
      guard let found = try routes.interface(named: name) else {
        throw ServiceError("there is no interface '\(name)'")
      }
      guard found.isTAP else { throw ServiceError("the interface '\(name)' is no TAP device") }
      try release(name)
      // Other queues of a device that has several keep it.
      guard try routes.interface(named: name)?.index != found.index else {
        throw ServiceError("tap:\(name) is held by another process, and goes when that ends")
      }
    }
  }

  /// Opens the device a last time, so that it goes with its descriptor.
  private static func release(_ name: String) throws(ServiceError) {
    do throws(SystemError) {
      try reopen(name).setPersistent(false)
    } catch  where error.isBusy {
      throw ServiceError("tap:\(name) is held by another process; stop that first")
    } catch  where error.subject == TAPDevice.path {
      throw ServiceError(NamespaceAdvice.words(forDevice: error))
    } catch {
      throw ServiceError("cannot remove tap:\(name): \(error.reason)\(error.isForbidden ? "; try as root" : "")")
    }
  }

  private static func reopen(_ name: String) throws(SystemError) -> UnreadTAPDevice {
    do throws(SystemError) {
      return try UnreadTAPDevice(name: name, usesHeader: true)
    } catch  where error.isInvalid {
      // One that was made for several queues is opened only as such.
      return try UnreadTAPDevice(name: name, isMultiQueue: true, usesHeader: true)
    }
  }
}
