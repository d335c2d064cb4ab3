import ArgumentParser
import Configuration
import Primitives
import Runtime

/// `culvert run`.
struct RunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run",
    abstract: "Start QEMU with its network attached, and end with it.",
    discussion: """
      COMMAND is run with two options added: '-netdev stream,id=net0,...', which is the network on a descriptor that \
      QEMU inherits, and a network device: virtio of the kind that the machine takes (PCI, MMIO or channel), the \
      board's own where there is no virtio, or the one that --nic names. A command line that has a device with \
      'netdev=net0' gets no other. QEMU 7.2 or later is needed.

      With --bridge the guest gets a port of a bridge of the kernel's, by 'culvert-bridge-helper' or QEMU's own, and a \
      hardware address of its own; user networks of the command line are Culvert's all the same.

      Where COMMAND asks for user networks of QEMU's ('-netdev user', '-nic user' or '-net user'), these become \
      Culvert's instead, each with its own options; network options here come in their place, and further forwards, \
      domains, leases, their file and routes are the first one's. A command with '-nic none' is run as it is.

      SIGTERM, SIGINT, SIGHUP and SIGQUIT are passed on to the command; but where there is a file of --config, \
      SIGHUP has it read again, as 'culvert help serve' says. The exit status is the command's, or 128 and \
      the signal's number if a signal ended it. With '-daemonize' Culvert stays until QEMU closes its network. \
      SIGUSR1 logs the table of flows, SIGUSR2 stops what --capture has begun, or begins it again.

      EXAMPLES
        A guest on the terminal, its web server at port 8080 of the host:
          culvert run --hostfwd tcp:127.0.0.1:8080-:80 -- \\
            qemu-system-x86_64 -M q35 -m 512 -nographic disk.img

        A command line for QEMU's own user network:
          culvert run -- qemu-system-x86_64 -nic user,hostfwd=tcp::2222-:22 disk.img

        A guest without a virtio driver:
          culvert run --nic e1000 -- qemu-system-i386 -m 256 old.img

        A guest on a bridge, which 'culvert bridge up' has made:
          culvert run --bridge bridge0 -- qemu-system-x86_64 -m 512 disk.img

        A device with properties of its own:
          culvert run -- qemu-system-x86_64 \\
            -device virtio-net-pci,netdev=net0,mac=52:54:00:00:00:07 disk.img
      """)

  @Option(
    name: .customLong("nic"),
    help: ArgumentHelp(
      "The network device to add, with properties if wanted (default: virtio of the kind that the machine takes).",
      valueName: "model"))
  var nic: String?

  @Option(
    name: .customLong("netdev-id"),
    help: ArgumentHelp("What QEMU calls the network.", valueName: "id"))
  var netdev = "net0"

  @Option(
    name: .customLong("bridge"),
    help: ArgumentHelp(
      "Make the guest a port of this bridge of the kernel's, instead of giving it a network of Culvert's.",
      valueName: "name"))
  var bridge: String?

  @Option(
    name: .customLong("mac"),
    help: ArgumentHelp(
      "The hardware address of the guest's device on the bridge (default: one of QEMU's that follows from the guest's "
        + "image).", valueName: "address"),
    transform: readHardware)
  var hardware: MACAddress?

  @OptionGroup(title: "Network Options") var network: NetworkArguments
  @OptionGroup(title: "Process Options") var process: ProcessArguments

  @Argument(
    parsing: .postTerminator,
    help: ArgumentHelp("The command that starts QEMU, behind '--'.", valueName: "command"))
  var command: [String]

  func run() throws {
    let options = try process.options(network: network, defaultLevel: .warning)
    guard options.links.isEmpty else { throw ConfigurationError("link", "'run' makes its own link; leave it out") }
    try options.checkHasNoBridge(for: "run")
    guard bridge != nil || hardware == nil else {
      throw ValidationError("--mac is for the device on a bridge; give --bridge, or 'mac=' with --nic.")
    }
    let guest = bridge.map { BridgedGuest(bridge: $0, hardware: hardware, model: nic) }
    let status = try Service.run(
      try QEMUCommandLine(command), netdev: netdev, nic: nic, guest: guest, options: options)
    guard status == 0 else { throw ExitCode(status) }
  }
}

@Sendable private func readHardware(_ text: String) throws -> MACAddress {
  guard let address = MACAddress(text), address.isUnicast else {
    throw ValidationError("'\(text)' is no hardware address of a device, as 52:54:00:12:34:59")
  }
  return address
}
