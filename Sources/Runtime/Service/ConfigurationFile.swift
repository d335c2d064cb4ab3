public import Configuration

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
  /// The file that says what the bridge is set up with (`bridge-config`).
  public private(set) var bridgeFile: String?
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

  /// Reads the file at `path`.
  public init(path: String) throws(ConfigurationError) { try self.init(OptionFile(path: path)) }

  /// Reads a text; `path` is what errors call it.
  package init(text: String, path: String) throws(ConfigurationError) {
    try self.init(OptionFile(text: text, path: path))
  }

  private init(_ file: OptionFile) throws(ConfigurationError) {
    for option in file.options { try take(option.name, option.value, path: option.path) }
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
    case "capture-segments": capture.splitsSegments = try OptionFile.flag(value, path)
    case "log-level": logLevel = try OptionFile.choice(value, path)
    case "mode": mode = try OptionFile.choice(value, path)
    case "bridge-config": bridgeFile = value
    case "busy-poll": busyPoll = try ServiceOptions.busyPoll(value, path)
    case "queues": queues = try ServiceOptions.queues(value, path)
    case "record": record = value
    case "record-limit": recordLimit = try ServiceOptions.recordLimit(value, path)
    case "record-redact": recordRedact = try OptionFile.flag(value, path)
    default: try network.take(name, value, path: path)
    }
  }
}
