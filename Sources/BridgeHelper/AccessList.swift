/// Which bridges a user may put guests on, as the access lists of QEMU's bridge helper say it.
///
/// Who is denied a bridge by any line does not get it, whatever other lines allow and wherever they stand; who is allowed
/// it by none does not, either.
public struct AccessList: Hashable, Sendable {
  /// A line of a file.
  public struct Line: Hashable, Sendable, CustomStringConvertible {
    /// The file's path.
    public var file: String
    /// The line's number, from 1.
    public var number: Int
    /// What stands on it.
    public var text: String

    /// "line 3 of /etc/qemu/bridge.conf ('deny br0')".
    public var description: String { "line \(number) of \(file) ('\(text)')" }
  }

  /// What a line says of a bridge.
  public struct Rule: Hashable, Sendable {
    /// Whether the bridge is allowed, or denied.
    public var isAllowed: Bool
    /// The bridge's name; nil for all bridges.
    public var bridge: String?
    /// Where it stands.
    public var line: Line

    /// Whether it is about a bridge. Names are bytes to the kernel, and so they are here.
    func isAbout(_ name: String) -> Bool { bridge.map { $0.utf8.elementsEqual(name.utf8) } ?? true }
  }

  /// What the list says of a bridge.
  public enum Verdict: Hashable, Sendable {
    /// It is allowed, by this line before others.
    case allowed(by: Line)
    /// It is denied, by this line before others.
    case denied(by: Line)
    /// No line is about it, so that it is denied.
    case unmentioned
  }

  /// The rules, in the order in which they were read.
  public internal(set) var rules: [Rule] = []
  /// The files that were read, included ones too, in their order.
  public internal(set) var files: [String] = []

  /// What the list says of a bridge.
  public func verdict(on bridge: String) -> Verdict {
    let rules = rules.filter { $0.isAbout(bridge) }
    if let denial = rules.first(where: { !$0.isAllowed }) { return .denied(by: denial.line) }
    return rules.first.map { .allowed(by: $0.line) } ?? .unmentioned
  }

  /// Lets pass who may put a guest on a bridge.
  /// - Parameter paths: the files that were looked for.
  func check(_ bridge: String, lookedFor paths: [String]) throws(HelperError) {
    switch verdict(on: bridge) {
    case .allowed: return
    case .denied(let line): throw HelperError("the bridge '\(bridge)' is denied by \(line)")
    case .unmentioned where files.isEmpty:
      throw HelperError(
        "nobody may use the bridge '\(bridge)', for there is no \(paths.joined(separator: " and no ")); "
          + "root allows it by a line 'allow \(bridge)' in one of them")
    case .unmentioned:
      throw HelperError(
        "no line of \(files.joined(separator: ", ")) allows the bridge '\(bridge)'; "
          + "root allows it by a line 'allow \(bridge)'")
    }
  }
}
