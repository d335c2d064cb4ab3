import Capture
import Netstack
import Primitives
import Simulation

/// A frame of a capture.
struct CapturedFrame: Hashable {
  var bytes: [UInt8]
  var isFromGuest: Bool
  /// In nanoseconds since 1970.
  var time: Int64

  init(_ bytes: [UInt8], isFromGuest: Bool, at time: Int64) {
    self.bytes = bytes
    self.isFromGuest = isFromGuest
    self.time = time
  }
}

/// What passes the link of a lab while `body` acts, as a capture.
func capture(_ options: Lab.Options = Lab.Options(), _ body: (Lab) -> Void) -> [CapturedFrame] {
  let lab = Lab(options)
  var frames: [CapturedFrame] = []
  // The lab's clock counts from its own beginning.
  lab.frameWatcher = { bytes, isFromGuest, time in
    frames.append(CapturedFrame(bytes, isFromGuest: isFromGuest, at: 1_700_000_000_000_000_000 + time.nanoseconds))
  }
  body(lab)
  return frames
}

/// What has passed in a replay.
struct Replayed: ReplayTranscript, ~Copyable {
  private(set) var frames: [CapturedFrame] = []
  private(set) var lines: [String] = []
  private var tracker = FlowTracker()

  mutating func passed(_ frame: Span<UInt8>, _ direction: CaptureDirection, at time: Int64) {
    let isFromGuest = direction == .fromGuest
    frames.append(CapturedFrame(frame.indices.map { frame[$0] }, isFromGuest: isFromGuest, at: time))
    let flow = tracker.note(frame, originalLength: frame.count, at: time, isFromGuest: isFromGuest)
    lines.append("\(isFromGuest ? ">" : "<") \(FrameText().line(of: frame, flow: flow))")
  }

  /// The flows that have passed.
  var flows: [FlowRecord] { tracker.flows }
}

/// What came of a replay.
struct ReplayResult {
  var frames: [CapturedFrame]
  var lines: [String]
  var flows: [FlowRecord]
  var counts: CaptureReplay.Counts
  var drops: [String]

  /// The payload of TCP that went one way, in the order of its sequence numbers, repetitions left out.
  func stream(fromGuest: Bool) -> [UInt8] {
    var bytes: [UInt8] = []
    var start: SequenceNumber?
    for frame in frames where frame.isFromGuest == fromGuest {
      guard let plain = try? PlainFrame(decoding: frame.bytes, strictly: false), case .tcp(let segment)? = plain.payload
      else { continue }
      if segment.flags.contains(.syn) { start = segment.sequence + 1 }
      guard let start else { continue }
      let offset = segment.sequence - start
      guard offset <= bytes.count, offset + segment.payload.count > bytes.count else { continue }
      bytes += segment.payload.dropFirst(bytes.count - offset)
    }
    return bytes
  }
}

/// Plays a capture.
func replay(
  _ frames: [CapturedFrame], _ behavior: ReplayBehavior, seed: UInt64 = 99, learns: Bool = true,
  _ change: (inout CaptureReplay.Options) -> Void = { _ in }
) -> ReplayResult {
  var options = CaptureReplay.Options()
  options.behavior = behavior
  options.seed = seed
  change(&options)
  var replay = CaptureReplay(options)
  if learns { for frame in frames { replay.learn(frame.bytes.span) } }
  var transcript = Replayed()
  for frame in frames {
    replay.play(
      frame.bytes.span, CaptureRecord(time: frame.time, originalLength: frame.bytes.count), into: &transcript)
  }
  return ReplayResult(
    frames: transcript.frames, lines: transcript.lines, flows: transcript.flows, counts: replay.counts,
    drops: replay.drops.map { "\($0.reason) \($0.count)" })
}
