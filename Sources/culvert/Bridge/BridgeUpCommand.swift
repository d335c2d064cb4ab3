import ArgumentParser
import Bridge
import Configuration
import LinuxSystem
import Runtime

/// `culvert bridge up`.
struct BridgeUpCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "up",
    abstract: "Set a bridge up, and serve its guests.",
    discussion: """
      Without an option it does what many do by hand: bridge0 with the host at 192.168.1.101/24, forwarding to the \
      interface of the default route with translated addresses, and DHCP from 192.168.1.201 to 192.168.1.254 with the \
      domain mylan and the name server 8.8.8.8. A bridge that is there already is taken if it has that address or none.

      It stays and serves until SIGTERM or SIGINT ends it, and then takes everything back; with --detach it goes on in \
      the background until 'culvert bridge down'. Where there is nothing to serve ('--dhcp none' without --ipv6) it \
      returns at once, unless frames are captured. What it has changed is written down before it is changed, in /run/culvert, so that 'down' \
      takes it back after a crash, too; a step that fails takes back those before it.

      EXAMPLES
        A network of its own, with IPv6:
          culvert bridge up --bridge lab0 --address 10.7.0.1/24 --ipv6 fd00:7::/64

        Guests that reach each other and the host, and nothing else:
          culvert bridge up --uplink none

        On a host whose firewall drops what it does not know:
          culvert bridge up --allow-in 'inet filter forward'

        With everything that it forwards in a file:
          culvert bridge up --capture lab.pcap

        In a systemd unit (Type=notify):
          ExecStart=culvert bridge up --config /etc/culvert/bridge0.toml
      """)

  @OptionGroup(title: "Bridge Options") var bridge: BridgeArguments

  @OptionGroup(title: "Capture Options") var capture: CaptureArguments

  @Flag(name: .customLong("dry-run"), help: "Print what would be done, and the commands that would do the same.")
  var isDryRun = false

  @Flag(name: .customLong("detach"), help: "Return once it is up, and serve in the background.")
  var detaches = false

  @Option(
    name: .customLong("ready-fd"),
    help: ArgumentHelp(
      "Write the byte '1' to this descriptor and close it once everything is set up (default: none).", valueName: "n"))
  var readyDescriptor: Int32?

  @Flag(
    name: .customLong("background"),
    help: ArgumentHelp("Leave the standard streams once it is up.", visibility: .hidden))
  var isInBackground = false

  @Option(
    name: .customLong("log-level"),
    help: ArgumentHelp("How much to log: error, warning, info, debug or trace (default: info).", valueName: "level"))
  var logLevel = LogLevel.info

  func run() throws {
    let options = try bridge.options()
    _ = try BridgeNetwork(options)
    if isDryRun { return show(try BridgeSetup.plan(options)) }
    if detaches { return try detach() }
    var service = BridgeServiceOptions(bridge: options)
    service.readyDescriptor = readyDescriptor
    service.isInBackground = isInBackground
    service.logLevel = logLevel
    service.capture = try capture.options()
    try BridgeService.run(service)
  }

  /// Has another process do the same in the background.
  private func detach() throws {
    guard readyDescriptor == nil else {
      throw ValidationError("With --detach, 'up' returns when everything is set up; leave --ready-fd out.")
    }
    let words = CommandLine.arguments.dropFirst().filter { $0 != "--detach" }
    let status = try BridgeService.runInBackground(["/proc/self/exe"] + words + ["--background"])
    guard status == 0 else { throw ExitCode(status) }
  }

  private func show(_ plan: BridgePlan) {
    let steps = plan.changes.map { change in
      "# \(change.words)\n" + change.commands.map { $0 + "\n" }.joined()
    }
    StandardStream.output.write(steps.isEmpty ? "# nothing is to be done\n" : steps.joined(separator: "\n"))
  }
}
