import LinuxSystem
import Logging
import Netstack
import Primitives

/// The time between the end of a command and the end of its network: what the command has sent is still delivered, as
/// long as that gets on.
struct Aftermath {
  /// How much there is left to deliver, in bytes.
  struct Remainder: Hashable {
    /// Held by the namespace's kernel for programs that have ended.
    var inNamespace: Int
    /// Taken by the host's sockets, for their peers.
    var onHost: Int

    /// All of it.
    var total: Int { inNamespace + onHost }
  }

  /// What becomes of the network.
  enum Verdict: Hashable {
    /// It goes on, and is looked at again.
    case wait
    /// Everything was delivered.
    case done
    /// Nothing has moved for too long.
    case stuck
  }

  /// How the command ended.
  let exit: ChildProcess.Exit
  /// When to look again.
  private(set) var due: Instant
  /// What other loops were asked, and what the namespace held before that.
  var question: (inNamespace: Int, replies: [Reply<Int>])?
  private var last: Remainder?
  private var lastProgress: Instant

  /// How long nothing may move.
  static let patience = Interval.seconds(10)
  /// The time from one look to the next.
  static let pause = Interval.milliseconds(20)
  /// The time to the first look, in which what is on the link already is read.
  static let settlingTime = Interval.milliseconds(1)

  /// Begins as a command has ended.
  init(of exit: ChildProcess.Exit, at now: Instant) {
    self.exit = exit
    due = now + Self.settlingTime
    lastProgress = now
  }

  /// Looks at what is left. More is progress, too: what the kernel had sent may have reached a host's socket meanwhile.
  /// Nil says that not all is known yet.
  mutating func look(at remainder: Remainder?, at now: Instant) -> Verdict {
    if let remainder {
      guard remainder.total > 0 else { return .done }
      if remainder != last { (last, lastProgress) = (remainder, now) }
    }
    due = now + Self.pause
    return now - lastProgress < Self.patience ? .wait : .stuck
  }
}

// The end of a command that has a namespace of its own.
extension NetworkLoop where Host: ~Copyable {
  /// Looks, where it is time to, whether what the command has sent was delivered; if so, or if it does not move, the
  /// network ends.
  mutating func attendToAftermath() throws(SystemError) {
    guard let due = aftermath?.due, due <= now else { return }
    guard !links.isFinished else { return endAftermath() }
    let remainder = try directory.others.isEmpty ? ownRemainder() : remainderOfAll()
    switch aftermath?.look(at: remainder, at: now) {
    case .wait, nil: break
    case .done: endAftermath()
    case .stuck:
      let count = remainder.map { "\($0.total) bytes" } ?? "bytes"
      logger.warning("\(count) that the command has sent were not delivered: nobody has read them")
      endAftermath()
    }
  }

  private mutating func ownRemainder() throws(SystemError) -> Aftermath.Remainder {
    let inNamespace = try namespace?.undeliveredByteCount() ?? 0
    return Aftermath.Remainder(inNamespace: inNamespace, onHost: stack.undeliveredByteCount())
  }

  /// What is left, with that of the other loops as they have answered since the last look; nil until all have.
  ///
  /// They were asked behind the namespace: what had left it by then is with one of them, or delivered.
  private mutating func remainderOfAll() throws(SystemError) -> Aftermath.Remainder? {
    let own = try ownRemainder()
    var remainder: Aftermath.Remainder?
    if let question = aftermath?.question {
      remainder = Aftermath.Remainder(inNamespace: question.inNamespace, onHost: own.onHost)
      for reply in question.replies {
        guard let answer = try reply.answer(by: now) else { return nil }
        remainder?.onHost += answer
      }
    }
    let bell = try ReplyBell()
    let replies = directory.others.map { _ in Reply<Int>(bell) }
    for (other, reply) in zip(directory.others, replies) { try other.send(.answer(.undelivered(reply))) }
    aftermath?.question = (own.inNamespace, replies)
    return remainder
  }

  /// Ends the network of a command that has ended.
  mutating func endAftermath() {
    guard let exit = aftermath?.exit else { return }
    aftermath = nil
    beginEnding(.child(exit))
  }
}
