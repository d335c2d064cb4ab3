import LinuxSystem
import Primitives
import Synchronization

/// The place where a loop puts the answer for another thread, which waits for it.
final class Reply<Answer: Sendable>: Sendable {
  private enum State {
    case open
    case given(Answer)
    /// The loop has ended.
    case abandoned
  }

  private let state = Mutex(State.open)
  // Made once for many, so that no question fails for want of a descriptor.
  private let bell: Bell

  /// Makes a place without an answer; `bell` wakes whoever waits.
  init(_ bell: Bell) { self.bell = bell }

  /// Gives the answer. From any thread.
  func give(_ answer: Answer) { settle(.given(answer)) }

  /// Says that no answer will come. From any thread.
  func abandon() { settle(.abandoned) }

  private func settle(_ state: State) {
    self.state.withLock { $0 = state }
    bell.ring()
  }

  /// Waits for the answer, until `deadline` at the latest; nil where none has come or will come.
  func answer(by deadline: Instant) throws(SystemError) -> Answer? {
    while true {
      switch state.withLock({ $0 }) {
      case .given(let answer): return answer
      case .abandoned: return nil
      case .open:
        guard MonotonicClock.now < deadline else { return nil }
        try bell.wait(until: deadline)
      }
    }
  }
}

extension Reply: Equatable {
  /// Whether both are the same place.
  static func == (left: Reply, right: Reply) -> Bool { left === right }
}
