import Netstack
import Primitives
import Simulation
import Testing

@testable import Recording

struct BadInputTests {
  private static let recording = recordedConversation(byteCount: 4000)

  /// How a recording ends, or why it cannot be read.
  private enum Reading: Equatable {
    case end(RecordingEnd?)
    case refusal(RecordingError)
  }

  /// Replays what may be anything; a difference is what must not be.
  private func read(_ bytes: [UInt8], mayDiffer: Bool = false) -> Reading {
    do throws(RecordingError) {
      let outcome = try replay(bytes)
      if !mayDiffer { #expect(outcome.difference == nil, words(outcome)) }
      return .end(outcome.end)
    } catch {
      return .refusal(error)
    }
  }

  @Test func `a file without bytes is empty`() {
    #expect(read([]) == .refusal(.empty))
    #expect("\(RecordingError.empty)" == "it is empty")
  }

  @Test(arguments: ["pcap", "\u{8b}CULVERX", "CULVERT"])
  func `something else is not a recording`(_ text: String) {
    #expect(read(Array(text.utf8) + Self.recording) == .refusal(.notARecording))
  }

  @Test func `a recording of another version is refused by its number`() {
    var bytes = Self.recording
    bytes[8] = 2
    bytes[9] = 1
    #expect(read(bytes) == .refusal(.unknownVersion(258)))
    #expect("\(RecordingError.unknownVersion(258))" == "it is of version 258, and this program reads version 1")
  }

  @Test func `what comes before the place where a recording breaks off is replayed`() {
    let whole = Self.recording
    var ends: [Reading] = []
    // Each length of the beginning, and of the rest those around the end of a block.
    var lengths = Set(0..<200)
    var end = RecordingFormat.preamble.count
    for block in RecordingParts(whole).blocks {
      lengths.formUnion(max(0, end - 2)...(end + 14))
      end += RecordingFormat.blockHeaderLength + block.count
    }
    lengths.formUnion(stride(from: 200, to: whole.count, by: 131))
    for count in lengths.sorted() where count < whole.count {
      let reading = read(Array(whole.prefix(count)))
      if ends.last != reading { ends.append(reading) }
    }
    #expect(ends == [.refusal(.empty), .refusal(.notARecording), .refusal(.withoutHead), .end(.brokenOff)])
    #expect(read(whole) == .end(.finished))
  }

  @Test func `a byte that is not the one that was written ends the recording before its block`() {
    let whole = Self.recording
    for place in stride(from: RecordingFormat.preamble.count, to: whole.count, by: 61) {
      var bytes = whole
      bytes[place] ^= 0x10
      switch read(bytes) {
      case .end(.damaged), .end(.brokenOff), .refusal(.damaged), .refusal(.withoutHead): break
      case let other: Issue.record("byte \(place): \(other)")
      }
    }
  }

  @Test func `damage that has the right checksums ends a replay, and nothing worse`() {
    var generator = SeededGenerator(seed: 4711)
    let parts = RecordingParts(Self.recording)
    var differences = 0
    for _ in 0..<400 {
      var damaged = parts
      let block = Int.random(in: damaged.blocks.indices, using: &generator)
      for _ in 0..<Int.random(in: 1...3, using: &generator) {
        let place = Int.random(in: damaged.blocks[block].indices, using: &generator)
        switch Int.random(in: 0..<4, using: &generator) {
        case 0: damaged.blocks[block].remove(at: place)
        case 1: damaged.blocks[block].insert(UInt8.random(in: 0...255, using: &generator), at: place)
        default: damaged.blocks[block][place] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
        }
      }
      if read(damaged.recording, mayDiffer: true) != .end(.finished) { differences += 1 }
    }
    #expect(differences > 200)
  }
}
