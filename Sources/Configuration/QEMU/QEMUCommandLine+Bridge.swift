public import Primitives

extension QEMUCommandLine {
  /// This command line with one more network at its end, which is a port of a bridge of the kernel's.
  /// - Parameters:
  ///   - bridge: the bridge, which is also what QEMU calls the network.
  ///   - hardware: the hardware address of the guest's device.
  ///   - helper: the program that makes the port for QEMU.
  ///   - model: the device, nil for virtio of the kind that the machine takes.
  public func bridged(
    to bridge: String, hardware: MACAddress, helper: String, model: String? = nil
  ) throws(ConfigurationError) -> QEMUCommandLine {
    let name = bridge.qemuEscaped
    guard !options.contains(where: { $0.defines(netdev: bridge) }) else {
      throw ConfigurationError("--bridge \(bridge)", "the command has a network of that name; leave that option out")
    }
    let port = ["-netdev", "bridge,id=\(name),br=\(name),helper=\(helper.qemuEscaped)"]
    var device = device(for: bridge, model: model, among: options)
    if let last = device.popLast() {
      // The board's own device has another word for it.
      device.append(last + (device.first == "-net" ? ",macaddr=" : ",mac=") + "\(hardware)")
    }
    return try QEMUCommandLine(words + port + device)
  }

  /// The file that the guest is, as far as the words tell: its first disk, else its kernel.
  public var image: String? {
    let options = options
    for option in options {
      switch option.name {
      case "", "hda", "cdrom", "pflash", "sd", "mtdblock": return option.value
      case "drive":
        if let file = QEMUProperties(option.value)["file"] { return file }
      case "blockdev":
        if let file = QEMUProperties(option.value)["filename"] { return file }
      default: break
      }
    }
    return options.first { $0.name == "kernel" }?.value
  }
}

extension MACAddress {
  /// An address of those that QEMU gives to guests (52:54:00), made of a text: the same for the same, and for two texts
  /// hardly ever the same.
  public init(guestOf text: String) { self.init(bits: 0x5254_0000_0000 | text.stableHash & 0xff_ffff) }

  /// An address of those that nobody gives out (locally administered), made of the name of a bridge.
  public init(ofBridge name: String) { self.init(bits: 0x0243_0000_0000 | name.stableHash & 0xffff_ffff) }
}

extension String {
  /// A number that is the same for the same text in every process (FNV-1a, whose halves are laid over each other).
  fileprivate var stableHash: UInt64 {
    let hash = utf8.reduce(0xcbf2_9ce4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    return hash ^ hash >> 32
  }
}
