import LinuxSystem
import Logging
import Primitives

/// The conversations on a control socket.
///
/// One request of one client is carried out at a time, and a client's next request is not read before its last answer
/// is written: what one client can take up is a request, an answer, and a place among a few.
///
/// Made by one thread, then used by another alone, which the start of the thread puts in order.
final class ControlClients: @unchecked Sendable {
  /// What an event belongs to, in the data that travels with it; clients have numbers from `firstClient` on.
  private enum Mark {
    static let stop: UInt64 = 0
    static let listener: UInt64 = 1
    static let firstClient: UInt64 = 2
  }

  private let listener: Int32
  private let stopping: StopSignal
  private let service: ControlService
  private let logger: Logger
  private let queue: EventQueue
  private var clients: [UInt64: ControlClient] = [:]
  private var nextMark = Mark.firstClient
  /// When the listener is watched again, after a client could not be accepted.
  private var acceptsAgain = Instant.never

  /// The most clients at once.
  static let maximumCount = 16
  /// How long no client is accepted after one could not be.
  private static var pause: Interval { .seconds(1) }
  /// How long a client may leave its answer unread.
  private static var patience: Interval { .seconds(30) }

  /// Serves the listener of this number.
  init(listener: Int32, stopping: StopSignal, service: ControlService, logger: Logger) throws(SystemError) {
    self.listener = listener
    self.stopping = stopping
    self.service = service
    self.logger = logger
    queue = try EventQueue()
    try queue.registrar.add(stopping.counter.descriptor.rawValue, for: .readable, data: Mark.stop)
    try queue.registrar.add(listener, for: .readable, data: Mark.listener)
  }

  /// Answers until told to stop.
  func serve() {
    do throws(SystemError) {
      try turns()
    } catch {
      logger.error("the control socket is closed: \(error)")
    }
    clients = [:]
  }

  private func turns() throws(SystemError) {
    var events = EventBuffer(capacity: 32)
    while true {
      try queue.wait(into: &events, until: nextDeadline)
      for index in 0..<events.count {
        switch events[index].data {
        case Mark.stop: return
        case Mark.listener: try accept()
        case let mark: advance(mark)
        }
      }
      let now = MonotonicClock.now
      clients = clients.filter { $0.value.deadline > now }
      if acceptsAgain <= now { try watchListener(again: .never) }
    }
  }

  private var nextDeadline: Instant { clients.values.reduce(acceptsAgain) { min($0, $1.deadline) } }

  // MARK: Coming

  private func accept() throws(SystemError) {
    do throws(SystemError) {
      while let socket = try Socket.accept(from: listener) { try begin(socket) }
    } catch {
      // Out of descriptors, say. The client stays in the queue, so the listener would be told of it for ever.
      logger.warning("the control socket: \(error)")
      try watchListener(again: MonotonicClock.now + Self.pause)
    }
  }

  private func watchListener(again: Instant) throws(SystemError) {
    acceptsAgain = again
    try queue.registrar.modify(listener, for: again == .never ? .readable : [], data: Mark.listener)
  }

  private func begin(_ socket: consuming Socket) throws(SystemError) {
    let user = try socket.peerUser()
    guard Self.mayAsk(user) else {
      return ControlClient(socket).refuse(ControlFailure(.forbidden, "this instance is another user's"))
    }
    guard clients.count < Self.maximumCount else {
      let message = "\(Self.maximumCount) clients are served at once; try again later"
      return ControlClient(socket).refuse(ControlFailure(.tooManyClients, message))
    }
    let client = ControlClient(socket)
    try queue.registrar.add(client.number, for: .readable, data: nextMark)
    clients[nextMark] = client
    nextMark += 1
  }

  /// Whether a user may ask: whose instance it is, and root. The path's permissions say the same, but an operator can
  /// change those.
  static func mayAsk(_ user: UInt32) -> Bool { user == 0 || user == ProcessControl.effectiveUser }

  // MARK: Asking

  private func advance(_ mark: UInt64) {
    guard let client = clients[mark] else { return }
    do throws(SystemError) {
      guard let awaited = try client.advance({ service.answer($0) }) else {
        clients[mark] = nil
        return
      }
      client.deadline = awaited == .writable ? MonotonicClock.now + Self.patience : .never
      guard awaited != client.watched else { return }
      client.watched = awaited
      try queue.registrar.modify(client.number, for: awaited, data: mark)
    } catch {
      // It has gone, whatever it had asked for.
      clients[mark] = nil
    }
  }
}
