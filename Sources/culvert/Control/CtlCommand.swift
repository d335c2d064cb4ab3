import ArgumentParser
import Configuration
import LinuxSystem
import Runtime

/// `culvert ctl`.
struct CtlCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ctl",
    abstract: "Look into a running instance, change its forwards, and capture its frames.",
    discussion: """
      The instance is one that was started with '--control unix:PATH'. Where --socket does not name its socket, the \
      variable CULVERT_CONTROL of the environment does.

      EXAMPLES
        What it is and has seen:
          culvert ctl --socket unix:ctl.sock status

        Its connections, over and over:
          culvert ctl flows --transport tcp --watch

        The guest's SSH server at port 2222 of the host, and gone again:
          culvert ctl forwards add tcp:127.0.0.1:2222-:22
          culvert ctl forwards remove tcp:127.0.0.1:2222

        What passes its link from now on, for Wireshark:
          culvert ctl capture start net.pcap
          culvert ctl capture stop

      EXIT STATUS
        0 if it was done, 1 if not, 2 for a wrong command line.
      """,
    subcommands: [
      StatusCommand.self, FlowsCommand.self, ForwardsCommand.self, LeasesCommand.self, DNSCommand.self,
      CaptureCommand.self, LogLevelCommand.self,
    ])

  @OptionGroup var control: ControlArguments
}

/// Which instance is asked, about which network, and how the answer is printed.
struct ControlArguments: ParsableArguments {
  @Option(
    name: .customLong("socket"),
    help: ArgumentHelp("The instance's control socket (default: $CULVERT_CONTROL).", valueName: "unix:path"))
  var socket: String?

  @Option(
    name: .customLong("network"),
    help: ArgumentHelp("Which of several networks, by QEMU's name for it (default: the first).", valueName: "name"))
  var network: String?

  @Flag(name: .customLong("json"), help: "Print the result as it comes, one line of JSON.")
  var json = false

  /// The name of the variable that stands in for `--socket`.
  static let variable = "CULVERT_CONTROL"

  /// Connects to the instance.
  func connect() throws -> ControlConnection {
    if let socket { return try ControlConnection(ControlAddress(socket, setting: "--socket")) }
    guard let socket = ProcessControl.environment(Self.variable), !socket.isEmpty else {
      throw ValidationError("There is no instance to ask; give --socket unix:PATH, or set \(Self.variable).")
    }
    return try ControlConnection(ControlAddress(socket, setting: Self.variable))
  }

  /// Parameters that hold what is asked about.
  var parameters: ControlParameters {
    var parameters = ControlParameters()
    parameters.network = network
    return parameters
  }

  /// Asks once, and prints the result.
  func perform<Result: Codable>(
    _ method: ControlMethod, _ parameters: ControlParameters, for type: Result.Type, as text: (Result) -> String
  ) throws {
    var connection = try connect()
    let result = try connection.ask(ControlRequest(method, parameters), for: type)
    show(result, as: text)
  }

  /// Prints a result.
  func show<Result: Codable>(_ result: Result, as text: (Result) -> String) {
    StandardStream.output.write(json ? ControlJSON.text(result) + "\n" : text(result))
  }
}
