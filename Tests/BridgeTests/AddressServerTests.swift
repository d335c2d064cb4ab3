import Bridge
import Netstack
import Primitives
import Testing
import Wire

private let guest = AddressWorld.guest
private let other = AddressWorld.other
private let host = AddressWorld.host

@Suite struct AddressServerTests {
  // MARK: The recipe

  @Test func `a guest is told what the recipe says, in a frame to it`() throws {
    var world = AddressWorld()
    let offer = try world.offer(to: guest)
    #expect(offer.type == .offer)
    #expect(offer.address == AddressWorld.address(201))
    #expect(offer.ethernet == EthernetHeader(destination: guest, source: AddressWorld.bridge, type: .ipv4))
    #expect((offer.ip.source, offer.ip.destination) == (host, AddressWorld.address(201)))
    #expect((offer.udp.sourcePort, offer.udp.destinationPort) == (67, 68))
    #expect(try offer.value(.subnetMask) == [255, 255, 255, 0])
    #expect(try offer.value(.router) == [192, 168, 1, 101])
    #expect(try offer.value(.domainNameServer) == [8, 8, 8, 8])
    #expect(try offer.value(.domainName) == Array("mylan".utf8))
    #expect(try offer.value(.domainSearch) == [5] + Array("mylan".utf8) + [0])
    #expect(try offer.value(.leaseTime) == [0, 0, 0x0e, 0x10])
    #expect(try offer.value(.serverIdentifier) == [192, 168, 1, 101])
    #expect(try offer.value(.interfaceMTU) == [5, 220])
  }

  @Test func `the whole range is given out, and the next guest gets nothing`() throws {
    var world = AddressWorld()
    for number in 0..<54 {
      #expect(try world.lease(AddressWorld.client(number)) == AddressWorld.address(UInt8(201 + number)))
    }
    _ = world.server.takeEvents()
    let late = AddressWorld.client(54)
    #expect(world.receive(try AddressWorld.frame(.discover, from: late)) == [])
    #expect(world.server.takeEvents() == [.exhausted(late)])
    #expect(world.server.leases(at: world.now).count == 54)
    // An hour later all are free again.
    world.now = world.now + .seconds(3601)
    #expect(world.server.leases(at: world.now) == [])
    #expect(try world.offer(to: late).type == .offer)
  }

  @Test func `the host's own address in the range is not given out`() throws {
    var world = AddressWorld { settings in
      (settings.first, settings.last) = (AddressWorld.address(100), AddressWorld.address(102))
    }
    #expect(try world.lease(guest) == AddressWorld.address(100))
    #expect(try world.lease(other) == AddressWorld.address(102))
    #expect(world.receive(try AddressWorld.frame(.discover, from: AddressWorld.client(9))) == [])
  }

  @Test func `the maximum lease is honoured`() throws {
    var world = AddressWorld()
    try world.lease(guest, leaseTime: 86_400, hostname: "vm")
    let lease = DHCPLease(
      address: IPAddress(AddressWorld.address(201)), hardware: guest, hostname: "vm", expiry: world.now + .seconds(7200)
    )
    #expect(world.server.leases(at: world.now) == [lease])
    #expect(world.server.takeEvents() == [.leased(lease)])
  }

