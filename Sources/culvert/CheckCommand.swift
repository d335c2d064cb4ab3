import ArgumentParser
import Configuration
import LinuxSystem
import Runtime

/// `culvert check`.
struct CheckCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check",
    abstract: "Check options and print what they come to.",
    discussion: """
      Takes the options of 'serve' and 'run', and a configuration file, without opening anything. What is printed is \
      every setting with its value, as a configuration file that means the same.

      EXAMPLES
        A configuration file:
          culvert check --config net.toml

        What a whole option string of QEMU's means:
          culvert check --user 'net=192.168.76.0/24,hostfwd=tcp::2222-:22'
      """)

  @OptionGroup(title: "Network Options") var network: NetworkArguments
  @OptionGroup(title: "Process Options") var process: ProcessArguments

  @Argument(help: ArgumentHelp("Where guests are: \(LinkAddress.syntax).", valueName: "link"))
  var links: [String] = []

  func run() throws {
    var options = try process.options(network: network, defaultLevel: .info)
    let links = try (options.links + links).map { text throws(ConfigurationError) in try LinkAddress(text) }
    options.adoptDefaults(of: links)
    try options.checkQueues(of: links)
    let network = try options.checkedNetwork
    var settings: [(name: String, value: SettingValue)] = [("link", .list(links.map(\.description)))]
    settings += network.settings
    if let pidFile = options.pidFile { settings.append(("pid-file", .text(pidFile))) }
    if let leaseFile = options.leaseFile { settings.append(("lease-file", .text(leaseFile))) }
    if let control = options.control {
      settings.append(("control", .text(try ControlAddress(control).description)))
    }
    try options.checkCapture()
    settings += options.capture.settings
    settings.append(("mode", .text(options.mode.rawValue)))
    if let bridgeFile = options.bridgeFile { settings.append(("bridge-config", .text(bridgeFile))) }
    settings.append(("busy-poll", .number(options.busyPoll ?? options.defaultBusyPoll)))
    settings.append(("queues", .number(options.queues)))
    if let record = options.record {
      settings.append(("record", .text(record)))
      settings.append(("record-limit", .number(options.recordLimit)))
      settings.append(("record-redact", .flag(options.recordRedact)))
    }
    settings.append(("log-level", .text(options.logLevel.rawValue)))
    StandardStream.output.write(settings.map { "\($0) = \($1)\n" }.joined())
    // What another file says, which this one only names.
    let bridge =
      try options.bridge.map { bridge throws(ConfigurationError) in try BridgeNetwork(bridge).settings } ?? []
    StandardStream.output.write(bridge.map { "# bridge: \($0) = \($1)\n" }.joined())
  }
}
