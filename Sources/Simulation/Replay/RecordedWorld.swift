import Capture
import Primitives
import Wire

// What those have said in a capture whom its guest spoke to, so that a replay's host can say it again.
//
// Of a connection that is a list of steps: for each acknowledgment of the recorded network's, so many bytes of the
// guest's must have come before it says what it then said. What was recorded twice is said once; what was lost on the
// recorded link is said where it belongs, if it was recorded later. Of datagrams it is what came back between one of the
// guest's and the next between the same two ends.
//
// The stack asks the world under other names than the guest knows it by (127.0.0.1 for the gateway, a server of its own
// choice for the resolver), so who answers is found by the guest's frame that makes the stack ask: `answer(to:)`.

/// What the recorded network has said, by whom the guest spoke to.
struct RecordedWorld {
  /// The most bytes of payload that are kept; what comes behind is not said.
  static let capacity = 64 << 20

  private var connections: [RecordedSYN: RecordedStream] = [:]
  private var current: [ConnectionKey: RecordedSYN] = [:]
  private var datagrams: [ConnectionKey: RecordedDatagrams] = [:]
  private var room = RecordedWorld.capacity

  // MARK: Learning

  /// Learns from a frame of the capture.
  mutating func learn(_ frame: Span<UInt8>, isFromGuest: Bool) {
    guard let packet = TransportPacket(frame), !packet.isFragment else { return }
    let key =
      isFromGuest
      ? ConnectionKey(guest: packet.source, remote: packet.destination)
      : ConnectionKey(guest: packet.destination, remote: packet.source)
    switch packet.proto {
    case .tcp:
      guard let segment = packet.segment(frame) else { return }
      let place = packet.range.dropFirst(segment.headerLength)
      learn(segment.header, place, frame, key, isFromGuest: isFromGuest)
    case .udp where packet.range.count >= UDPHeader.length:
      let payload = packet.range.dropFirst(UDPHeader.length)
      // Each has its own bytes and a place in a list.
      guard room >= payload.count + 64, datagrams.count < ConnectionTranslator.capacity || datagrams[key] != nil else {
        return
      }
      room -= 64 + (isFromGuest ? 0 : payload.count)
      datagrams[key, default: RecordedDatagrams()].learn(payload, frame, isFromGuest: isFromGuest)
    default: return
    }
  }

  private mutating func learn(
    _ header: TCPHeader, _ payload: Range<Int>, _ frame: Span<UInt8>, _ key: ConnectionKey, isFromGuest: Bool
  ) {
    if isFromGuest {
      guard header.flags.contains(.syn), !header.flags.contains(.ack) else { return }
      let syn = RecordedSYN(key: key, sequence: header.sequenceNumber.value)
      guard connections[syn] == nil, connections.count < ConnectionTranslator.capacity else { return }
      connections[syn] = RecordedStream(guestInitial: header.sequenceNumber)
      current[key] = syn
      return
    }
    guard let syn = current[key] else { return }
    connections[syn]?.learn(header, payload, frame, room: &room)
  }

  // MARK: Answering

  /// What is said to who sends a frame like this one of the guest's; nil where nothing was recorded.
  mutating func answer(to frame: Span<UInt8>) -> RecordedAnswer? {
    guard let packet = TransportPacket(frame) else { return nil }
    let key = ConnectionKey(guest: packet.source, remote: packet.destination)
    if packet.proto == .udp { return datagrams[key]?.takeAnswers().map { .datagrams($0) } }
    guard let header = packet.segment(frame)?.header, header.flags.contains(.syn), !header.flags.contains(.ack) else {
      return nil
    }
    return connections[RecordedSYN(key: key, sequence: header.sequenceNumber.value)].map { .stream($0.behavior) }
  }
}

/// What is said again.
enum RecordedAnswer {
  case stream(ReplayBehavior.Stream)
  case datagrams([[UInt8]])
}

