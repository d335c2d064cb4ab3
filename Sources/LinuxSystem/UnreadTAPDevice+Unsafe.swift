import CLinux
import Glibc

/// A TAP device that another program is to read and write: nothing is agreed on with the kernel but whether frames have
/// a header before them.
public struct UnreadTAPDevice: ~Copyable, Sendable {
  /// The descriptor of one of the device's queues, which never waits.
  public let descriptor: FileDescriptor
  /// The interface's name, in the namespace that it was made in.
  public let name: String

  /// Opens the device `name`, or makes one that lives as long as its descriptors, in the network namespace of the
  /// calling thread; a "%d" in the name stands for the first number that is free.
  /// - Throws: EBUSY where another process holds the device, EPERM without the right to have one, EINVAL for what is no
  ///   TAP device, or has several queues where this says one, or the other way round.
  public init(name: String, isMultiQueue: Bool = false, usesHeader: Bool) throws(SystemError) {
    guard name.utf8.count <= TAPDevice.longestName && !name.isEmpty && !name.utf8.contains(0) else {
      throw SystemError(EINVAL, "name a TAP device", name)
    }
    let device = try FileDescriptor.open(device: TAPDevice.path)
    var request = clinux_interface_request()
    // SAFETY: the name was checked to fit with a zero behind it.
    unsafe withUnsafeMutableBytes(of: &request.name) { unsafe $0.copyBytes(from: name.utf8) }
    request.flags = CLINUX_TAP_KIND | CLINUX_TAP_NO_PI
    if usesHeader { request.flags |= CLINUX_TAP_VNET_HEADER }
    if isMultiQueue { request.flags |= CLINUX_TAP_MULTI_QUEUE }
    let number = device.rawValue
    try checked("open the TAP device", name) { unsafe clinux_tap_attach(number, &request) }
    self.name = TAPDevice.name(of: request)
    descriptor = device
  }

  /// Gives the descriptor up, open, to the caller.
  public consuming func detached() -> FileDescriptor { descriptor }

  /// Lets the device stay after its last descriptor is closed, or go with it.
  public func setPersistent(_ isPersistent: Bool) throws(SystemError) {
    try checked(isPersistent ? "keep the TAP device" : "remove the TAP device", name) {
      clinux_tap_set_persistent(descriptor.rawValue, isPersistent ? 1 : 0)
    }
  }

  /// Says which user may open the device, besides those who may change the network.
  public func setOwner(_ user: UInt32) throws(SystemError) {
    try checked("give to a user the TAP device", name) { clinux_tap_set_owner(descriptor.rawValue, user) }
  }

  /// Says which group may open the device.
  public func setGroup(_ group: UInt32) throws(SystemError) {
    try checked("give to a group the TAP device", name) { clinux_tap_set_group(descriptor.rawValue, group) }
  }
}
