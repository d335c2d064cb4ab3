/// What kind of network device a machine of QEMU takes.
enum QEMUNetworkDevice: Hashable {
  /// A device that QEMU adds by name.
  case model(String)
  /// The board's own device, which there is no adding to.
  case onBoard

  /// virtio on a PCI bus.
  static let pci = QEMUNetworkDevice.model("virtio-net-pci")
  /// virtio at an address of its own.
  static let mmio = QEMUNetworkDevice.model("virtio-net-device")
  /// virtio on an IBM channel.
  static let ccw = QEMUNetworkDevice.model("virtio-net-ccw")

  /// What the machine `machine` of the emulator `program` takes.
  ///
  /// `program` is a file name such as `qemu-system-aarch64`; one that does not name an architecture is taken for
  /// x86. `machine` is what `-machine` says, with no type for the architecture's default.
  init(program: String, machine: QEMUProperties) {
    let name = machine.implied("type") ?? ""
    let architecture = program.hasPrefix("qemu-system-") ? String(program.dropFirst(12)) : "x86_64"
    switch architecture {
    case "s390x":
      self = .ccw
    case "aarch64", "arm":
      self = Self.arm(name)
    case "riscv32", "riscv64":
      self = name.isMachine("virt") ? .pci : .onBoard
    case "m68k":
      self = name.isMachine("virt") ? .mmio : .onBoard
    case "xtensa", "xtensaeb", "or1k":
      self = name.isMachine("virt") ? .pci : .onBoard
    case "mips", "mipsel", "mips64", "mips64el":
      let withPCI = ["", "malta", "boston", "fuloong2e", "loongson3-virt"]
      self = withPCI.contains(name) ? .pci : .onBoard
    case "sparc", "microblaze", "microblazeel", "cris", "nios2", "tricore", "avr", "rx":
      self = .onBoard
    case "ppc", "ppc64":
      let withoutPCI = ["ref405ep", "sam460ex", "virtex-ml507"]
      self = withoutPCI.contains(name) ? .onBoard : .pci
    case "x86_64-microvm":
      // Debian's build with this machine alone.
      self = Self.x86(name.isEmpty ? "microvm" : name, hasPCIExpress: machine["pcie"] == "on")
    default:
      self = Self.x86(name, hasPCIExpress: machine["pcie"] == "on")
    }
  }

  private static func arm(_ name: String) -> QEMUNetworkDevice {
    if name.isMachine("virt") || name == "sbsa-ref" { return .pci }
    if name == "versatilepb" || name == "versatileab" || name.hasPrefix("realview-") { return .pci }
    return name.hasPrefix("vexpress-") ? .mmio : .onBoard
  }

  private static func x86(_ name: String, hasPCIExpress: Bool) -> QEMUNetworkDevice {
    switch name {
    case "microvm": hasPCIExpress ? .pci : .mmio
    case "isapc": .onBoard
    default: .pci
    }
  }
}

extension String {
  /// Whether the name is that of a machine, or of one of its numbered versions (`virt-7.2`).
  fileprivate func isMachine(_ machine: String) -> Bool { self == machine || hasPrefix(machine + "-") }
}
