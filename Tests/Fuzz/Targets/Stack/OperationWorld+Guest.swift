import Netstack
import Primitives
import Simulation

// What a guest's TCP does, as it should or not.
extension OperationWorld {
  /// The most connections of each kind.
  private static let mostEnds = 12

  // MARK: Segments of choice

  func openRawEnd() {
    guard rawEnds.count < Self.mostEnds else { return }
    let remote = unusedEndpoint(someAddress())
    let connection = lab.rawConnection(to: remote)
    rawEnds.append(RawEnd(connection: connection, port: remote.port))
    let choices = input.byte()
    connection.window = [64_240, 0, 1, 536, 65_535, 8192, 1460, 30_000][Int(choices & 7)]
    var options: [PlainTCP.Option] = []
    if choices & 8 == 0 { options.append(.mss(input.choice(of: [1460, 536, 1, 0, 65_495, 48, 9000, 1220]))) }
    if choices & 16 != 0 { options.append(.windowScale(input.byte() & 15)) }
    if choices & 32 != 0 { options.append(.sackPermitted) }
    if choices & 64 != 0 { connection.clock = UInt32(input.byte()) << 24 }
    connection.guestQueues(Segment(.syn, seq: 0, options: options))
    guard choices & 128 == 0 else { return }
    lab.advance(by: .milliseconds(40))
    takeSegments(of: rawEnds.count - 1)
    acknowledge(rawEnds.count - 1)
  }

  /// Sends a segment of which everything is chosen, near what would be right.
  func sendSegment() {
    guard let index = someRawEnd() else { return }
    let choices = input.byte()
    let end = rawEnds[index]
    var flags = PlainTCP.Flags(rawValue: [0, 0, 0, 8, 1, 4, 2, 32, 1, 4, 3, 6, 9, 41, 5, 18][Int(choices & 15)])
    let sequence = choices & 16 == 0 ? end.sent : end.sent + input.signed() * input.choice(of: [1, 16, 1460, 70_000])
    let acknowledgment: Int? =
      switch choices >> 5 & 3 {
      case 0, 1: end.received
      case 2: end.received + input.signed() * input.choice(of: [1, 300, 70_000])
      default: nil
      }
    if choices & 128 != 0 { end.connection.window = [0, 1, 100, 1460, 8192, 65_535][input.number(below: 6)] }
    let payload = payload(length(), of: end.port, at: sequence + (flags.contains(.syn) ? 1 : 0) - 1)
    if flags.contains(.syn) && sequence != 0 { rawEnds[index].isContentKnown = false }
    if flags.contains(.rst) && acknowledgment == nil { flags.remove(.ack) }
    end.connection.guestQueues(
      Segment(flags, seq: sequence, ack: acknowledgment, options: someOptions(of: end), payload: payload))
    if sequence <= end.sent { rawEnds[index].sent = max(end.sent, sequence + payload.count) }
  }

  /// Does what an orderly TCP would do next: acknowledges, sends what follows, finishes.
  func answerInOrder() {
    guard let index = someRawEnd() else { return }
    let choices = input.byte()
    lab.settle()
    takeSegments(of: index)
    acknowledge(index)
    let end = rawEnds[index]
    if choices & 1 != 0 {
      for _ in 0...(choices >> 4 & 3) {
        let payload = payload(min(length(), 1460), of: end.port, at: rawEnds[index].sent - 1)
        end.connection.guestQueues(
          Segment(.psh, seq: rawEnds[index].sent, ack: rawEnds[index].received, payload: payload))
        rawEnds[index].sent += payload.count
      }
    }
    if choices & 2 != 0 {
      end.connection.guestQueues(Segment(.fin, seq: rawEnds[index].sent, ack: rawEnds[index].received))
      rawEnds[index].sent += choices & 4 == 0 ? 1 : 0
    }
    if choices & 8 != 0 { end.connection.clock = end.connection.clock.map { $0 &+ UInt32(choices >> 4) } }
  }

