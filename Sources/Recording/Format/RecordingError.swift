/// Why a recording cannot be read.
public enum RecordingError: Error, Hashable, Sendable {
  /// There is nothing in it.
  case empty
  /// It does not begin as a recording does.
  case notARecording
  /// It is of a version that is not known here.
  case unknownVersion(Int)
  /// It breaks off before the network is described.
  case withoutHead
  /// Its bytes mean nothing, or are not those that were written.
  case damaged
  /// Its bytes cannot be had, for the reason in words.
  case unreadable(String)
}

extension RecordingError: CustomStringConvertible {
  /// The reason in words, which follow the name of a file.
  public var description: String {
    switch self {
    case .empty: "it is empty"
    case .notARecording: "it is not a recording of Culvert's"
    case .unknownVersion(let version):
      "it is of version \(version), and this program reads version \(RecordingHead.version)"
    case .withoutHead: "it breaks off before anything happens"
    case .damaged: "it is damaged"
    case .unreadable(let reason): reason
    }
  }
}

/// How a recording ends.
public enum RecordingEnd: UInt8, Hashable, Sendable {
  /// With the loop that it is of.
  case finished = 0
  /// Where it was as long as it may be.
  case limit = 1
  /// Where what was to be written came faster than it could be.
  case overrun = 2
  /// Without an end: whoever wrote it was stopped, or could not write on.
  case brokenOff = 254
  /// Where its bytes are not those that were written.
  case damaged = 255
}

extension RecordingEnd: CustomStringConvertible {
  /// What there is to say of it, in words.
  public var description: String {
    switch self {
    case .finished: "it ends with the network"
    case .limit: "it ends where it was as long as --record-limit allows"
    case .overrun: "it ends where more was to be written than the disk takes"
    case .brokenOff: "it breaks off: whoever wrote it was stopped, or could not write on"
    case .damaged: "what follows is damaged"
    }
  }
}
