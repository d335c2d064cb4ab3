/// Why a stream link has ended.
public enum LinkEnd: Hashable, Sendable {
  /// The peer has closed the connection; so many bytes of a frame that never became whole are forgotten.
  case closedByPeer(forgotten: Int)
  /// The peer announced a frame of this length, which is longer than any: what follows cannot be understood.
  case oversizedFrame(length: UInt32)
  /// The device is gone: its namespace has ended, or somebody has removed it.
  case deviceRemoved
  /// The connection failed; the system's error in words.
  case failed(String)
}

extension LinkEnd: CustomStringConvertible {
  /// For a log line.
  public var description: String {
    switch self {
    case .closedByPeer(let forgotten):
      forgotten == 0 ? "the peer closed the connection" : "the peer closed the connection within a frame"
    case .oversizedFrame(let length):
      "the peer announced a frame of \(length) bytes, the most are \(StreamFraming.maximumFrameLength)"
    case .deviceRemoved: "the device is gone, with its namespace or by itself"
    case .failed(let reason): reason
    }
  }
}

/// What one read from a link brought.
public struct FrameReceipt: Hashable, Sendable {
  /// How many whole frames the receiver's `batch` now holds.
  public var frameCount: Int
  /// Whether everything that had arrived was read, or the rest had better wait for the next event.
  public var isDrained: Bool
  /// Why nothing more will come; the frames of this receipt came before.
  public var end: LinkEnd?

  /// Makes a receipt of its parts.
  public init(frameCount: Int = 0, isDrained: Bool = false, end: LinkEnd? = nil) {
    self.frameCount = frameCount
    self.isDrained = isDrained
    self.end = end
  }
}
