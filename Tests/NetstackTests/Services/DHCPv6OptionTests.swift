import Primitives
import Testing
import Wire

@testable import Netstack

private let guest = MACAddress(0x52, 0x54, 0, 0x12, 0x34, 0x56)
private let server = DHCPv6Bench.identifier
private typealias Message = DHCPv6ClientMessage

/// Which messages are answered (RFC 8415 section 16), and what the answers say beyond leases.
@Suite struct DHCPv6OptionTests {
  /// What section 16 demands of each type: the client's DUID, the server's.
  enum Demand { case must, mustNot, may }

  @Test(
    arguments: [
      (.solicit, .must, .mustNot), (.request, .must, .must), (.confirm, .must, .mustNot), (.renew, .must, .must),
      (.rebind, .must, .mustNot), (.decline, .must, .must), (.release, .must, .must),
      (.informationRequest, .may, .may),
    ] as [(DHCPv6MessageType, Demand, Demand)])
  func `messages without what they must have, or with what they must not, are discarded (section 16)`(
    type: DHCPv6MessageType, client: Demand, identifier: Demand
  ) throws {
    for hasClient in [true, false] {
      for hasServer in [true, false] {
        var bench = DHCPv6Bench()
        var message = Message(type: type, client: guest, server: hasServer ? server : nil)
        if type != .informationRequest { message.associations = [DHCPv6Bench.addresses(7, [addressV6(0x15)])] }
        if !hasClient { message.duid = nil }
        let isWrong =
          !hasClient && client == .must || hasServer && identifier == .mustNot || !hasServer && identifier == .must
        #expect(try bench.sendInVain(message) == (isWrong ? .invalid : nil), "\(hasClient) \(hasServer)")
      }
    }
  }

  @Test(arguments: [DHCPv6MessageType.request, .renew, .decline, .release, .informationRequest])
  func `a message for another server is left alone`(type: DHCPv6MessageType) throws {
    var bench = DHCPv6Bench()
    let message = Message(type: type, client: guest, server: [0, 3, 0, 1, 2, 0, 0, 0, 0, 1])
    #expect(try bench.sendInVain(message) == .forAnotherServer)
  }

  @Test func `an INFORMATION-REQUEST with an association is discarded (section 16.12)`() throws {
    var bench = DHCPv6Bench()
    let message = Message(type: .informationRequest, client: guest, associations: [DHCPv6Bench.addresses(7)])
    #expect(try bench.sendInVain(message) == .invalid)
  }

  @Test(arguments: [0, 2, 7, 10, 12, 13, 14, 255] as [UInt8])
  func `what servers and relays send is discarded`(type: UInt8) throws {
    var bench = DHCPv6Bench()
    let message = Message(type: DHCPv6MessageType(rawValue: type), client: guest)
    #expect(try bench.sendInVain(message) == .unknownType)
  }

  @Test(arguments: [DHCPv6MessageType.solicit, .confirm, .rebind, .informationRequest])
  func `messages for all servers that come to one address are discarded (section 16)`(type: DHCPv6MessageType) throws {
    var bench = DHCPv6Bench()
    #expect(try bench.sendInVain(Message(type: type, client: guest, isGroup: false)) == .unicast)
  }

  @Test(arguments: [DHCPv6MessageType.request, .renew, .release, .decline])
  func `other messages to one address are told to use the group (sections 18.3.2, .4, .7, .8)`(
    type: DHCPv6MessageType
  ) throws {
    var bench = DHCPv6Bench()
    let message = Message(
      type: type, client: guest, server: server, associations: [DHCPv6Bench.addresses(7)], isGroup: false)
    let reply = try bench.send(message)
    #expect((reply.codes, reply.status) == ([2, 1, 13], .useMulticast))
    #expect(bench.server.leases(at: bench.now).isEmpty)
  }

  // MARK: Configuration

  /// What an INFORMATION-REQUEST for `codes` is answered, beyond the identifiers.
  private func inform(
    asking codes: [DHCPv6OptionCode]?, _ configure: (inout NetworkSettings) -> Void = { _ in }
  ) throws -> DHCPv6ServerMessage {
    var bench = DHCPv6Bench(configure)
    return try bench.send(Message(type: .informationRequest, client: guest, asksFor: codes))
  }

  @Test func `what a client asks for is answered, and nothing else (section 21.7)`() throws {
    func configure(_ settings: inout NetworkSettings) {
      (settings.searchDomains, settings.bootFile) = (["a.test"], "boot/linux.efi")
    }
    #expect(try inform(asking: [.domainSearch, .nameServers], configure).codes == [2, 1, 23, 24])
    #expect(try inform(asking: [], configure).codes == [2, 1])
    // A client that does not say gets what there is.
    #expect(try inform(asking: nil, configure).codes == [2, 1, 23, 32, 59, 24])
    #expect(try inform(asking: [.domainSearch, .bootFileURL, DHCPv6OptionCode(rawValue: 56)]).codes == [2, 1])
  }

  @Test func `what the file to boot is to be told stands behind it, each part with its length (RFC 5970 section 3.2)`()
    throws
  {
    func configure(_ settings: inout NetworkSettings) {
      (settings.bootFile, settings.bootFileParameters) = ("linux", ["root=/dev/vda", "q"])
    }
    let reply = try inform(asking: [.bootFileParameters, .bootFileURL], configure)
    #expect(reply.codes == [2, 1, 59, 60])
    #expect(reply.data(60) == [0, 13] + Array("root=/dev/vda".utf8) + [0, 1] + Array("q".utf8))
    #expect(try inform(asking: [.bootFileURL], configure).codes == [2, 1, 59])
    #expect(try inform(asking: [.bootFileParameters]) { $0.bootFile = "linux" }.codes == [2, 1])
  }

