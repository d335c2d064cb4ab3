import Netstack
import Primitives
import Simulation
import Testing

/// Echo requests to the outside (RFC 792, RFC 4443 section 4, RFC 5508 section 3).
@Suite struct EchoRelayTests {
  @Test(arguments: families, [0, 1, 56, 1400])
  func `a request is answered from outside with the guest's identifier, its sequence number and its data`(
    family: IPAddress.Family, length: Int
  ) throws {
    try withLab { lab in
      let world = OutsideWorld(family)
      lab.host.echoResponders = [world.server]
      lab.guestSends(
        lab.echoRequest(family, identifier: 0x1234, sequence: 7, pattern(length)), to: world.server)
      let reply = try #require(lab.echoReplies(family).first)
      #expect(reply.rest == 0x1234_0007)
      #expect(reply.payload == pattern(length))
      let sent = try #require(lab.sentEchoes.first)
      #expect(sent.destination == Endpoint(world.server, port: 0))
      #expect(sent.marks == PacketMarks(hopLimit: 63, mayFragment: false))
    }
  }

  @Test(arguments: families)
  func `two guests with one identifier get their own replies (RFC 5508 REQ-1)`(family: IPAddress.Family) {
    withLab { lab in
      let world = OutsideWorld(family)
      lab.host.echoResponders = [world.server]
      let first = (lab.guest.address, lab.guest.ipv6Address)
      lab.guestSends(lab.echoRequest(family, identifier: 9, sequence: 1), to: world.server)
      lab.guest.address = IPv4Address(10, 0, 2, 16)
      lab.guest.ipv6Address = IPv6Address(high: 0xfec0 << 48, low: 16)
      lab.guestSends(lab.echoRequest(family, identifier: 9, sequence: 2), to: world.server)
      #expect(Set(lab.sentEchoes.map(\.local.port)).count == 2)
      let targets = lab.guest.inbox.filter { $0.payload != nil }.map {
        $0.ipv4.map { IPAddress($0.destination) } ?? IPAddress($0.ipv6?.destination ?? .any)
      }
      let second = lab.guest.address(in: family)
      #expect(targets == [family == .ipv4 ? IPAddress(first.0) : IPAddress(first.1), second])
      #expect(lab.echoReplies(family).map(\.rest) == [0x9_0001, 0x9_0002])
    }
  }

  @Test func `one identifier is one socket whomever it asks, and only who was asked may reply`() throws {
    try withLab { lab in
      let world = OutsideWorld(.ipv4)
      lab.host.echoResponders = [world.server]
      for address in [world.routers[0], world.server] {
        lab.guestSends(lab.echoRequest(.ipv4, identifier: 9, sequence: 1), to: address)
      }
      #expect(lab.openSocketCount == 1)
      let sent = try #require(lab.sentEchoes.first)
      var reply = sent.payload
      reply[0] = 0
      lab.host.deliver(reply, from: Endpoint(world.routers[0], port: 0), to: sent.flow)
      lab.host.deliver(reply, from: Endpoint(world.routers[1], port: 0), to: sent.flow)
      lab.settle()
      // The server's own, and the one from the router that was asked.
      #expect(lab.echoReplies(.ipv4).count == 2)
      #expect(lab.drops(.filtered) == 1)
    }
  }

  @Test(arguments: families)
  func `a reply longer than the guest's MTU comes in fragments`(family: IPAddress.Family) {
    withLab { lab in
      let world = OutsideWorld(family)
      lab.guestSends(lab.echoRequest(family, identifier: 9, sequence: 1, []), to: world.server)
      guard let sent = lab.sentEchoes.first else {
        Issue.record("nothing was sent")
        return
      }
      // Data of more than was asked: the checker has an open request for it all the same.
      let request = lab.echoRequest(family, identifier: 9, sequence: 2, pattern(8192))
      let bytes = lab.encoded(request, to: world.server)
      for offset in stride(from: 0, to: bytes.count, by: 1400) {
        let part = Array(bytes[offset..<min(offset + 1400, bytes.count)])
        let isLast = offset + 1400 >= bytes.count
        if let destination = world.server.ipv4 {
          var packet = PlainIPv4(from: lab.guest.address, to: destination, .raw(part), proto: 1)
          (packet.identification, packet.dontFragment) = (7, false)
          (packet.fragmentOffset, packet.moreFragments) = (offset, !isLast)
          lab.guest.send(packet)
        } else {
          var packet = PlainIPv6(from: lab.guest.ipv6Address, to: world.server.mapped, .raw(part), proto: 58)
          packet.fragment = PlainIPv6.Fragment(offset: offset, moreFragments: !isLast, identification: 7)
          lab.guest.send(packet)
        }
      }
      lab.host.echoResponders = [world.server]
      lab.settle()
      #expect(lab.sentEchoes.last?.flow == sent.flow)
      #expect(lab.sentEchoes.last?.marks.mayFragment == true)
      #expect(lab.echoReplies(family).map(\.payload) == [pattern(8192)])
    }
  }

  @Test(arguments: families)
  func `traceroute by echo sees each router, with the request as the guest has sent it`(family: IPAddress.Family) {
    withLab { lab in
      let world = OutsideWorld(family)
      world.build(in: lab)
      lab.host.echoResponders = [world.server]
      for hop: UInt8 in 1...4 {
        lab.guestSends(
          lab.echoRequest(family, identifier: 0x77, sequence: UInt16(hop), pattern(32)), to: world.server,
          hopLimit: hop)
      }
      let exceeded = world.message(.timeExceeded)
      #expect(lab.receivedErrors.map(\.from) == [.gateway(family)] + world.routers)
      #expect(lab.receivedErrors.map(\.message) == [exceeded, exceeded, exceeded])
      let requests = (1...3).map {
        lab.encoded(
          lab.echoRequest(family, identifier: 0x77, sequence: UInt16($0), pattern(32)), to: world.server)
      }
      #expect(lab.receivedErrors.map(\.quoted) == requests)
      #expect(lab.echoReplies(family).map(\.rest) == [0x77_0004])
    }
  }

