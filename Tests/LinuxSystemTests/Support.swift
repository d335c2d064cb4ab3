import LinuxSystem
import Primitives
import Testing

/// A folder of its own for one test, removed with all files in it at the end.
struct TemporaryFolder: ~Copyable {
  let path: String

  init() throws {
    let name = try ProcessControl.randomSeed().0
    let path = "/tmp/culvert-test-\(String(name, radix: 36))"
    #expect(try run("mkdir", path) == .status(0))
    self.path = path
  }

  deinit {
    do {
      _ = try run("rm", "-rf", path)
    } catch {
      Issue.record("\(error)")
    }
  }
}

/// Runs a program to its end.
func run(_ arguments: String...) throws -> ChildProcess.Exit {
  let child = try ChildProcess(arguments)
  return try waitForExit(of: child)
}

/// Waits for a child's end.
func waitForExit(of child: borrowing ChildProcess) throws -> ChildProcess.Exit {
  let queue = try EventQueue()
  var events = EventBuffer(capacity: 1)
  try queue.registrar.add(child.descriptor.rawValue, for: .readable, data: 0)
  try queue.wait(into: &events, timeout: .seconds(20))
  return try #require(try child.exit())
}

/// Waits until `descriptor` is what `events` say and returns what is told, nil after `timeout`.
func wait(_ descriptor: Int32, for events: Events, timeout: Interval = .seconds(5)) throws -> Events? {
  let queue = try EventQueue()
  var buffer = EventBuffer(capacity: 1)
  try queue.registrar.add(descriptor, for: events, data: 0)
  try queue.wait(into: &buffer, timeout: timeout)
  return buffer.count == 0 ? nil : buffer[0].events
}

/// The bytes of a text.
func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }
