import LinuxSystem
import Primitives
import Testing

/// Runs `body` in a network namespace of its own.
///
/// A test does not change its thread before it returns, so that the thread can be given a network meanwhile.
func withOwnNetwork(_ body: () throws -> Void) throws {
  let before = try FileDescriptor.open(reading: "/proc/thread-self/ns/net")
  try Namespace.make([.network])
  defer {
    do throws(SystemError) {
      try Namespace.enter(.network, before)
    } catch {
      preconditionFailure("the way back is lost: \(error)")
    }
  }
  try body()
}

/// A command that ended in another way than it should.
struct CommandFailure: Error, CustomStringConvertible {
  let description: String
}

/// Runs a script of the shell in the namespace of the calling thread, with a text at its stdin, and returns its stdout.
@discardableResult
func shell(_ script: String, input: String = "") throws -> String {
  let (readsOutput, writesOutput) = try FileDescriptor.pipe().take()
  let output = FileDescriptor(owning: readsOutput)
  let (readsInput, writesInput) = try FileDescriptor.pipe().take()
  let child: ChildProcess
  do {
    let inner = FileDescriptor(owning: readsInput)
    let outer = FileDescriptor(owning: writesOutput)
    child = try ChildProcess(
      ["/bin/sh", "-c", "exec 2>&1\n" + script],
      inheriting: [.init(inner.rawValue, as: 0), .init(outer.rawValue, as: 1)])
  }
  do {
    // A pipe holds all of what is written here.
    let end = FileDescriptor(owning: writesInput)
    try end.write(input)
  }
  var text: [UInt8] = []
  var buffer = [UInt8](repeating: 0, count: 65_536)
  while true {
    var space = buffer.mutableSpan
    guard let count = try output.read(into: &space), count > 0 else { break }
    text += buffer[..<count]
  }
  try wait(child.descriptor.rawValue)
  let said = String(decoding: text, as: UTF8.self)
  guard try child.exit() == .status(0) else { throw CommandFailure(description: "\(script)\n\(said)") }
  return said
}

/// Waits, at most five seconds, until a descriptor is readable.
func wait(_ descriptor: Int32) throws {
  let queue = try EventQueue()
  var events = EventBuffer(capacity: 1)
  try queue.registrar.add(descriptor, for: .readable, data: 0)
  try queue.wait(into: &events, timeout: .seconds(5))
  guard events.count > 0 else { throw CommandFailure(description: "nothing has come within five seconds") }
}

extension Trait where Self == ConditionTrait {
  /// The test needs root, for network namespaces; without, it fails in CI and is skipped elsewhere.
  static var needsRoot: ConditionTrait {
    .enabled(
      if: ProcessControl.effectiveUser == 0 || ProcessControl.environment("CI") == "true", "this test needs root")
  }
}
