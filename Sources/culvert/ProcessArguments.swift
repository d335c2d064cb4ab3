public import ArgumentParser
import Configuration

/// The options of the process.
struct ProcessArguments: ParsableArguments {
  @Option(
    name: .customLong("ready-fd"),
    help: ArgumentHelp(
      "Write the byte '1' to this descriptor and close it once everything is set up (default: none).", valueName: "n"))
  var readyDescriptor: Int32?

  @Option(
    name: .customLong("pid-file"),
    help: ArgumentHelp(
      "Write the process's number to this file, and remove it at the end (default: none).",
      valueName: "path"))
  var pidFile: String?

  @Option(
    name: .customLong("log-level"),
    help: ArgumentHelp(
      "How much to log: error, warning, info, debug or trace (default: info; with 'run' warning).",
      valueName: "level"))
  var logLevel: LogLevel?

  @Option(
    name: .customLong("peek"),
    help: ArgumentHelp(
      "How to look at a socket's data beyond what was looked at: offset, skip or automatic.", visibility: .hidden))
  var peek = PeekOption.automatic

  /// The options as plain values, with those of the network.
  func options(network: NetworkArguments, defaultLevel: LogLevel) throws(ConfigurationError) -> ServiceOptions {
    var options = ServiceOptions()
    options.network = try network.options()
    options.readyDescriptor = readyDescriptor
    options.pidFile = pidFile
    options.logLevel = logLevel ?? defaultLevel
    options.peek = peek
    return options
  }
}

extension LogLevel: ExpressibleByArgument {}
extension PeekOption: ExpressibleByArgument {}
