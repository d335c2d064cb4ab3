import Links
import LinuxSystem
import Netstack
import Primitives
import Testing

@testable import Runtime

struct LoopTests {
  @Test(arguments: [LoopSource.signals, .mailbox, .resolver, .child])
  func `the loop's own events are told from those of flows and links`(source: LoopSource) {
    #expect(LoopSource(data: source.data) == source)
    #expect(LoopSource(data: FlowID(index: .max >> 1, generation: .max).rawValue) == nil)
    #expect(LoopSource(data: 1 << 63 | UInt64(source.rawValue)) == nil)
  }

  @Test func `requests come in their order and wake the loop once`() async throws {
    let mailbox = try Mailbox()
    let resolvers = Command.setResolvers([Endpoint(.loopback, port: 53)])
    await Task.detached {
      mailbox.send(.apply(resolvers))
      mailbox.send(.logFlows)
      mailbox.send(.stop)
    }.value
    try awaitEvent(on: mailbox.descriptor)
    #expect(try mailbox.takeAll() == [.apply(resolvers), .logFlows, .stop])
    #expect(try mailbox.takeAll().isEmpty)
  }

  @Test(arguments: [
    ("plain", "plain"), ("-netdev", "-netdev"), ("stream,id=a", "stream,id=a"), ("with space", "'with space'"),
    ("it's", #"'it'\''s'"#), ("$HOME", "'$HOME'"), ("", "''"),
  ])
  func `a word is quoted for the shell where it must be`(word: String, quoted: String) {
    #expect(word.shellQuoted == quoted)
  }
}
