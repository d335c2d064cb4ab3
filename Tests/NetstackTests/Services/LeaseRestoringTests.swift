import Primitives
import Simulation
import Testing

@testable import Netstack

/// Leases of an earlier run.
@Suite struct LeaseRestoringTests {
  private let now = Instant.zero + .seconds(1000)

  private func lease(_ last: UInt8, _ client: Int, for time: Interval = .seconds(3600)) -> DHCPLease {
    DHCPLease(address: leased(last), hardware: DHCPBench.client(client), hostname: "web", expiry: now + time)
  }

  @Test func `a lease that is taken over holds as if it had been granted here`() throws {
    var bench = DHCPBench()
    let before = bench.server.table.revision
    try bench.server.table.restore(lease(17, 7), of: address(17), at: now)
    #expect(bench.server.leases(at: now) == [lease(17, 7)])
    #expect(bench.server.table.revision > before)
    // Its guest gets it again, and no other does.
    #expect(try bench.lease(DHCPBench.client(8), asking: address(17)) == address(15))
    #expect(try bench.lease(DHCPBench.client(7)) == address(17))
  }

  @Test func `it ends when it would have, or when one that is granted now does`() throws {
    var bench = DHCPBench()
    try bench.server.table.restore(lease(17, 7), of: address(17), at: now)
    #expect(!bench.server.isLeased(address(17), at: now + .seconds(3600)))
    // A clock that was set back does not make leases longer.
    try bench.server.table.restore(lease(18, 8, for: .seconds(1 << 32)), of: address(18), at: now)
    #expect(bench.server.leases(at: now).map(\.expiry).last == now + DHCPServer.leaseTime)
  }

  @Test func `what has ended, is nobody's here, or clashes is refused, and nothing changes`() throws {
    var bench = DHCPBench {
      $0.staticLeases = [StaticLease(hardware: DHCPBench.client(1), address: address(16))]
    }
    try bench.server.table.restore(lease(17, 2), of: address(17), at: now)
    let revision = bench.server.table.revision
    for (last, client, time, refusal) in [
      (18, 3, 0, .ended), (18, 3, -5, .ended), (200, 3, 60, .notGivenOut), (16, 3, 60, .reserved),
      (18, 1, 60, .reserved), (17, 3, 60, .taken), (18, 2, 60, .taken),
    ] as [(UInt8, Int, Int64, DHCPLease.Refusal)] {
      #expect(throws: refusal) {
        try bench.server.table.restore(lease(last, client, for: .seconds(time)), of: address(last), at: now)
      }
    }
    #expect(bench.server.table.revision == revision)
    // One's own may be told again.
    try bench.server.table.restore(lease(17, 2), of: address(17), at: now)
  }

  @Test func `leases of both families are an input of the network, unless it does not have the family`() throws {
    try withLab { lab in
      let end = lab.now + .seconds(600)
      let hardware = DHCPBench.client(7)
      let leases = [
        DHCPLease(address: leased(17), hardware: hardware, expiry: end),
        DHCPLease(
          address: IPAddress(IPv6Address(high: 0xfec0 << 48, low: 0x17)), hardware: hardware, hostname: "six",
          expiry: end),
      ]
      for lease in leases { try lab.apply(.restoreLease(lease)) }
      #expect(lab.stack.leases(at: lab.now) == leases)
      #expect(lab.stack.leaseRevision == 2)
    }
    var options = Lab.Options()
    options.settings.isIPv4Enabled = false
    withLab(options) { lab in
      let lease = DHCPLease(address: leased(17), hardware: DHCPBench.client(7), expiry: lab.now + .seconds(600))
      #expect(throws: CommandError.leaseRefused(lease, .notGivenOut)) { try lab.apply(.restoreLease(lease)) }
    }
  }
}