  @Test func `a renewal is answered at the guest's address, and extends the lease`() throws {
    var world = AddressWorld()
    try world.lease(guest)
    let revision = world.server.revision
    _ = world.wait(.seconds(1800))
    let sent = world.receive(try AddressWorld.frame(.request, from: guest, ciaddr: AddressWorld.address(201)))
    let ack = try Answer(try #require(sent.first))
    #expect((ack.type, ack.ip.destination) == (.ack, AddressWorld.address(201)))
    #expect(world.server.leases(at: world.now).map(\.expiry) == [world.now + .seconds(3600)])
    #expect(world.server.revision > revision)
  }

  @Test func `a guest from another network is refused, and everybody hears it`() throws {
    var world = AddressWorld()
    let sent = world.receive(
      try AddressWorld.frame(.request, from: guest, requested: IPv4Address(10, 0, 2, 15)))
    let nak = try Answer(try #require(sent.first))
    #expect(nak.type == .nak)
    #expect((nak.ip.destination, nak.ethernet.destination) == (.broadcast, .broadcast))
    #expect(world.server.takeEvents() == [.refused(guest)])
  }

  @Test func `a release and a decline are taken notice of`() throws {
    var world = AddressWorld()
    try world.lease(guest)
    _ = world.server.takeEvents()
    let address = AddressWorld.address(201)
    #expect(world.receive(try AddressWorld.frame(.release, from: guest, ciaddr: address, server: host)) == [])
    #expect(world.server.takeEvents() == [.released(address, by: guest)])
    try world.lease(other)
    _ = world.server.takeEvents()
    let declined = AddressWorld.address(202)
    #expect(world.server.leases(at: world.now).map(\.address) == [IPAddress(declined)])
    _ = world.receive(try AddressWorld.frame(.decline, from: other, requested: declined, server: host))
    #expect(world.server.takeEvents() == [.inUse(declined, nil)])
    #expect(world.server.leases(at: world.now) == [])
  }

  @Test func `an INFORM is answered without an address`() throws {
    var world = AddressWorld()
    let sent = world.receive(try AddressWorld.frame(.inform, from: guest, ciaddr: AddressWorld.address(142)))
    let ack = try Answer(try #require(sent.first))
    #expect((ack.type, ack.address) == (.ack, .any))
    #expect(try ack.value(.leaseTime) == nil)
    #expect(try ack.value(.domainNameServer) == [8, 8, 8, 8])
  }

  @Test func `who accepts another server's offer frees ours`() throws {
    var world = AddressWorld { $0.last = $0.first }
    #expect(try world.offer(to: guest).type == .offer)
    let rival = AddressWorld.address(1)
    #expect(
      world.receive(
        try AddressWorld.frame(.request, from: guest, requested: AddressWorld.address(50), server: rival)) == [])
    #expect(world.server.takeEvents() == [.otherServer(rival)])
    #expect(try world.offer(to: other).address == AddressWorld.address(201))
  }

  // MARK: Whether an address is free

  @Test func `nobody is offered an address before everybody was asked who has it`() throws {
    var world = AddressWorld()
    let asked = world.receive(try AddressWorld.frame(.discover, from: guest))
    #expect(asked.count == 1)
    let question = try AddressWorld.question(asked[0])
    #expect(
      question
        == ARPMessage(
          operation: .request, senderMAC: AddressWorld.bridge, senderAddress: host, targetMAC: MACAddress(bits: 0),
          targetAddress: AddressWorld.address(201)))
    #expect(world.server.nextDeadline == world.now + .milliseconds(500))
    #expect(world.wait(.milliseconds(499)) == [])
    #expect(try world.wait(.milliseconds(1)).map { try Answer($0).type } == [.offer])
    #expect(world.server.nextDeadline == .never)
    // Who has been offered it, is offered it again at once.
    #expect(try world.receive(try AddressWorld.frame(.discover, from: guest)).map { try Answer($0).type } == [.offer])
  }

  @Test func `an address that somebody has is kept back, and the next is looked at`() throws {
    var world = AddressWorld()
    _ = world.receive(try AddressWorld.frame(.discover, from: guest))
    let squatter = AddressWorld.client(9)
    let next = world.receive(AddressWorld.claim(AddressWorld.address(201), by: squatter))
    #expect(next.map(Answer.isARP) == [true])
    #expect(world.server.takeEvents() == [.inUse(AddressWorld.address(201), squatter)])
    let offers = world.wait(.milliseconds(500))
    #expect(try offers.map { try Answer($0).address } == [AddressWorld.address(202)])
    // Nobody else is offered it, either.
    #expect(try world.offer(to: other).address == AddressWorld.address(203))
  }

  @Test func `that the guest itself has the address still is no obstacle, nor what others say of others`() throws {
    var world = AddressWorld()
    _ = world.receive(try AddressWorld.frame(.discover, from: guest))
    #expect(world.receive(AddressWorld.claim(AddressWorld.address(201), by: guest)) == [])
    #expect(world.receive(AddressWorld.claim(AddressWorld.address(202), by: other)) == [])
    #expect(world.receive(AddressWorld.claim(AddressWorld.address(201), by: other, .request)) == [])
    #expect(world.server.takeEvents() == [])
    #expect(try world.wait(.milliseconds(500)).map { try Answer($0).address } == [AddressWorld.address(201)])
  }

  @Test func `a guest that asks again meanwhile gets one answer, to its last question`() throws {
    var world = AddressWorld()
    _ = world.receive(try AddressWorld.frame(.discover, from: guest, xid: 7))
    #expect(world.receive(try AddressWorld.frame(.discover, from: guest, xid: 8)) == [])
    #expect(try world.wait(.milliseconds(500)).map { try Answer($0).header.xid } == [8])
    #expect(world.wait(.seconds(5)) == [])
  }

  @Test func `a thousand guests at once are all answered, with few questions waiting`() throws {
    var world = AddressWorld { settings in
      settings.subnet = IPv4Prefix(containing: IPv4Address(192, 168, 0, 0), length: 16)
      (settings.first, settings.last) = (IPv4Address(192, 168, 8, 0), IPv4Address(192, 168, 12, 0))
    }
    var sent: [[UInt8]] = []
    for number in 0..<1000 {
      sent += world.receive(try AddressWorld.frame(.discover, from: AddressWorld.client(number)))
    }
    #expect(sent.filter(Answer.isARP).count == 64)
    sent += world.wait(.milliseconds(500))
    #expect(Set(try sent.filter { !Answer.isARP($0) }.map { try Answer($0).address }).count == 1000)
  }

  // MARK: What is not for it

  @Test func `a message without a checksum yet is as good as any`() throws {
    var world = AddressWorld()
    let pending = try AddressWorld.frame(.discover, from: guest, flaws: [.checksum])
    #expect(world.receive(pending) == [])
    #expect(world.receive(pending, isChecksumPending: true).count == 1)
    #expect(world.receive(try AddressWorld.frame(.discover, from: other, flaws: [.noChecksum])).count == 1)
  }

  @Test(arguments: [.headerChecksum, .destination, .fragment, .port] as [AddressWorld.Flaw])
  func `a frame that is wrong, or for others, is passed over`(flaw: AddressWorld.Flaw) throws {
    var world = AddressWorld()
    let frame = try AddressWorld.frame(.discover, from: guest, ciaddr: AddressWorld.address(142), flaws: [flaw])
    #expect(world.receive(frame) == [])
    #expect(world.server.takeEvents() == [])
    let right = try AddressWorld.frame(.discover, from: guest, ciaddr: AddressWorld.address(142))
    #expect(world.receive(right).count == 1)
  }

  @Test func `no frame that is cut short is answered, or ends the process`() throws {
    let frame = try AddressWorld.frame(.discover, from: guest)
    for length in 0..<frame.count {
      var world = AddressWorld()
      #expect(world.receive(Array(frame[..<length])) == [])
    }
    let solicitation = AddressWorld.solicitation(from: .any, guest)
    for length in 0..<solicitation.count {
      var world = AddressWorld { $0.ipv6Prefix = ulaPrefix }
      _ = world.wait(.zero)
      #expect(world.receive(Array(solicitation[..<length])) == [])
    }
  }

  @Test func `frames with any bytes changed end nothing, and what is sent stays bounded`() throws {
    var generator = SeededGenerator(seed: 7)
    var world = AddressWorld { $0.ipv6Prefix = ulaPrefix }
    let frames = [
      try AddressWorld.frame(.discover, from: guest, hostname: "vm"),
      try AddressWorld.frame(.request, from: guest, requested: AddressWorld.address(201), server: host),
      try AddressWorld.frame(.decline, from: guest, requested: AddressWorld.address(201)),
      AddressWorld.claim(AddressWorld.address(201), by: other), AddressWorld.solicitation(from: .any, guest),
    ]
    for round in 0..<5000 {
      var frame = frames[round % frames.count]
      for _ in 0..<Int.random(in: 0...4, using: &generator) {
        let place = Int.random(in: 0..<min(frame.count, 330), using: &generator)
        frame[place] = UInt8.random(in: 0...255, using: &generator)
      }
      world.server.receive(frame.span, isChecksumPending: true, at: world.now)
      world.now = world.now + .milliseconds(10)
      // The deadline is kept: what is due is due no more once it was done.
      world.server.advance(to: world.now)
      #expect(world.server.nextDeadline > world.now)
    }
    // Nobody has taken what there was to send.
    #expect(world.server.takeOutput().count == 1024)
    #expect((100...1024).contains(world.server.takeEvents().count))
    #expect(world.server.leases(at: world.now).count <= 54)
  }

  // MARK: Leases of an earlier run

  @Test func `a lease of an earlier run goes on, and its guest is offered it without a question`() throws {
    var world = AddressWorld()
    let address = AddressWorld.address(230)
    try world.server.restore(
      DHCPLease(address: IPAddress(address), hardware: guest, expiry: world.now + .seconds(100)), at: world.now)
    let offers = world.receive(try AddressWorld.frame(.discover, from: guest))
    #expect(try offers.map { try Answer($0).address } == [address])
    #expect(throws: DHCPLease.Refusal.notGivenOut) {
      try world.server.restore(
        DHCPLease(
          address: IPAddress(AddressWorld.address(5)), hardware: other, expiry: world.now + .seconds(100)),
        at: world.now)
    }
  }

