/// The name of a chain, with its table's.
public struct ChainName: Hashable, Sendable, CustomStringConvertible {
  /// What its table is for.
  public var family: TableFamily
  /// Its table's name.
  public var table: String
  /// Its own.
  public var chain: String

  /// Makes a name of its parts.
  public init(_ family: TableFamily, _ table: String, _ chain: String) {
    self.family = family
    self.table = table
    self.chain = chain
  }

  /// "inet firewalld filter_FORWARD", as nft(8) has it.
  public var description: String { "\(family.rawValue) \(table) \(chain)" }
}

/// Where in a packet's way a chain is asked.
public struct ChainHook: Hashable, Sendable {
  /// The chain's type: "filter" or "nat".
  public var type: String
  /// The hook: "forward", "postrouting", "input".
  public var name: String
  /// When among others at the hook: the lower, the earlier.
  public var priority: Int64

  /// Makes a hook of its parts.
  public init(type: String, name: String, priority: Int64) {
    self.type = type
    self.name = name
    self.priority = priority
  }
}

/// Changes of the packet filter that happen together or not at all.
public struct FilterTransaction: Hashable, Sendable {
  /// One change.
  public enum Change: Hashable, Sendable {
    /// Makes a table, unless there is one.
    case addTable(TableFamily, String)
    /// Removes a table with all that is in it.
    case deleteTable(TableFamily, String)
    /// Makes a base chain whose policy is to accept.
    case addChain(ChainName, ChainHook)
    /// Adds a rule at a chain's end.
    case add(FilterRule, ChainName)
    /// Adds a rule at a chain's head.
    case insert(FilterRule, ChainName)
    /// Removes the rule of this handle.
    case delete(handle: Int64, ChainName)
  }

  /// The changes, in their order.
  public var changes: [Change]

  /// Makes a transaction of changes.
  public init(_ changes: [Change] = []) { self.changes = changes }

  /// Whether nothing is to change.
  public var isEmpty: Bool { changes.isEmpty }

  /// The commands in JSON (libnftables-json(5)).
  public var json: String {
    let value: JSONValue = ["nftables": .array([["metainfo": ["json_schema_version": 1]]] + changes.map(\.json))]
    return value.text
  }

  /// The commands in the language of nft(8), one a line: what `nft -f` would do at once.
  public var text: String { changes.map { $0.text + "\n" }.joined() }
}

extension FilterTransaction.Change {
  /// The command in the language of nft(8).
  public var text: String {
    switch self {
    case .addTable(let family, let name): "add table \(family.rawValue) \(name)"
    case .deleteTable(let family, let name): "delete table \(family.rawValue) \(name)"
    case .addChain(let name, let hook):
      "add chain \(name) { type \(hook.type) hook \(hook.name) priority \(hook.priority); policy accept; }"
    case .add(let rule, let chain): "add rule \(chain) \(rule.text)"
    case .insert(let rule, let chain): "insert rule \(chain) \(rule.text)"
    case .delete(let handle, let chain): "delete rule \(chain) handle \(handle)"
    }
  }

  /// The command as libnftables-json(5) has it.
  var json: JSONValue {
    switch self {
    case .addTable(let family, let name): ["add": Self.table(family, name)]
    case .deleteTable(let family, let name): ["delete": Self.table(family, name)]
    case .addChain(let name, let hook):
      [
        "add": [
          "chain": [
            "family": .string(name.family.rawValue), "table": .string(name.table), "name": .string(name.chain),
            "type": .string(hook.type), "hook": .string(hook.name), "prio": .integer(hook.priority),
            "policy": "accept",
          ]
        ]
      ]
    case .add(let rule, let chain): ["add": Self.rule(rule, chain)]
    case .insert(let rule, let chain): ["insert": Self.rule(rule, chain)]
    case .delete(let handle, let chain):
      [
        "delete": [
          "rule": [
            "family": .string(chain.family.rawValue), "table": .string(chain.table), "chain": .string(chain.chain),
            "handle": .integer(handle),
          ]
        ]
      ]
    }
  }

  private static func table(_ family: TableFamily, _ name: String) -> JSONValue {
    ["table": ["family": .string(family.rawValue), "name": .string(name)]]
  }

  private static func rule(_ rule: FilterRule, _ chain: ChainName) -> JSONValue {
    [
      "rule": [
        "family": .string(chain.family.rawValue), "table": .string(chain.table), "chain": .string(chain.chain),
        "expr": .array(rule.statements.map(\.json)), "comment": .string(rule.comment),
      ]
    ]
  }
}

extension NftablesSession {
  /// Makes the changes, all or none.
  public mutating func apply(_ transaction: FilterTransaction) throws(NftablesError) {
    guard !transaction.isEmpty else { return }
    try run(json: transaction.json)
  }
}
