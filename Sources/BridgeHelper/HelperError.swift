/// Why the helper could not do its work: the line that says so.
public struct HelperError: Error, Hashable, Sendable, CustomStringConvertible {
  /// What was tried, on what, and what to do, in one line.
  public let description: String
  /// The program's exit status: 2 for a wrong command line, 1 for all else.
  public let status: Int32

  /// Makes an error of its line.
  public init(_ description: String, status: Int32 = 1) {
    self.description = description
    self.status = status
  }
}
