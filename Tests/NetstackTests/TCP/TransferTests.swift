import Buffers
import Netstack
import Primitives
import Simulation
import Testing

/// Whole transfers between the guest's own TCP and the world, over links that misbehave: bytes out are bytes in, and
/// every flow ends.
@Suite struct TransferTests {
  @Test(arguments: families)
  func `a clean link carries a megabyte each way without a retransmission`(family: IPAddress.Family) throws {
    try withLab { lab in
      lab.host.services[.server(family)] = RemoteService(echoes: true)
      let bytes = pattern(1 << 20)
      let connection = lab.guest.connect(to: .server(family))
      connection.write(bytes)
      connection.finish()
      #expect(lab.run(for: .seconds(60)) { connection.isFinished })
      #expect(connection.received == bytes)
      #expect(connection.retransmissions == 0)
      let server = try #require(lab.peers(at: .server(family)).first)
      #expect(server.bytes == bytes)
      lab.advance(by: .seconds(61))
      #expect(lab.openSocketCount == 0)
    }
  }

  @Test(arguments: families, [UInt16(536), 1460, 8960, 65_460])
  func `guests of every segment size send and receive whole`(family: IPAddress.Family, mss: UInt16) {
    for offloads in [LinkOffloads(), [.checksum, .tcp4, .tcp6, .udp]] {
      sendAndReceive(segmentsOf: mss, over: family, offloads)
    }
  }

  private func sendAndReceive(segmentsOf mss: UInt16, over family: IPAddress.Family, _ offloads: LinkOffloads) {
    var options = Lab.Options()
    options.offloads = offloads
    options.guestOffloads = offloads
    withLab(options) { lab in
      lab.host.services[.server(family)] = RemoteService(echoes: true)
      var options = GuestTCP.Options()
      options.mss = mss
      let connection = lab.guest.connect(to: .server(family), options: options)
      connection.write(pattern(300_000))
      connection.finish()
      #expect(lab.run(for: .seconds(60)) { connection.isFinished })
      #expect(connection.received == pattern(300_000))
    }
  }

  @Test(arguments: families)
  func `a path of 40 ms is filled`(family: IPAddress.Family) {
    var options = Lab.Options()
    options.upLink.delay = .milliseconds(20)
    options.downLink.delay = .milliseconds(20)
    withLab(options) { lab in
      lab.host.services[.server(family)] = RemoteService()
      var guest = GuestTCP.Options()
      guest.receiveBufferSize = 1 << 20
      let connection = lab.guest.connect(to: .server(family), options: guest)
      lab.advance(by: .milliseconds(100))
      let server = lab.peers(at: .server(family)).first
      server?.write(pattern(2 << 20))
      server?.finish()
      let begin = lab.now
      #expect(lab.run(for: .seconds(60)) { connection.isReadClosed })
      // Slow start doubles from 14,600 bytes each 40 ms up to the window: 2 MiB take eight or nine round trips.
      #expect(lab.now - begin < .milliseconds(500))
      #expect(connection.received == pattern(2 << 20))
    }
  }

  /// Everything at random, but the same at random each time: loss, reordering, duplication, buffers, segment sizes,
  /// who ends first, how slowly both sides read.
  @Test(arguments: families, UInt64(1)...40)
  func `whatever the link loses, repeats or reorders, bytes out are bytes in and every flow ends`(
    family: IPAddress.Family, seed: UInt64
  ) throws {
    var dice = SeededGenerator(seed: seed)
    let plan = TransferPlan(&dice)
    try withLab(plan.options(seed: seed)) { try plan.carryOut(over: family, on: $0) }
  }

  @Test(arguments: families, UInt64(1)...10)
  func `connections from the host's side survive a bad link as well`(family: IPAddress.Family, seed: UInt64) throws {
    var dice = SeededGenerator(seed: seed &* 977)
    let plan = TransferPlan(&dice)
    for offloads in [LinkOffloads(), [.checksum, .tcp4, .tcp6, .udp]] {
      var options = plan.options(seed: seed)
      options.offloads = offloads
      options.guestOffloads = offloads
      try withLab(options) { try transferFromHost(plan, over: family, on: $0) }
    }
  }

