public import Configuration
import LinuxSystem
import TOMLKit

/// What a configuration file says: options by the names that they have on the command line, in TOML.
public struct ConfigurationFile: Sendable {
  /// The options of the network.
  public private(set) var network = NetworkOptions()
  /// Where guests are (`link`).
  public private(set) var links: [String] = []
  /// The file to write the process identifier to (`pid-file`).
  public private(set) var pidFile: String?
  /// The file that keeps DHCP leases from one run to the next (`lease-file`).
  public private(set) var leaseFile: String?
  /// Where the operator's requests are listened for (`control`).
  public private(set) var control: String?
  /// What is captured (`capture` and the options that begin so).
  public private(set) var capture = CaptureOptions()
  /// How much to log (`log-level`).
  public private(set) var logLevel: LogLevel?

  /// What a TAP device is used for (`mode`).
  public private(set) var mode: LinkMode?
  /// How long to look for events before sleeping, in microseconds (`busy-poll`).
  public private(set) var busyPoll: Int?
  /// How many queues each TAP device has (`queues`).
  public private(set) var queues: Int?
  /// The folder that recordings go to (`record`).
  public private(set) var record: String?
  /// How long a recording may be, in bytes (`record-limit`).
  public private(set) var recordLimit: Int?
  /// Whether recordings are without payload (`record-redact`).
  public private(set) var recordRedact: Bool?

  /// The most that is read of a file, in bytes.
  private static let longestFile = 1 << 20

  /// Reads the file at `path`.
  public init(path: String) throws(ConfigurationError) {
    let text: String
    do {
      text = try FileDescriptor.contents(of: path, limit: Self.longestFile)
    } catch {
      throw ConfigurationError(path, error.reason)
    }
    try self.init(text: text, path: path)
  }

  /// Reads a text; `path` is what errors call it.
  package init(text: String, path: String) throws(ConfigurationError) {
    try ConfigurationSyntax.check(text, path: path)
    let table: TOMLTable
    do {
      table = try TOMLTable(string: text)
    } catch let error as TOMLParseError {
      throw ConfigurationError("\(path):\(error.source.begin.line)", error.description)
    } catch {
      throw ConfigurationError(path, "\(error)")
    }
    // In an order of their own: which of two mistakes is told first must not depend on chance.
    for name in table.keys.sorted() {
      for value in try Self.values(of: table[name], "\(path): \(name)") {
        try take(name, value, path: "\(path): \(name)")
      }
    }
  }

  private mutating func take(_ name: String, _ value: String, path: String) throws(ConfigurationError) {
    switch name {
    case "link": links.append(value)
    case "pid-file": pidFile = value
    case "lease-file": leaseFile = value
    case "control": control = value
    case "capture": capture.file = value
    case "capture-host": capture.hostFile = value
    case "capture-filter": capture.filter = value
    case "capture-snaplen": capture.snapLength = try CaptureOptions.snapLength(value, path)
    case "capture-rotate": capture.rotation = try CaptureRotation(value, path)
    case "capture-segments": capture.splitsSegments = try Self.flag(value, path)
    case "log-level": logLevel = try Self.choice(value, path)
    case "mode": mode = try Self.choice(value, path)
    case "busy-poll": busyPoll = try ServiceOptions.busyPoll(value, path)
    case "queues": queues = try ServiceOptions.queues(value, path)
    case "record": record = value
    case "record-limit": recordLimit = try ServiceOptions.recordLimit(value, path)
    case "record-redact": recordRedact = try Self.flag(value, path)
    default: try network.take(name, value, path: path)
    }
  }

  private static func flag(_ value: String, _ path: String) throws(ConfigurationError) -> Bool {
    guard let flag = Bool(qemuSwitch: value) else { throw ConfigurationError(path, "'\(value)' is not on or off") }
    return flag
  }

  /// One of the values of an option that has a few.
  private static func choice<Choice: RawRepresentable & CaseIterable>(
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
