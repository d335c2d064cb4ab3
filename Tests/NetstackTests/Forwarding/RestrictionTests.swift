import Netstack
import Primitives
import Simulation
import Testing
import Wire

/// A network that leads nowhere: `restrict=on` of QEMU's.
@Suite struct RestrictionTests {
  private static var options: Lab.Options {
    var options = Lab.Options()
    options.settings.isRestricted = true
    return options
  }

  @Test(arguments: families)
  func `connections are reset, datagrams and echoes dropped, and no socket is opened`(family: IPAddress.Family) {
    withLab(Self.options) { lab in
      let settings = lab.stack.settings
      let (gateway, resolver) =
        family == .ipv4
        ? (IPAddress(settings.ipv4Gateway), IPAddress(settings.ipv4Resolver))
        : (IPAddress(settings.ipv6Gateway), IPAddress(settings.ipv6Resolver))
      lab.host.defaultService = RemoteService()
      let outside = OutsideWorld(family).server
      for address in [outside, gateway, resolver] {
        let connection = lab.guest.connect(to: Endpoint(address, port: 54))
        lab.guest.sendUDP([1], from: 5000, to: Endpoint(address, port: 54))
        lab.settle()
        #expect(connection.wasReset)
      }
      lab.guest.ping(outside)
      lab.settle()
      #expect(lab.drops(.forbiddenDestination) == 7)
      #expect(lab.guest.icmpMessages.isEmpty)
      #expect(lab.host.calls.connects == 0 && lab.openSocketCount == 0)
    }
  }

  @Test(arguments: families)
  func `the gateway is there`(family: IPAddress.Family) {
    withLab(Self.options) { lab in
      let settings = lab.stack.settings
      lab.guest.ping(family == .ipv4 ? IPAddress(settings.ipv4Gateway) : IPAddress(settings.ipv6Gateway))
      lab.settle()
      #expect(lab.echoReplies(family).count == 1)
    }
  }

  @Test(arguments: families)
  func `who comes by a forward is answered, by TCP and UDP`(family: IPAddress.Family) throws {
    try withLab(Self.options) { lab in
      let inside = Endpoint(lab.guest.address(in: family), port: 7)
      let listener = Endpoint(.any(family), port: 7007)
      for transport in [Transport.tcp, .udp] {
        try lab.apply(.addForward(PortForward(transport: transport, host: listener, guest: inside)))
      }
      lab.guest.listen(on: 7)
      let address = Endpoint(OutsideWorld(family).server, port: 40_000)
      let client = try #require(lab.connectClient(from: address, to: listener))
      lab.host.deliver([1], from: address, to: try #require(lab.datagramFlow(onPort: 7007)))
      lab.advance(by: .seconds(1))
      let connection = try #require(lab.guest.accepted(on: 7).first)
      connection.write(Array("by TCP".utf8))
      lab.guest.sendUDP(Array("by UDP".utf8), from: 7, to: address)
      lab.advance(by: .seconds(1))
      #expect(client.text == "by TCP")
      #expect(lab.sentDatagrams.map(\.payload) == [Array("by UDP".utf8)])
    }
  }

  @Test func `DHCP names neither a router nor a resolver`() throws {
    var bench = DHCPBench { $0.isRestricted = true }
    let offer = try bench.send(ClientMessage(type: .discover, client: DHCPBench.client(1)))
    #expect(offer.codes == [53, 54, 1, 51, 58, 59, 26])
  }

  @Test func `the router advertises its prefix, but neither itself nor a resolver (RFC 4861 section 4.2)`() throws {
    try withLab(Self.options) { lab in
      lab.guest.send(
        PlainDiscovery(type: 133, options: [.linkLayer(1, lab.guest.mac)]), from: lab.guest.ipv6LinkLocal,
        to: .everyRouter)
      lab.settle()
      let answer = try #require(lab.guest.discovery.first?.message)
      #expect(answer.rest == 0x40c0_0000)
      #expect(answer.options.map(\.type) == [1, 5, 3])
    }
  }
}
