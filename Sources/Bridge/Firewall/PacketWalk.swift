import Nftables
import Primitives

/// Asks chains of the packet filter what they would do with a packet of which only some things are known.
///
/// Matches are yes, no, or unknown: sets by name, marks, most extensions of iptables' and whatever the packet does not
/// say. An unknown match does not make a drop: what may be lost sometimes is the owner's business. It makes an accept
/// for an answer, which is what nearly every such rule is for (`-m conntrack --ctstate RELATED,ESTABLISHED`), and for
/// others where the rule names the packet's interface or network, as those do that somebody has added for it.
struct PacketWalk {
  /// A packet.
  struct Packet {
    let traffic: FirewallObstacle.Traffic
    /// `ip` or `ip6`.
    let family: TableFamily
    let input: String
    var output: String?
    var source: IPAddress?
    /// The transport protocol's number and name; nil for any.
    var transport: (number: Int64, name: String)?
    /// The port that it goes to.
    var port: Int64?
    /// The ICMP type's name.
    var icmpType: String?
    /// Whether its connection is established.
    var isAnswer = false
  }

  /// What a match says.
  enum Truth {
    case yes, no, unknown

    init(_ holds: Bool) { self = holds ? .yes : .no }

    /// The opposite, if `isNot`.
    func negated(_ isNot: Bool) -> Truth {
      guard isNot, self != .unknown else { return self }
      return self == .yes ? .no : .yes
    }
  }

  /// How a chain ends.
  enum Ending: Equatable {
    case accepted
    case stopped(ChainName, handle: Int64)
    /// With its last rule, or by `return`.
    case undecided
  }

  private let rules: [ChainName: [Ruleset.Rule]]

  /// More levels of chains than the kernel has (NFT_JUMP_STACK_SIZE).
  private static let mostLevels = 16

  init(_ ruleset: Ruleset) { rules = Dictionary(grouping: ruleset.rules, by: \.chain) }

  /// What keeps the packet from passing a base chain; nil where nothing does.
  func obstacle(in base: Ruleset.Chain, to packet: Packet) -> FirewallObstacle.Cause? {
    switch walk(base.name, packet, level: 0) {
    case .accepted: nil
    case .stopped(let chain, let handle): .rule(base.name, in: chain, handle: handle)
    case .undecided: base.dropsByPolicy ? .policy(base.name) : nil
    }
  }

  private func walk(_ chain: ChainName, _ packet: Packet, level: Int) -> Ending {
    guard level <= Self.mostLevels else { return .undecided }
    for rule in rules[chain] ?? [] {
      guard let (verdict, truth) = verdict(of: rule, on: packet) else { continue }
      let ending: Ending
      switch verdict {
      case .accept: ending = .accepted
      case .drop: ending = .stopped(chain, handle: rule.handle)
      case .end:
        guard truth == .yes else { continue }
        return .undecided
      case .jump(let other, let returns):
        ending = walk(ChainName(chain.family, chain.table, other), packet, level: level + 1)
        if ending == .undecided, !returns, truth == .yes { return .undecided }
      }
      switch ending {
      case .undecided: continue
      case .accepted where truth == .yes || mayRely(on: rule, for: packet): return .accepted
      case .stopped where truth == .yes: return ending
      default: continue
      }
    }
    return .undecided
  }

  /// Whether an accept holds although not all matches are understood.
  private func mayRely(on rule: Ruleset.Rule, for packet: Packet) -> Bool {
    packet.isAnswer
      || rule.statements.contains { statement in
        guard let match = statement["match"], match["op"] == "==", let left = match["left"] else { return false }
        let isOurs = [Field.input, .output, .source, .interfaces].contains { $0 == Field(left) }
        return isOurs && truth(of: match, on: packet) == .yes
      }
  }
}

// MARK: Rules

extension PacketWalk {
  private enum Verdict {
    case accept
    case drop
    case end
    case jump(String, returns: Bool)

