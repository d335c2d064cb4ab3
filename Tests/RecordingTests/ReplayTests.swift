import Netstack
import Primitives
import Simulation
import Testing

@testable import Recording

struct ReplayTests {
  @Test(arguments: Scenario.all.indices, [false, true])
  func `what the lab does is replayed without a difference`(_ index: Int, _ isRedacted: Bool) throws {
    let recordings = Scenario.all[index].record(isRedacted: isRedacted)
    for recording in recordings {
      let outcome = try replay(recording)
      #expect(outcome.difference == nil, words(outcome))
      #expect(outcome.end == .finished)
      #expect(outcome.statistics.inputCount > 5)
    }
  }

  @Test func `a replay gives the frames that have passed, in both directions`() throws {
    let recording = recordedConversation()
    var counts = (fromGuest: 0, toGuest: 0)
    var payload = 0
    let outcome = try replay(recording) { frame, isFromGuest, _ in
      if isFromGuest { counts.fromGuest += 1 } else { counts.toGuest += 1 }
      payload += isFromGuest ? 0 : max(0, frame.count - 66)
    }
    #expect(counts.fromGuest == outcome.statistics.framesFromGuest)
    #expect(counts.toGuest == outcome.statistics.framesToGuest)
    #expect(counts.fromGuest > 10 && counts.toGuest > 10)
    #expect(payload >= 20_000)
  }

  @Test func `another seed shows in the first frame that has a number of it`() throws {
    let parts = RecordingParts(recordedConversation())
    var decoder = RecordDecoder(parts.blocks[0])
    var head = try decoder.value(RecordingHead.self)
    head.seed[0] ^= 1
    var changed = RecordEncoder()
    changed.put(head)
    var other = parts
    other.blocks[0] = changed.bytes + parts.blocks[0][decoder.offset...]
    let outcome = try replay(other.recording)
    let difference = try #require(outcome.difference)
    guard case .frame(let expected, let got) = difference.what else {
      Issue.record("\(difference.what)")
      return
    }
    #expect(expected.count == got.count)
    // The initial sequence number among them, but no address and no port.
    let places = expected.indices.filter { expected[$0] != got[$0] }
    #expect(!places.isEmpty && places.allSatisfy { $0 >= 38 }, "\(places)")
    #expect(places.contains { (38..<42).contains($0) }, "\(places)")
    #expect(difference.inputs.count <= 11 && !difference.inputs.isEmpty)
    #expect(difference.inputs.last?.number == difference.input)
    #expect(difference.frame == outcome.statistics.framesToGuest + 1)
  }

  @Test func `another seed shows where payload is replaced, too`() throws {
    let records = RecordingBlocks.records(of: recordedConversation(redacted: true))
    var decoder = RecordDecoder(records)
    var head = try decoder.value(RecordingHead.self)
    head.seed[0] ^= 1
    var changed = RecordEncoder()
    changed.put(head)
    let outcome = try replay(RecordingBlocks.recording(of: changed.bytes + records[decoder.offset...]))
    guard case .frame? = outcome.difference?.what else {
      Issue.record("\(String(describing: outcome.difference))")
      return
    }
  }

  @Test func `the inputs of late are the one that is carried out and ten before it`() throws {
    var bytes: [UInt8] = []
    let recorder = Recorder(RecordingHead(settings: NetworkSettings(), seed: (1, 2, 3, 4))) { block, _ in
      bytes += block
      return true
    }
    for second in 1...15 { recorder.noteAdvance(to: Instant(nanoseconds: Int64(second) * 1_000_000_000)) }
    recorder.finish()
    let tape = ReplayTape(try RecordingReader(bytes: bytes), frames: nil)
    for _ in 0..<15 {
      #expect(tape.nextInput() == .advance)
      _ = tape.arguments { _ throws(RecordingError) in () }
    }
    #expect(tape.recent.inputs.map(\.number) == Array(5...15))
    #expect(tape.recent.inputs.allSatisfy { $0.delay == 1_000_000_000 && $0.words == "advance" })
  }

