import Bridge
public import Configuration
import LinuxSystem
public import Primitives
import RouteNetlink

/// A guest of QEMU's that becomes a port of a bridge: what `culvert run --bridge` adds to its command line.
public struct BridgedGuest: Sendable {
  /// The bridge's name.
  let bridge: String
  /// The hardware address of the guest's device; nil for one that follows from its image.
  let hardware: MACAddress?
  /// The device, nil for virtio of the kind that the machine takes.
  let model: String?

  /// Describes a guest.
  public init(bridge: String, hardware: MACAddress?, model: String?) {
    self.bridge = bridge
    self.hardware = hardware
    self.model = model
  }

  /// The command line with the guest's port.
  ///
  /// Its hardware address is the one asked for, or the same for the same image each time; one that a guest of the bridge
  /// has already is refused, since both would get the packets of either.
  public func attached(to command: QEMUCommandLine) throws(ServiceError) -> QEMUCommandLine {
    try ServiceError.wrapping {
      let image = try command.image.map { path throws(SystemError) in try FileSystem.absolutePath(path) }
      let hardware = hardware ?? MACAddress(guestOf: image ?? command.words.joined(separator: " "))
      let guests = try BridgeGuests(of: bridge)
      if let other = guests.owner(of: hardware) {
        let advice = self.hardware == nil ? "give another by --mac" : "give another"
        throw ServiceError("\(other) has the hardware address \(hardware) on \(bridge); \(advice)")
      }
      return try command.bridged(to: bridge, hardware: hardware, helper: try helper(), model: model)
    }
  }

  /// The program that makes the port: ours where it lies beside this one, else QEMU's own.
  private func helper() throws -> String {
    let own = try FileSystem.linkTarget(of: "/proc/self/exe") ?? ""
    let beside = own[..<(own.lastIndex(of: "/") ?? own.startIndex)] + "/culvert-bridge-helper"
    let candidates = [String(beside), "/usr/lib/qemu/qemu-bridge-helper", "/usr/libexec/qemu-bridge-helper"]
    guard let found = candidates.first(where: FileSystem.exists) else {
      throw ServiceError("there is no \(candidates.joined(separator: " and no ")), which makes the guest's port")
    }
    return found
  }
}
