import Primitives
import Simulation
import Testing
import Wire

@testable import Netstack

/// DHCP and DHCPv6 as guests have them: in frames.
@Suite struct DHCPServiceTests {
  private typealias Message = DHCPv6ClientMessage

  /// Sends a message as a client does: from its link-local address and port 546 to all servers (RFC 8415 section 7).
  private func send(
    _ payload: [UInt8], _ lab: Lab, to destination: IPv6Address = .allDHCPServers, port: UInt16 = 547
  ) {
    lab.guest.clearInbox()
    let datagram = PlainUDP(sourcePort: 546, destinationPort: port, payload: payload)
    lab.guest.send(.udp(datagram), from: IPAddress(lab.guest.ipv6LinkLocal), to: IPAddress(destination))
    lab.settle()
  }

  /// Sends a message that is answered, and returns the answer.
  private func exchange(
    _ message: Message, _ lab: Lab, to destination: IPv6Address = .allDHCPServers
  ) throws
    -> DHCPv6ServerMessage
  {
    send(message.bytes, lab, to: destination)
    return DHCPv6ServerMessage(DHCPv6Server.Reply(bytes: try #require(lab.guest.datagrams.first).payload))
  }

  @Test func `SOLICIT, ADVERTISE, REQUEST, REPLY: the guest has an address and can be reached`() throws {
    try withLab { lab in
      let guest = lab.guest.mac
      // fe80::5054:ff:fe12:3456.546 > ff02::1:2.547: SOLICIT, IA_NA 7
      let solicit = Message(type: .solicit, client: guest, associations: [DHCPv6Bench.addresses(7)])
      let advertisement = try exchange(solicit, lab)
      // fe80::2.547 > fe80::5054:ff:fe12:3456.546: ADVERTISE, IA_NA 7 fec0::15
      #expect(advertisement.type == .advertise)
      let frame = try #require(lab.guest.inbox.first)
      #expect((frame.source, frame.destination) == (lab.guest.ipv6GatewayMAC, guest))
      #expect((frame.ipv6?.source, frame.ipv6?.destination) == (.router, lab.guest.ipv6LinkLocal))
      let datagram = try #require(lab.guest.datagrams.first)
      #expect((datagram.sourcePort, datagram.destinationPort) == (547, 546))
      #expect(lab.stack.observer.leases.isEmpty)
      // fe80::5054:ff:fe12:3456.546 > ff02::1:2.547: REQUEST, IA_NA 7 fec0::15
      let request = Message(
        type: .request, client: guest, server: DHCPv6Bench.identifier, associations: advertisement.requests)
      // fe80::2.547 > fe80::5054:ff:fe12:3456.546: REPLY, IA_NA 7 fec0::15
      #expect(try exchange(request, lab).associations.map(\.addresses) == [[addressV6(0x15)]])
      #expect(lab.stack.observer.leases.map(\.address) == [IPAddress(addressV6(0x15))])
      #expect(lab.stack.observer.stations.map(\.address).contains(IPAddress(addressV6(0x15))))
      #expect(lab.stack.observer.drops.isEmpty)
    }
  }

  @Test(arguments: [IPv6Address.gateway, .router])
  func `the gateway's own addresses are no way to the server (RFC 8415 section 18.3.2)`(to address: IPv6Address) throws
  {
    try withLab { lab in
      let request = Message(type: .request, client: lab.guest.mac, server: DHCPv6Bench.identifier)
      let reply = try exchange(request, lab, to: address)
      #expect(reply.status == .useMulticast)
      send(Message(type: .informationRequest, client: lab.guest.mac).bytes, lab, to: address)
      #expect(lab.guest.datagrams.isEmpty)
      #expect(lab.drops(.ignoredRequest) == 1)
      #expect(lab.openSocketCount == 0)
    }
  }

  @Test func `the server is on its port alone`() {
    withLab { lab in
      send(Message(type: .informationRequest, client: lab.guest.mac).bytes, lab, port: 548)
      #expect(lab.guest.datagrams.isEmpty)
      #expect(lab.drops(.forbiddenDestination) == 1)
    }
  }

  @Test func `under restrict there are addresses too`() throws {
    var options = Lab.Options()
    options.settings.isRestricted = true
    try withLab(options) { lab in
      let reply = try exchange(
        Message(
          type: .solicit, client: lab.guest.mac, associations: [DHCPv6Bench.addresses(7)], wantsRapidCommit: true),
        lab)
      #expect(reply.codes == [2, 1, 14, 3])
    }
  }

  @Test func `a message cut anywhere is dropped and counted, or is one`() {
    withLab { lab in
      let golden = Message(
        type: .solicit, client: lab.guest.mac, associations: [DHCPv6Bench.addresses(7, [addressV6(0x15)])],
        asksFor: [.nameServers], wantsRapidCommit: true, name: [0, 2, 0x76, 0x6d, 0]
      ).bytes
      var answers = 0
      for count in golden.indices {
        send(Array(golden[..<count]), lab)
        answers += lab.guest.datagrams.count
      }
      // Behind the DUID each whole option makes a message; before it there is no client (section 16.2).
      #expect(answers == 4)
      #expect(lab.drops(.ignoredRequest) == 1)
      #expect(lab.drops(.malformed) == golden.count - 5)
    }
  }

  /// A DISCOVER of DHCP's as a datagram's payload, with `options` behind the cookie.
  private func discover(_ options: [UInt8]) -> [UInt8] {
    var message: [UInt8] = [1, 1, 6, 0, 0x11, 0x22, 0x33, 0x44] + [UInt8](repeating: 0, count: 20)
    message += [0x52, 0x54, 0, 0x12, 0x34, 0x56] + [UInt8](repeating: 0, count: 202)
    return message + [99, 130, 83, 99] + options
  }

  private func sendDHCP(_ payload: [UInt8], _ lab: Lab) {
    lab.guest.clearInbox()
    let datagram = PlainUDP(sourcePort: 68, destinationPort: 67, payload: payload)
    lab.guest.send(.udp(datagram), from: IPAddress(IPv4Address.any), to: IPAddress(IPv4Address.broadcast))
    lab.settle()
  }

  @Test func `a DHCP message cut anywhere is dropped and counted, or is one of BOOTP`() {
    withLab { lab in
      let golden = discover([53, 1, 1, 50, 4, 10, 0, 2, 15, 57, 2, 5, 220, 55, 2, 1, 3, 255])
      for count in golden.indices {
        let before = lab.drops(.malformed)
        sendDHCP(Array(golden[..<count]), lab)
        // The fixed part alone, and the cookie with nothing behind it, are whole messages of BOOTP's.
        let isBOOTP = (236...240).contains(count)
        #expect(lab.guest.datagrams.count == (isBOOTP ? 1 : 0), "\(count)")
        #expect(lab.drops(.malformed) == before + (isBOOTP ? 0 : 1), "\(count)")
      }
      sendDHCP(golden, lab)
      #expect(lab.guest.datagrams.count == 1)
    }
  }

  @Test(
    arguments: [
      [53, 1, 1], [53, 1, 1, 0, 0], [53, 1, 1, 12, 9, 0x61, 255], [53, 2, 1, 1, 255], [53, 1, 1, 53, 1, 1, 255],
      [53, 0, 255], [53, 1, 1, 50, 3, 10, 0, 2, 255], [53, 1, 1, 50, 4, 10, 0, 2, 15, 50, 4, 10, 0, 2, 16, 255],
      [53, 1, 1, 54, 4, 10, 0, 2, 2, 54, 4, 10, 0, 2, 2, 255], [53, 1, 1, 57, 1, 5, 255], [53, 1, 1, 51, 255],
      [53, 1, 1, 52, 1, 1, 255, 61], [12, 200, 0x61, 255],
    ] as [[UInt8]])
  func `options that lie, are repeated or have no end are dropped and counted (RFC 2131 section 4.1)`(
    options: [UInt8]
  ) {
    withLab { lab in
      sendDHCP(discover(options), lab)
      #expect(lab.guest.datagrams.isEmpty && lab.drops(.malformed) == 1)
      #expect(lab.stack.leases(at: lab.now).isEmpty)
    }
  }

  @Test(
    arguments: [
      [53, 1, 1, 255], [53, 1, 1, 255, 0, 0, 7], [0, 53, 1, 1, 0, 0, 255], [53, 1, 1, 12, 1, 0x61, 12, 1, 0x62, 255],
      [12, 1, 0x61], [0, 0, 0],
    ] as [[UInt8]])
  func `padding, a text in parts, and a BOOTP message without an end do no harm`(options: [UInt8]) {
    withLab { lab in
      sendDHCP(discover(options), lab)
      #expect(lab.guest.datagrams.count == 1)
    }
  }

  @Test func `a message longer than a frame of Ethernet's is dropped`() {
    withLab { lab in
      send([11, 0, 0, 1] + [UInt8](repeating: 0, count: 2048), lab)
      #expect(lab.guest.datagrams.isEmpty)
    }
  }

  @Test func `that all addresses are taken is told once for each family`() throws {
    var options = Lab.Options()
    (options.settings.ipv4LeaseCount, options.settings.ipv6LeaseCount) = (0, 0)
    try withLab(options) { lab in
      for _ in 0..<3 {
        let solicit = Message(type: .solicit, client: lab.guest.mac, associations: [DHCPv6Bench.addresses(7)])
        let advertisement = try exchange(solicit, lab)
        #expect(advertisement.associations.map(\.status) == [.noAddressesAvailable])
        lab.guest.clearInbox()
        lab.guest.sendDHCP(type: 1)
        lab.settle()
        #expect(lab.guest.datagrams.isEmpty)
      }
      #expect(lab.stack.observer.exhaustions == [.ipv6, .ipv4])
      #expect(lab.drops(.ignoredRequest) == 3)
    }
  }
}

extension DHCPv6ServerMessage {
  /// The associations as a client asks for what was advertised in them.
  fileprivate var requests: [DHCPv6Association] {
    associations.map { DHCPv6Bench.addresses(UInt32($0.identifier), $0.addresses) }
  }
}
