public import ArgumentParser
import Configuration
import LinuxSystem
import Runtime

/// `culvert ctl status`.
struct StatusCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "status", abstract: "Print what the instance is and has seen.")

  @OptionGroup var control: ControlArguments

  func run() throws {
    try control.perform(.status, control.parameters, for: StatusReport.self) { $0.text }
  }
}

/// `culvert ctl flows`.
struct FlowsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "flows", abstract: "Print the flows between guests and the world.")

  @Option(name: .customLong("transport"), help: "Only flows of one protocol.")
  var transport: FlowTransport?

  @Option(
    name: .customLong("state"), help: ArgumentHelp("Only flows in one state, as 'established'.", valueName: "state"))
  var state: String?

  @Flag(name: .customLong("watch"), help: "Print them again and again, until the instance ends.")
  var watch = false

  @Option(name: .customLong("interval"), help: ArgumentHelp("Seconds between two times.", valueName: "seconds"))
  var interval = 1.0

  @OptionGroup var control: ControlArguments

  func validate() throws {
    guard (0.1...86_400).contains(interval) else {
      throw ValidationError("--interval \(interval) is out of range; give 0.1 to 86400 seconds.")
    }
  }

  func run() throws {
    var parameters = control.parameters
    (parameters.transport, parameters.state) = (transport?.rawValue, state)
    let request = ControlRequest(.flows, parameters)
    var connection = try control.connect()
    while true {
      let report = try connection.ask(request, for: FlowsReport.self)
      // Each table in the place of the one before, where it can be.
      if watch, !control.json, StandardStream.output.isTerminal { StandardStream.output.write("\u{1b}[H\u{1b}[2J") }
      control.show(report) { $0.text }
      guard watch, try !connection.waitForEnd(milliseconds: Int64(interval * 1000)) else { return }
    }
  }
}

/// `culvert ctl forwards`.
struct ForwardsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "forwards", abstract: "Print or change which ports of the host lead to guests.",
    subcommands: [List.self, Add.self, Remove.self], defaultSubcommand: List.self)

  @OptionGroup var control: ControlArguments

  /// `culvert ctl forwards list`.
  struct List: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "Print them.")

    @OptionGroup var control: ControlArguments

    func run() throws {
      try control.perform(.forwards, control.parameters, for: ForwardsReport.self) { $0.text }
    }
  }

  /// `culvert ctl forwards add`.
  struct Add: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "add", abstract: "Lead a port of the host, or several, or a UNIX socket to a guest.")

    @Argument(
      help: ArgumentHelp(
        "As in --hostfwd, with 'unix:PATH' as well.", valueName: "[tcp|udp]:[hostaddr]:port-[guestaddr]:port"))
    var rule: String

    @OptionGroup var control: ControlArguments

    func run() throws {
      var parameters = control.parameters
      parameters.rule = rule
      try control.perform(.addForward, parameters, for: ForwardsReport.self) { $0.changes("forwarding") }
    }
  }

  /// `culvert ctl forwards remove`.
  struct Remove: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "remove", abstract: "Lead a port of the host, or several, nowhere. Connections go on.")

    @Argument(
      help: ArgumentHelp(
        "The host's side of a forward; as the port a range FIRST-LAST will do, and so will 'unix:PATH'.",
        valueName: "[tcp|udp]:[hostaddr]:port"))
    var rule: String

    @OptionGroup var control: ControlArguments

    func run() throws {
      var parameters = control.parameters
      parameters.rule = rule
      try control.perform(.removeForward, parameters, for: ForwardsReport.self) { $0.changes("no longer forwarding") }
    }
  }
}

/// `culvert ctl leases`.
struct LeasesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "leases", abstract: "Print the addresses that DHCP has leased.")

  @OptionGroup var control: ControlArguments

  func run() throws {
    try control.perform(.leases, control.parameters, for: LeasesReport.self) { $0.text }
  }
}

/// `culvert ctl dns`.
struct DNSCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "dns", abstract: "Print the name servers that are asked on the guests' behalf.")

  @OptionGroup var control: ControlArguments

  func run() throws {
    try control.perform(.dns, control.parameters, for: ResolversReport.self) { $0.text }
  }
}

/// `culvert ctl capture`.
struct CaptureCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "capture", abstract: "Print what is captured, or start or stop to capture.",
    subcommands: [Show.self, Start.self, Stop.self], defaultSubcommand: Show.self)

  @OptionGroup var control: ControlArguments

  /// `culvert ctl capture show`.
  struct Show: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "show", abstract: "Print what is captured, or was last.")

    @OptionGroup var control: ControlArguments

    func run() throws {
      try control.perform(.capture, control.parameters, for: CaptureReport.self) { $0.text }
    }
  }

  /// `culvert ctl capture start`.
  struct Start: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "start", abstract: "Write the frames that pass a network's links to a file, from now on.")

    @Argument(help: ArgumentHelp("The file, which is made or replaced by the instance.", valueName: "file"))
    var file: String

    @Option(
      name: .customLong("filter"),
      help: ArgumentHelp("As --capture-filter (default: all frames).", valueName: "expression"))
    var filter: String?

    @Option(
      name: .customLong("snaplen"),
      help: ArgumentHelp("As --capture-snaplen (default: all of it).", valueName: "bytes"))
    var snapLength: Int?

    @Option(
      name: .customLong("rotate"),
      help: ArgumentHelp("As --capture-rotate (default: one file of any length).", valueName: "size,count"))
    var rotate: String?

    @Flag(name: .customLong("segments"), help: "As --capture-segments.")
    var segments = false

    @OptionGroup var control: ControlArguments

    func run() throws {
      var parameters = control.parameters
      // The instance has a folder of its own.
      parameters.file = file == "-" ? file : try FileSystem.absolutePath(file)
      (parameters.filter, parameters.snapLength, parameters.rotate) = (filter, snapLength, rotate)
      parameters.segments = segments
      try control.perform(.startCapture, parameters, for: CaptureReport.self) { $0.text }
    }
  }

  /// `culvert ctl capture stop`.
  struct Stop: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "stop", abstract: "Write no more frames; what was captured is written before.")

    @OptionGroup var control: ControlArguments

    func run() throws {
      try control.perform(.stopCapture, control.parameters, for: CaptureReport.self) { $0.text }
    }
  }
}

/// `culvert ctl log-level`.
struct LogLevelCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "log-level", abstract: "Print how much the instance logs, or have it log more or less.")

  @Argument(help: ArgumentHelp("From now on.", valueName: "level"))
  var level: LogLevel?

  @OptionGroup var control: ControlArguments

  func run() throws {
    var parameters = control.parameters
    parameters.level = level?.rawValue
    try control.perform(.logLevel, parameters, for: LogLevelReport.self) { "\($0.level.rawValue)\n" }
  }
}

extension FlowTransport: ExpressibleByArgument {}
