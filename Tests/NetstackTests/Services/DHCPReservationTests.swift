import Netstack
import Primitives
import Simulation
import Testing

/// Addresses that are kept for guests, changed while the network runs.
@Suite struct DHCPReservationTests {
  private static let other = MACAddress(0x52, 0x54, 0, 0, 0, 9)
  private static let kept = IPv4Address(10, 0, 2, 40)

  private func lease(_ address: IPv4Address = kept, to hardware: MACAddress, _ name: String = "") -> StaticLease {
    StaticLease(hardware: hardware, address: address, hostname: name)
  }

  /// Asks for an address, or to renew one, and returns the type of the answer and the address in it.
  private func ask(_ lab: Lab, type: UInt8, for address: IPv4Address? = nil) throws -> (type: UInt8, yiaddr: [UInt8]) {
    lab.guest.clearInbox()
    lab.guest.sendDHCP(type: type, options: address.map { [50, 4] + bytes(of: $0) } ?? [])
    lab.settle()
    let message = try #require(lab.guest.datagrams.first, "no answer").payload
    let start = try #require(message.indices.first { message[$0...].starts(with: [53, 1]) })
    return (message[start + 2], Array(message[16..<20]))
  }

  private func bytes(of address: IPv4Address) -> [UInt8] {
    (0..<4).map { UInt8(truncatingIfNeeded: address.bits >> (24 - 8 * $0)) }
  }

  @Test func `a guest with a lease keeps it while it renews, and has the kept address when it asks anew`() throws {
    try withLab { lab in
      let first = lab.guest.address
      _ = try ask(lab, type: 1)
      #expect(try ask(lab, type: 3, for: first) == (5, bytes(of: first)))
      try lab.apply(.setStaticLeases([lease(to: lab.guest.mac, "vm")]))
      #expect(try ask(lab, type: 3, for: first) == (5, bytes(of: first)))
      #expect(try ask(lab, type: 1) == (2, bytes(of: Self.kept)))
      #expect(try ask(lab, type: 3, for: Self.kept) == (5, bytes(of: Self.kept)))
      // It has one address, and what it had is another's to have.
      #expect(lab.stack.leases(at: lab.now).map(\.address) == [IPAddress(Self.kept)])
      lab.guest.mac = Self.other
      #expect(try ask(lab, type: 3, for: first) == (5, bytes(of: first)))
    }
  }

  @Test func `an address that is kept for another is refused, and one that no longer is, granted`() throws {
    try withLab { lab in
      let first = lab.guest.address
      _ = try ask(lab, type: 1)
      _ = try ask(lab, type: 3, for: first)
      try lab.apply(.setStaticLeases([lease(first, to: Self.other)]))
      #expect(try ask(lab, type: 3, for: first).type == 6)
      try lab.apply(.setStaticLeases([]))
      #expect(try ask(lab, type: 3, for: first) == (5, bytes(of: first)))
      // What lies outside of the range was there only for its guest.
      #expect(try ask(lab, type: 3, for: Self.kept).type == 6)
    }
  }

  @Test func `the names of kept addresses change with them`() throws {
    try withLab { lab in
      try lab.apply(.setStaticLeases([lease(to: Self.other, "printer")]))
      #expect(lab.stack.settings.staticLeases.count == 1)
      lab.ask(.query(7, "printer"))
      #expect(try lab.takeAnswers().first?.answers.map(\.data) == [bytes(of: Self.kept)])
      try lab.apply(.setStaticLeases([]))
      lab.ask(.query(8, "printer"))
      // Nobody here knows it, and there is no server to ask.
      #expect(try lab.takeAnswers().map { $0.flags & 15 } == [2])
    }
  }

  @Test func `connections go on`() throws {
    try withLab { lab in
      let server = Endpoint(IPv4Address(192, 0, 2, 80), port: 80)
      lab.host.services[server] = RemoteService(echoes: true)
      let connection = lab.guest.connect(to: server)
      lab.settle()
      try lab.apply(.setStaticLeases([lease(lab.guest.address, to: Self.other)]))
      try lab.apply(.setLocalNames([LocalName(name: "a.example", address: IPAddress(Self.kept))]))
      connection.write([1, 2, 3])
      lab.settle()
      #expect(connection.received == [1, 2, 3])
    }
  }
}