    init?(_ value: JSONValue) {
      guard let (name, target) = value.onlyMember else { return nil }
      switch name {
      case "accept": self = .accept
      case "drop", "reject": self = .drop
      case "return": self = .end
      case "jump", "goto":
        guard let chain = target["target"]?.string else { return nil }
        self = .jump(chain, returns: name == "jump")
      default: return nil
      }
    }
  }

  /// What a rule does with the packet, and whether all its matches are known to hold; nil where one does not, or it
  /// decides nothing.
  private func verdict(of rule: Ruleset.Rule, on packet: Packet) -> (Verdict, Truth)? {
    var truth = Truth.yes
    for statement in rule.statements {
      guard let (kind, value) = statement.onlyMember else { continue }
      var found = Truth.yes
      switch kind {
      case "match": found = self.truth(of: value, on: packet)
      case "xt": found = self.truth(ofExtension: value, of: rule, on: packet)
      case "limit", "quota", "connlimit", "ct count": found = .unknown
      case "vmap":
        guard let verdict = verdict(ofMap: value, on: packet) else { continue }
        return (verdict, truth)
      default:
        if let verdict = Verdict(statement) { return (verdict, truth) }
      }
      guard found != .no else { return nil }
      if found == .unknown { truth = .unknown }
    }
    // iptables' REJECT is an extension of its own.
    return rule.rejectsByExtension ? (.drop, truth) : nil
  }

  private func verdict(ofMap value: JSONValue, on packet: Packet) -> Verdict? {
    guard let key = value["key"], let elements = value["data"]?["set"]?.array else { return nil }
    for element in elements {
      guard let pair = element.array, pair.count == 2 else { continue }
      let match: JSONValue = ["op": "==", "left": key, "right": pair[0]]
      if truth(of: match, on: packet) == .yes { return Verdict(pair[1]) }
    }
    return nil
  }

  private func truth(ofExtension value: JSONValue, of rule: Ruleset.Rule, on packet: Packet) -> Truth {
    // Says nothing of the packet, and is what commented rules have.
    if value["name"] == "comment" || value["type"] == "target" { return .yes }
    guard let words = rule.text?.split(separator: " ") else { return .unknown }
    // What libnftables makes of the extension: the state of the connection, the type of an ICMP message.
    if let states = words.word(after: ["ct", "state"]) {
      return Truth(states.split(separator: ",").contains(packet.isAnswer ? "established" : "new"))
    }
    if let type = words.word(after: ["icmp", "type"]) ?? words.word(after: ["icmpv6", "type"]),
      let own = packet.icmpType
    {
      return Truth(type == own)
    }
    return rule.rejectsByExtension ? .yes : .unknown
  }
}

extension [Substring] {
  /// The word behind two others.
  fileprivate func word(after pair: [Substring]) -> Substring? {
    let place = indices.dropLast(2).first { self[$0] == pair[0] && self[$0 + 1] == pair[1] }
    return place.map { self[$0 + 2] }
  }
}

extension Ruleset.Rule {
  /// Whether it ends with iptables' REJECT, of which newer libraries say the name, and older ones only the text.
  fileprivate var rejectsByExtension: Bool {
    guard hasExtension else { return false }
    let isNamed = statements.contains { $0["xt"]?["type"] == "target" && $0["xt"]?["name"] == "REJECT" }
    // What stands in quotation marks are the owner's words, not the rule's.
    let own = (text ?? "").split(separator: "\"", omittingEmptySubsequences: false).enumerated()
    let words = own.filter { $0.offset % 2 == 0 }.flatMap { $0.element.split(separator: " ") }
    return isNamed || words.contains("reject") || words.contains("REJECT")
  }
}

// MARK: Matches

extension PacketWalk {
  /// What of a packet a match looks at.
  private enum Field: Equatable {
    case input, output, source, interfaces, transport, port, icmpType, state, family

