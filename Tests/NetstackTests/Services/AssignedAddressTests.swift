import Primitives
import Simulation
import Testing
import Wire

@testable import Netstack

/// Addresses of guests that do not ask for them: what DHCP would have given them is theirs.
@Suite struct AssignedAddressTests {
  private static let station = DHCPBench.client(1)
  private static let other = DHCPBench.client(2)

  private func assigned(_ lab: Lab, _ hardware: MACAddress = Self.station) -> [IPAddress] {
    lab.stack.assignedAddresses(of: hardware)
  }

  @Test func `a guest is assigned the next address of each family, and nobody else gets it`() throws {
    var bench = DHCPBench()
    #expect(try bench.lease(Self.other) == address(15))
    #expect(bench.server.table.assign(to: Self.station, at: bench.now) == address(16))
    #expect(bench.server.table.assignedAddress(of: Self.station) == address(16))
    #expect(try bench.lease(DHCPBench.client(3), asking: address(16)) == address(17))

    var six = DHCPv6Bench()
    #expect(try six.lease(Self.other) == addressV6(0x15))
    #expect(six.server.table.assign(to: Self.station, at: six.now) == addressV6(0x16))
    #expect(try six.lease(DHCPBench.client(3), asking: addressV6(0x16)) == addressV6(0x17))
  }

  @Test func `if it asks all the same it gets that address and no other, as often as it does`() throws {
    var bench = DHCPBench()
    _ = bench.server.table.assign(to: Self.station, at: bench.now)
    // As after a start, with a lease of another network in mind.
    let reboot = ClientMessage(type: .request, client: Self.station, requested: address(20))
    #expect(try bench.send(reboot).reply.type == .nak)
    #expect(try bench.lease(Self.station, asking: address(20)) == address(15))
    #expect(
      try bench.sendInVain(
        ClientMessage(type: .release, client: Self.station, ciaddr: address(15), server: DHCPBench.gateway))
        == .released(address(15)))
    #expect(try bench.lease(Self.other, asking: address(15)) == address(16))
    bench.now = bench.now + .seconds(100_000)
    #expect(try bench.lease(DHCPBench.client(3), asking: address(15)) == address(17))
    #expect(try bench.lease(Self.station) == address(15))

    var six = DHCPv6Bench()
    _ = six.server.table.assign(to: Self.station, at: six.now)
    let renewal = DHCPv6ClientMessage(
      type: .renew, client: Self.station, server: DHCPv6Bench.identifier,
      associations: [DHCPv6Bench.addresses(1, [addressV6(0x20)])])
    #expect(try six.send(renewal).associations.first?.status == .noBinding)
    #expect(try six.lease(Self.station, asking: addressV6(0x20)) == addressV6(0x15))
  }

  @Test func `an address of a service is not assigned`() {
    let taken = IPv6Address(high: 0xfec0 << 48, low: 0x15)
    var bench = DHCPv6Bench { $0.ipv6Gateway = taken }
    #expect(bench.server.table.assign(to: Self.station, at: bench.now) == addressV6(0x16))
  }

  @Test func `so many guests are assigned addresses as there are, in a network of both families`() throws {
    try withLab { lab in
      for number in 0..<16 {
        try lab.apply(.assignAddresses(to: DHCPBench.client(number)))
        let digits = try #require(UInt64("\(15 + number)", radix: 16))
        #expect(
          assigned(lab, DHCPBench.client(number))
            == [leased(UInt8(15 + number)), IPAddress(addressV6(digits))])
      }
      #expect(throws: CommandError.noAddress(.ipv4)) { try lab.apply(.assignAddresses(to: DHCPBench.client(16))) }
    }
    var options = Lab.Options()
    options.settings.isIPv4Enabled = false
    try withLab(options) { lab in
      try lab.apply(.assignAddresses(to: Self.station))
      #expect(assigned(lab) == [IPAddress(addressV6(0x15))])
    }
  }

  @Test func `it stays assigned when other addresses are kept for guests`() throws {
    try withLab { lab in
      let kept = StaticLease(hardware: Self.other, address: address(40))
      try lab.apply(.setStaticLeases([StaticLease(hardware: Self.station, address: address(50))]))
      try lab.apply(.assignAddresses(to: Self.station))
      #expect(assigned(lab).first == leased(50))
      try lab.apply(.setStaticLeases([kept]))
      #expect(assigned(lab).first == leased(50))
      let clashing = StaticLease(hardware: Self.other, address: address(50))
      let clashes = [clashing, kept].map { lab.stack.isAssignedElsewhere($0) }
      #expect(clashes == [true, false])
    }
  }

  @Test func `a lease of an earlier run is not assigned, and one that is, not kept for the next run`() throws {
    try withLab { lab in
      let end = lab.now + .seconds(600)
      let lease = DHCPLease(address: leased(15), hardware: Self.other, expiry: end)
      try lab.apply(.restoreLease(lease))
      try lab.apply(.assignAddresses(to: Self.station))
      #expect(assigned(lab).first == leased(16))
      let own = DHCPLease(address: leased(16), hardware: Self.station, expiry: end)
      try lab.apply(.restoreLease(own))
      let (all, restorable) = (lab.stack.leases(at: lab.now), lab.stack.restorableLeases(at: lab.now))
      #expect(all == [lease, own])
      #expect(restorable == [lease])
    }
  }
}
