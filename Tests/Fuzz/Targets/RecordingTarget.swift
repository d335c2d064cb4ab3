import Capture
import Recording

/// Any bytes as a recording: it is refused, or replayed up to its end, to where it is damaged or to a difference.
///
/// The first byte says what the others are.
enum RecordingTarget {
  /// What the bytes are, by the lowest two bits of the first one.
  enum Kind: UInt8 {
    /// A file as it is.
    case file
    /// A file whose blocks are given the fingerprints of what is in them.
    case blocks
    /// The records of a single block.
    case records
  }

  static func run(_ bytes: [UInt8]) -> [String] {
    var input = FuzzInput(bytes)
    let kind = Kind(rawValue: input.byte() & 3) ?? .records
    let content = input.rest()
    let recording =
      switch kind {
      case .file: content
      case .blocks: RecordingBlocks.mended(content)
      case .records: RecordingBlocks.recording(of: content)
      }
    do throws(RecordingError) {
      var replay = Replay(try RecordingReader(bytes: recording))
      return check(replay.run())
    } catch {
      let words = error.description
      let isOneLine = !words.isEmpty && !words.contains(where: \.isNewline)
      return isOneLine ? [] : ["a mistake is not told in one line: '\(words)'"]
    }
  }

  private static func check(_ outcome: Replay.Outcome) -> [String] {
    guard let difference = outcome.difference else {
      return outcome.end == nil ? ["the replay has ended before the recording"] : []
    }
    var faults: [String] = []
    if let last = difference.inputs.last, last.number != difference.input {
      faults.append("input \(difference.input) is different, but the last one told is not that")
    }
    for frame in difference.inputs.flatMap(\.frames) where FrameText().line(of: frame.span).isEmpty {
      faults.append("nothing is told of a frame of \(frame.count) bytes")
    }
    if case .frame(let expected, let got) = difference.what {
      let whole = expected + got.dropFirst(expected.count)
      let comparison = FrameComparison(expected: whole.span, got: got.span)
      if comparison.isEqual { faults.append("two frames are different, and yet the same") }
    }
    return faults
  }
}
