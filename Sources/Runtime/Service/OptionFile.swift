import Configuration
import LinuxSystem
import TOMLKit

/// A file with options by the names that they have on the command line, in TOML.
struct OptionFile {
  /// An option with a value, as the command line would have it; one that is repeated is there several times.
  struct Option {
    var name: String
    var value: String
    /// What errors call it: the file and the name.
    var path: String
  }

  /// The options, by their names: which of two mistakes is told first must not depend on chance.
  private(set) var options: [Option] = []

  /// The most that is read of a file, in bytes.
  private static let longestFile = 1 << 20

  /// Reads the file at `path`.
  init(path: String) throws(ConfigurationError) {
    let text: String
    do {
      text = try FileDescriptor.contents(of: path, limit: Self.longestFile)
    } catch {
      throw ConfigurationError(path, error.reason)
    }
    try self.init(text: text, path: path)
  }

  /// Reads a text; `path` is what errors call it.
  init(text: String, path: String) throws(ConfigurationError) {
    try ConfigurationSyntax.check(text, path: path)
    let table: TOMLTable
    do {
      table = try TOMLTable(string: text)
    } catch let error as TOMLParseError {
      throw ConfigurationError("\(path):\(error.source.begin.line)", error.description)
    } catch {
      throw ConfigurationError(path, "\(error)")
    }
    for name in table.keys.sorted() {
      let place = "\(path): \(name)"
      options += try Self.values(of: table[name], place).map { Option(name: name, value: $0, path: place) }
    }
  }

  /// A value that is on or off.
  static func flag(_ value: String, _ path: String) throws(ConfigurationError) -> Bool {
    guard let flag = Bool(qemuSwitch: value) else { throw ConfigurationError(path, "'\(value)' is not on or off") }
    return flag
  }

  /// One of the values of an option that has a few.
  static func choice<Choice: RawRepresentable & CaseIterable>(
    _ value: String, _ path: String
  ) throws(ConfigurationError) -> Choice where Choice.RawValue == String {
    if let choice = Choice(rawValue: value) { return choice }
    let choices = Choice.allCases.map(\.rawValue).joined(separator: ", ")
    throw ConfigurationError(path, "'\(value)' is not one of \(choices)")
  }

  /// A value as the command line would have it: several for an array, which stands for an option that is repeated.
  private static func values(
    of value: (any TOMLValueConvertible)?, _ path: String
  ) throws(ConfigurationError) -> [String] {
    guard let value else { return [] }
    switch value.type {
    case .bool: return [value.bool == true ? "on" : "off"]
    case .int: return [value.int.map { String($0) } ?? ""]
    case .string: return [value.string ?? ""]
    case .array:
      var values: [String] = []
      for element in value.array ?? [] {
        guard element.type != .array else { throw ConfigurationError(path, "an array in an array means nothing here") }
        values += try Self.values(of: element, path)
      }
      return values
    default: throw ConfigurationError(path, "a \(value.type) is not wanted here; give a string, a number or true")
    }
  }
}
