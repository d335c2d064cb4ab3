import Primitives
import Testing
import Wire

@testable import Netstack

private let guest = MACAddress(0x52, 0x54, 0, 0x12, 0x34, 0x56)
private let gateway = DHCPBench.gateway

/// What DHCP's messages say, and in which order.
@Suite struct DHCPOptionTests {
  @Test func `what a client asks for comes first, in its order and once (RFC 2132 section 9.8)`() throws {
    var bench = DHCPBench { ($0.hostname, $0.domainName) = ("vm", "lab.test") }
    let asking = ClientMessage(type: .discover, client: guest, asksFor: [15, 6, 99, 15, 3, 119, 51])
    #expect(try bench.send(asking).codes == [53, 54, 15, 6, 3, 51, 1, 58, 59, 26, 12])
  }

  @Test(arguments: [[1, 0x52, 0x54, 0, 0x12, 0x34, 0x56], [255, 0, 0, 0, 1, 0, 3, 0, 1], []] as [[UInt8]])
  func `every answer names the client as it named itself (RFC 6842)`(identifier: [UInt8]) throws {
    var bench = DHCPBench()
    var message = ClientMessage(type: .discover, client: guest, clientIdentifier: identifier)
    #expect(try bench.send(message).value(.clientIdentifier) == identifier)
    message.type = .request
    message.requested = address(15)
    #expect(try bench.send(message).value(.clientIdentifier) == identifier)
    message.requested = address(200)
    let refusal = try bench.send(message)
    #expect(refusal.reply.type == .nak)
    #expect(try refusal.value(.clientIdentifier) == identifier)
  }

  @Test func `with rapid commit two messages are enough (RFC 4039)`() throws {
    var bench = DHCPBench()
    let ack = try bench.send(ClientMessage(type: .discover, client: guest, wantsRapidCommit: true))
    #expect(ack.reply.type == .ack)
    #expect(try ack.value(.rapidCommit) == [])
    #expect(ack.reply.lease?.address == leased(15))
    #expect(bench.server.isLeased(address(15), at: bench.now))
    // In an answer to a REQUEST the option means nothing.
    let renewal = ClientMessage(type: .request, client: guest, requested: address(15), wantsRapidCommit: true)
    #expect(try bench.send(renewal).value(.rapidCommit) == nil)
  }

  // MARK: Routes

  /// A bench whose network has a route by another guest.
  private func routedBench(_ change: (inout NetworkSettings) -> Void = { _ in }) -> DHCPBench {
    DHCPBench {
      let other = IPv4Prefix(containing: IPv4Address(192, 0, 2, 0), length: 24)
      $0.staticRoutes = [StaticRoute(to: other, via: address(20))]
      change(&$0)
    }
  }

