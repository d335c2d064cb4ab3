import LinuxSystem

/// The command that a loop was started with, QEMU as a rule.
struct Child: ~Copyable {
  private let process: ChildProcess
  private let daemonizes: Bool

  /// Takes over a running process. One that daemonizes ends as soon as its guest runs.
  init(_ process: consuming ChildProcess, daemonizes: Bool) {
    self.process = process
    self.daemonizes = daemonizes
  }

  /// The descriptor to watch: readable once the process has ended.
  var descriptor: Int32 { process.descriptor.rawValue }

  /// Passes a signal on.
  mutating func pass(_ signal: Int32) throws(SystemError) { try process.send(signal: signal) }

  /// How the process ended, nil while it runs, and whether it may have left its guest running.
  mutating func end() throws(SystemError) -> (ChildProcess.Exit, daemonizes: Bool)? {
    try process.exit().map { ($0, daemonizes) }
  }
}
