import Capture
import Primitives
import Wire

// A guest's frames are as they were recorded, and so its acknowledgments are of what the recorded network has sent, whose
// numbers are not those of the network that answers now. What a guest says of them is translated:
//
// - The acknowledgment number, and SACK blocks, count from our initial sequence number instead of the recorded one. That
//   is in the recorded SYN ACK, or where the capture has only the guest's frames, one less than the guest's first
//   acknowledgment.
// - It never is of more than ours has sent, and never less than before. Where the guest had acknowledged the last that the
//   recorded network had ever sent, it acknowledges all that ours has, be it more.
// - The echo of a timestamp counts from our first timestamp instead of the recorded one.
// - A SYN loses the options that the recorded network did not take up, with NOPs in their place: behind it the guest
//   acts as the recorded network had it, without timestamps, say. For that the capture must be looked through before
//   (`CaptureReplay.learn`).
//
// Sequence numbers of the guest's own are as they were, and so is its data. A connection that the outside opened (a port
// forward) has no counterpart here: its frames go as they are.

/// Who a TCP connection is between, seen from the guest.
struct ConnectionKey: Hashable {
  let guest: Endpoint
  let remote: Endpoint
}

/// What the recorded network has answered to a SYN.
private struct RecordedHandshake {
  let initial: SequenceNumber
  let options: TCPOptions
  /// The number behind the last that it has sent.
  var end: SequenceNumber
}

/// The numbers of one connection.
private struct TranslatedConnection {
  let key: ConnectionKey
  let guestInitial: SequenceNumber
  var recordedInitial: SequenceNumber?
  /// The number behind the last that the recorded network has sent; nil where it is not known.
  var recordedEnd: SequenceNumber?
  var ownInitial: SequenceNumber?
  var ownEnd: SequenceNumber?
  /// What was acknowledged, in our numbers.
  var acknowledged: SequenceNumber?
  var recordedTimestamp: UInt32?
  var ownTimestamp: UInt32?
}

/// Translates what a recorded guest says of the recorded network's numbers into those of the network that answers now.
///
/// Memory is bounded: of more connections than `capacity`, the oldest are forgotten, and go as they are.
struct ConnectionTranslator {
  static let capacity = 65_536

  private var answers: [RecordedSYN: RecordedHandshake] = [:]
  /// The connection of each pair of ends that the looking through has come to.
  private var learning: [ConnectionKey: RecordedSYN] = [:]
  private var connections: [TranslatedConnection] = []
  private var places: [ConnectionKey: Int] = [:]
  private var oldest = 0

  // MARK: What was recorded

  /// Learns from a frame of the recorded network's, before the replay.
  mutating func learn(_ frame: Span<UInt8>) {
    guard let packet = TransportPacket(frame), let segment = packet.segment(frame) else { return }
    let header = segment.header
    let key = ConnectionKey(guest: packet.destination, remote: packet.source)
    let end = header.sequenceNumber + header.occupied(packet.length - segment.headerLength)
    if header.flags.isSuperset(of: [.syn, .ack]) {
      let syn = RecordedSYN(key: key, sequence: header.acknowledgmentNumber.value &- 1)
      guard answers[syn] == nil, answers.count < Self.capacity else { return }
      answers[syn] = RecordedHandshake(initial: header.sequenceNumber, options: header.options, end: end)
      learning[key] = syn
    } else if !header.flags.contains(.rst), let syn = learning[key], let known = answers[syn] {
      answers[syn]?.end = .later(known.end, end)
    }
  }

  /// Notes a frame of the recorded network's as the replay comes to it.
  mutating func noteRecorded(_ frame: Span<UInt8>) {
    guard let packet = TransportPacket(frame), let header = packet.segment(frame)?.header, header.flags.contains(.syn),
      let place = places[ConnectionKey(guest: packet.destination, remote: packet.source)]
    else { return }
    connections[place].recordedInitial = header.sequenceNumber
    connections[place].recordedTimestamp = header.options.timestamps?.value
  }

  /// Notes a frame of our network's.
  mutating func noteSent(_ frame: Span<UInt8>) {
    guard frame.isTCP, let packet = TransportPacket(frame), let segment = packet.segment(frame),
      let place = places[ConnectionKey(guest: packet.destination, remote: packet.source)]
    else { return }
    let header = segment.header
    guard !header.flags.contains(.rst) else { return }
    if header.flags.contains(.syn) {
      connections[place].ownInitial = header.sequenceNumber
      connections[place].ownTimestamp = header.options.timestamps?.value
    }
    let end = header.sequenceNumber + header.occupied(packet.length - segment.headerLength)
    connections[place].ownEnd = connections[place].ownEnd.map { .later($0, end) } ?? end
  }

  // MARK: Translation

