import Nftables
import Primitives
import Testing

private let lan = IPv4Prefix(containing: IPv4Address(192, 168, 1, 0), length: 24)
private let chain = ChainName(.inet, "t", "c")

@Suite struct TransactionTests {
  /// A statement, as nft(8) has it, and as libnftables-json(5) has it.
  static let statements: [(RuleStatement, String, String)] = [
    (
      .input("br0"), #"iifname "br0""#,
      #"{"match":{"left":{"meta":{"key":"iifname"}},"op":"==","right":"br0"}}"#
    ),
    (
      .output("br0", isNot: true), #"oifname != "br0""#,
      #"{"match":{"left":{"meta":{"key":"oifname"}},"op":"!=","right":"br0"}}"#
    ),
    (
      .passes([InterfacePair("a", "b"), InterfacePair("b", "a")]), #"iifname . oifname { "a" . "b", "b" . "a" }"#,
      #"{"match":{"left":{"concat":[{"meta":{"key":"iifname"}},{"meta":{"key":"oifname"}}]},"op":"==","#
        + #""right":{"set":[{"concat":["a","b"]},{"concat":["b","a"]}]}}}"#
    ),
    (
      .source4(lan), "ip saddr 192.168.1.0/24",
      #"{"match":{"left":{"payload":{"field":"saddr","protocol":"ip"}},"op":"==","#
        + #""right":{"prefix":{"addr":"192.168.1.0","len":24}}}}"#
    ),
    (
      .source6(IPv6Prefix(containing: IPv6Address(high: 0xfd00 << 48, low: 0), length: 64), isNot: true),
      "ip6 saddr != fd00::/64",
      #"{"match":{"left":{"payload":{"field":"saddr","protocol":"ip6"}},"op":"!=","#
        + #""right":{"prefix":{"addr":"fd00::","len":64}}}}"#
    ),
    (
      .connectionState(["established", "related"]), "ct state established,related",
      #"{"match":{"left":{"ct":{"key":"state"}},"op":"in","right":["established","related"]}}"#
    ),
    (
      .connectionStatus("dnat"), "ct status dnat",
      #"{"match":{"left":{"ct":{"key":"status"}},"op":"in","right":"dnat"}}"#
    ),
    (
      .transport(["icmp"]), "meta l4proto icmp",
      #"{"match":{"left":{"meta":{"key":"l4proto"}},"op":"==","right":"icmp"}}"#
    ),
    (.counter, "counter", #"{"counter":null}"#), (.accept, "accept", #"{"accept":null}"#),
    (.drop, "drop", #"{"drop":null}"#), (.masquerade, "masquerade", #"{"masquerade":null}"#),
  ]

  @Test(arguments: statements.indices) func `a statement has one form for people and one for the library`(index: Int) {
    let (statement, text, json) = Self.statements[index]
    #expect(statement.text == text)
    #expect(statement.json.text == json)
  }

  @Test func `a transaction is a list of commands`() {
    let rule = FilterRule([.input("br0"), .counter, .accept], comment: "for guests")
    let transaction = FilterTransaction([
      .addTable(.inet, "t"), .addChain(chain, ChainHook(type: "filter", name: "forward", priority: -5)),
      .add(rule, chain), .insert(rule, chain), .delete(handle: 7, chain), .deleteTable(.inet, "t"),
    ])
    #expect(
      transaction.text == """
        add table inet t
        add chain inet t c { type filter hook forward priority -5; policy accept; }
        add rule inet t c iifname "br0" counter accept comment "for guests"
        insert rule inet t c iifname "br0" counter accept comment "for guests"
        delete rule inet t c handle 7
        delete table inet t

        """)
    let body =
      #"{"rule":{"chain":"c","comment":"for guests","expr":["#
      + #"{"match":{"left":{"meta":{"key":"iifname"}},"op":"==","right":"br0"}},{"counter":null},{"accept":null}],"#
      + #""family":"inet","table":"t"}}"#
    #expect(
      transaction.json
        == #"{"nftables":[{"metainfo":{"json_schema_version":1}},"#
        + #"{"add":{"table":{"family":"inet","name":"t"}}},"#
        + #"{"add":{"chain":{"family":"inet","hook":"forward","name":"c","policy":"accept","prio":-5,"table":"t","#
        + #""type":"filter"}}},{"add":\#(body)},{"insert":\#(body)},"#
        + #"{"delete":{"rule":{"chain":"c","family":"inet","handle":7,"table":"t"}}},"#
        + #"{"delete":{"table":{"family":"inet","name":"t"}}}]}"#)
  }
}

@Suite struct RulesetTests {
  static let json = #"""
    {"nftables": [{"metainfo": {"version": "1.0.6", "release_name": "Lester Gooch #5", "json_schema_version": 1}},
    {"table": {"family": "ip", "name": "filter", "handle": 1}},
    {"table": {"family": "inet", "name": "mine", "handle": 2, "flags": "owner"}},
    {"table": {"family": "inet", "name": "both", "handle": 3, "flags": ["dormant", "owner"]}},
    {"table": {"family": "future", "name": "x", "handle": 4}},
    {"set": {"family": "ip", "name": "s", "table": "filter", "type": "ipv4_addr", "handle": 4}},
    {"chain": {"family": "ip", "table": "filter", "name": "FORWARD", "handle": 1, "type": "filter", "hook": "forward",
      "prio": 0, "policy": "drop"}},
    {"chain": {"family": "ip", "table": "filter", "name": "OTHER", "handle": 3}},
    {"rule": {"family": "ip", "table": "filter", "chain": "FORWARD", "handle": 5, "comment": "culvert br0",
      "expr": [{"match": {"op": "==", "left": {"meta": {"key": "iifname"}}, "right": "br0"}},
      {"counter": {"packets": 3, "bytes": 252}}, {"accept": null}]}},
    {"rule": {"family": "ip", "table": "filter", "chain": "OTHER", "handle": 6, "expr": [{"xt": null}, {"accept": null}]}}]}
    """#

  @Test func `tables, chains and rules are read, and what is not known is passed over`() throws {
    let ruleset = try Ruleset(json: Self.json)
    #expect(ruleset.tables.map(\.name) == ["filter", "mine", "both"])
    #expect(ruleset.tables.map(\.isOwned) == [false, true, true])
    let forward = ChainName(.ip, "filter", "FORWARD")
    #expect(ruleset.chains.map(\.name) == [forward, ChainName(.ip, "filter", "OTHER")])
    #expect(ruleset.chains.map(\.dropsByPolicy) == [true, false])
    #expect(ruleset.chains.map(\.hook) == [ChainHook(type: "filter", name: "forward", priority: 0), nil])
    let rule = try #require(ruleset.rules(of: forward).first)
    #expect((rule.handle, rule.comment) == (5, "culvert br0"))
    #expect(rule.count?.packets == 3)
    #expect(rule.count?.bytes == 252)
    #expect(ruleset.rules.map(\.hasExtension) == [false, true])
  }

  @Test(arguments: ["", "{", "[]", #"{"nftables": 7}"#, #"{"nftables": [7]}"#])
  func `what is no answer of the library's is an error`(json: String) {
    #expect(throws: NftablesError.unreadable) { try Ruleset(json: json) }
  }
}

@Suite struct JSONTests {
  @Test(
    arguments: [
      ("null", .null), (" true ", .bool(true)), ("false", .bool(false)), ("-12", .integer(-12)), ("\"\"", .string("")),
      ("[]", .array([])), ("{ }", .object([:])), ("[1,[2,{\"a\":null}]]", [1, [2, ["a": nil]]]),
      (#""\u00e9\ud83d\ude00\n\/\"\\""#, .string("é😀\n/\"\\")), ("{\"a\" : 1 , \"b\":\n[ ] }", ["a": 1, "b": []]),
    ] as [(String, JSONValue)])
  func `a text is read, and what is written is read as the same`(text: String, value: JSONValue) {
    #expect(JSONValue(text) == value)
    #expect(JSONValue(value.text) == value)
  }

  @Test(arguments: [
    "", " ", "nul", "tru", "+1", "1.5", "1e3", "--1", "[", "[1", "[1,", "[1,]", "[,]", "{", "{1:2}", "{\"a\"}",
    "{\"a\":}",
    "{\"a\":1,}", "\"", "\"\\\"", "\"\\x\"", "\"\\u12\"", "\"\\ud800\"", "\"\\udc00\"", "\"\n\"", "1 2", "]",
    String(repeating: "[", count: 100_000),
  ])
  func `what is no JSON, or not a whole number, is not read`(text: String) { #expect(JSONValue(text) == nil) }

  @Test func `what has no place in a text is written otherwise`() {
    #expect(JSONValue.string("a\"\\\u{1}\n").text == #""a\"\\\u0001\u000a""#)
  }
}
