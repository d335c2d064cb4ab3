import Capture
import Primitives
import Recording

/// What is to be said of a replay.
struct ReplayReport {
  private let outcome: Replay.Outcome
  private let time: Interval

  /// Says what came of a replay that has taken `time`.
  init(_ outcome: Replay.Outcome, time: Interval) {
    self.outcome = outcome
    self.time = time
  }

  /// Whether all of the recording was replayed without a difference. One that breaks off is as good as it is long.
  var isGood: Bool { outcome.difference == nil && outcome.end != .damaged }

  /// What was compared, in one line.
  var summary: String {
    let counts = outcome.statistics
    let frames = counts.framesFromGuest + counts.framesToGuest
    let what =
      "\(counts.inputCount) inputs and \(counts.callCount) calls, \(frames) frames "
      + "(\(counts.framesFromGuest) from guests, \(counts.framesToGuest) to them), "
      + "\(counts.bytesFromGuest + counts.bytesToGuest) bytes; \(counts.duration) in \(time)"
    guard let difference = outcome.difference else {
      return "identical: \(what); \(outcome.end.map { "\($0)" } ?? "")"
    }
    return "different at input \(difference.input), after \(what)"
  }

  // MARK: A difference

  /// The first difference, and the inputs before it.
  func words(of difference: ReplayDifference) -> String {
    var lines = ["", "at \(seconds(difference.time)) s:"]
    switch difference.what {
    case .call(let expected, let got): lines += ["  expected  \(expected)", "  got       \(got)"]
    case .missing(let expected): lines += ["  expected  \(expected)", "  got       the end of the input"]
    case .frame(let expected, let got):
      lines.append("frame \(difference.frame) to a guest:")
      // What is not recorded of a payload is as it was read from the host.
      let whole = expected + got.dropFirst(expected.count)
      lines.append(FrameComparison(expected: whole.span, got: got.span).table())
    case .payload(let got):
      lines.append("frame \(difference.frame) to a guest, or one sent with it, has another payload; the first is:")
      lines.append("  " + FrameText().line(of: got.span))
    }
    lines += ["", "the inputs before it, and the one that it comes of:"]
    // Times are known from one to the next: backwards from the last.
    var time = difference.time.nanoseconds
    var told: [[String]] = []
    for input in difference.inputs.reversed() {
      told.append(words(of: input, at: Instant(nanoseconds: time)))
      time = time &- input.delay
    }
    lines += told.reversed().joined()
    return lines.joined(separator: "\n") + "\n"
  }

  private func words(of input: ReplayInput, at time: Instant) -> [String] {
    ["  \(input.number)  \(seconds(time))  \(input.words)"]
      + input.frames.map { "      > " + FrameText().line(of: $0.span) }
  }

  /// A moment in seconds since the first input, with six decimals.
  private func seconds(_ time: Instant) -> String {
    let microseconds = (time.nanoseconds &- (outcome.statistics.first ?? .zero).nanoseconds) / 1000
    let fraction = String(microseconds.magnitude % 1_000_000 + 1_000_000).dropFirst()
    return "\(microseconds < 0 ? "-" : "")\(microseconds.magnitude / 1_000_000).\(fraction)"
  }
}
