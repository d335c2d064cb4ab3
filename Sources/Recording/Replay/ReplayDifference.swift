public import Primitives

/// The first difference between a recording and its replay.
public struct ReplayDifference: Hashable, Sendable {
  /// What is different.
  public enum What: Hashable, Sendable {
    /// The core has made another call than the recorded one, in words.
    case call(expected: String, got: String)
    /// A call is recorded that the core has not made.
    case missing(String)
    /// A frame to a guest has other bytes. Of the expected one there are as many as were recorded: its headers at
    /// least.
    case frame(expected: [UInt8], got: [UInt8])
    /// Frames to a guest have the headers that they had, and another payload: that of the frame is the first one's.
    case payload(got: [UInt8])
  }

  /// What is different.
  public var what: What
  /// The number of the input that was carried out, counted from 1.
  public var input: Int
  /// The number of the frame to a guest that comes next, or is the different one, counted from 1.
  public var frame: Int
  /// When.
  public var time: Instant
  /// The input that was carried out, last, and those before it.
  public var inputs: [ReplayInput]

  init(_ what: What, _ statistics: ReplayStatistics, at time: Instant, _ inputs: [ReplayInput]) {
    self.what = what
    input = statistics.inputCount
    frame = statistics.framesToGuest + 1
    self.time = time
    self.inputs = inputs
  }
}