  /// Translates a frame of the guest's in place; its checksum, if it was right, is so again.
  mutating func translate(_ frame: inout MutableSpan<UInt8>) {
    guard let (packet, header, options) = Self.segment(in: frame.span), !packet.isFragment else { return }
    let key = ConnectionKey(guest: packet.source, remote: packet.destination)
    if header.flags.contains(.syn), !header.flags.contains(.ack) {
      let answer = answers[RecordedSYN(key: key, sequence: header.sequenceNumber.value)]
      open(key, header, answer)
      if let answer { frame.dropOptions(in: options, of: packet.range, notIn: answer.options) }
      return
    }
    guard header.flags.contains(.ack), let place = places[key] else { return }
    translate(header, packet.range, options, connections[place].update(by: header), &frame)
  }

  /// A segment's place, its header and where its options lie.
  private static func segment(in frame: Span<UInt8>) -> (TransportPacket, TCPHeader, options: Range<Int>)? {
    guard let packet = TransportPacket(frame), let segment = packet.segment(frame) else { return nil }
    let start = packet.range.lowerBound
    return (packet, segment.header, start + TCPHeader.minimumLength..<start + segment.headerLength)
  }

  private mutating func open(_ key: ConnectionKey, _ header: TCPHeader, _ answer: RecordedHandshake?) {
    // The same SYN again is of the same connection.
    if let place = places[key], connections[place].guestInitial == header.sequenceNumber { return }
    let connection = TranslatedConnection(
      key: key, guestInitial: header.sequenceNumber, recordedInitial: answer?.initial, recordedEnd: answer?.end,
      recordedTimestamp: answer?.options.timestamps?.value)
    if connections.count < Self.capacity {
      places[key] = connections.count
      connections.append(connection)
      return
    }
    if places[connections[oldest].key] == oldest { places[connections[oldest].key] = nil }
    connections[oldest] = connection
    places[key] = oldest
    oldest = (oldest + 1) % Self.capacity
  }

  private func translate(
    _ header: TCPHeader, _ range: Range<Int>, _ options: Range<Int>, _ numbers: TranslatedNumbers?,
    _ frame: inout MutableSpan<UInt8>
  ) {
    guard let numbers else { return }
    frame.replace32(at: range.lowerBound + 8, by: numbers.acknowledgment.value, of: range)
    frame.forEachOption(in: options) { kind, value, frame in
      switch (kind, value.count) {
      case (8, 8):
        let echo = frame.span.bigEndian32(at: value.lowerBound + 4)
        if echo != 0 { frame.replace32(at: value.lowerBound + 4, by: echo &+ numbers.timestampShift, of: range) }
      case (5, _) where value.count.isMultiple(of: 8):
        for offset in stride(from: value.lowerBound, to: value.upperBound, by: 4) {
          let number = numbers.limit(SequenceNumber(frame.span.bigEndian32(at: offset) &+ numbers.shift))
          frame.replace32(at: offset, by: number.value, of: range)
        }
      default: break
      }
    }
  }
}

/// How the numbers in a segment of the guest's are to be changed.
private struct TranslatedNumbers {
  let acknowledgment: SequenceNumber
  /// What is added to the recorded network's numbers.
  let shift: UInt32
  /// The number behind the last that ours has sent.
  let end: SequenceNumber
  let timestampShift: UInt32

  /// A number as far as it is of something that was sent.
  func limit(_ number: SequenceNumber) -> SequenceNumber { number > end ? end : number }
}

extension TranslatedConnection {
  /// Takes note of a segment of the guest's, and tells how to translate it; nil where our network has not answered.
  fileprivate mutating func update(by header: TCPHeader) -> TranslatedNumbers? {
    let recorded = header.acknowledgmentNumber
    let initial = recordedInitial ?? recorded + -1
    recordedInitial = initial
    if recordedTimestamp == nil, let echo = header.options.timestamps?.echo, echo != 0 { recordedTimestamp = echo }
    guard let ownInitial, let ownEnd else { return nil }
    let shift = ownInitial.value &- initial.value
    var number = SequenceNumber(recorded.value &+ shift)
    if number > ownEnd || recorded == recordedEnd { number = ownEnd }
    if let acknowledged { number = .later(number, acknowledged) }
    acknowledged = number
    let timestampShift = ownTimestamp.flatMap { own in recordedTimestamp.map { own &- $0 } }
    return TranslatedNumbers(
      acknowledgment: number, shift: shift, end: ownEnd, timestampShift: timestampShift ?? 0)
  }
}

extension TCPHeader {
  /// How many sequence numbers a segment with `length` bytes of data takes.
  fileprivate func occupied(_ length: Int) -> Int {
    max(0, length) + (flags.contains(.syn) ? 1 : 0) + (flags.contains(.fin) ? 1 : 0)
  }
}

extension Span<UInt8> {
  /// Whether the frame is, at first sight, TCP over IP without extension headers.
  @inline(__always)
  var isTCP: Bool {
    guard count >= 54 else { return false }
    switch bigEndian16(at: 12) {
    case 0x0800: return self[23] == 6
    case 0x86dd: return self[20] == 6
    default: return false
    }
  }
}
