/// What stands in the way of reading, writing or filtering captured frames. The description is one line for an operator.
public enum CaptureError: Error, Hashable, Sendable {
  /// libpcap cannot be loaded; the system's words.
  case noLibrary(reason: String)
  /// The file cannot be opened or read; the system's words.
  case unreadable(path: String, reason: String)
  /// The file has no bytes.
  case empty(path: String)
  /// The file is no capture, or one that libpcap does not understand; libpcap's words.
  case notCapture(path: String, reason: String)
  /// The file's frames are not Ethernet; libpcap's name for what they are.
  case notEthernet(path: String, linkType: String)
  /// The file is cut short or damaged behind its first `records` records; libpcap's words.
  case damaged(path: String, records: Int, reason: String)
  /// The file cannot be made or written; the system's error number (`errno`) and its words.
  case unwritable(path: String, number: Int32, reason: String)
  /// A record's time lies before 1970 or behind 2106, which a pcap file has no room for.
  case timeOutOfRange(path: String, time: Int64)
  /// The expression is no filter; libpcap's words.
  case badFilter(expression: String, reason: String)
}

extension CaptureError: CustomStringConvertible {
  /// What was tried, on what, and what is wrong.
  public var description: String {
    switch self {
    case .noLibrary(let reason):
      "captures need libpcap, which cannot be loaded: \(reason); install it (Debian's package is libpcap0.8)"
    case .unreadable(let path, let reason): "cannot read \(Self.name(path)): \(reason)"
    case .empty(let path): "\(Self.name(path)) is empty, not a capture"
    case .notCapture(let path, let reason): "\(Self.name(path)) is not a capture in pcap or pcapng format: \(reason)"
    case .notEthernet(let path, let linkType):
      "the frames of \(Self.name(path)) are not Ethernet but \(linkType): capture on an Ethernet interface"
    case .damaged(let path, let records, let reason):
      "\(Self.name(path)) is cut short or damaged behind \(records) records: \(reason)"
    case .unwritable(let path, _, let reason): "cannot write \(Self.name(path)): \(reason)"
    case .timeOutOfRange(let path, let time):
      "cannot write \(Self.name(path)): its format has no room for a time of \(time) nanoseconds since 1970"
    case .badFilter(let expression, let reason): "capture filter '\(expression)': \(reason)"
    }
  }

  private static func name(_ path: String) -> String {
    path == "-" ? "the standard stream" : path
  }
}
