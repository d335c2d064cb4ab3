import Glibc
import LinuxSystem
import Netstack
import Primitives

/// The commands that were started for flows and have not ended.
///
/// Each has a session of its own: what it does to its group does not reach us, and what is said to its group reaches
/// those that it has started. A connection that ends cleanly leaves its command in peace, which has read the end; one
/// that is reset hangs it up, as a terminal would (SIGHUP). None outlives the network.
struct RunningCommands: ~Copyable {
  final class Command {
    let process: ChildProcess
    let flow: FlowID

    init(_ process: consuming ChildProcess, for flow: FlowID) {
      self.process = process
      self.flow = flow
    }

    /// Whether the process has ended; asked only until it has. One that cannot be waited for is nobody's any more.
    var hasEnded: Bool { do throws(SystemError) { return try process.exit() != nil } catch { return true } }

    /// Waits for the end, which is not asked for but made from `deadline` on.
    func end(by deadline: Instant) {
      do throws(SystemError) {
        let queue = try EventQueue()
        var events = EventBuffer(capacity: 1)
        try queue.registrar.add(process.descriptor.rawValue, for: .readable, data: 0)
        try queue.wait(into: &events, until: deadline)
        if hasEnded { return }
        send(SIGKILL)
        try queue.wait(into: &events, timeout: .seconds(1))
        _ = hasEnded
      } catch {
        send(SIGKILL)
      }
    }

    /// Tells the command and those that it has started; those that may not be told have become somebody else.
    func send(_ signal: Int32) { do throws(SystemError) { try process.send(signalToGroup: signal) } catch {} }
  }

  /// A guest may ask for as many connections as it likes, but not for as many processes.
  static var maximumCount: Int { 128 }

  private let registrar: EventRegistrar
  private let data: UInt64
  private(set) var running: [Command] = []

  /// The end of a command is an event of `registrar`'s queue with `data`.
  init(registrar: EventRegistrar, data: UInt64) {
    self.registrar = registrar
    self.data = data
  }

  /// Asks all to end, and ends those that have not soon.
  deinit {
    for command in running { command.send(SIGTERM) }
    let deadline = MonotonicClock.now + Self.endingTime
    for command in running { command.end(by: deadline) }
  }

  /// How long the commands have at the network's end.
  private static var endingTime: Interval { .milliseconds(150) }

  /// How many there are.
  var count: Int { running.count }

  /// Starts a command for a flow, with `stream` as its standard input and output.
  mutating func start(
    _ arguments: [String], on stream: borrowing FileDescriptor, for flow: FlowID
  ) throws(SystemError) {
    guard running.count < Self.maximumCount else { throw SystemError(EMFILE, "start", arguments[0]) }
    let process = try ChildProcess(
      arguments, inheriting: [.init(stream.rawValue, as: 0), .init(stream.rawValue, as: 1)], inNewSession: true)
    let command = Command(process, for: flow)
    running.append(command)
    do throws(SystemError) {
      try registrar.add(command.process.descriptor.rawValue, for: .readable, data: data)
    } catch {
      // Its end is found with the next one's.
      command.send(SIGKILL)
      throw error
    }
  }

  /// Tells the command of a flow that nobody is there any more.
  func hangUp(_ flow: FlowID) {
    for command in running where command.flow == flow { command.send(SIGHUP) }
  }

  /// Forgets those that have ended.
  mutating func reap() { running.removeAll { $0.hasEnded } }
}
