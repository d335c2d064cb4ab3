import Buffers
import Netstack
public import Primitives

/// The recording as it is replayed: what the core asks must be what comes next on it, and what follows there is the
/// answer.
///
/// At the first difference, and at the end, the answers become those that end an input soon: nobody listens, nothing
/// waits, there is no room.
final class ReplayTape {
  private(set) var reader: RecordingReader
  /// The first difference.
  private(set) var difference: ReplayDifference?
  /// What has been compared.
  var statistics = ReplayStatistics()
  /// The inputs of late, to be told with a difference.
  private(set) var recent = RecentInputs()
  /// The input that is carried out.
  var now = Instant.zero
  /// Whether payload is left out of what is compared.
  let isRedacted: Bool
  /// Is given each frame that passes, from guests and to them.
  let frames: FrameWatcher?
  private var lastTime = Instant.zero

  init(_ reader: RecordingReader, frames: FrameWatcher?) {
    self.reader = reader
    self.frames = frames
    isRedacted = reader.head.isRedacted
  }

  /// Whether the recording says nothing more, or something else than what happens.
  var isOver: Bool { difference != nil || reader.end != nil }

  /// The records that are read, in which answers have their bytes.
  var bytes: [UInt8] { reader.decoder.bytes }

  // MARK: Inputs

  /// Takes the beginning of the next input: its kind, and its time to `now`; nil at the end. Notes it as a difference
  /// where the recording has a call or a result that the core has not asked for.
  func nextInput() -> RecordKind? {
    guard difference == nil else { return nil }
    do throws(RecordingError) {
      guard let kind = try reader.nextKind() else { return nil }
      guard kind.isInput else {
        differ(.missing(try nextInWords()))
        return nil
      }
      recent.begin(reader.decoder)
      _ = try reader.decoder.byte()
      let time = lastTime.nanoseconds.addingReportingOverflow(try reader.decoder.signed())
      guard !time.overflow, time.partialValue.magnitude <= 1 << 62 else { throw .damaged }
      lastTime = Instant(nanoseconds: time.partialValue)
      now = lastTime
      statistics.note(inputAt: now)
      return kind
    } catch {
      giveUp(error)
      return nil
    }
  }

  /// Takes the arguments of an input; nil, with the replay at its end, where they mean nothing.
  func arguments<Arguments>(
    _ read: (inout RecordDecoder) throws(RecordingError) -> Arguments
  ) -> Arguments? {
    do throws(RecordingError) {
      let arguments = try read(&reader.decoder)
      recent.end(reader.decoder)
      return arguments
    } catch {
      giveUp(error)
      return nil
    }
  }

  /// Compares what an input has returned.
  func compare<Value: RecordedValue & Equatable>(_ kind: RecordKind, _ value: Value) {
    guard difference == nil else { return }
    do throws(RecordingError) {
      guard let next = try reader.nextKind() else { return }
      guard next == kind else { return differ(.call(expected: try nextInWords(), got: "the end of the input")) }
      _ = try reader.decoder.byte()
      let expected = try reader.decoder.value(Value.self)
      if expected != value { differ(.call(expected: "the input returns \(expected)", got: "it returns \(value)")) }
    } catch {
      giveUp(error)
    }
  }

  // MARK: Calls

  /// Compares a call of the core's with the next one of the recording, and reads the answer; nil where there is none.
  func answer<Answer>(
    _ call: RecordedCall, _ read: (inout RecordDecoder) throws(RecordingError) -> Answer
  ) -> Answer? {
    guard difference == nil else { return nil }
    do throws(RecordingError) {
      guard let kind = try reader.nextKind() else { return nil }
      guard !kind.isInput, kind != .outcome, kind != .count else {
        differ(.call(expected: "the end of the input", got: "\(call)"))
        return nil
      }
      let expected = try reader.decoder.value(RecordedCall.self)
      guard expected == call else {
        differ(.call(expected: "\(expected)", got: "\(call)"))
        return nil
      }
      statistics.callCount += 1
      return try read(&reader.decoder)
    } catch {
      giveUp(error)
      return nil
    }
  }

  /// Compares a call that has no answer.
  func compare(_ call: RecordedCall) { _ = answer(call) { _ throws(RecordingError) in () } }

  private func nextInWords() throws(RecordingError) -> String {
    var decoder = reader.decoder
    guard let code = decoder.next, let kind = RecordKind(rawValue: code) else { throw .damaged }
    if kind.isInput { return "the end of the input" }
    switch kind {
    case .outcome, .count: return "what the input returns"
    default: return "\(try decoder.value(RecordedCall.self))"
    }
  }

  // MARK: Ends

  /// Notes the first difference.
  func differ(_ what: ReplayDifference.What) {
    guard difference == nil, reader.end == nil else { return }
    difference = ReplayDifference(what, statistics, at: now, recent.inputs)
  }

  /// Ends the replay where the recording means nothing.
  func giveUp(_ error: RecordingError) { reader.giveUp(.damaged) }
}

/// Is given a frame that passes, with its time.
public typealias FrameWatcher = (_ frame: Span<UInt8>, _ isFromGuest: Bool, _ time: Instant) -> Void

/// What a replay has compared.
public struct ReplayStatistics: Hashable, Sendable {
  /// Inputs of the core.
  public internal(set) var inputCount = 0
  /// Calls that it has made.
  public internal(set) var callCount = 0
  /// Frames from guests.
  public internal(set) var framesFromGuest = 0
  /// Their bytes.
  public internal(set) var bytesFromGuest = 0
  /// Frames to guests.
  public internal(set) var framesToGuest = 0
  /// Their bytes.
  public internal(set) var bytesToGuest = 0
  /// When the first input was.
  public internal(set) var first: Instant?
  /// When the last one was.
  public internal(set) var last = Instant.zero

  /// How long what was recorded has taken.
  public var duration: Interval { first.map { last - $0 } ?? .zero }

  mutating func note(inputAt now: Instant) {
    inputCount += 1
    if first == nil { first = now }
    last = now
  }
}