  private func acknowledge(_ index: Int) {
    let end = rawEnds[index]
    guard end.received > 0 else { return }
    end.connection.guestQueues(Segment([], seq: end.sent, ack: end.received))
  }

  private func someRawEnd() -> Int? { rawEnds.isEmpty ? nil : input.number(below: rawEnds.count) }

  private func payload(_ count: Int, of port: UInt16, at place: Int) -> [UInt8] {
    (0..<min(count, 60_000)).map { Self.guestByte(port, place + $0) }
  }

  private func someOptions(of end: RawEnd) -> [PlainTCP.Option]? {
    let choices = input.byte()
    guard choices & 0xc0 == 0xc0 else { return nil }
    switch choices & 3 {
    case 0, 1:
      let blocks = (0...(choices >> 2 & 3)).map { _ in
        let start = end.received + input.signed() * 500
        return PlainTCP.Block(SequenceNumber(0) + start, SequenceNumber(0) + (start + Int(input.byte()) * 100))
      }
      return [.sack(blocks)]
    case 2: return [.timestamps(input.long(), echo: input.long()), .mss(input.word())]
    default: return [.other(input.byte() | 16, input.take(Int(choices >> 2 & 15)))]
    }
  }

  /// Takes what came for an end and looks whether it is what the world said.
  func takeSegments(of index: Int) {
    for segment in rawEnds[index].connection.takeArrivals() {
      if segment.flags.contains(.syn) {
        rawEnds[index].beginnings += 1
        rawEnds[index].received = 1
        continue
      }
      let end = rawEnds[index]
      let behind = segment.seq + segment.payload.count + (segment.flags.contains(.fin) ? 1 : 0)
      if segment.seq <= end.received { rawEnds[index].received = max(end.received, behind) }
      guard end.beginnings == 1, end.isContentKnown, isContentKnown else { continue }
      for (offset, byte) in segment.payload.enumerated()
      where byte != Self.worldByte(end.port, segment.seq - 1 + offset) {
        faults.append("the guest's end of \(end.port) heard another byte at \(segment.seq - 1 + offset) than was said")
        break
      }
    }
  }

  // MARK: The guest's own TCP

  func openGuestEnd() {
    guard guestEnds.count < Self.mostEnds else { return }
    let remote = unusedEndpoint(someAddress())
    var options = GuestTCP.Options()
    let choices = input.byte()
    if choices & 1 != 0 { options.mss = input.choice(of: [nil, 536, 9000, 100]) }
    if choices & 2 != 0 { options.windowScale = input.choice(of: [nil, 0, 14]) }
    options.reportsBlocks = choices & 4 == 0
    options.hasTimestamps = choices & 8 == 0
    options.readsAtOnce = choices & 16 == 0
    if choices & 32 != 0 { options.receiveBufferSize = input.choice(of: [1, 2000, 20_000]) }
    options.finishesInTurn = choices & 64 != 0
    guestEnds.append(GuestEnd(connection: lab.guest.connect(to: remote, options: options), port: remote.port))
  }

  func useGuestEnd() {
    guard !guestEnds.isEmpty else { return }
    let index = input.number(below: guestEnds.count)
    let end = guestEnds[index]
    switch input.number(below: 6) {
    case 0: end.connection.finish()
    case 1: end.connection.reset()
    case 2: end.connection.read(Int(input.word()))
    default:
      let count = length()
      end.connection.write((0..<count).map { Self.guestByte(end.port, end.written + $0) })
      guestEnds[index].written += count
    }
  }

  /// Takes those connections in that clients of forwards have opened to the guest.
  func adoptAccepted() {
    for port in Self.servedPorts {
      for connection in lab.guest.accepted(on: port) where !guestEnds.contains(where: { $0.connection === connection })
      {
        guestEnds.append(GuestEnd(connection: connection, port: connection.remote.port))
      }
    }
  }
}
