import Capture
import Primitives
import Simulation
import Testing

/// `culvert replay` plays real traffic.
@Suite struct CaptureReplayTests {
  /// What has passed, and what is wrong with what the stack said.
  private struct Transcript: ReplayTranscript {
    private(set) var lines: [String] = []
    private(set) var faults: [String] = []
    private let text = FrameText()

    mutating func passed(_ frame: Span<UInt8>, _ direction: CaptureDirection, at time: Int64) {
      let line = "\(time) \(direction) \(text.line(of: frame))"
      lines.append(line)
      // What is wrong with a frame is in braces.
      if direction == .toGuest && line.contains("{") { faults.append(line) }
    }
  }

  private static func replay(_ session: Session) throws -> (transcript: Transcript, played: UInt64, answered: UInt64) {
    var options = CaptureReplay.Options()
    options.behavior = .recorded
    var replay = CaptureReplay(options)
    let frames = try session.frames()
    for frame in frames { replay.learn(frame.bytes.span) }
    var transcript = Transcript()
    for frame in frames {
      let record = CaptureRecord(time: frame.time.nanoseconds, originalLength: frame.bytes.count)
      replay.play(frame.bytes.span, record, into: &transcript)
    }
    return (transcript, replay.counts.played, replay.counts.answered)
  }

  @Test(arguments: SessionTests.sessions)
  func `every frame of a session's guest is played, and well answered, twice the same`(session: Session) throws {
    let (transcript, played, answered) = try Self.replay(session)
    #expect(try session.frames().count { $0.isFromGuest } == Int(played))
    #expect(answered > 0)
    #expect(transcript.faults == [])
    #expect(LineDifference(expected: transcript.lines, actual: try Self.replay(session).transcript.lines).isEmpty)
  }
}
