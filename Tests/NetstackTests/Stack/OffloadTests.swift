import Buffers
import Netstack
import Primitives
import Simulation
import Testing

/// Transfers and datagrams over links that cut frames and complete checksums, and from guests that leave both to us:
/// whatever the offloads, both sides get what they would get without.
@Suite struct OffloadTests {
  private static let everything: LinkOffloads = [.checksum, .tcp4, .tcp6, .udp]

  /// Some offloads, at random; those of segments mean nothing without that of checksums.
  private static func someOffloads(_ dice: inout SeededGenerator) -> LinkOffloads {
    var offloads = LinkOffloads(rawValue: UInt8.random(in: 0...15, using: &dice))
    if Bool.random(using: &dice) { offloads = everything }
    return offloads
  }

  /// A transfer at random, over a link and from a guest with offloads at random, in a network of any MTU.
  private static func options(_ plan: TransferPlan, _ dice: inout SeededGenerator, seed: UInt64) -> Lab.Options {
    var options = plan.options(seed: seed)
    options.offloads = someOffloads(&dice)
    options.guestOffloads = someOffloads(&dice)
    options.settings.mtu = [1280, 1400, 1500, 9000, 65_520].randomElement(using: &dice) ?? 1500
    return options
  }

  @Test(arguments: families, UInt64(1)...60)
  func `whatever the offloads, the MTU and the losses, bytes out are bytes in and every flow ends`(
    family: IPAddress.Family, seed: UInt64
  ) throws {
    var dice = SeededGenerator(seed: seed &* 7919)
    let plan = TransferPlan(&dice)
    try withLab(Self.options(plan, &dice, seed: seed)) { try plan.carryOut(over: family, on: $0) }
  }

  @Test(arguments: families)
  func `a clean link with all offloads carries megabytes each way without a retransmission`(
    family: IPAddress.Family
  ) throws {
    var options = Lab.Options()
    options.offloads = Self.everything
    options.guestOffloads = Self.everything
    try withLab(options) { lab in
      lab.host.services[.server(family)] = RemoteService(echoes: true)
      let bytes = pattern(2 << 20)
      let connection = lab.guest.connect(to: .server(family))
      connection.write(bytes)
      connection.finish()
      #expect(lab.run(for: .seconds(60)) { connection.isFinished })
      #expect(connection.received == bytes)
      #expect(connection.retransmissions == 0)
      let server = try #require(lab.peers(at: .server(family)).first)
      #expect(server.bytes == bytes)
      #expect(lab.cutCounts.max() ?? 0 > 20)
      #expect(lab.mergedCounts.max() ?? 0 > 20)
    }
  }

  @Test(arguments: families, UInt64(1)...20)
  func `whatever the offloads, the MTU and their lengths, datagrams arrive as they were sent`(
    family: IPAddress.Family, seed: UInt64
  ) throws {
    var dice = SeededGenerator(seed: seed &* 104_729)
    let plan = TransferPlan(&dice)
    var options = Self.options(plan, &dice, seed: seed)
    options.upLink = LinkModel()
    options.downLink = LinkModel()
    withLab(options) { lab in
      lab.host.datagramServices[.server(family, port: 7)] = .echoes
      var sent: [[UInt8]] = []
      for round in 0..<10 {
        var length = Int.random(in: 1...1200, using: &dice)
        for _ in 0..<Int.random(in: 1...40, using: &dice) {
          if Int.random(in: 0..<6, using: &dice) == 0 { length = Int.random(in: 0...1200, using: &dice) }
          sent.append(pattern(length, from: sent.count))
          lab.guest.sendUDP(pattern(length, from: sent.count - 1), from: 5000, to: .server(family, port: 7))
        }
        lab.settle()
        #expect(lab.sentDatagrams.map(\.payload) == sent, "in round \(round)")
        #expect(lab.guest.datagrams.map(\.payload) == sent, "in round \(round)")
      }
    }
  }

  /// What is lost is lost, but nothing is changed or made up.
  @Test(arguments: families, UInt64(1)...10)
  func `over links that lose, repeat and reorder, what arrives of datagrams was sent`(
    family: IPAddress.Family, seed: UInt64
  ) throws {
    var dice = SeededGenerator(seed: seed)
    let plan = TransferPlan(&dice)
    let options = Self.options(plan, &dice, seed: seed)
    withLab(options) { lab in
      lab.host.datagramServices[.server(family, port: 7)] = .echoes
      let sent = (0..<200).map { pattern([700, 700, 700, 30][$0 % 4], from: $0) }
      for (number, payload) in sent.enumerated() {
        lab.guest.sendUDP(payload, from: 5000, to: .server(family, port: 7))
        if number % 25 == 0 { lab.settle() }
      }
      lab.advance(by: .seconds(2))
      let known = Set(sent)
      #expect(lab.sentDatagrams.allSatisfy { known.contains($0.payload) })
      #expect(lab.guest.datagrams.allSatisfy { known.contains($0.payload) })
      #expect(!lab.guest.datagrams.isEmpty)
    }
  }
}