  @Test func `what is flushed is there to be read, though the recording goes on`() throws {
    var bytes: [UInt8] = []
    let recorder = Recorder(RecordingHead(settings: NetworkSettings(), seed: (1, 2, 3, 4))) { block, _ in
      bytes += block
      return true
    }
    recorder.noteAdvance(to: Instant(nanoseconds: 5))
    #expect(try replay(bytes).statistics.inputCount == 0)
    recorder.flush()
    let outcome = try replay(bytes)
    #expect(outcome.statistics.inputCount == 1 && outcome.end == .brokenOff)
  }

  @Test func `another answer of the host shows in the next call that comes of it`() throws {
    var parts = RecordingParts(recordedConversation())
    // A call of `connect` ends with the remote end and three bytes of marks; what came of it follows.
    var sought = RecordEncoder()
    sought.put(remote(1))
    let block = try #require(parts.blocks.firstIndex { $0.firstRange(of: sought.bytes) != nil })
    let range = try #require(parts.blocks[block].firstRange(of: sought.bytes))
    let place = range.upperBound + 3
    var refusal = RecordEncoder()
    refusal.put(HostOpen.failed(.refused))
    #expect(parts.blocks[block][place] <= 1)
    parts.blocks[block].replaceSubrange(place...place, with: refusal.bytes)
    let outcome = try replay(parts.recording)
    let difference = try #require(outcome.difference)
    // The guest is answered at once by a reset, where it was not.
    guard case .call(let expected, let got) = difference.what else {
      Issue.record("\(difference.what)")
      return
    }
    #expect(expected != got && got.hasPrefix("sink.reserve"), "\(expected), \(got)")
  }

  @Test func `a recording ends where it is as long as it may be, and is replayed up to there`() throws {
    let lab = recordedLab { $0.recordingLimit = 50_000 }
    lab.setWorld { $0.defaultService = RemoteService(echoes: true) }
    let connection = lab.guest.connect(to: remote(1))
    connection.write([UInt8](repeating: 1, count: 200_000))
    lab.advance(by: .seconds(1))
    let recording = lab.finishRecordings()[0]
    let outcome = try replay(recording)
    #expect(outcome.difference == nil, words(outcome))
    #expect(outcome.end == .limit)
    #expect(outcome.statistics.bytesFromGuest > 10_000)
    #expect(recording.count < 50_000 + 200_000)
  }

  @Test func `a recording ends where its blocks are refused, and is replayed up to there`() throws {
    let whole = RecordingParts(recordedConversation(byteCount: 400_000))
    #expect(whole.blocks.count > 4)
    var kept: [UInt8] = []
    var stops: [RecordingEnd] = []
    let head = RecordingHead(settings: NetworkSettings(), seed: (1, 2, 3, 4))
    var blockCount = 0
    let recorder = Recorder(
      head,
      output: { block, isLast in
        blockCount += 1
        guard isLast || blockCount < 3 else { return false }
        kept += block
        return true
      }, stopped: { stops.append($0) })
    for time in 0..<20_000 {
      recorder.noteAdvance(to: Instant(nanoseconds: Int64(time) * 1_000_000_000_000))
      recorder.note(.sendSpace(FlowID(index: 1, generation: 1)), count: 5)
    }
    #expect(stops == [.overrun])
    #expect(recorder.end == .overrun)
    var reader = try RecordingReader(bytes: kept)
    while try reader.nextKind() != nil {
      // Taken apart here, since there is no stack that has made these calls.
      guard let kind = reader.decoder.next.flatMap({ RecordKind(rawValue: $0) }) else { break }
      if kind.isInput {
        _ = try reader.decoder.byte()
        _ = try reader.decoder.signed()
      } else {
        _ = try reader.decoder.value(RecordedCall.self)
        _ = try reader.decoder.signed()
      }
    }
    #expect(reader.end == .overrun)
  }
}
