import LinuxSystem
import Nftables
import Testing

/// What the kernel makes of it. Needs root.
@Suite struct SessionTests {
  private static let chain = ChainName(.inet, "t", "c")
  private static let rule = FilterRule(
    [.passes([InterfacePair("a", "b"), InterfacePair("b", "a")]), .counter, .accept], comment: "words")

  @Test(.needsRoot) func `a transaction changes the namespace of the thread, and what it says is read back`() throws {
    try withOwnNetwork {
      var session = try NftablesSession()
      let hook = ChainHook(type: "filter", name: "forward", priority: 0)
      try session.apply(
        FilterTransaction([.addTable(.inet, "t"), .addChain(Self.chain, hook), .add(Self.rule, Self.chain)]))
      let ruleset = try session.ruleset()
      #expect(ruleset.tables.map(\.name) == ["t"])
      #expect(ruleset.chains.map(\.hook) == [hook])
      let rule = try #require(ruleset.rules.first)
      #expect(rule.comment == "words")
      #expect(rule.count?.packets == 0)
      // The kernel has sets in an order of its own.
      let pairs = rule.statements.first?["match"]?["right"]?["set"]?.array ?? []
      #expect(Set(pairs) == [["concat": ["a", "b"]], ["concat": ["b", "a"]]])
      try session.apply(FilterTransaction([.delete(handle: rule.handle, Self.chain)]))
      let isEmpty = try session.ruleset().rules.isEmpty
      #expect(isEmpty)
      // Another namespace has nothing of it.
      try withOwnNetwork {
        var other = try NftablesSession()
        let isEmpty = try other.ruleset().tables.isEmpty
        #expect(isEmpty)
      }
    }
  }

  @Test(.needsRoot) func `of a transaction that fails nothing happens, and the reason is one line`() throws {
    try withOwnNetwork {
      var session = try NftablesSession()
      let failing = FilterTransaction([.addTable(.inet, "t"), .deleteTable(.inet, "another")])
      do throws(NftablesError) {
        try session.apply(failing)
        Issue.record("a table that is not there was deleted")
      } catch {
        guard case .refused(let reason) = error else { throw error }
        #expect(reason.contains("No such file or directory"))
        #expect(!reason.contains("\n"))
      }
      let isEmpty = try session.ruleset().tables.isEmpty
      #expect(isEmpty)
    }
  }

  @Test(.needsRoot) func `the text of a transaction means the same as its JSON`() throws {
    let hook = ChainHook(type: "filter", name: "input", priority: 0)
    let transaction = FilterTransaction([
      .addTable(.inet, "t"), .addChain(Self.chain, hook), .add(Self.rule, Self.chain),
      .insert(FilterRule([.transport(["icmp", "ipv6-icmp"]), .drop], comment: "pings"), Self.chain),
    ])
    var listings: [String] = []
    try withOwnNetwork {
      var session = try NftablesSession()
      try session.apply(transaction)
      listings.append(try session.run(text: "list ruleset"))
    }
    try withOwnNetwork {
      var session = try NftablesSession()
      try session.run(text: transaction.text)
      listings.append(try session.run(text: "list ruleset"))
    }
    #expect(listings[0] == listings[1])
    #expect(listings[0].contains("drop comment \"pings\""))
  }
}

/// Runs `body` in a network namespace of its own.
///
/// A test does not change its thread before it returns, so that the thread can be given a network meanwhile.
func withOwnNetwork(_ body: () throws -> Void) throws {
  let before = try FileDescriptor.open(reading: "/proc/thread-self/ns/net")
  try Namespace.make([.network])
  defer {
    do throws(SystemError) {
      try Namespace.enter(.network, before)
    } catch {
      preconditionFailure("the way back is lost: \(error)")
    }
  }
  try body()
}

extension Trait where Self == ConditionTrait {
  /// The test needs root, for network namespaces; without, it fails in CI and is skipped elsewhere.
  static var needsRoot: ConditionTrait {
    .enabled(
      if: ProcessControl.effectiveUser == 0 || ProcessControl.environment("CI") == "true", "this test needs root")
  }
}
