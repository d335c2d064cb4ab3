import Netstack
import Primitives
import Simulation
import Testing

@testable import Recording

/// What comes of a replay of `recording`, or that it cannot be read.
func replay(_ recording: [UInt8], frames: FrameWatcher? = nil) throws(RecordingError) -> Replay.Outcome {
  var replay = Replay(try RecordingReader(bytes: recording), frames: frames)
  return replay.run()
}

/// Says how a replay is different, where it is.
func words(_ outcome: Replay.Outcome) -> Comment {
  guard let difference = outcome.difference else { return "no difference; \(outcome.end.map { "\($0)" } ?? "no end")" }
  return "input \(difference.input) at \(difference.time.nanoseconds): \(difference.what)"
}

/// A lab that is recorded.
func recordedLab(redacted: Bool = false, _ change: (inout Lab.Options) -> Void = { _ in }) -> Lab {
  var options = Lab.Options()
  (options.isRecorded, options.isRedacted) = (true, redacted)
  change(&options)
  return Lab(options)
}

/// A remote endpoint of IPv4.
func remote(_ number: Int, port: UInt16 = 80) -> Endpoint {
  Endpoint(IPv4Address(192, 0, 2, UInt8(truncatingIfNeeded: number)), port: port)
}

/// A recording of an exchange of bytes over TCP, in both directions.
func recordedConversation(redacted: Bool = false, byteCount: Int = 20_000) -> [UInt8] {
  let lab = recordedLab(redacted: redacted) {
    // Many of these are made, and each sets memory aside.
    ($0.settings.maximumFlows, $0.settings.maximumUDPFlows, $0.settings.maximumEchoFlows) = (16, 16, 16)
  }
  lab.setWorld { $0.defaultService = RemoteService(echoes: true) }
  let connection = lab.guest.connect(to: remote(1))
  connection.write((0..<byteCount).map { UInt8(truncatingIfNeeded: $0 &* 7) })
  connection.finish()
  lab.run(for: .seconds(10)) { connection.isFinished }
  #expect(connection.isFinished)
  lab.shutDown()
  lab.advance(by: .seconds(1))
  return lab.finishRecordings()[0]
}

/// A recording, taken apart into its blocks.
struct RecordingParts {
  /// The records of each block.
  var blocks: [[UInt8]] = []
  private let preamble: [UInt8]

  init(_ recording: [UInt8]) {
    preamble = Array(recording.prefix(RecordingFormat.preamble.count))
    var offset = preamble.count
    while offset < recording.count {
      let count = Int(recording.span.bigEndian32(at: offset).byteSwapped)
      offset += RecordingFormat.blockHeaderLength
      blocks.append(Array(recording[offset..<(offset + count)]))
      offset += count
    }
  }

  /// The recording, with checksums that are right for what is in the blocks now.
  var recording: [UInt8] {
    var bytes = preamble
    for block in blocks {
      var encoder = RecordEncoder()
      encoder.put(bytes: RecordingFormat.emptyBlockHeader)
      encoder.put(bytes: block)
      RecordingFormat.closeBlock(of: &encoder, from: 0)
      bytes += encoder.bytes
    }
    return bytes
  }
}
