import Foundation
import Glibc
import LinuxSystem
import Synchronization

/// A program that runs beside the test. It is ended with this value, if need be by SIGKILL.
final class Program: Sendable {
  /// What it wrote to stdout, unless the caller took that.
  let output: LineLog
  /// What it wrote to stderr.
  let errors: LineLog
  private let name: String
  private let process: ChildProcess
  private let ending = Mutex<ChildProcess.Exit?>(nil)

  /// Starts a program, found by PATH. Its stdin is /dev/null unless given.
  init(
    _ arguments: [String], standardInput: Int32? = nil, standardOutput: Int32? = nil,
    inheriting: [ChildProcess.Inheritance] = []
  ) throws {
    name = arguments.joined(separator: " ")
    let nothing = try FileDescriptor.open(reading: "/dev/null")
    let (readsOutput, writesOutput) = try FileDescriptor.pipe().take()
    let (readsErrors, writesErrors) = try FileDescriptor.pipe().take()
    output = LineLog(reading: FileDescriptor(owning: readsOutput))
    errors = LineLog(reading: FileDescriptor(owning: readsErrors))
    // Closed at the end of this initializer, so that the logs end with the child.
    let outputEnd = FileDescriptor(owning: writesOutput)
    let errorEnd = FileDescriptor(owning: writesErrors)
    process = try ChildProcess(
      arguments,
      inheriting: [
        .init(standardInput ?? nothing.rawValue, as: 0), .init(standardOutput ?? outputEnd.rawValue, as: 1),
        .init(errorEnd.rawValue, as: 2),
      ] + inheriting)
  }

  deinit {
    do {
      // Asked first, so that one with children ends them too.
      try process.send(signal: SIGTERM)
      guard try !wait(process.descriptor.rawValue, for: .readable, until: .after(2)) else { return }
      try process.send(signal: SIGKILL)
      try waitForExit(seconds: 10)
    } catch {
      print("cannot end \(name): \(error)")
    }
  }

  var processID: Int32 { process.processID }

  /// Whether it has not ended.
  var isRunning: Bool { get throws { try exit() == nil } }

  func send(signal: Int32) throws { try process.send(signal: signal) }

  /// Waits for the end and says how it came.
  @discardableResult
  func waitForExit(seconds: Double) throws -> ChildProcess.Exit {
    if let ended = try exit() { return ended }
    try waitUntil(process.descriptor.rawValue, is: .readable, by: .after(seconds), "the end of \(name)")
    guard let ended = try exit() else { throw Failure("\(name) has not ended, although its descriptor says so") }
    return ended
  }

  /// Waits for a successful end; throws with its stderr otherwise.
  func expectSuccess(seconds: Double = 30) throws {
    let exit = try waitForExit(seconds: seconds)
    guard exit == .status(0) else { throw Failure("\(name) ended with \(exit)\n\(errors.text)") }
  }

  /// Runs a program to its successful end and returns what it wrote to stdout, without the last newline.
  @discardableResult
  static func run(_ arguments: String..., seconds: Double = 30) throws -> String {
    let program = try Program(arguments)
    try program.expectSuccess(seconds: seconds)
    // The output is complete only once its end has been read.
    return try program.output.textAtEnd(seconds: 5)
  }

  private func exit() throws -> ChildProcess.Exit? {
    try ending.withLock { ending in
      if ending == nil { ending = try process.exit() }
      return ending
    }
  }
}

/// What the kernel says about a process, from /proc.
struct ProcessStatus {
  private let fields: [Substring: Substring]

  init(of process: Int32) throws { try self.init(ofPath: "/proc/\(process)") }

  /// Of a process or a thread by its folder.
  init(ofPath path: String) throws {
    let text = try String(contentsOfFile: path + "/status", encoding: .utf8)
    fields = Dictionary(
      text.split(separator: "\n").compactMap { line in
        let parts = line.split(separator: ":", maxSplits: 1)
        return parts.count == 2 ? (parts[0], parts[1]) : nil
      }, uniquingKeysWith: { first, _ in first })
  }

  /// Whether it waits for something.
  var isSleeping: Bool { fields["State"]?.contains("S (sleeping)") == true }

  /// A number, such as `VmRSS` in kB or `voluntary_ctxt_switches`.
  func number(_ name: String) throws -> Int {
    let digits = (fields[name[...]] ?? "").filter(\.isNumber)
    guard let number = Int(digits) else { throw Failure("/proc has no number \(name)") }
    return number
  }
}
