import Primitives

/// The options of a transfer that are known here (RFC 2348, RFC 2349, RFC 7440), those with a value that their RFC
/// allows.
public struct TFTPOptions: Hashable, Sendable {
  /// The bytes of each block but the last, `blksize`: 8 to 65,464.
  public var blockSize: Int?
  /// The length of the file in bytes, `tsize`; 0 in a request to read.
  public var transferSize: UInt64?
  /// How long to wait before a message is sent again, `timeout`: 1 to 255 seconds.
  public var timeout: Int?
  /// The blocks that are sent before an acknowledgment is awaited, `windowsize`: 1 to 65,535.
  public var windowSize: Int?

  /// No options.
  public init() {}

  /// Whether there is none.
  public var isEmpty: Bool { self == TFTPOptions() }

  /// What every OACK finds room in, in bytes.
  public static var longestAcknowledgment: Int { 96 }

  /// Writes an OACK of these options.
  /// - Precondition: there is room for `longestAcknowledgment` bytes.
  /// - Returns: the length of the message in bytes.
  public func writeAcknowledgment(to bytes: inout MutableSpan<UInt8>) -> Int {
    bytes.storeBigEndian(TFTPOpcode.optionAcknowledgment.rawValue, at: 0)
    var offset = 2
    func append(_ name: TFTPOptionName, _ value: UInt64?, to bytes: inout MutableSpan<UInt8>) {
      guard let value else { return }
      bytes.appendTerminated(name.rawValue, at: &offset)
      bytes.appendTerminated("\(value)", at: &offset)
    }
    append(.blockSize, blockSize.map { UInt64($0) }, to: &bytes)
    append(.transferSize, transferSize, to: &bytes)
    append(.timeout, timeout.map { UInt64($0) }, to: &bytes)
    append(.windowSize, windowSize.map { UInt64($0) }, to: &bytes)
    return offset
  }

  /// Takes an option as it was asked for; one whose value is not allowed is as good as not asked for, which leaves the
  /// choice to the client (RFC 2347: the server omits what it does not accept).
  mutating func take(_ name: TFTPOptionName, _ value: UInt64?) {
    func inRange(_ range: ClosedRange<UInt64>) -> Int? {
      value.flatMap { range.contains($0) ? Int($0) : nil }
    }
    switch name {
    case .blockSize: blockSize = inRange(8...65_464)
    case .transferSize: transferSize = value
    case .timeout: timeout = inRange(1...255)
    case .windowSize: windowSize = inRange(1...65_535)
    }
  }
}

/// The options that are known here, by their names.
enum TFTPOptionName: String, CaseIterable {
  case blockSize = "blksize"
  case transferSize = "tsize"
  case timeout
  case windowSize = "windowsize"
}
