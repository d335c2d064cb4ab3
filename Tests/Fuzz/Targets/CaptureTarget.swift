import Capture
import Foundation
import Netstack
import Primitives
import Simulation

/// Any bytes as a capture: as a file, as the frames of one, or as a single frame. What there is to be read is told in
/// lines of printable ASCII, and played again; a file ends with its last whole record.
///
/// The first byte says what the others are, and whom a replay has for its world.
enum CaptureTarget {
  /// What the bytes are, by the lowest two bits of the first one.
  enum Kind: UInt8 {
    case file, frame, records, recordsOfGuest
  }

  /// A frame as a capture has it.
  private struct Captured {
    var record: CaptureRecord
    var bytes: [UInt8]
  }

  /// Frames that are looked at.
  private static let mostFrames = 48
  private static let guest = MACAddress(0x52, 0x54, 0, 0x12, 0x34, 0x56)

  static func run(_ bytes: [UInt8]) -> [String] {
    var input = FuzzInput(bytes)
    let first = input.byte()
    switch Kind(rawValue: first & 3) {
    case .file?: return file(input.rest(), first)
    case .frame?: return frame(input.rest())
    case .records?: return examine(records(&input), guest: nil, first)
    case .recordsOfGuest?, nil: return examine(records(&input), guest: guest, first)
    }
  }

  // MARK: Files

  private static func file(_ bytes: [UInt8], _ first: UInt8) -> [String] {
    let url = FileManager.default.temporaryDirectory.appendingPathComponent("fuzz-\(UUID().uuidString).pcap")
    do {
      try Data(bytes).write(to: url)
      var frames: [Captured] = []
      let faults = read(url.path, &frames)
      try FileManager.default.removeItem(at: url)
      return faults + examine(frames, guest: nil, first)
    } catch {
      return ["the system refuses: \(error)"]
    }
  }

  private static func read(_ path: String, _ frames: inout [Captured]) -> [String] {
    do throws(CaptureError) {
      var reader = try CaptureReader(path: path)
      while frames.count < mostFrames, let record = try reader.next() {
        let bytes = reader.bytes
        frames.append(Captured(record: record, bytes: bytes.indices.map { bytes[$0] }))
      }
      return []
    } catch {
      return checkLine(error.description)
    }
  }

  // MARK: Records

  /// Frames, each behind a byte that says what is done with it and two of its length.
  private static func records(_ input: inout FuzzInput) -> [Captured] {
    var frames: [Captured] = []
    var time: Int64 = 1_767_225_600_000_000_000
    while !input.isAtEnd && frames.count < mostFrames {
      let choices = input.byte()
      var bytes = input.take(Int(input.word()))
      if choices & 0x80 != 0 { bytes = FrameRepair.repair(bytes) }
      if choices & 0x40 != 0 && bytes.count >= 12 {
        var addresses = bytes.mutableSpan
        guest.write(to: &addresses, at: 6)
      }
      time += FuzzLab.steps[Int(choices & 15) % FuzzLab.steps.count].nanoseconds
      // Of some the capture has only the first bytes.
      let missing = choices & 0x30 == 0x30 ? 100 : 0
      frames.append(
        Captured(record: CaptureRecord(time: time, originalLength: bytes.count + missing), bytes: bytes))
    }
    return frames
  }

  /// The bytes that stand for frames with so many milliseconds, one or twelve, between them.
  static func input(_ frames: [[UInt8]], as kind: Kind, world: UInt8) -> [UInt8] {
    [kind.rawValue | world << 2]
      + frames.enumerated().flatMap { number, frame in
        [UInt8(number % 2), UInt8(frame.count >> 8), UInt8(frame.count & 255)] + frame
      }
  }

  // MARK: What is looked at

  private static func examine(_ frames: [Captured], guest: MACAddress?, _ first: UInt8) -> [String] {
    let faults = inspect(frames, guest: guest)
    return faults.isEmpty ? replay(frames, guest: guest, world: first >> 2) : faults
  }

