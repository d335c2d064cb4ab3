import LinuxSystem
import Logging
import Netstack
import Primitives
import Recording

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
  mutating func attendToAftermath() {
    guard let due = aftermath?.due, due <= now else { return }
    guard !links.base.isFinished else { return endAftermath() }
    let remainder = directory.others.isEmpty ? ownRemainder() : remainderOfAll()
    switch aftermath?.look(at: remainder, at: now) {
    case .wait, nil: break
    case .done: endAftermath()
    case .stuck:
      let count = remainder.map { "\($0.total) bytes" } ?? "bytes"
      logger.warning("\(count) that the command has sent were not delivered: nobody has read them")
      endAftermath()
    }
  }

  private mutating func ownRemainder() -> Aftermath.Remainder {
    var remainder = Aftermath.Remainder(inNamespace: 0, onHost: 0)
    do throws(SystemError) {
      remainder.inNamespace = try namespace?.undeliveredByteCount() ?? 0
    } catch {
      logger.error("what the command has sent may be lost: \(error)")
    }
    // Behind the namespace: what has left it is in a socket, or delivered.
    remainder.onHost = stack.undeliveredByteCount(at: now)
    return remainder
  }

  /// What is left, with that of the other loops as they have answered since the last look; nil until all have.
  private mutating func remainderOfAll() -> Aftermath.Remainder? {
    let own = ownRemainder()
    do throws(SystemError) {
      let others = try answersOfOthers()
      if aftermath?.question == nil || others != nil { try askOthers(own.inNamespace) }
      return others.map { Aftermath.Remainder(inNamespace: $0.inNamespace, onHost: own.onHost + $0.onHost) }
    } catch {
      logger.error("what the command has sent may be lost: \(error)")
      return own
    }
  }

  /// What the other loops have left, and what the namespace had as they were asked; nil until all have answered.
  private func answersOfOthers() throws(SystemError) -> Aftermath.Remainder? {
    guard let question = aftermath?.question else { return nil }
    var remainder = Aftermath.Remainder(inNamespace: question.inNamespace, onHost: 0)
    for reply in question.replies {
      guard let answer = try reply.answer(by: now) else { return nil }
      remainder.onHost += answer
    }
    return remainder
  }

  private mutating func askOthers(_ inNamespace: Int) throws(SystemError) {
    let bell = try Bell()
    let replies = directory.others.map { _ in Reply<Int>(bell) }
    for (other, reply) in zip(directory.others, replies) { other.send(.answer(.undelivered(reply))) }
    aftermath?.question = (inNamespace, replies)
  }

  /// Ends the network of a command that has ended.
  mutating func endAftermath() {
    guard let exit = aftermath?.exit else { return }
    aftermath = nil
    beginEnding(.child(exit))
  }
}
