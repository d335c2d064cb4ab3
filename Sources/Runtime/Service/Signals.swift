import Glibc

/// The signals that a running instance takes.
enum Signals {
  /// Logs the table of flows.
  static let logFlows = SIGUSR1
  /// Asks a command to end.
  static let end = SIGTERM
  /// End an instance that serves; `run` passes them on.
  static let ending = [SIGTERM, SIGINT, SIGHUP, SIGQUIT]
  /// All that are taken.
  static let all = ending + [logFlows]
}
