/// An operator's mistake in a setting: where it is, and what is wrong with it.
public struct ConfigurationError: Error, Hashable, Sendable {
  /// The setting's name, with an index where it may be given several times: `hostfwd[1]`.
  public let path: String
  /// What is wrong, and what to do about it.
  public let message: String

  /// Makes an error of its parts. An operator's words may be in them: whatever would not stand as itself in one line is
  /// escaped.
  public init(_ path: String, _ message: String) {
    self.path = path.printable
    self.message = message.printable
  }
}

extension ConfigurationError: CustomStringConvertible {
  /// `path: message`.
  public var description: String { "\(path): \(message)" }
}
