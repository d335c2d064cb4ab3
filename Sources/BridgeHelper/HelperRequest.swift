import LinuxSystem

/// What the helper is asked for, as QEMU writes it on its command line.
///
/// ```
/// PROGRAM --use-vnet --fd=8 --br=br0
/// ```
/// Where the program that QEMU is told has a space in it, QEMU runs it with these arguments behind it by a shell, and
/// leaves `--br=` out if that is in it. Of an option that is given twice the last counts.
public struct HelperRequest: Hashable, Sendable {
  /// The bridge that the guest is to be on.
  public var bridge: String
  /// The descriptor of the UNIX socket over which the device goes to QEMU.
  public var socket: Int32
  /// Whether frames are to have a header before them (`struct virtio_net_hdr`).
  public var usesHeader: Bool

  /// How the program is called, in one line.
  public static let usage = "culvert-bridge-helper [--use-vnet] --br=BRIDGE --fd=NUMBER"

  /// Makes a request of its parts.
  public init(bridge: String, socket: Int32, usesHeader: Bool) {
    self.bridge = bridge
    self.socket = socket
    self.usesHeader = usesHeader
  }

  /// Reads the arguments behind the program's name.
  public init(_ arguments: [String]) throws(HelperError) {
    var (bridge, socket): (String?, Int32?) = (nil, nil)
    usesHeader = false
    for argument in arguments {
      if argument == "--use-vnet" {
        usesHeader = true
      } else if let value = Self.value(of: "--br=", in: argument) {
        bridge = value
      } else if let value = Self.value(of: "--fd=", in: argument) {
        socket = try Self.descriptor(value)
      } else {
        throw Self.misuse("'\(argument)' is no option")
      }
    }
    guard let bridge else { throw Self.misuse("--br=BRIDGE is missing") }
    guard let socket else { throw Self.misuse("--fd=NUMBER is missing") }
    guard Self.isInterfaceName(bridge) else { throw Self.misuse("'\(bridge)' cannot be an interface's name") }
    self.bridge = bridge
    self.socket = socket
  }

  private static func value(of option: String, in argument: String) -> String? {
    guard argument.utf8.starts(with: option.utf8) else { return nil }
    return String(decoding: argument.utf8.dropFirst(option.utf8.count), as: UTF8.self)
  }

  private static func descriptor(_ text: String) throws(HelperError) -> Int32 {
    let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
    guard text.utf8.allSatisfy(digits.contains), let number = Int32(text) else {
      throw misuse("--fd=\(text) is no descriptor's number")
    }
    // What is written to the standard streams is not for QEMU.
    guard number > 2 else { throw misuse("--fd=\(text) is a standard stream; give another descriptor") }
    return number
  }

  private static func misuse(_ words: String) -> HelperError { HelperError("\(words); usage: \(usage)", status: 2) }

  /// Whether an interface may have a name: the kernel's own rules (`dev_valid_name`), and nothing that spoils a line.
  public static func isInterfaceName(_ name: String) -> Bool {
    let bytes = name.utf8
    guard !bytes.isEmpty, bytes.count <= TAPDevice.longestName, name != ".", name != ".." else { return false }
    return bytes.allSatisfy { $0 > 0x20 && $0 != 0x7f && $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: ":") }
  }
}
