import LinuxSystem
public import Primitives
import RouteNetlink

/// The guests of a bridge, by their hardware addresses.
public struct BridgeGuests: Sendable {
  private var owners: [MACAddress: String] = [:]

  /// Looks for the guests of a bridge: those that were heard, and those that QEMU's command lines tell of.
  /// - Throws: where there is no such bridge.
  public init(of bridge: String) throws(BridgeError) {
    owners = try BridgeError.wrapping {
      var routes = try RouteSocket()
      guard let state = try routes.interface(named: bridge), state.isBridge else {
        throw BridgeError("there is no bridge '\(bridge)'; 'culvert bridge up --bridge \(bridge)' makes it")
      }
      let ports = try routes.interfaces().filter { $0.master == state.index }
      var owners: [MACAddress: String] = [:]
      for entry in try routes.forwardingEntries(of: bridge) {
        let port = ports.first { $0.index == entry.port }
        owners[entry.hardware] = port.map { entry.isOwn ? $0.name : "the guest behind \($0.name)" } ?? bridge
      }
      let holders = try DeviceHolder.all()
      for port in ports {
        guard let holder = holders[port.name] else { continue }
        for hardware in holder.guestHardware { owners[hardware] = "the guest of process \(holder.process)" }
      }
      return owners
    }
  }

  /// Who has a hardware address, in words; nil where nobody does.
  public func owner(of hardware: MACAddress) -> String? { owners[hardware] }
}