  private func transferFromHost(_ plan: TransferPlan, over family: IPAddress.Family, on lab: Lab) throws {
    let listener = Endpoint(.any(family), port: 2222)
    let guest = Endpoint(lab.guest.address(in: family), port: 22)
    try lab.apply(.addForward(PortForward(transport: .tcp, host: listener, guest: guest)))
    lab.guest.listen(on: 22, options: plan.guest)
    let source = Endpoint.server(family, port: 40_000)
    let client = try #require(lab.connectClient(from: source, to: listener, service: plan.service))
    lab.run(for: .seconds(60)) { lab.guest.accepted(on: 22).first?.isEstablished == true }
    let connection = try #require(lab.guest.accepted(on: 22).first)
    plan.start(connection, client, on: lab)
    lab.run(for: .seconds(1200)) { connection.isFinished && client.sawEnd }
    #expect(client.bytes == plan.up)
    #expect(connection.received == plan.down)
    #expect(connection.isFinished)
  }
}

/// One random transfer.
struct TransferPlan {
  let up: [UInt8]
  let down: [UInt8]
  var guest = GuestTCP.Options()
  var service = RemoteService(readsAtOnce: false)
  private let loss: Int
  private let duplicates: Int
  private let reordering: Int
  private let delay: Interval
  private let slots: Int
  private let isInPieces: Bool
  private let guestFinishesFirst: Bool
  private let serverReads: Int
  private let guestReads: Int

  init(_ dice: inout SeededGenerator) {
    up = pattern(Int.random(in: 0...120_000, using: &dice), from: 7)
    down = pattern(Int.random(in: 0...120_000, using: &dice), from: 11)
    loss = [0, 10, 50, 150].randomElement(using: &dice) ?? 0
    duplicates = [0, 20, 200].randomElement(using: &dice) ?? 0
    reordering = [0, 50, 300].randomElement(using: &dice) ?? 0
    delay = .microseconds(Int64.random(in: 0...20_000, using: &dice))
    slots = [1, 3, .max].randomElement(using: &dice) ?? 1
    isInPieces = Bool.random(using: &dice)
    guestFinishesFirst = Bool.random(using: &dice)
    serverReads = Int.random(in: 500...20_000, using: &dice)
    guestReads = Int.random(in: 500...20_000, using: &dice)
    guest.mss = [nil, 536, 1460, 9000].randomElement(using: &dice) ?? nil
    guest.windowScale = [nil, 0, 3, 7].randomElement(using: &dice) ?? nil
    guest.receiveBufferSize = Int.random(in: 3000...100_000, using: &dice)
    guest.readsAtOnce = Bool.random(using: &dice)
    service.sendBufferSize = Int.random(in: 3000...100_000, using: &dice)
    service.receiveBufferSize = Int.random(in: 3000...100_000, using: &dice)
    service.memoryPercent = [100, 130, 200].randomElement(using: &dice) ?? 100
  }

  func options(seed: UInt64) -> Lab.Options {
    var options = Lab.Options()
    options.seed = seed
    options.upLink = LinkModel(
      delay: delay, lossPermille: loss, duplicatePermille: duplicates, reorderPermille: reordering)
    options.downLink = options.upLink
    options.maximumSlots = slots
    if isInPieces { options.framing = Lab.Framing(headerLength: 134, pieceLength: 3000) }
    return options
  }

  /// Begins both directions and the slow reading; each side ends its half, one before the other has had its say.
  func start(_ connection: GuestTCP, _ server: Peer, on lab: Lab) {
    connection.write(up)
    server.write(down)
    if guestFinishesFirst { connection.finish() } else { server.finish() }
    lab.schedule(after: .milliseconds(700)) { _ in
      if guestFinishesFirst { server.finish() } else { connection.finish() }
    }
    readOn(connection, server, on: lab)
  }

  private func readOn(_ connection: GuestTCP, _ server: Peer, on lab: Lab) {
    server.read(serverReads)
    connection.read(guestReads)
    guard !(connection.isFinished && server.sawEnd) else { return }
    lab.schedule(after: .milliseconds(5)) { readOn(connection, server, on: $0) }
  }

  /// Carries the plan out from the guest's side, and expects that every byte arrives and nothing is left.
  func carryOut(over family: IPAddress.Family, on lab: Lab) throws {
    lab.host.services[.server(family)] = service
    let connection = lab.guest.connect(to: .server(family), options: guest)
    lab.run(for: .seconds(120)) { connection.isEstablished }
    let server = try #require(lab.peers(at: .server(family)).first)
    start(connection, server, on: lab)
    lab.run(for: .seconds(1200)) { connection.isFinished && server.sawEnd }
    #expect(server.bytes == up)
    #expect(connection.received == down)
    #expect(connection.isFinished, "\(lab.transcript)")
    #expect(!connection.wasReset, "\(lab.transcript)")
    #expect(server.sawEnd)
    lab.advance(by: .seconds(300))
    #expect(lab.openSocketCount == 0)
    #expect(lab.flowEnds == [.finished])
  }
}
