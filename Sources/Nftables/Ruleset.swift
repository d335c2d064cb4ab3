/// What the packet filter of a network namespace holds, as `list ruleset` has it.
public struct Ruleset: Hashable, Sendable {
  /// A table.
  public struct Table: Hashable, Sendable {
    /// What it is for.
    public var family: TableFamily
    /// Its name.
    public var name: String
    /// Whether only the process that made it may change it (the flag `owner`).
    public var isOwned: Bool
  }

  /// A chain.
  public struct Chain: Hashable, Sendable {
    /// Its name, with its table's.
    public var name: ChainName
    /// Where it is asked; nil for one that is only jumped to.
    public var hook: ChainHook?
    /// Whether what no rule decides is dropped.
    public var dropsByPolicy: Bool
  }

  /// A rule.
  public struct Rule: Hashable, Sendable {
    /// Its chain.
    public var chain: ChainName
    /// Its number in its table.
    public var handle: Int64
    /// Its comment, empty where it has none.
    public var comment: String
    /// Its statements, as libnftables-json(5) has them.
    public var statements: [JSONValue]
    /// The rule in the language of nft(8), if it was asked for: what iptables' own extensions do is only there.
    public var text: String?

    /// Packets and bytes of its counter; nil where it has none.
    public var count: (packets: Int64, bytes: Int64)? {
      for statement in statements {
        guard let counter = statement["counter"], let packets = counter["packets"]?.integer,
          let bytes = counter["bytes"]?.integer
        else { continue }
        return (packets, bytes)
      }
      return nil
    }

    /// Whether a statement is an extension of iptables', of which the JSON says nothing, or only the name.
    public var hasExtension: Bool {
      statements.contains { $0.onlyMember?.name == "xt" }
    }
  }

  /// The tables.
  public var tables: [Table] = []
  /// The chains.
  public var chains: [Chain] = []
  /// The rules, those of one chain in their order.
  public var rules: [Rule] = []

  /// An empty one.
  public init() {}

  /// Reads the JSON of `list ruleset`. Families, kinds of objects and members that are not known are passed over.
  public init(json: String) throws(NftablesError) {
    guard let objects = JSONValue(json)?["nftables"]?.array else { throw .unreadable }
    for object in objects {
      guard let (kind, value) = object.onlyMember else { throw .unreadable }
      switch kind {
      case "table": if let table = Table(value) { tables.append(table) }
      case "chain": if let chain = Chain(value) { chains.append(chain) }
      case "rule": if let rule = Rule(value) { rules.append(rule) }
      default: break
      }
    }
  }

  /// The rules of a chain, in their order.
  public func rules(of chain: ChainName) -> [Rule] { rules.filter { $0.chain == chain } }
}

extension Ruleset.Table {
  fileprivate init?(_ value: JSONValue) {
    guard let family = value["family"]?.string.flatMap(TableFamily.init), let name = value["name"]?.string else {
      return nil
    }
    // One flag is a text, several are a list.
    let flags = value["flags"]?.array ?? value["flags"].map { [$0] } ?? []
    self.init(family: family, name: name, isOwned: flags.contains("owner"))
  }
}

extension Ruleset.Chain {
  fileprivate init?(_ value: JSONValue) {
    guard let name = ChainName(value, "name") else { return nil }
    var hook: ChainHook?
    if let type = value["type"]?.string, let at = value["hook"]?.string, let priority = value["prio"]?.integer {
      hook = ChainHook(type: type, name: at, priority: priority)
    }
    self.init(name: name, hook: hook, dropsByPolicy: value["policy"] == "drop")
  }
}

extension Ruleset.Rule {
  fileprivate init?(_ value: JSONValue) {
    guard let chain = ChainName(value, "chain"), let handle = value["handle"]?.integer else { return nil }
    self.init(
      chain: chain, handle: handle, comment: value["comment"]?.string ?? "", statements: value["expr"]?.array ?? [])
  }
}

extension ChainName {
  fileprivate init?(_ value: JSONValue, _ member: String) {
    guard let family = value["family"]?.string.flatMap(TableFamily.init), let table = value["table"]?.string,
      let chain = value[member]?.string
    else { return nil }
    self.init(family, table, chain)
  }
}

extension NftablesSession {
  /// All that there is. Rules with extensions of iptables' come with their text.
  public mutating func ruleset() throws(NftablesError) -> Ruleset {
    var ruleset = try Ruleset(json: try run(json: #"{"nftables":[{"list":{"ruleset":null}}]}"#))
    guard ruleset.rules.contains(where: \.hasExtension) else { return ruleset }
    ruleset.add(texts: try run(text: "list ruleset"))
    return ruleset
  }
}

extension Ruleset {
  /// Adds the texts of rules, from `list ruleset` with handles in the language of nft(8):
  ///
  ///     table ip filter { # handle 1
  ///       chain FORWARD { # handle 2
  ///         iifname "br0" counter packets 0 bytes 0 accept # handle 5
  mutating func add(texts: String) {
    var (family, table): (Substring, Substring) = ("", "")
    var known: [RulePlace: String] = [:]
    for line in texts.split(separator: "\n") {
      let words = line.split(whereSeparator: \.isWhitespace)
      if words.first == "table", words.count >= 3 { (family, table) = (words[1], words[2]) }
      guard words.count > 3, words[words.count - 2] == "handle", words[words.count - 3] == "#",
        let handle = Int64(words[words.count - 1])
      else { continue }
      let text = words.dropLast(3).joined(separator: " ")
      known[RulePlace(family: String(family), table: String(table), handle: handle)] = text
    }
    for index in rules.indices where rules[index].hasExtension {
      let chain = rules[index].chain
      rules[index].text =
        known[
          RulePlace(family: chain.family.rawValue, table: chain.table, handle: rules[index].handle)]
    }
  }

  private struct RulePlace: Hashable {
    let family: String
    let table: String
    let handle: Int64
  }
}
