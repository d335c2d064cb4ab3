import Primitives

extension HostForward {
  /// Why a rule could not be read, in QEMU's words.
  public struct SyntaxError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The rule as it was given.
    public let rule: String
    /// What is wrong with it.
    public let reason: String

    /// QEMU's message.
    public var description: String { "Invalid host forwarding rule '\(rule)' (\(reason))" }
  }

  /// Reads a rule in QEMU's syntax, `[tcp|udp]:[HOSTADDR]:HOSTPORT-[GUESTADDR]:GUESTPORT` or
  /// `unix:PATH-[GUESTADDR]:GUESTPORT`.
  ///
  /// An empty protocol is TCP, an empty host address every IPv4 address of the host, an empty guest address the first
  /// lease. Ports may be written in C's bases. Beyond QEMU, an IPv6 address may stand in brackets, a range of ports in
  /// the place of the host's: `FIRST-LAST`, the guest's being the first of as many, and a path may hold dashes.
  public init(rule: String) throws(SyntaxError) {
    var reader = RuleReader(rule)
    switch try reader.field(upTo: ":", orFail: "No : separators") {
    case "", "tcp": try self.init(.tcp, &reader)
    case "udp": try self.init(.udp, &reader)
    case "unix": try self.init(path: &reader)
    default: throw reader.failure("Bad protocol name")
    }
  }

  /// Reads a rule behind its protocol.
  private init(_ transport: Transport, _ reader: inout RuleReader) throws(SyntaxError) {
    let hostField = try reader.field(upTo: ":", orFail: "Missing : separator")
    let hostAddress = try reader.address(hostField, orFail: "Bad host address") ?? IPAddress(IPv4Address.any)
    let hostPort = try reader.field(upTo: "-", orFail: "Bad host port separator")
    // No guest's address has a dash: one more separates the last port of a range.
    let lastPort = reader.rest.removeField(upTo: "-")
    let first = try reader.port(hostPort, from: lastPort == nil ? 0 : 1, orFail: "Bad host port")
    try self.init(.port(transport, Endpoint(hostAddress, port: first)), guestOf: &reader)
    guard let lastPort else { return }
    count = try Int(reader.port(lastPort, from: UInt32(first), orFail: "Bad host port range")) - Int(first) + 1
    guard count <= Self.longestRange else { throw reader.failure("More than 4096 ports") }
    guard Int(guestPort) + count - 1 <= Int(UInt16.max) else { throw reader.failure("Guest ports beyond 65535") }
  }

  /// The most ports in a range: each takes a descriptor and a place among the flows.
  private static let longestRange = 4096

  /// Reads a rule behind `unix:`.
  private init(path reader: inout RuleReader) throws(SyntaxError) {
    // The last one: a path may hold dashes, the guest's side does not.
    guard let dash = reader.rest.lastIndex(of: "-") else { throw reader.failure("Missing - separator") }
    let path = reader.rest[..<dash]
    reader.rest = reader.rest[reader.rest.index(after: dash)...]
    guard !path.isEmpty else { throw reader.failure("Missing unix socket path") }
    guard path.hasPrefix("/") else { throw reader.failure("unix socket path must be absolute") }
    guard path.utf8.count <= LinkAddress.maximumPathLength else {
      throw reader.failure("Unix socket path is too long")
    }
    guard !path.utf8.contains(0) else { throw reader.failure("Zero byte in unix socket path") }
    try self.init(.unix(path: String(path)), guestOf: &reader)
  }

  /// Reads the guest's side.
  private init(_ host: Place, guestOf reader: inout RuleReader) throws(SyntaxError) {
    let guestField = try reader.field(upTo: ":", orFail: "Missing guest address")
    let address = try reader.address(guestField, orFail: "Bad guest address")
    self.init(host, guestAddress: address, guestPort: try reader.port(reader.rest, from: 1, orFail: "Bad guest port"))
  }
}

/// What is left of a rule, and how its parts are read.
private struct RuleReader {
  private let rule: String
  var rest: Substring

  init(_ rule: String) {
    self.rule = rule
    rest = Substring(rule)
  }

  func failure(_ reason: String) -> HostForward.SyntaxError { HostForward.SyntaxError(rule: rule, reason: reason) }

  mutating func field(
    upTo separator: Character, orFail reason: String
  ) throws(HostForward.SyntaxError) -> Substring {
    guard let field = rest.removeField(upTo: separator) else { throw failure(reason) }
    return field
  }

  func address(_ text: Substring, orFail reason: String) throws(HostForward.SyntaxError) -> IPAddress? {
    guard !text.isEmpty else { return nil }
    guard let address = IPAddress(forwardField: text) else { throw failure(reason) }
    return address
  }

  func port(
    _ text: Substring, from lowest: UInt32, orFail reason: String
  ) throws(HostForward.SyntaxError) -> UInt16 {
    guard let number = UInt32(anyBase: text), number >= lowest, let port = UInt16(exactly: number) else {
      throw failure(reason)
    }
    return port
  }
}

extension Substring {
  /// Takes what stands before the next `separator`, and the separator; nil, with nothing taken, where there is none.
  /// A separator inside a leading pair of brackets does not count.
  mutating func removeField(upTo separator: Character) -> Substring? {
    let start = hasPrefix("[") ? (firstIndex(of: "]") ?? startIndex) : startIndex
    guard let end = self[start...].firstIndex(of: separator) else { return nil }
    let field = self[..<end]
    self = self[index(after: end)...]
    return field
  }
}

extension IPAddress {
  /// Parses an address as it stands in a forwarding rule: IPv4 as `inet_aton` reads it, or IPv6 in brackets.
  init?(forwardField text: Substring) {
    if text.hasPrefix("["), text.hasSuffix("]") {
      guard let address = IPv6Address(text.dropFirst().dropLast()) else { return nil }
      self.init(address)
    } else {
      guard let address = IPv4Address(inetAton: text) else { return nil }
      self.init(address)
    }
  }
}