    init?(_ left: JSONValue) {
      if let key = left["meta"]?["key"]?.string {
        switch key {
        case "iifname", "iif": self = .input
        case "oifname", "oif": self = .output
        case "l4proto": self = .transport
        case "nfproto", "protocol": self = .family
        default: return nil
        }
      } else if let payload = left["payload"], let proto = payload["protocol"]?.string {
        switch (proto, payload["field"]?.string) {
        case ("ip", "saddr"), ("ip6", "saddr"): self = .source
        case ("ip", "protocol"), ("ip6", "nexthdr"): self = .transport
        case ("udp", "dport"), ("th", "dport"): self = .port
        case ("icmp", "type"), ("icmpv6", "type"): self = .icmpType
        default: return nil
        }
      } else if left["ct"]?["key"] == "state" {
        self = .state
      } else if let parts = left["concat"]?.array, parts.map(Field.init) == [.input, .output] {
        self = .interfaces
      } else {
        return nil
      }
    }
  }

  private func truth(of match: JSONValue, on packet: Packet) -> Truth {
    guard let left = match["left"], let right = match["right"] else { return .unknown }
    // A protocol's own fields are there in its packets only.
    if let proto = left["payload"]?["protocol"]?.string, !mayCarry(proto, packet) { return .no }
    guard let field = Field(left) else { return .unknown }
    return holds(field, right, on: packet).negated(match["op"] == "!=")
  }

  private func mayCarry(_ proto: String, _ packet: Packet) -> Bool {
    switch proto {
    case "ip", "ip6": packet.family.rawValue == proto
    case "icmpv6": packet.transport.map { $0.name == "ipv6-icmp" } ?? (packet.family == .ip6)
    case "icmp", "tcp", "udp": packet.transport.map { $0.name == proto } ?? true
    default: true
    }
  }

  /// Whether a field has a value, or one of several.
  private func holds(_ field: Field, _ value: JSONValue, on packet: Packet) -> Truth {
    if let elements = value["set"]?.array ?? value.array {
      let truths = elements.map { holds(field, $0, on: packet) }
      return truths.contains(.yes) ? .yes : truths.contains(.unknown) ? .unknown : .no
    }
    // A set by its name.
    if value.string?.hasPrefix("@") == true { return .unknown }
    switch field {
    case .input: return named(packet.input, value)
    case .output: return packet.output.map { named($0, value) } ?? .no
    case .source: return packet.source.map { lies($0, in: value) } ?? .unknown
    case .interfaces:
      guard let parts = value["concat"]?.array, parts.count == 2, let output = packet.output else { return .unknown }
      return Truth(named(packet.input, parts[0]) == .yes && named(output, parts[1]) == .yes)
    case .transport:
      guard let transport = packet.transport else { return .unknown }
      return Truth(value == .string(transport.name) || value == .integer(transport.number))
    case .port:
      guard let port = packet.port else { return .unknown }
      if let range = value["range"]?.array, let low = range.first?.integer, let high = range.last?.integer {
        return Truth((low...max(low, high)).contains(port))
      }
      return value == "domain" ? Truth(port == 53) : value.integer.map { Truth($0 == port) } ?? .unknown
    case .icmpType: return packet.icmpType.map { Truth(value == .string($0)) } ?? .unknown
    case .state: return Truth(value == (packet.isAnswer ? "established" : "new"))
    case .family:
      return Truth((packet.family == .ip ? ["ip", "ipv4"] : ["ip6", "ipv6"]).contains(value.string))
    }
  }

  private func named(_ name: String, _ value: JSONValue) -> Truth {
    guard let pattern = value.string else { return .unknown }
    return Truth(pattern.hasSuffix("*") ? name.hasPrefix(pattern.dropLast()) : name == pattern)
  }

  private func lies(_ address: IPAddress, in value: JSONValue) -> Truth {
    if let single = value.string.flatMap({ IPAddress($0) }) { return Truth(address == single) }
    guard let text = value["prefix"]?["addr"]?.string, let length = value["prefix"]?["len"]?.integer,
      let network = IPAddress(text)
    else { return .unknown }
    guard network.family == address.family else { return .no }
    if let network = network.ipv4, let address = address.ipv4, (0...32).contains(length) {
      return Truth(IPv4Prefix(containing: network, length: Int(length)).contains(address))
    }
    guard (0...128).contains(length) else { return .unknown }
    return Truth(IPv6Prefix(containing: network.mapped, length: Int(length)).contains(address.mapped))
  }
}
