public import ArgumentParser
import Configuration
import Runtime

/// The options of the process.
struct ProcessArguments: ParsableArguments {
  @OptionGroup(title: "Capture Options") var capture: CaptureArguments

  @Option(
    name: .customLong("config"),
    help: ArgumentHelp(
      "A file with options by the names that they have here, in TOML, as 'hostfwd = [\"tcp::2222-:22\"]'; options here "
        + "come in their place, or behind them (default: none).", valueName: "file"),
    completion: .file(extensions: ["toml"]))
  var configurationFile: String?

  @Option(
    name: .customLong("ready-fd"),
    help: ArgumentHelp(
      "Write the byte '1' to this descriptor and close it once everything is set up (default: none).", valueName: "n"))
  var readyDescriptor: Int32?

  @Option(
    name: .customLong("pid-file"),
    help: ArgumentHelp(
      "Write the process's number to this file, and remove it at the end (default: none).",
      valueName: "path"), completion: .file())
  var pidFile: String?

  @Option(
    name: .customLong("lease-file"),
    help: ArgumentHelp(
      "Keep DHCP leases in this file, so that guests get their addresses again after a restart (default: none).",
      valueName: "path"), completion: .file())
  var leaseFile: String?

  @Option(
    name: .customLong("control"),
    help: ArgumentHelp(
      "Answer 'culvert ctl' on this socket, for the same user only (default: none).", valueName: "unix:path"))
  var control: String?

  @Option(
    name: .customLong("capture-host"),
    help: ArgumentHelp(
      "Write the host's side of each flow to this file, as packets made up of what passes the host's sockets "
        + "(default: none).", valueName: "file"), completion: .file(extensions: ["pcap"]))
  var captureHostFile: String?

  @Option(
    name: .customLong("log-level"),
    help: ArgumentHelp(
      "How much to log: error, warning, info, debug or trace (default: info; with 'run' warning).",
      valueName: "level"))
  var logLevel: LogLevel?

  @Option(
    name: .customLong("mode"),
    help: ArgumentHelp(
      "What 'tap:NAME' is used for: 'user' ends its frames here, 'bridge' leaves them to a bridge of the kernel's, and "
        + "'auto' is 'user' unless the device is a bridge's port or another process holds it (default: auto).",
      valueName: "auto|user|bridge"))
  var mode: LinkMode?

  @Option(
    name: .customLong("bridge-config"),
    help: ArgumentHelp(
      "Set up the bridge of this file, as 'culvert bridge up --config' does, and serve it beside the network of the links "
        + "(default: one with the recipe's network where a device is left to a bridge).", valueName: "file"),
    completion: .file(extensions: ["toml"]))
  var bridgeFile: String?

  @Option(
    name: .customLong("busy-poll"),
    help: ArgumentHelp(
      "How long to look for events before sleeping while requests and answers follow each other, up to 1000 "
        + "microseconds: it saves wake-ups where a processor has nothing else to do (default: 50 where every link is a "
        + "TAP device and there are two processors, else 0, not at all).", valueName: "microseconds"))
  var busyPoll: String?

  @Option(
    name: .customLong("queues"),
    help: ArgumentHelp(
      "How many queues each TAP device has, 1 to 16; a thread serves each, and a guest's connections are spread over "
        + "them (default: 1).", valueName: "n"))
  var queues: String?

  @Option(
    name: .customLong("record"),
    help: ArgumentHelp(
      "Record everything that happens to this folder, for 'culvert replay'; what guests say is in it, passwords "
        + "included (default: none).", valueName: "folder"), completion: .directory)
  var record: String?

  @Option(
    name: .customLong("record-limit"),
    help: ArgumentHelp(
      "How long the recording of a network may be, behind which it ends (default: 500MB).", valueName: "size"))
  var recordLimit: String?

  @Flag(
    name: .customLong("record-redact"),
    help: "Record hashes in the place of what guests say and are told (default: all of it).")
  var recordRedact = false

  @Option(
    name: .customLong("peek"),
    help: ArgumentHelp(
      "How to look at a socket's data beyond what was looked at: offset, skip or automatic.", visibility: .hidden))
  var peek = PeekOption.automatic

  @Option(
    name: .customLong("offload"),
    help: ArgumentHelp(
      "What is left to the kernel of a TAP device's frames: all, tcp, checksum or none.", visibility: .hidden))
  var offload = OffloadOption.all

  /// The options as plain values, with those of the network and of the configuration file.
  func options(network: NetworkArguments, defaultLevel: LogLevel) throws(ConfigurationError) -> ServiceOptions {
    let file = try configurationFile.map { path throws(ConfigurationError) in try ConfigurationFile(path: path) }
    var options = ServiceOptions()
    options.configurationFile = configurationFile
    options.commandLineNetwork = try network.options()
    options.network = file?.network.overlaid(by: options.commandLineNetwork) ?? options.commandLineNetwork
    options.links = file?.links ?? []
    options.readyDescriptor = readyDescriptor
    options.pidFile = pidFile ?? file?.pidFile
    options.leaseFile = leaseFile ?? file?.leaseFile
    options.control = control ?? file?.control
    options.capture = try capture.options(over: file?.capture ?? CaptureOptions())
    options.capture.hostFile = captureHostFile ?? options.capture.hostFile
    options.logLevel = logLevel ?? file?.logLevel ?? defaultLevel
    options.peek = peek
    options.mode = mode ?? file?.mode ?? .auto
    options.bridgeFile = bridgeFile ?? file?.bridgeFile
    options.bridge = try options.bridgeFile.map { path throws(ConfigurationError) in
      try BridgeConfigurationFile(path: path).options
    }
    options.offload = offload
    let given = try busyPoll.map { text throws(ConfigurationError) in try ServiceOptions.busyPoll(text, "busy-poll") }
    options.busyPoll = given ?? file?.busyPoll
    let count = try queues.map { text throws(ConfigurationError) in try ServiceOptions.queues(text, "queues") }
    options.queues = count ?? file?.queues ?? 1
    options.record = record ?? file?.record
    let limit = try recordLimit.map { text throws(ConfigurationError) in
      try ServiceOptions.recordLimit(text, "record-limit")
    }
    options.recordLimit = limit ?? file?.recordLimit ?? ServiceOptions.defaultRecordLimit
    options.recordRedact = recordRedact || file?.recordRedact == true
    try options.checkRecording(hasLimit: limit != nil || file?.recordLimit != nil)
    return options
  }
}

extension LogLevel: ExpressibleByArgument {}
extension PeekOption: ExpressibleByArgument {}
extension LinkMode: ExpressibleByArgument {}
extension OffloadOption: ExpressibleByArgument {}