  @Test(arguments: families)
  func `a request too long for the way is answered with the way's MTU (RFC 1191, RFC 8201)`(
    family: IPAddress.Family
  ) {
    withLab { lab in
      let world = OutsideWorld(family)
      world.build(in: lab, mtu: 1400)
      let request = lab.echoRequest(family, identifier: 5, sequence: 1, pattern(1420))
      if family == .ipv4 {
        // The guest's original data is known as far as routers quote it, and RFC 1624 mends the checksum.
        lab.guestSends(request, to: world.server)
        #expect(lab.receivedErrors.map(\.quoted.count) == [520])
        #expect(lab.receivedErrors.first?.quoted == Array(lab.encoded(request, to: world.server).prefix(520)))
        #expect(lab.receivedErrors.map(\.rest) == [1400])
      }
      lab.guest.clearInbox()
      lab.host.interfaceMTU = 1300
      let second = lab.echoRequest(family, identifier: 5, sequence: 2, pattern(1350))
      lab.guestSends(second, to: world.server)
      #expect(lab.receivedErrors.map(\.from) == [.gateway(family)])
      #expect(lab.receivedErrors.map(\.message) == [world.message(.tooBig(mtu: 1300))])
      #expect(lab.receivedErrors.map(\.rest) == [1300])
    }
  }

  @Test(arguments: families)
  func `where the host has no sockets for echo, a guest learns that it is prohibited, and the log does once`(
    family: IPAddress.Family
  ) {
    withLab { lab in
      let world = OutsideWorld(family)
      lab.host.offersEcho = false
      for sequence: UInt16 in 1...3 {
        lab.guestSends(lab.echoRequest(family, identifier: 5, sequence: sequence), to: world.server)
      }
      #expect(lab.receivedErrors.map(\.message) == Array(repeating: world.message(.prohibited), count: 3))
      #expect(lab.echoWarnings == 1)
      #expect(lab.openSocketCount == 0)
      #expect(lab.flows.isEmpty)
    }
  }

  @Test func `nothing goes to loopback, to groups, to the network itself, or to clouds' metadata`() {
    withLab { lab in
      let forbidden = [
        IPv4Address(127, 0, 0, 1), IPv4Address(224, 0, 0, 1), .broadcast, IPv4Address(10, 0, 2, 77),
        IPv4Address(169, 254, 169, 254), IPv4Address(0, 0, 0, 1),
      ]
      for address in forbidden {
        lab.guestSends(lab.echoRequest(.ipv4, identifier: 5, sequence: 1), to: IPAddress(address))
      }
      let forbiddenV6 = [
        IPv6Address.loopback, IPv6Address(high: 0xfec0 << 48, low: 0x77), IPv6Address(high: 0xff02 << 48, low: 0x77),
        IPv6Address(high: 0xfe80 << 48, low: 0x77),
      ]
      for address in forbiddenV6 {
        lab.guestSends(lab.echoRequest(.ipv6, identifier: 5, sequence: 1), to: IPAddress(address))
      }
      #expect(lab.sentEchoes.isEmpty)
      #expect(lab.drops(.forbiddenDestination) + lab.drops(.notForUs) >= forbidden.count + forbiddenV6.count - 1)
      // Metadata alone is refused aloud.
      #expect(lab.receivedErrors.map(\.message) == [[3, 13]])
    }
  }

  @Test func `a flow ends a minute after the last request or reply (RFC 5508 REQ-2)`() {
    withLab { lab in
      let world = OutsideWorld(.ipv4)
      lab.guestSends(lab.echoRequest(.ipv4, identifier: 5, sequence: 1), to: world.server)
      lab.advance(by: .seconds(50))
      lab.guestSends(lab.echoRequest(.ipv4, identifier: 5, sequence: 2), to: world.server)
      lab.advance(by: .seconds(59))
      #expect(lab.flowStates == [.echo])
      lab.advance(by: .seconds(2))
      #expect(lab.openSocketCount == 0)
      #expect(lab.flowEnds == [.timedOut])
    }
  }

  @Test func `three thousand identifiers take no more sockets than the limit, and each is answered`() {
    var options = Lab.Options()
    options.settings.maximumEchoFlows = 256
    withLab(options) { lab in
      let world = OutsideWorld(.ipv4)
      lab.host.echoResponders = [world.server]
      lab.host.keepsDatagrams = false
      for identifier: UInt16 in 1...3000 {
        lab.guestSends(lab.echoRequest(.ipv4, identifier: identifier, sequence: 1, [1]), to: world.server)
      }
      #expect(lab.echoReplies(.ipv4).count == 3000)
      #expect(lab.openSocketCount == 256)
      lab.guestSends(lab.echoRequest(.ipv4, identifier: 1, sequence: 2, [1]), to: world.server)
      #expect(lab.echoReplies(.ipv4).last?.rest == 0x1_0002)
    }
  }

  @Test func `a reply that is cut short, or of another family, is dropped`() throws {
    try withLab { lab in
      let world = OutsideWorld(.ipv4)
      lab.guestSends(lab.echoRequest(.ipv4, identifier: 5, sequence: 1), to: world.server)
      let flow = try #require(lab.sentEchoes.first).flow
      for count in [0, 7] { lab.host.deliver(pattern(count), from: Endpoint(world.server, port: 0), to: flow) }
      lab.settle()
      #expect(lab.drops(.malformed) == 2)
      #expect(lab.guest.icmpMessages.isEmpty)
    }
  }
}