/// A SYN of the guest's.
struct RecordedSYN: Hashable {
  let key: ConnectionKey
  let sequence: UInt32
}

/// What the far end of a connection has said.
private struct RecordedStream {
  private let guestInitial: SequenceNumber
  private var initial: SequenceNumber?
  private var bytes: [UInt8] = []
  /// How many bytes of the guest's had come when so many were said.
  private var marks: [(received: Int, said: Int)] = []
  /// How it ended, and how many bytes of the guest's had come by then.
  private var end: (step: ReplayBehavior.Step, received: Int)?
  /// Bytes of the guest's that were acknowledged so far; its FIN counts as one.
  private var acknowledged = 0
  private var isRefused = false
  /// The farthest that a segment may be ahead of what was said: the largest window (RFC 7323 section 2.3).
  private static let longestGap = 1 << 30

  init(guestInitial: SequenceNumber) { self.guestInitial = guestInitial }

  mutating func learn(_ header: TCPHeader, _ payload: Range<Int>, _ frame: Span<UInt8>, room: inout Int) {
    if header.flags.contains(.ack) {
      acknowledged = max(acknowledged, header.acknowledgmentNumber - (guestInitial + 1))
    }
    if header.flags.contains(.rst) {
      if initial == nil { isRefused = true } else if end == nil { end = (.reset, acknowledged) }
      return
    }
    if header.flags.contains(.syn) { initial = header.sequenceNumber }
    guard let initial else { return }
    let start = header.sequenceNumber - (initial + 1)
    if !payload.isEmpty && start >= 0 && start < Self.longestGap {
      say(payload, frame, at: start, room: &room)
      note(max(0, header.acknowledgmentNumber - (guestInitial + 1)))
    }
    if header.flags.contains(.fin) && end == nil { end = (.close, acknowledged) }
  }

  private mutating func say(_ payload: Range<Int>, _ frame: Span<UInt8>, at start: Int, room: inout Int) {
    let missing = start + payload.count - bytes.count
    if missing > 0 {
      // Each has its bytes and a place in the list of marks.
      guard missing + 24 <= room else { return }
      bytes += repeatElement(0, count: missing)
      room -= missing + 24
    }
    for (offset, index) in payload.enumerated() where start + offset < bytes.count {
      bytes[start + offset] = frame[index]
    }
  }

  private mutating func note(_ received: Int) {
    guard bytes.count > marks.last?.said ?? 0 else { return }
    if let last = marks.last, last.received >= received {
      marks[marks.count - 1].said = bytes.count
    } else {
      marks.append((received, bytes.count))
    }
  }

  /// The steps that say it again.
  var behavior: ReplayBehavior.Stream {
    guard !isRefused else { return .refuse }
    guard initial != nil else { return .blackhole }
    var steps: [ReplayBehavior.Step] = []
    var (received, said) = (0, 0)
    for mark in marks where mark.said > said {
      if mark.received > received { steps.append(.receive(mark.received - received)) }
      steps.append(.send(Array(bytes[said..<mark.said])))
      (received, said) = (mark.received, mark.said)
    }
    if let end {
      if end.received > received { steps.append(.receive(end.received - received)) }
      steps.append(end.step)
    }
    return .steps(steps)
  }
}

/// What has come back to one port from another.
private struct RecordedDatagrams {
  /// What came behind each datagram of the guest's.
  private var answers: [[[UInt8]]] = []
  private var next = 0

  mutating func learn(_ payload: Range<Int>, _ frame: Span<UInt8>, isFromGuest: Bool) {
    if isFromGuest { return answers.append([]) }
    guard !answers.isEmpty else { return }
    answers[answers.count - 1].append(payload.map { frame[$0] })
  }

  mutating func takeAnswers() -> [[UInt8]]? {
    guard next < answers.count else { return nil }
    defer { next += 1 }
    return answers[next]
  }
}