  @Test func `who asks for routes gets them in its place, the default one too, and no router (RFC 3442)`() throws {
    var bench = routedBench()
    let offer = try bench.send(ClientMessage(type: .discover, client: guest, asksFor: [1, 121, 3, 6]))
    #expect(offer.codes == [53, 54, 1, 121, 6, 51, 58, 59, 26])
    #expect(try offer.value(.classlessStaticRoutes) == [24, 192, 0, 2, 10, 0, 2, 20, 0, 10, 0, 2, 2])
    // Also where the router is asked for first.
    #expect(
      try bench.send(ClientMessage(type: .request, client: guest, requested: address(15), asksFor: [3, 121])).codes
        == [53, 54, 121, 1, 6, 51, 58, 59, 26])
  }

  @Test func `who does not ask for routes gets a router, and so do all where there are no routes`() throws {
    var bench = routedBench()
    #expect(
      try bench.send(ClientMessage(type: .discover, client: guest, asksFor: [1, 3])).codes
        == [53, 54, 1, 3, 6, 51, 58, 59, 26])
    bench = DHCPBench()
    #expect(
      try bench.send(ClientMessage(type: .discover, client: guest, asksFor: [121, 3])).codes
        == [53, 54, 3, 1, 6, 51, 58, 59, 26])
  }

  @Test func `a network that leads nowhere gives out its routes alone`() throws {
    var bench = routedBench { $0.isRestricted = true }
    let offer = try bench.send(ClientMessage(type: .discover, client: guest, asksFor: [3, 121]))
    #expect(try offer.value(.classlessStaticRoutes) == [24, 192, 0, 2, 10, 0, 2, 20])
    #expect(try offer.value(.router) == nil)
  }

  @Test func `a default route of the operator's takes the place of the gateway's`() throws {
    var bench = routedBench {
      $0.staticRoutes = [StaticRoute(to: IPv4Prefix(containing: .any, length: 0), via: address(20))]
    }
    let offer = try bench.send(ClientMessage(type: .discover, client: guest, asksFor: [121]))
    #expect(try offer.value(.classlessStaticRoutes) == [0, 10, 0, 2, 20])
  }

  @Test func `as many routes as may be given find room, and where they do not, the router does`() throws {
    let routes = (0..<16).map {
      StaticRoute(to: IPv4Prefix(containing: IPv4Address(192, 0, 2, $0), length: 32), via: address(20))
    }
    var bench = routedBench { $0.staticRoutes = routes }
    let all: [UInt8] = [1, 3, 6, 15, 119, 121, 12]
    let offer = try bench.send(ClientMessage(type: .discover, client: guest, asksFor: all))
    #expect(try offer.value(.classlessStaticRoutes)?.count == 16 * 9 + 5)
    bench = routedBench { ($0.staticRoutes, $0.domainName) = (routes, String(repeating: "d", count: 255)) }
    let crowded = try bench.send(ClientMessage(type: .discover, client: guest, asksFor: all))
    #expect(try crowded.value(.domainName)?.count == 255)
    #expect(try crowded.value(.classlessStaticRoutes) == nil)
    #expect(try crowded.value(.router) == [10, 0, 2, 2])
  }

  // MARK: Booting

  @Test func `the file to boot stands in its field, and in option 67 for those who ask (RFC 2132 section 9.5)`() throws
  {
    var bench = DHCPBench { ($0.bootFile, $0.tftpServerName) = ("boot/pxelinux.0", "boot.test") }
    let offer = try bench.send(ClientMessage(type: .discover, client: guest))
    #expect(offer.bytes[108..<124] == (Array("boot/pxelinux.0".utf8) + [0])[...])
    #expect(offer.header.siaddr == gateway)
    #expect(offer.codes == [53, 54, 1, 3, 6, 51, 58, 59, 26, 66])
    #expect(try offer.value(.tftpServerName) == Array("boot.test".utf8))
    let asking = try bench.send(ClientMessage(type: .discover, client: guest, asksFor: [67]))
    #expect(try asking.value(.bootFile) == Array("boot/pxelinux.0".utf8))
    // BOOTP knows the field alone (RFC 951).
    #expect(try bench.send(ClientMessage(client: guest)).bytes[108] == UInt8(ascii: "b"))
  }

  @Test func `a name that the field does not hold is an option for everybody`() throws {
    let name = "http://10.0.2.2/" + String(repeating: "x", count: 200)
    var bench = DHCPBench { $0.bootFile = name }
    let offer = try bench.send(ClientMessage(type: .discover, client: guest))
    #expect(offer.bytes[108] == 0)
    #expect(try offer.value(.bootFile) == Array(name.utf8))
  }

  @Test(arguments: [("http://a/b", true), ("https://a/b", true), ("pxelinux.0", false), ("tftp://a/b", false)])
  func `a URL makes the server one for HTTP boot (UEFI 2.10 section 24.7.3.1)`(file: String, isHTTP: Bool) throws {
    var bench = DHCPBench { $0.bootFile = file }
    let offer = try bench.send(ClientMessage(type: .discover, client: guest))
    #expect(try offer.value(.vendorClass) == (isHTTP ? Array("HTTPClient".utf8) : nil))
  }

  @Test func `iPXE is told that there is no ProxyDHCP to wait for`() throws {
    var bench = DHCPBench()
    let offer = try bench.send(ClientMessage(type: .discover, client: guest, isIPXE: true))
    #expect(try offer.value(.iPXE) == [176, 1, 1])
    #expect(try bench.send(ClientMessage(type: .discover, client: guest)).value(.iPXE) == nil)
  }

  // MARK: Room

  @Test func `options that find no room go to the fields for names (RFC 2132 section 9.3)`() throws {
    var bench = DHCPBench {
      $0.hostname = String(repeating: "h", count: 200)
      $0.tftpServerName = String(repeating: "t", count: 100)
      $0.domainName = String(repeating: "d", count: 50)
    }
    let offer = try bench.send(
      ClientMessage(type: .discover, client: guest, asksFor: [12, 1, 3, 6, 51, 58, 59, 26, 66, 15]))
    // 548 bytes hold the name of the host; a later name goes to `file`, and the last one to `sname`.
    #expect(offer.bytes.count <= 548)
    for (code, count) in [(DHCPOptionCode.hostname, 200), (.tftpServerName, 100), (.domainName, 50)] {
      #expect(try offer.value(code)?.count == count)
    }
  }

  @Test func `a file to boot keeps its field from options`() throws {
    var bench = DHCPBench {
      $0.bootFile = "pxelinux.0"
      $0.hostname = String(repeating: "h", count: 250)
      $0.tftpServerName = String(repeating: "t", count: 60)
    }
    let offer = try bench.send(ClientMessage(type: .discover, client: guest, asksFor: [12, 66]))
    #expect(offer.bytes[108..<119] == (Array("pxelinux.0".utf8) + [0])[...])
  }

  // MARK: Static leases

  @Test func `an address that is kept for one guest is given to it, with its name, and to nobody else`() throws {
    let own = DHCPBench.client(7)
    var bench = DHCPBench {
      $0.hostname = "vm"
      $0.staticLeases = [
        StaticLease(hardware: own, address: address(16), hostname: "web"),
        StaticLease(hardware: DHCPBench.client(8), address: address(99)),
      ]
    }
    // 10.0.2.16 lies among those that are for anybody, .99 does not.
    for (number, last) in [(1, 15), (2, 17), (3, 18)] as [(Int, UInt8)] {
      #expect(try bench.lease(DHCPBench.client(number), asking: address(16)) == address(last))
    }
    let refusal = try bench.send(
      ClientMessage(type: .request, client: DHCPBench.client(4), requested: address(16)))
    #expect(refusal.reply.type == .nak)
    #expect(try bench.lease(own) == address(16))
    #expect(try bench.send(ClientMessage(type: .discover, client: own)).value(.hostname) == Array("web".utf8))
    #expect(try bench.lease(DHCPBench.client(8), asking: address(20)) == address(99))
    let other = try bench.send(ClientMessage(type: .discover, client: DHCPBench.client(8)))
    #expect(try other.value(.hostname) == Array("vm".utf8))
  }
}