  // MARK: Settings

  @Test func `settings that make no sense are told apart`() {
    func complaint(_ change: (inout BridgeDHCPSettings) -> Void) -> String? {
      var settings = AddressWorld.recipe
      change(&settings)
      return settings.complaint
    }
    #expect(complaint { _ in } == nil)
    #expect(complaint { $0.address = IPv4Address(10, 0, 0, 1) }?.contains("address 10.0.0.1") == true)
    #expect(complaint { $0.last = IPv4Address(192, 168, 2, 1) }?.contains("is not in the bridge's network") == true)
    #expect(complaint { $0.last = AddressWorld.address(200) }?.contains("ends before it begins") == true)
    #expect(complaint { $0.leaseTime = .seconds(59) } != nil)
    #expect(complaint { $0.leaseTime = .seconds(7201) } != nil)
    #expect(complaint { $0.maximumLeaseTime = .seconds(1 << 33) } != nil)
    #expect(complaint { $0.ipv6Prefix = IPv6Prefix(containing: ulaPrefix.network, length: 48) } != nil)
    #expect(
      complaint { settings in
        settings.subnet = IPv4Prefix(containing: IPv4Address(192, 168, 0, 0), length: 16)
        (settings.first, settings.last) = (IPv4Address(192, 168, 0, 1), IPv4Address(192, 168, 255, 254))
      } != nil)
  }
}
