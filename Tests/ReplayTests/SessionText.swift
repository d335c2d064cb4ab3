import Capture
import Primitives
import Simulation

/// Frames as text, a line each: when, whether from the guest (`>`) or to it (`<`), and what.
enum SessionText {
  /// - Parameter showsTimes: whether lines begin with the seconds since the first frame.
  static func lines(of frames: [SessionFrame], showsTimes: Bool = true) -> [String] {
    var tracker = FlowTracker()
    let text = FrameText()
    return frames.map { frame in
      let bytes = frame.bytes.span
      let flow = tracker.note(
        bytes, originalLength: bytes.count, at: frame.time.nanoseconds, isFromGuest: frame.isFromGuest)
      let line = (frame.isFromGuest ? "> " : "< ") + text.line(of: bytes, flow: flow)
      return showsTimes ? time(frame.time.nanoseconds) + " " + line : line
    }
  }

  private static func time(_ nanoseconds: Int64) -> String {
    let microseconds = "\(nanoseconds / 1000 % 1_000_000)"
    return "\(nanoseconds / 1_000_000_000)." + String(repeating: "0", count: 6 - microseconds.count) + microseconds
  }
}
