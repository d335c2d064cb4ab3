import Netstack
import Primitives
import Simulation
import Testing

/// Segments at random from a guest, and doings at random of the host's peer, upon one connection: nothing traps, what
/// is said stays true, and the connection ends once both sides are gone.
@Suite struct HostilePeerTests {
  @Test(arguments: UInt64(1)...80)
  func `whatever both sides do at random, the stack keeps its promises and the connection ends`(seed: UInt64) {
    var dice = SeededGenerator(seed: seed &* 0x9e37_79b9)
    var options = Lab.Options()
    options.seed = seed
    options.maximumSlots = [1, 3, .max].randomElement(using: &dice) ?? 1
    withLab(options) { lab in
      lab.host.services[.server] = HostilePlan.service(&dice)
      let tcp = lab.rawConnection(to: .server, initialSequence: HostilePlan.start(&dice))
      var guest = HostileGuest(tcp, &dice)
      // What comes behind the connection's end belongs to none, and is not judged here.
      for _ in 0..<300 where !lab.flows.isEmpty {
        step(&guest, lab, &dice)
        lab.settle()
      }
      lab.openLink()
      // Everybody is gone: two hours of silence, and the questions whether anybody is there.
      lab.advance(by: .seconds(3 * 3600))
      #expect(lab.flows.isEmpty)
      #expect(lab.openSocketCount == 0)
    }
  }

  private func step(_ guest: inout HostileGuest, _ lab: Lab, _ dice: inout SeededGenerator) {
    switch Int.random(in: 0..<20, using: &dice) {
    case 0..<13: guest.send(&dice)
    case 13: lab.advance(by: .microseconds(Int64.random(in: 0...3_000_000, using: &dice)))
    case 14: lab.sink.room = Bool.random(using: &dice) ? nil : Int.random(in: 0...3, using: &dice)
    case 15: lab.openLink()
    default: actAsPeer(lab, &dice)
    }
  }

  private func actAsPeer(_ lab: Lab, _ dice: inout SeededGenerator) {
    guard let peer = lab.peers(at: .server).last, !peer.isClosed else { return }
    switch Int.random(in: 0..<40, using: &dice) {
    case 0: peer.reset()
    case 1, 2: peer.finish()
    case 3..<20: peer.read(Int.random(in: 1...5000, using: &dice))
    default: peer.write(pattern(Int.random(in: 1...8000, using: &dice)))
    }
  }
}

private enum HostilePlan {
  static func service(_ dice: inout SeededGenerator) -> RemoteService {
    var service = RemoteService(readsAtOnce: Bool.random(using: &dice))
    service.sendBufferSize = Int.random(in: 1000...60_000, using: &dice)
    service.receiveBufferSize = Int.random(in: 1000...60_000, using: &dice)
    service.memoryPercent = [100, 150, 300].randomElement(using: &dice) ?? 100
    return service
  }

  /// Numbers that wrap around soon, and others.
  static func start(_ dice: inout SeededGenerator) -> SequenceNumber {
    SequenceNumber([0, UInt32.max - 5000, 0x7fff_f000, 12_345].randomElement(using: &dice) ?? 0)
  }
}

/// A guest that half knows what it does: numbers near those that matter, any flags, any options.
private struct HostileGuest {
  private let tcp: RawConnection
  private let timestamps: Bool
  private var clock: UInt32 = 1000
  /// The bytes it sends next in order, counted from its SYN.
  private var next = 1
  /// What it has seen of the stack's.
  private var seen = 1

  /// Opens the connection, mostly well.
  init(_ tcp: RawConnection, _ dice: inout SeededGenerator) {
    self.tcp = tcp
    timestamps = Bool.random(using: &dice)
    var options: [PlainTCP.Option] = []
    let candidates: [PlainTCP.Option] = [
      .mss(UInt16.random(in: 0...3000, using: &dice)), .windowScale(UInt8.random(in: 0...20, using: &dice)),
      .sackPermitted,
    ]
    for option in candidates where Int.random(in: 0..<4, using: &dice) > 0 { options.append(option) }
    if timestamps { options.append(.timestamps(clock, echo: 0)) }
    tcp.guest(Segment(.syn, seq: 0, win: UInt16.random(in: 0...UInt16.max, using: &dice), options: options))
    tcp.guest(Segment([], seq: 1, ack: 1, options: own(&dice)))
  }

  private mutating func own(_ dice: inout SeededGenerator) -> [PlainTCP.Option] {
    clock += UInt32.random(in: 0...5, using: &dice)
    return timestamps ? [.timestamps(clock, echo: tcp.remoteClock)] : []
  }

  mutating func send(_ dice: inout SeededGenerator) {
    for segment in tcp.takeSegments() where !segment.flags.contains(.rst) {
      seen = max(seen, segment.seq + segment.payload.count)
      if let ack = segment.ack { next = max(next, ack) }
    }
    var segment = Segment(flags(&dice), seq: near(next, &dice), ack: near(seen, &dice))
    if Int.random(in: 0..<20, using: &dice) == 0 { segment.flags.remove(.ack) }
    segment.win = [0, 1, 500, 5000, UInt16.max].randomElement(using: &dice)
    let count = [0, 0, 1, 100, 1460, 2000].randomElement(using: &dice) ?? 0
    // The same byte at the same place each time: what the witnesses compare.
    segment.payload = pattern(count, from: segment.seq)
    segment.options = options(&dice)
    tcp.guest(segment)
  }

  /// Mostly nothing special.
  private func flags(_ dice: inout SeededGenerator) -> PlainTCP.Flags {
    switch Int.random(in: 0..<40, using: &dice) {
    case 0: .fin
    case 1: .rst
    case 2: [.syn, .fin]
    case 3: [.urg, .psh]
    case 4: PlainTCP.Flags(rawValue: UInt8.random(in: 0...63, using: &dice)).subtracting(.syn)
    default: []
    }
  }

  private func near(_ number: Int, _ dice: inout SeededGenerator) -> Int {
    switch Int.random(in: 0..<10, using: &dice) {
    case 0: number + Int.random(in: -3...3, using: &dice)
    case 1: number + Int.random(in: -70_000...70_000, using: &dice)
    case 2: number + Int.random(in: -3000...3000, using: &dice)
    case 3: number + Int(Int32.random(in: .min ... .max, using: &dice))
    default: number
    }
  }

  private mutating func options(_ dice: inout SeededGenerator) -> [PlainTCP.Option] {
    var options = own(&dice)
    switch Int.random(in: 0..<8, using: &dice) {
    case 0:
      let edges = (0..<4).map { _ in SequenceNumber(0) + near(seen, &dice) }
      options.append(.sack([.init(edges[0], edges[1]), .init(edges[2], edges[3])].dropLast(timestamps ? 1 : 0)))
    case 1:
      options.append(.other(UInt8.random(in: 9...255, using: &dice), pattern(Int.random(in: 0...8, using: &dice))))
    case 2: options.append(.mss(UInt16.random(in: 0...UInt16.max, using: &dice)))
    case 3: options.append(.windowScale(UInt8.random(in: 0...255, using: &dice)))
    default: break
    }
    return options
  }
}
