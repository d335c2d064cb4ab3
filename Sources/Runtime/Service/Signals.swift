import Glibc

/// The signals that a running instance takes.
enum Signals {
  /// Logs the table of flows.
  static let logFlows = SIGUSR1
  /// Starts what was to be captured, or stops it.
  static let toggleCapture = SIGUSR2
  /// Has the configuration file be read again, where there is one; ends an instance otherwise, as a terminal that goes
  /// away does.
  static let reload = SIGHUP
  /// Asks a command to end.
  static let end = SIGTERM
  /// End an instance that serves; `run` passes them on.
  static let ending = [SIGTERM, SIGINT, reload, SIGQUIT]
  /// All that are taken.
  static let all = ending + [logFlows, toggleCapture]
}
