public import LinuxSystem
import Primitives

/// A process that holds a TAP device: for most the virtual machine behind it.
public struct DeviceHolder: Codable, Hashable, Sendable {
  /// Its number.
  public var process: Int32
  /// The name of its program.
  public var program: String
  /// The words that it was started with.
  var words: [String]

  /// Keeps to itself what nobody asks for: words have passwords in them.
  private enum CodingKeys: String, CodingKey { case process, program }

  /// Reads back what was told of it.
  public init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    process = try values.decode(Int32.self, forKey: .process)
    program = try values.decode(String.self, forKey: .program)
    words = []
  }

  init(process: Int32, program: String, words: [String]) {
    self.process = process
    self.program = program
    self.words = words
  }

  /// The holders of all TAP devices, by the names of the devices. Processes that this one may not look into are left
  /// out.
  public static func all() throws(SystemError) -> [String: DeviceHolder] {
    var holders: [String: DeviceHolder] = [:]
    for name in try FileSystem.names(in: "/proc") {
      guard let process = Int32(name) else { continue }
      // A process may end while it is looked at.
      do throws(SystemError) {
        for device in try devices(of: process) where holders[device] == nil { holders[device] = try holder(process) }
      } catch  where error.isNotFound || error.isForbidden || error.isProcessGone {}
    }
    return holders
  }

  /// The names of the devices of which a process has descriptors.
  private static func devices(of process: Int32) throws(SystemError) -> [String] {
    var devices: [String] = []
    for number in try FileSystem.names(in: "/proc/\(process)/fd") {
      guard try FileSystem.linkTarget(of: "/proc/\(process)/fd/\(number)") == TAPDevice.path else { continue }
      let information = try FileDescriptor.contents(of: "/proc/\(process)/fdinfo/\(number)", limit: 4096)
      // tun_chr_show_fdinfo: "iff:\ttap0".
      for line in information.split(separator: "\n") where line.hasPrefix("iff:\t") {
        devices.append(String(line.dropFirst(5)))
      }
    }
    return devices
  }

  private static func holder(_ process: Int32) throws(SystemError) -> DeviceHolder {
    let words = try FileDescriptor.contents(of: "/proc/\(process)/cmdline").split(separator: "\0").map(String.init)
    let name = try FileDescriptor.contents(of: "/proc/\(process)/comm", limit: 64)
    return DeviceHolder(process: process, program: String(name.prefix { $0 != "\n" }), words: words)
  }
}

extension DeviceHolder {
  /// The hardware addresses that QEMU gives to its guest's network cards, as far as its command line tells: where it
  /// names none, the first one's is the same in every machine.
  var guestHardware: [MACAddress] {
    guard program.hasPrefix("qemu") else { return [] }
    let properties = words.flatMap { $0.split(separator: ",") }
    let named = properties.compactMap { property -> MACAddress? in
      for name in ["mac=", "macaddr="] where property.hasPrefix(name) {
        return MACAddress(property.dropFirst(name.count))
      }
      return nil
    }
    return named.isEmpty ? [Self.usualHardware] : named
  }

  /// What QEMU gives to the first card of a machine.
  static let usualHardware = MACAddress(0x52, 0x54, 0, 0x12, 0x34, 0x56)
}
