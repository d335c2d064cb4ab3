import Configuration
import RouteNetlink

/// What a TAP device is before it is opened.
struct DeviceState: Hashable {
  /// Whether it is a TAP device, and not another interface of the name.
  var isTAP = true
  /// The interface that it is a part of, nil for none.
  var master: String?
  /// Whether that is a bridge of the kernel's.
  var isBridgePort = false
  /// Whether a process holds it, as QEMU does for its guest.
  var isHeld = false
}

extension DeviceState {
  /// Reads it off what the kernel tells of the interface.
  init(_ interface: InterfaceState, among interfaces: [InterfaceState]) {
    isTAP = interface.isTAP
    master = interfaces.first { $0.index == interface.master }?.name
    isBridgePort = interface.isBridgePort
    isHeld = interface.hasCarrier
  }
}

/// Whether a TAP device's frames end in our stack, or are left to a bridge of the kernel's.
enum DeviceChoice: Hashable {
  /// They end in our stack.
  case user
  /// They are left to a bridge; `reason` says why, where that was not asked for.
  case bridge(reason: String?)
  /// Neither, for a reason that says what to do.
  case refused(String)

  /// Chooses for the device of a name; `state` is nil where there is none.
  init(_ mode: LinkMode, name: String, _ state: DeviceState?) {
    switch (mode, state) {
    case (.user, _): self = .user
    case (.bridge, nil):
      self = .refused(
        "there is no tap:\(name), which in bridge mode is QEMU's to open; 'culvert tap create \(name) --user USER' makes it"
      )
    case (.bridge, let state?) where !state.isTAP: self = .refused("the interface '\(name)' is no TAP device")
    case (.auto, nil): self = .user
    case (.auto, let state?) where !state.isTAP: self = .user
    case (.bridge, let state?), (.auto, let state?):
      self = Self.choose(isAsked: mode == .bridge, name, state)
    }
  }

  private static func choose(isAsked: Bool, _ name: String, _ state: DeviceState) -> DeviceChoice {
    if let master = state.master, !state.isBridgePort {
      return .refused(
        "tap:\(name) is part of \(master), which is no bridge of the kernel's; 'ip link set \(name) nomaster' sets it free"
          + (isAsked ? "" : ", and --mode user serves it as it is"))
    }
    guard !isAsked else { return .bridge(reason: nil) }
    if let master = state.master {
      return .bridge(reason: "tap:\(name) is a port of \(master), so it is left to bridge mode")
    }
    guard state.isHeld else { return .user }
    return .bridge(reason: "tap:\(name) is held by another process, so it is left to bridge mode")
  }
}