  @Test func `resolver, domains and refresh time are these bytes`() throws {
    let reply = try inform(asking: nil) { $0.searchDomains = ["a.test", "b.test"] }
    #expect(reply.data(23) == [0xfe, 0xc0] + [UInt8](repeating: 0, count: 13) + [3])
    // RFC 8415 section 10: without compression.
    #expect(reply.data(24) == [1, 0x61, 4] + Array("test".utf8) + [0, 1, 0x62, 4] + Array("test".utf8) + [0])
    #expect(reply.data(32) == [0, 1, 0x51, 0x80])
  }

  @Test func `a client without a DUID is answered without one`() throws {
    var bench = DHCPv6Bench()
    let reply = try bench.send(Message(type: .informationRequest, client: guest, duid: nil))
    #expect(reply.codes == [2, 23, 32])
  }

  @Test func `the refresh time is for clients without leases alone (section 21.23)`() throws {
    var bench = DHCPv6Bench()
    let solicit = Message(type: .solicit, client: guest, asksFor: [.informationRefreshTime])
    #expect(try bench.send(solicit).codes == [2, 1, 7])
  }

  @Test func `a network that leads nowhere has no resolver`() throws {
    #expect(try inform(asking: nil) { $0.isRestricted = true }.codes == [2, 1, 32])
  }

  @Test(arguments: [
    ("linux.efi", "tftp://[fec0::2]/linux.efi"), ("/boot/linux.efi", "tftp://[fec0::2]/boot/linux.efi"),
    ("tftp://[2001:db8::1]/a", "tftp://[2001:db8::1]/a"), ("http://boot.test/a", "http://boot.test/a"),
  ])
  func `the file to boot is a URL, a path one of the gateway's TFTP server (RFC 5970 section 3.1)`(
    file: String, url: String
  ) throws {
    let reply = try inform(asking: [.bootFileURL]) { $0.bootFile = file }
    #expect(reply.data(59) == Array(url.utf8))
  }

  @Test func `a URL makes the server one for HTTP boot, for who asks or says its class (UEFI 2.10 section 24.7.3.1)`()
    throws
  {
    let expected: [UInt8] = [0, 0, 1, 0x57, 0, 10] + Array("HTTPClient".utf8)
    for (file, isHTTP) in [("http://a/b", true), ("https://a/b", true), ("b.efi", false), ("tftp://a/b", false)] {
      let reply = try inform(asking: [.vendorClass]) { $0.bootFile = file }
      #expect(reply.data(16) == (isHTTP ? expected : nil), "\(file)")
    }
    var bench = DHCPv6Bench { $0.bootFile = "http://a/b" }
    var message = Message(type: .informationRequest, client: guest, asksFor: [])
    #expect(try bench.send(message).data(16) == nil)
    message.vendorClass = expected
    #expect(try bench.send(message).data(16) == expected)
  }

  @Test(arguments: [(0, 4), (1, 6), (4, 4)] as [(UInt8, UInt8)])
  func `a client keeps its name, and DNS is not told (RFC 4704 section 6.1)`(flags: UInt8, answer: UInt8) throws {
    var bench = DHCPv6Bench()
    let name: [UInt8] = [2] + Array("vm".utf8)
    let reply = try bench.send(Message(type: .informationRequest, client: guest, name: [flags] + name))
    #expect(reply.data(39) == [answer] + name)
  }

  @Test func `an answer is never longer than every link takes, whatever is asked`() throws {
    var bench = DHCPv6Bench {
      $0.searchDomains = (0..<30).map { "\($0)." + String(repeating: "d", count: 60) + ".test" }
      $0.bootFile = "http://" + String(repeating: "b", count: 240)
    }
    let associations = (0..<60).map { DHCPv6Association(.temporaryAddresses, identifier: $0) }
    let answer = try bench.send(
      Message(
        type: .solicit, client: guest, duid: [0, 2] + [UInt8](repeating: 1, count: 128),
        associations: [DHCPv6Bench.addresses(200)] + associations))
    #expect(answer.reply.bytes.count <= 1232)
    #expect(answer.associations.first?.addresses == [addressV6(0x15)])
  }

  // MARK: Bad input

  @Test func `any bytes are answered or not, without harm`() throws {
    var bench = DHCPv6Bench()
    var random = SeededGenerator(seed: 5)
    let golden = Message(
      type: .solicit, client: guest, associations: [DHCPv6Bench.addresses(7, [addressV6(0x15)])],
      asksFor: [.nameServers, .bootFileURL], wantsRapidCommit: true, name: [1, 2, 0x76, 0x6d, 0]
    ).bytes
    var answered = 0
    for _ in 0..<5000 {
      var bytes = golden
      for _ in 0..<Int.random(in: 1...8, using: &random) {
        bytes[Int.random(in: 0..<bytes.count, using: &random)] = .random(in: 0...255, using: &random)
      }
      do throws(WireError) {
        if case .reply(let reply) = try bench.exchange(bytes, from: guest) {
          #expect(reply.bytes.count <= 1232)
          answered += 1
        }
      } catch {
        // No message: the stack counts it.
      }
    }
    #expect(answered > 100)
  }
}
