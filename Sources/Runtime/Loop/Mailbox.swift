import LinuxSystem
import Netstack
import Synchronization

/// What other threads may ask of a loop.
enum LoopRequest: Equatable, Sendable {
  /// Carry out a command of the network; a failure is logged.
  case apply(Command)
  /// Carry out the loop's part in a change of the network's forwards, and pass it on.
  case replaceForwards(ForwardReplacement)
  /// Answer a question.
  case answer(LoopQuestion)
  /// Log the table of flows.
  case logFlows
  /// Capture frames from now on.
  case capture(CaptureFeed)
  /// Start or stop to capture, as after SIGUSR2.
  case toggleCapture
  /// Read the configuration file again.
  case reload
  /// End, as after SIGTERM.
  case stop
}

/// The way from other threads into a loop: a queue, and a counter that wakes the loop.
final class Mailbox: Sendable {
  private struct State {
    var requests: [LoopRequest] = []
    var isClosed = false
  }

  private let state = Mutex(State())
  private let counter: EventCounter

  /// Makes an empty mailbox.
  init() throws(SystemError) { counter = try EventCounter() }

  /// The descriptor to watch: readable while requests wait.
  var descriptor: Int32 { counter.descriptor.rawValue }

  /// Hands a request to the loop. From any thread. Where the loop has ended, a question gets no answer and anything
  /// else is void.
  func send(_ request: LoopRequest) {
    let isClosed = state.withLock { state in
      if !state.isClosed { state.requests.append(request) }
      return state.isClosed
    }
    guard isClosed else { return counter.signal() }
    request.abandon()
  }

  /// Takes the requests that wait, in their order.
  func takeAll() throws(SystemError) -> [LoopRequest] {
    // First the counter: a request that arrives in between is taken now, and its signal finds nothing later.
    try counter.reset()
    return take(closing: false)
  }

  /// Has whoever waits for an answer wait no longer: the loop has ended.
  func close() {
    for request in take(closing: true) { request.abandon() }
  }

  private func take(closing: Bool) -> [LoopRequest] {
    state.withLock { state in
      defer { state.requests = [] }
      if closing { state.isClosed = true }
      return state.requests
    }
  }
}

extension LoopRequest {
  /// Says that nobody will answer.
  fileprivate func abandon() {
    guard case .answer(let question) = self else { return }
    question.abandon()
  }
}
