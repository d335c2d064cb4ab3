import Netstack
import Primitives

/// What the peer of a stream did in a recorded session, and when: read off from the segments that the guest got.
struct SessionStream {
  /// Bytes that were written at once, and whether the stream ended behind them.
  struct Burst {
    var time: Interval
    var bytes: [UInt8] = []
    var isLast = false
  }

  let flow: SessionFlow
  /// Whether a forward's client opened it; else the guest did.
  let isForward: Bool
  /// The initial sequence number of who opened it.
  let opening: SequenceNumber
  let opened: Interval
  /// How many streams the guest had opened to the same place before.
  let ordinal: Int
  /// Where in the session the guest's SYN is, and where it is repeated.
  var synIndices: [Int] = []

  private(set) var bursts: [Burst] = []
  /// When the peer began to read, after its window had been closed.
  private(set) var reopened: Interval?
  private(set) var reset: Interval?
  /// How the attempt of the guest's ended; nobody answers where it did not.
  private var answer = RemoteService.Answer.isSilent
  /// The network's next byte that is new.
  private var next: SequenceNumber?
  /// The guest's first byte.
  private var guestFirst: SequenceNumber?
  /// Bytes of the guest's that had been taken when the window was closed.
  private var takenWhenClosed: Int?
  private var guestHasSpoken = true
  private var isOver = false

  init(_ flow: SessionFlow, isForward: Bool, opening: SequenceNumber, at opened: Interval, ordinal: Int) {
    self.flow = flow
    self.isForward = isForward
    self.opening = opening
    self.opened = opened
    self.ordinal = ordinal
    if isForward { next = opening + 1 } else { guestFirst = opening + 1 }
  }

  /// Who the guest connected to, as the simulated host has it.
  var service: RemoteService {
    var service = RemoteService(answer)
    if let takenWhenClosed {
      service.readsAtOnce = false
      service.sendBufferSize = max(takenWhenClosed, 1)
    }
    return service
  }

  /// The messages of a stream in which each stands behind its length (RFC 1035 section 4.2.2).
  var messages: [[UInt8]] {
    var rest = bursts.flatMap(\.bytes)[...]
    var messages: [[UInt8]] = []
    while rest.count >= 2 {
      let length = Int(rest.removeFirst()) << 8 | Int(rest.removeFirst())
      messages.append(Array(rest.prefix(length)))
      rest = rest.dropFirst(length)
    }
    return messages
  }

  mutating func noteFromGuest(_ segment: PlainTCP) {
    if segment.flags.contains([.syn, .ack]) { guestFirst = segment.sequence + 1 }
    if !segment.payload.isEmpty || segment.flags.contains(.fin) { guestHasSpoken = true }
    if segment.flags.contains(.rst) { isOver = true }
  }

  mutating func noteToGuest(_ segment: PlainTCP, at time: Interval) {
    if segment.flags.contains(.rst) {
      if next == nil { return fail(.refused, at: time) }
      if reset == nil && !isOver { reset = time }
      return
    }
    if segment.flags.contains([.syn, .ack]), next == nil {
      next = segment.sequence + 1
      answer = time > opened ? .acceptsAfter(time - opened) : .accepts
    }
    noteData(segment, at: time)
    noteWindow(segment, at: time)
  }

  /// The attempt of the guest's has failed, if it was still under way.
  mutating func fail(_ error: HostError, at time: Interval) {
    guard next == nil, case .isSilent = answer else { return }
    answer = .failsAfter(error, time - opened)
  }

  private mutating func noteData(_ segment: PlainTCP, at time: Interval) {
    guard let next, !segment.flags.contains(.syn), segment.sequence <= next, segment.end > next else { return }
    if guestHasSpoken { bursts.append(Burst(time: time)) }
    guestHasSpoken = false
    bursts[bursts.count - 1].bytes += segment.payload.dropFirst(next - segment.sequence)
    if segment.flags.contains(.fin) { bursts[bursts.count - 1].isLast = true }
    self.next = segment.end
  }

  private mutating func noteWindow(_ segment: PlainTCP, at time: Interval) {
    guard segment.flags.contains(.ack), let guestFirst else { return }
    if segment.window == 0 {
      if takenWhenClosed == nil { takenWhenClosed = segment.acknowledgment - guestFirst }
    } else if takenWhenClosed != nil && reopened == nil {
      reopened = time
    }
  }
}
