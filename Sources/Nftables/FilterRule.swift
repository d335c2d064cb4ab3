public import Primitives

/// A family of packets that a table of the packet filter is for.
public enum TableFamily: String, Hashable, Sendable {
  /// IPv4.
  case ip
  /// IPv6.
  case ip6
  /// Both.
  case inet
  /// ARP.
  case arp
  /// Frames on bridges.
  case bridge
  /// Frames as devices get them.
  case netdev
}

/// What a rule may ask of a packet, or do with it: as much of nft(8) as bridge mode needs, in JSON and as text.
public enum RuleStatement: Hashable, Sendable {
  /// It came by this interface, or by any other.
  case input(String, isNot: Bool = false)
  /// It goes out by this interface, or by any other.
  case output(String, isNot: Bool = false)
  /// It comes by the first interface of a pair and goes out by the second.
  case passes([InterfacePair])
  /// It comes from this IPv4 network, or from any other.
  case source4(IPv4Prefix, isNot: Bool = false)
  /// It comes from this IPv6 network, or from any other.
  case source6(IPv6Prefix, isNot: Bool = false)
  /// Its connection is in one of these states.
  case connectionState([String])
  /// Its connection has this status.
  case connectionStatus(String)
  /// It carries one of these protocols, by their names in nft(8).
  case transport([String])
  /// It is counted.
  case counter
  /// It passes this chain.
  case accept
  /// It is dropped.
  case drop
  /// It gets the address of the interface by which it leaves.
  case masquerade
}

/// Where a packet comes in, and where it goes out.
public struct InterfacePair: Hashable, Sendable {
  /// The name of the interface by which it comes.
  public var input: String
  /// The name of the interface by which it goes.
  public var output: String

  /// Makes a pair of its parts.
  public init(_ input: String, _ output: String) {
    self.input = input
    self.output = output
  }
}

/// A rule of the packet filter.
public struct FilterRule: Hashable, Sendable {
  /// What it asks and does, in this order.
  public var statements: [RuleStatement]
  /// Words for a reader, without quotation marks, at most 128 bytes.
  public var comment: String

  /// Makes a rule of its parts.
  public init(_ statements: [RuleStatement], comment: String) {
    self.statements = statements
    self.comment = comment
  }

  /// The rule in the language of nft(8).
  public var text: String { (statements.map(\.text) + ["comment \"\(comment)\""]).joined(separator: " ") }
}

// MARK: As text

extension RuleStatement {
  /// The statement in the language of nft(8).
  public var text: String {
    switch self {
    case .input(let name, let isNot): "iifname \(isNot ? "!= " : "")\"\(name)\""
    case .output(let name, let isNot): "oifname \(isNot ? "!= " : "")\"\(name)\""
    case .passes(let pairs):
      "iifname . oifname { " + pairs.map { "\"\($0.input)\" . \"\($0.output)\"" }.joined(separator: ", ") + " }"
    case .source4(let prefix, let isNot): "ip saddr \(isNot ? "!= " : "")\(prefix)"
    case .source6(let prefix, let isNot): "ip6 saddr \(isNot ? "!= " : "")\(prefix)"
    case .connectionState(let states): "ct state " + states.joined(separator: ",")
    case .connectionStatus(let status): "ct status \(status)"
    case .transport(let names):
      names.count == 1 ? "meta l4proto \(names[0])" : "meta l4proto { " + names.joined(separator: ", ") + " }"
    case .counter: "counter"
    case .accept: "accept"
    case .drop: "drop"
    case .masquerade: "masquerade"
    }
  }
}

// MARK: As JSON

extension RuleStatement {
  /// The statement as libnftables-json(5) has it.
  public var json: JSONValue {
    switch self {
    case .input(let name, let isNot): Self.match(Self.meta("iifname"), isNot, .string(name))
    case .output(let name, let isNot): Self.match(Self.meta("oifname"), isNot, .string(name))
    case .passes(let pairs):
      Self.match(
        ["concat": [Self.meta("iifname"), Self.meta("oifname")]], false,
        ["set": .array(pairs.map { ["concat": [.string($0.input), .string($0.output)]] })])
    case .source4(let prefix, let isNot):
      Self.match(Self.source("ip"), isNot, Self.prefix("\(prefix.network)", prefix.length))
    case .source6(let prefix, let isNot):
      Self.match(Self.source("ip6"), isNot, Self.prefix("\(prefix.network)", prefix.length))
    case .connectionState(let states): Self.isIn("state", .array(states.map(JSONValue.string)))
    case .connectionStatus(let status): Self.isIn("status", .string(status))
    case .transport(let names):
      Self.match(
        Self.meta("l4proto"), false,
        names.count == 1 ? .string(names[0]) : ["set": .array(names.map(JSONValue.string))])
    case .counter: ["counter": nil]
    case .accept: ["accept": nil]
    case .drop: ["drop": nil]
    case .masquerade: ["masquerade": nil]
    }
  }

  private static func match(_ left: JSONValue, _ isNot: Bool, _ right: JSONValue) -> JSONValue {
    ["match": ["op": isNot ? "!=" : "==", "left": left, "right": right]]
  }

  /// A bit of several.
  private static func isIn(_ key: String, _ right: JSONValue) -> JSONValue {
    ["match": ["op": "in", "left": ["ct": ["key": .string(key)]], "right": right]]
  }

  private static func meta(_ key: String) -> JSONValue { ["meta": ["key": .string(key)]] }

  private static func source(_ proto: String) -> JSONValue {
    ["payload": ["protocol": .string(proto), "field": "saddr"]]
  }

  private static func prefix(_ address: String, _ length: Int) -> JSONValue {
    ["prefix": ["addr": .string(address), "len": .integer(Int64(length))]]
  }
}
