import Buffers
import Netstack
import Primitives

/// Runs the core over a recording, and compares all that it does with what is recorded.
///
/// The same `Stack` as in the program is given the recorded inputs at their recorded times; the calls that it makes for
/// them must be the recorded ones, with the same arguments, in the same order, and are answered as they were. So it must
/// send the same frames, byte for byte, in any process. Nothing here reads a clock, opens a socket or needs a privilege.
public struct Replay: ~Copyable {
  /// What came of it.
  public struct Outcome: Sendable {
    /// What was compared.
    public var statistics: ReplayStatistics
    /// The first difference; nil where there is none.
    public var difference: ReplayDifference?
    /// How the recording ends; nil where it was not read to its end.
    public var end: RecordingEnd?
  }

  /// What the recording says of itself.
  public let head: RecordingHead
  private let tape: ReplayTape
  private var stack: Stack<ReplayHost, SilentObserver>
  private var sink: ReplaySink
  private var frames = FrameList(capacity: Replay.mostFrames, byteCapacity: Replay.mostBytes)

  /// Frames in an input at most, and their bytes: more than any link brings in a batch.
  private static var mostFrames: Int { 4096 }
  private static var mostBytes: Int { 16 << 20 }

  /// Makes the core that a recording is of. `frames` is given each frame that passes.
  public init(_ reader: RecordingReader, frames watcher: FrameWatcher? = nil) {
    head = reader.head
    tape = ReplayTape(reader, frames: watcher)
    sink = ReplaySink(tape)
    stack = Stack(
      settings: head.settings, host: ReplayHost(tape: tape), observer: SilentObserver(), seed: head.seedWords,
      steering: head.steering)
  }

  /// Replays all of it, up to the first difference.
  public mutating func run() -> Outcome {
    while step() {}
    return Outcome(statistics: tape.statistics, difference: tape.difference, end: tape.reader.end)
  }

  /// Replays one input; false where there is none, or it is different.
  private mutating func step() -> Bool {
    guard let kind = tape.nextInput() else { return false }
    switch kind {
    case .receive: receive()
    case .hostReady: hostReady()
    case .advance: advance()
    case .apply: apply()
    case .attach, .detach, .linkReady: changePort(kind)
    case .shutDown: shutDown()
    case .undelivered: countUndelivered()
    default: preconditionFailure("\(kind) is no input")
    }
    return !tape.isOver
  }

  // MARK: Inputs

  private mutating func receive() {
    frames.removeAll()
    guard let isHandedOver = readFrames() else { return }
    Self.hand(frames, isHandedOver, tape, to: &stack, into: &sink)
  }

  /// Reads the frames of an input, and whether they were handed over.
  private mutating func readFrames() -> Bool? {
    var read: [RecordedFrame] = []
    let isHandedOver = tape.arguments { decoder throws(RecordingError) in
      let isHandedOver = try decoder.value(Bool.self)
      let count = try decoder.count(atMost: Self.mostFrames)
      read.reserveCapacity(count)
      for _ in 0..<count { read.append(try RecordedFrame(from: &decoder)) }
      return isHandedOver
    }
    guard isHandedOver != nil else { return nil }
    let bytes = tape.bytes
    for frame in read {
      guard frames.append(bytes.span.extracting(frame.range), as: frame.descriptor, pieces: frame.pieces.span) else {
        tape.giveUp(.damaged)
        return nil
      }
      tape.statistics.framesFromGuest += 1
      tape.statistics.bytesFromGuest += frame.range.count
      tape.frames?(bytes.span.extracting(frame.range), true, tape.now)
    }
    return isHandedOver
  }

  /// Apart from `receive`, for the sake of the compiler: a batch borrowed from a property counts as all of `self`.
  private static func hand(
    _ frames: borrowing FrameList, _ isHandedOver: Bool, _ tape: ReplayTape,
    to stack: inout Stack<ReplayHost, SilentObserver>, into sink: inout ReplaySink
  ) {
    stack.receive(frames.batch, handedOver: isHandedOver, at: tape.now, into: &sink)
  }

  private mutating func hostReady() {
    let arguments = tape.arguments { decoder throws(RecordingError) in
      (try decoder.value(FlowID.self), try decoder.value(HostReadiness.self))
    }
    if let (flow, readiness) = arguments { stack.hostReady(flow, readiness, at: tape.now, into: &sink) }
  }

  private mutating func advance() {
    guard tape.arguments({ _ throws(RecordingError) in () }) != nil else { return }
    stack.advance(to: tape.now, into: &sink)
  }

  private mutating func apply() {
    let command = tape.arguments { decoder throws(RecordingError) in try decoder.value(Command.self) }
    guard let command else { return }
    var outcome = CommandOutcome.done
    do throws(CommandError) {
      try stack.apply(command, at: tape.now, into: &sink)
    } catch {
      outcome = CommandOutcome(error)
    }
    tape.compare(.outcome, outcome)
  }

  private mutating func changePort(_ kind: RecordKind) {
    let arguments = tape.arguments { decoder throws(RecordingError) in
      (try decoder.value(PortID.self), kind == .attach ? try decoder.value(LinkOffloads.self) : [])
    }
    guard let (port, offloads) = arguments else { return }
    switch kind {
    case .attach: stack.attach(port, offloads: offloads, at: tape.now, into: &sink)
    case .detach: stack.detach(port, at: tape.now, into: &sink)
    default: stack.linkReady(port, at: tape.now, into: &sink)
    }
  }

  private mutating func shutDown() {
    guard tape.arguments({ _ throws(RecordingError) in () }) != nil else { return }
    stack.shutDown(at: tape.now, into: &sink)
  }

  private mutating func countUndelivered() {
    guard tape.arguments({ _ throws(RecordingError) in () }) != nil else { return }
    tape.compare(.count, UInt64(stack.undeliveredByteCount()))
  }
}

/// Watches nothing.
private struct SilentObserver: Observer {}