  /// Tells of frames and flows, as `culvert inspect` does.
  private static func inspect(_ frames: [Captured], guest: MACAddress?) -> [String] {
    var faults: [String] = []
    var finder = GuestFinder(guest: guest)
    // So few that flows must make room.
    var tracker = FlowTracker(capacity: 3)
    var totals = CaptureTotals()
    var ended: [FlowRecord] = []
    for frame in frames {
      let (length, bytes) = (frame.record.originalLength, frame.bytes)
      totals.begin(at: frame.record.time)
      totals.add(frame.record)
      let flow = tracker.note(
        bytes.span, originalLength: length, at: frame.record.time, isFromGuest: finder.isFromGuest(bytes.span))
      ended += tracker.takeEnded()
      let text = FrameText(showsHardware: true)
      faults += checkLine(text.line(of: bytes.span, originalLength: length, flow: flow))
      faults += checkFields(text.fields(of: bytes.span, originalLength: length), of: bytes)
    }
    for flow in ended + tracker.flows { faults += checkLine(flow.line(since: totals.start, until: totals.end)) }
    for (one, other) in zip(frames, frames.dropFirst()) { faults += compare(one.bytes, other.bytes) }
    return faults + checkLine(totals.line)
  }

  private static func frame(_ bytes: [UInt8]) -> [String] {
    let text = FrameText()
    return checkFields(text.fields(of: bytes.span), of: bytes) + checkLine(text.line(of: bytes.span))
      + compare(bytes, bytes)
  }

  /// Every byte belongs to a field, and none is beyond the frame.
  private static func checkFields(_ fields: [DecodedField], of bytes: [UInt8]) -> [String] {
    var isCovered = [Bool](repeating: false, count: bytes.count)
    var faults: [String] = []
    for field in fields {
      guard field.range.lowerBound >= 0 && field.range.upperBound <= bytes.count else {
        return ["\(field) lies at \(field.range) in \(bytes.count) bytes"]
      }
      for place in field.range { isCovered[place] = true }
      faults += checkLine(field.value)
    }
    if let place = isCovered.firstIndex(of: false) { faults.append("byte \(place) belongs to no field") }
    return faults
  }

  /// Frames are told to be the same where they are.
  private static func compare(_ one: [UInt8], _ other: [UInt8]) -> [String] {
    let comparison = FrameComparison(expected: one.span, got: other.span)
    guard comparison.isEqual == (one == other) else {
      return ["\(one) and \(other) are told to be \(comparison.isEqual ? "the same" : "different")"]
    }
    return comparison.table().split(separator: "\n").flatMap { checkLine(String($0)) }
  }

  private static func checkLine(_ line: String) -> [String] {
    !line.isEmpty && line.utf8.allSatisfy { (0x20...0x7e).contains($0) }
      ? [] : ["'\(line)' is not a line of printable ASCII"]
  }

  // MARK: Replay

  private static let worlds: [ReplayBehavior] = [
    .recorded, .echo, .discard, .refuse, .blackhole,
    ReplayBehavior(streams: .steps([.receive(10), .send([1, 2, 3]), .close]), datagrams: .answer([4, 5])),
    ReplayBehavior(streams: .steps([.send([UInt8](repeating: 7, count: 5000)), .reset]), datagrams: .refuse),
  ]

  /// Plays the frames of the guest, as `culvert replay` does.
  private static func replay(_ frames: [Captured], guest: MACAddress?, world: UInt8) -> [String] {
    var options = CaptureReplay.Options()
    options.behavior = worlds[Int(world) % worlds.count]
    options.guest = guest
    (options.settings.maximumFlows, options.settings.maximumUDPFlows) = (16, 8)
    options.settings.maximumEchoFlows = 4
    var replay = CaptureReplay(options)
    for frame in frames { replay.learn(frame.bytes.span) }
    var transcript = CheckedTranscript()
    for frame in frames { replay.play(frame.bytes.span, frame.record, into: &transcript) }
    return transcript.faults
  }
}

/// Looks whether what the stack answers is as it should be.
private struct CheckedTranscript: ReplayTranscript {
  private(set) var faults: [String] = []

  mutating func passed(_ frame: Span<UInt8>, _ direction: CaptureDirection, at time: Int64) {
    guard direction == .toGuest, faults.isEmpty else { return }
    let bytes = frame.indices.map { frame[$0] }
    do throws(PacketFault) {
      _ = try PlainFrame(decoding: bytes)
    } catch {
      faults.append("the stack answers with a frame that is none, \(error): \(bytes)")
    }
  }
}
