/// What an operator may ask a running instance for. `README.md` beside this file describes the requests and answers.
public enum ControlMethod: String, CaseIterable, Codable, Hashable, Sendable {
  /// The process and its networks: `StatusReport`.
  case status
  /// The flows of a network: `FlowsReport`.
  case flows
  /// The ports of the host that lead to guests: `ForwardsReport`.
  case forwards
  /// Lead a port of the host, or several, to a guest: `ForwardsReport` of what was added.
  case addForward = "add-forward"
  /// Lead a port of the host, or several, nowhere any more: `ForwardsReport` of what was removed.
  case removeForward = "remove-forward"
  /// The addresses that DHCP has leased: `LeasesReport`.
  case leases
  /// The name servers that are asked on the guests' behalf: `ResolversReport`.
  case dns
  /// What is captured, or was last: `CaptureReport`.
  case capture
  /// Capture frames to a file from now on: `CaptureReport`.
  case startCapture = "start-capture"
  /// Capture no more: `CaptureReport`.
  case stopCapture = "stop-capture"
  /// How much is logged, from now on or as it is: `LogLevelReport`.
  case logLevel = "log-level"
}

/// One request, which is one line of JSON.
public struct ControlRequest: Codable, Hashable, Sendable {
  /// The version of the protocol that the request keeps to.
  public var version = currentVersion
  /// What the answer is to be called by; an answer repeats it.
  public var id: ControlID?
  /// A `ControlMethod`.
  public var method: String
  /// What the method needs to know.
  public var params: ControlParameters?

  /// The version of the protocol, raised where an old request or answer comes to mean something else.
  public static let currentVersion = 1
  /// The longest request, in bytes, without its line end.
  static let maximumLength = 64 * 1024

  /// Makes a request.
  public init(_ method: ControlMethod, _ params: ControlParameters = ControlParameters()) {
    self.method = method.rawValue
    self.params = params
  }
}

/// What a method needs to know; each uses some of these.
public struct ControlParameters: Codable, Hashable, Sendable {
  /// Which network, by its name; nil for the first one (for `status` all of them).
  public var network: String?
  /// Only flows of this protocol, a `FlowTransport`.
  public var transport: String?
  /// Only flows in this state, such as `ESTABLISHED`.
  public var state: String?
  /// The forward to add or to remove, in QEMU's syntax.
  public var rule: String?
  /// How much to log, a `LogLevel`.
  public var level: String?
  /// The file to capture to.
  public var file: String?
  /// What to capture, in the language of pcap-filter(7).
  public var filter: String?
  /// The most bytes to write of each frame.
  public var snapLength: Int?
  /// When to begin another file, and how many to keep, as `100MB,5`.
  public var rotate: String?
  /// Whether to write frames that stand for several segments as these.
  public var segments: Bool?

  /// Asks for nothing in particular.
  public init() {}

  private enum CodingKeys: String, CodingKey, CaseIterable {
    case network, transport, state, rule, level, file, filter, snapLength, rotate, segments
  }

  private struct AnyKey: CodingKey {
    let stringValue: String
    let intValue: Int? = nil
    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { return nil }
  }

  /// Reads parameters; one that is unknown is a mistake, not to be passed over.
  public init(from decoder: any Decoder) throws {
    for key in try decoder.container(keyedBy: AnyKey.self).allKeys {
      guard CodingKeys(rawValue: key.stringValue) == nil else { continue }
      let names = CodingKeys.allCases.map(\.rawValue).joined(separator: ", ")
      throw DecodingError.dataCorrupted(
        .init(
          codingPath: decoder.codingPath,
          debugDescription: "there is no parameter '\(key.stringValue)'; give \(names)"))
    }
    let values = try decoder.container(keyedBy: CodingKeys.self)
    network = try values.decodeIfPresent(String.self, forKey: .network)
    transport = try values.decodeIfPresent(String.self, forKey: .transport)
    state = try values.decodeIfPresent(String.self, forKey: .state)
    rule = try values.decodeIfPresent(String.self, forKey: .rule)
    level = try values.decodeIfPresent(String.self, forKey: .level)
    file = try values.decodeIfPresent(String.self, forKey: .file)
    filter = try values.decodeIfPresent(String.self, forKey: .filter)
    snapLength = try values.decodeIfPresent(Int.self, forKey: .snapLength)
    rotate = try values.decodeIfPresent(String.self, forKey: .rotate)
    segments = try values.decodeIfPresent(Bool.self, forKey: .segments)
  }
}

/// The name of a request: a text or a whole number.
public enum ControlID: Codable, Hashable, Sendable {
  case text(String)
  case number(Int)

  /// Reads either.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    do {
      self = .number(try container.decode(Int.self))
    } catch DecodingError.typeMismatch {
      self = .text(try container.decode(String.self))
    }
  }

  /// Writes either.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    switch self {
    case .text(let text): try container.encode(text)
    case .number(let number): try container.encode(number)
    }
  }
}

/// One answer, which is one line of JSON: a result or an error.
struct ControlAnswer<Result: Codable>: Codable {
  var version = ControlRequest.currentVersion
  var id: ControlID?
  var result: Result?
  var error: ControlFailure?
}

/// Why a request was not carried out.
public struct ControlFailure: Error, Codable, Hashable, Sendable {
  /// What kind of failure it is, for programs.
  public struct Code: RawRepresentable, Codable, Hashable, Sendable {
    /// The word that stands for it.
    public let rawValue: String

    /// Makes a code of its word.
    public init(rawValue: String) { self.rawValue = rawValue }

    /// The line is not JSON.
    public static let invalidJSON = Code(rawValue: "invalid-json")
    /// The line is JSON, but not a request.
    public static let invalidRequest = Code(rawValue: "invalid-request")
    /// The line is longer than any request; the connection ends.
    public static let tooLong = Code(rawValue: "too-long")
    /// The request is of a version that this instance does not speak.
    public static let unsupportedVersion = Code(rawValue: "unsupported-version")
    /// There is no such method.
    public static let unknownMethod = Code(rawValue: "unknown-method")
    /// A parameter is missing or makes no sense.
    public static let invalidParameter = Code(rawValue: "invalid-parameter")
    /// There is no network of this name.
    public static let unknownNetwork = Code(rawValue: "unknown-network")
    /// The host or the network refused what was asked for.
    public static let refused = Code(rawValue: "refused")
    /// There is no such forward.
    public static let notFound = Code(rawValue: "not-found")
    /// The network has ended, or did not answer in time.
    public static let unavailable = Code(rawValue: "unavailable")
    /// There are as many clients as are served at once; the connection ends.
    public static let tooManyClients = Code(rawValue: "too-many-clients")
    /// The client is another user; the connection ends.
    public static let forbidden = Code(rawValue: "forbidden")
  }

  /// What kind of failure it is.
  public var code: Code
  /// What is wrong, for people.
  public var message: String

  /// Makes a failure of its parts.
  public init(_ code: Code, _ message: String) {
    self.code = code
    self.message = message
  }
}
