import LinuxSystem
import Netstack
import Synchronization

/// What other threads may ask of a loop.
enum LoopRequest: Hashable, Sendable {
  /// Carry out a command of the network; a failure is logged.
  case apply(Command)
  /// Log the table of flows.
  case logFlows
  /// End, as after SIGTERM.
  case stop
}

/// The way from other threads into a loop: a queue, and a counter that wakes the loop.
final class Mailbox: Sendable {
  private let requests = Mutex<[LoopRequest]>([])
  private let counter: EventCounter

  /// Makes an empty mailbox.
  init() throws(SystemError) { counter = try EventCounter() }

  /// The descriptor to watch: readable while requests wait.
  var descriptor: Int32 { counter.descriptor.rawValue }

  /// Hands a request to the loop. From any thread.
  func send(_ request: LoopRequest) throws(SystemError) {
    requests.withLock { $0.append(request) }
    try counter.signal()
  }

  /// Takes the requests that wait, in their order.
  func takeAll() throws(SystemError) -> [LoopRequest] {
    // First the counter: a request that arrives in between is taken now, and its signal finds nothing later.
    try counter.reset()
    return requests.withLock { requests in
      defer { requests = [] }
      return requests
    }
  }
}
