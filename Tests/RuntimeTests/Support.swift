import LinuxSystem
import Logging
import Primitives
import Synchronization
import Testing

@testable import Runtime

/// A folder of its own for one test, removed with all files in it at the end.
struct TemporaryFolder: ~Copyable {
  let path: String

  init() throws {
    let name = try ProcessControl.randomSeed().0
    let path = "/tmp/culvert-test-\(String(name, radix: 36))"
    try shell("mkdir \(path)")
    self.path = path
  }

  deinit {
    do { try shell("rm -rf \(path)") } catch { Issue.record("\(error)") }
  }
}

/// Runs a script to its end, which must be a good one.
func shell(_ script: String) throws {
  let child = try ChildProcess(["sh", "-c", script])
  try awaitEvent(on: child.descriptor.rawValue)
  try #require(try child.exit() == .status(0), "\(script)")
}

/// Waits until a descriptor is readable.
func awaitEvent(on descriptor: Int32, for events: Events = .readable) throws {
  let queue = try EventQueue()
  var buffer = EventBuffer(capacity: 1)
  try queue.registrar.add(descriptor, for: events, data: 0)
  try queue.wait(into: &buffer, timeout: .seconds(20))
  try #require(buffer.count == 1, "nothing happened in 20 s")
}

/// The command `culvert`, running, with all that it writes in one pipe.
struct Program: ~Copyable {
  private let process: ChildProcess
  private let output: FileDescriptor
  private(set) var text = ""

  /// The command's file, beside that of the tests.
  static var path: String {
    get throws {
      let tests = try #require(try FileSystem.linkTarget(of: "/proc/self/exe"))
      return tests[...(try #require(tests.lastIndex(of: "/")))] + "culvert"
    }
  }

  /// Starts the command with `arguments`, through the shell after `prelude`, if there is one.
  init(_ arguments: [String], prelude: String = "", inheriting: [ChildProcess.Inheritance] = []) throws {
    let pipe = try FileDescriptor.pipe()
    let words = try [Self.path] + arguments
    let start = prelude.isEmpty ? words : ["sh", "-c", "\(prelude) exec \"$@\"", "sh"] + words
    let writer = pipe.second.rawValue
    let output = try pipe.first.duplicate()
    process = try ChildProcess(start, inheriting: inheriting + [.init(writer, as: 1), .init(writer, as: 2)])
    self.output = output
    _ = consume pipe
  }

  /// Starts the command with the arguments given one by one.
  init(_ arguments: String..., prelude: String = "", inheriting: [ChildProcess.Inheritance] = []) throws {
    try self.init(arguments, prelude: prelude, inheriting: inheriting)
  }

  /// The process's number.
  var processID: Int32 { process.processID }

  /// Reads until what was written holds `part`, or, without one, to the end.
  mutating func read(until part: String? = nil) throws {
    while part.map({ !text.contains($0) }) ?? true {
      try awaitEvent(on: output.rawValue, for: [.readable])
      var bytes = [UInt8](repeating: 0, count: 4096)
      var span = bytes.mutableSpan
      let count = try output.read(into: &span) ?? 0
      guard count > 0 else {
        try #require(part == nil, "it ended with: \(text)")
        return
      }
      text += String(decoding: bytes.prefix(count), as: UTF8.self)
    }
  }

  /// Forgets what was written so far.
  mutating func clear() { text = "" }

  /// Sends a signal.
  func send(_ signal: Int32) throws { try process.send(signal: signal) }

  /// Waits for the end.
  func end() throws -> ChildProcess.Exit {
    try awaitEvent(on: process.descriptor.rawValue)
    return try #require(try process.exit())
  }

  /// All that was written, and how the command ended.
  mutating func result() throws -> (text: String, exit: ChildProcess.Exit) {
    try read()
    return (text, try end())
  }
}

/// A TCP port of the loopback that nobody has at this moment.
func freePort() throws -> UInt16 {
  let loopback = SocketAddress.internet(Endpoint(.loopback, port: 0))
  let socket = try Socket(.stream, for: loopback)
  try socket.bind(to: loopback)
  return try #require(try socket.localAddress().endpoint?.port)
}

/// Runs `culvert ctl` to its good end.
func ctl(_ control: String, _ arguments: String...) throws -> String {
  var program = try Program(["ctl", "--socket", control] + arguments)
  let (text, exit) = try program.result()
  #expect(exit == .status(0), "\(text)")
  return text
}

/// Lines that a handler wrote.
final class Lines: Sendable {
  private let storage = Mutex<[String]>([])
  var all: [String] { storage.withLock { $0 } }
  func append(_ line: String) { storage.withLock { $0.append(line) } }

  /// A logger that writes here.
  func logger(_ level: Logger.Level) -> Logger { logger(LogThreshold(level)) }

  /// A logger that writes here as much as `threshold` lets through.
  func logger(_ threshold: LogThreshold, network: String? = nil) -> Logger {
    var logger = Logger(label: "test") { _ in StandardErrorLogHandler(threshold: threshold) { self.append($0) } }
    if let network { logger[metadataKey: StandardErrorLogHandler.networkKey] = "\(network)" }
    return logger
  }
}
