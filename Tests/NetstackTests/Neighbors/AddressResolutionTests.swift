import Netstack
import Primitives
import Simulation
import Testing

/// ARP (RFC 826): for whom the stack answers, and how it finds the guest.
@Suite struct AddressResolutionTests {
  @Test(arguments: [(IPv4Address(10, 0, 2, 2), "52:55:0a:00:02:02"), (IPv4Address(10, 0, 2, 3), "52:55:0a:00:02:03")])
  func `the gateway and the resolver answer with their hardware addresses`(address: IPv4Address, mac: String) {
    withLab { lab in
      lab.guest.requestARP(for: address)
      lab.settle()
      #expect(lab.guest.arpMessages.map(\.operation) == [2])
      #expect(lab.guest.arpMessages.map(\.senderAddress) == [address])
      #expect(lab.guest.arpMessages.map(\.senderMAC) == [MACAddress(mac)])
    }
  }

  @Test(arguments: [
    IPv4Address(10, 0, 2, 15), IPv4Address(10, 0, 2, 1), IPv4Address(10, 0, 2, 4), IPv4Address(10, 0, 2, 255),
    IPv4Address(10, 0, 3, 2), IPv4Address(192, 0, 2, 1), IPv4Address.any,
  ])
  func `nobody answers for other addresses`(address: IPv4Address) {
    withLab { lab in
      lab.guest.requestARP(for: address)
      lab.settle()
      #expect(lab.guest.arpMessages.isEmpty)
    }
  }

  @Test func `a probe without a sender's address is answered and teaches nothing (RFC 5227)`() {
    withLab { lab in
      let probe = PlainARP(
        operation: 1, senderMAC: lab.guest.mac, senderAddress: .any, targetAddress: IPv4Address(10, 0, 2, 2))
      lab.guest.send(PlainFrame(destination: .broadcast, source: lab.guest.mac, .arp(probe)))
      lab.settle()
      #expect(lab.guest.arpMessages.count == 1)
      #expect(lab.stack.observer.stations.isEmpty)
    }
  }

  @Test(arguments: [IPv4Address(10, 0, 2, 2), IPv4Address(10, 0, 2, 3), IPv4Address(192, 0, 2, 1)])
  func `a guest cannot claim an address that is not a guest's`(address: IPv4Address) {
    withLab { lab in
      let claim = PlainARP(operation: 2, senderMAC: lab.guest.mac, senderAddress: address, targetAddress: address)
      lab.guest.send(PlainFrame(destination: .broadcast, source: lab.guest.mac, .arp(claim)))
      lab.settle()
      #expect(lab.stack.observer.stations.isEmpty)
      #expect(lab.drops(.badSource) == 1)
    }
  }

  @Test func `frames follow the guest to a new hardware address`() throws {
    try withLab { lab in
      let (tcp, server) = try lab.established()
      lab.guest.mac = MACAddress(0x52, 0x54, 0, 0xaa, 0xbb, 0xcc)
      lab.guest.requestARP(for: IPv4Address(10, 0, 2, 2))
      lab.settle()
      server.write("to the new card")
      tcp.stack(.data("to the new card", seq: 1, ack: 1))
      #expect(lab.stack.observer.stations.count == 2)
    }
  }

  @Test func `a forward's client waits until an unknown guest has answered who it is`() throws {
    try withLab { lab in
      let listener = Endpoint(.loopback, port: 8080)
      try lab.apply(
        .addForward(PortForward(transport: .tcp, host: listener, guest: Endpoint(lab.guest.address, port: 80))))
      lab.guest.listen(on: 80)
      lab.guest.answersARP = false
      let client = lab.connectClient(from: Endpoint(.loopback, port: 40_000), to: listener)
      client?.write("hello")
      lab.advance(by: .milliseconds(500))
      #expect(lab.guest.arpMessages.map(\.targetAddress) == [lab.guest.address])
      #expect(lab.guest.accepted(on: 80).isEmpty)
      lab.guest.answersARP = true
      lab.advance(by: .seconds(4))
      #expect(lab.guest.accepted(on: 80).map(\.received) == [Array("hello".utf8)])
    }
  }

  @Test func `an unknown guest is asked for at most once a second (RFC 1122 section 2.3.2.1)`() throws {
    try withLab { lab in
      let listener = Endpoint(.loopback, port: 8080)
      let guest = Endpoint(lab.guest.address, port: 80)
      try lab.apply(.addForward(PortForward(transport: .tcp, host: listener, guest: guest)))
      lab.guest.answersARP = false
      for number in UInt16(0)..<10 {
        _ = lab.connectClient(from: Endpoint(.loopback, port: 40_000 + number), to: listener)
      }
      lab.advance(by: .milliseconds(3500))
      #expect((1...4).contains(lab.guest.arpMessages.count))
    }
  }

  @Test func `a thousand requests in a row are answered and harm no running flow`() throws {
    try withLab { lab in
      let (tcp, server) = try lab.established()
      for number in 0..<1000 {
        let sender = IPv4Address(10, 0, 2, UInt8(4 + number % 250))
        let mac = MACAddress(bits: 0x0200_0000_0000 + UInt64(number))
        let address = sender == lab.guest.address ? IPv4Address(10, 0, 2, 14) : sender
        let request = PlainARP(
          operation: 1, senderMAC: mac, senderAddress: address, targetAddress: IPv4Address(10, 0, 2, 2))
        lab.guest.send(PlainFrame(destination: .broadcast, source: mac, .arp(request)))
      }
      tcp.guest(.data("hello", seq: 1, ack: 1))
      tcp.stack(.ack(6, seq: 1))
      server.write("still here")
      tcp.stack(.data("still here", seq: 1, ack: 6))
      #expect(lab.checker.frameCount > 1000)
    }
  }
}
