import Netstack
import Primitives
import Simulation
import Testing

/// What of a guest's IP header goes on to the host's packet.
@Suite struct MarkTests {
  private func datagram(_ number: UInt8) -> PlainPayload {
    .udp(PlainUDP(sourcePort: 5000, destinationPort: 7, payload: [number]))
  }

  @Test(arguments: families)
  func `the hop limit goes on less one (RFC 1812 section 5.3.1, RFC 8200 section 3)`(family: IPAddress.Family) {
    withLab { lab in
      let world = OutsideWorld(family)
      for hopLimit: UInt8 in [2, 64, 128, 255] { lab.guestSends(datagram(1), to: world.server, hopLimit: hopLimit) }
      #expect(lab.sentDatagrams.map(\.marks.hopLimit) == [1, 63, 127, 254])
    }
  }

  @Test(arguments: families)
  func `the class of service goes on without ECN, which is a matter of two ends (RFC 2474, RFC 3168)`(
    family: IPAddress.Family
  ) {
    withLab { lab in
      let world = OutsideWorld(family)
      for octet: UInt8 in [46 << 2, 46 << 2 | 1, 46 << 2 | 3, 0] {
        lab.guestSends(datagram(1), to: world.server, trafficClass: octet)
      }
      #expect(lab.sentDatagrams.map(\.marks.dscp) == [46, 46, 46, 0])
    }
  }

  @Test func `DF goes on as the guest has set it (RFC 791)`() {
    withLab { lab in
      let world = OutsideWorld(.ipv4)
      lab.guestSends(datagram(1), to: world.server, mayFragment: false)
      lab.guestSends(datagram(2), to: world.server, mayFragment: true)
      #expect(lab.sentDatagrams.map(\.marks.mayFragment) == [false, true])
    }
  }

  @Test(arguments: families)
  func `what a guest sends in parts may be cut on its way as well`(family: IPAddress.Family) {
    withLab { lab in
      let world = OutsideWorld(family)
      let whole = PlainPayload.udp(PlainUDP(sourcePort: 5000, destinationPort: 7, payload: pattern(2000)))
      let bytes = lab.encoded(whole, to: world.server)
      for (offset, part) in [(0, Array(bytes[..<1000])), (1000, Array(bytes[1000...]))] {
        if let destination = world.server.ipv4 {
          var packet = PlainIPv4(from: lab.guest.address, to: destination, .raw(part), proto: 17)
          (packet.identification, packet.dontFragment) = (7, false)
          (packet.fragmentOffset, packet.moreFragments) = (offset, offset == 0)
          lab.guest.send(packet)
        } else {
          var packet = PlainIPv6(from: lab.guest.ipv6Address, to: world.server.mapped, .raw(part), proto: 17)
          packet.fragment = PlainIPv6.Fragment(offset: offset, moreFragments: offset == 0, identification: 7)
          lab.guest.send(packet)
        }
      }
      lab.settle()
      #expect(lab.sentDatagrams.map(\.payload) == [pattern(2000)])
      #expect(lab.sentDatagrams.map(\.marks.mayFragment) == [true])
    }
  }

  @Test(arguments: families)
  func `a connection's first packet is marked as the guest's SYN`(family: IPAddress.Family) throws {
    try withLab { lab in
      let world = OutsideWorld(family)
      let target = Endpoint(world.server, port: 80)
      lab.host.services[target] = RemoteService(.accepts)
      lab.guestSends(.tcp(.synchronize(to: 80)), to: world.server, hopLimit: 33, trafficClass: 40 << 2 | 3)
      let connection = try #require(lab.host.connections(to: target).first)
      let marks = lab.host.marks(of: connection)
      #expect(marks.hopLimit == 32)
      #expect(marks.dscp == 40)
    }
  }
}
