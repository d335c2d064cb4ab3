import Primitives

/// Makes what a guest has said to one network into what it would say to another.
///
/// A guest answers what it is told: its acknowledgments count from the network's initial sequence numbers, its timestamps
/// return the network's, and its TFTP client goes on with the port that the server has chosen. In a replay all these are
/// other than they were. So the translation follows both sides, what the network said when the session was recorded and
/// what the stack says now, and puts into the guest's frames what corresponds. Of the options in a guest's SYN those are
/// taken out that the network did not take, since the guest went on without them.
///
/// The world of a session's replay says every byte that it said then (`SessionWorld`), so numbers are moved and nothing
/// else: what a guest had lost it has lost again. (`ConnectionTranslator` is for worlds that say something else.)
struct GuestTranslation {
  /// The numbers that one side counts from.
  private struct Origin {
    var sequence: SequenceNumber
    var timestamp: UInt32?
  }

  private var recorded: [SessionFlow: Origin] = [:]
  private var replayed: [SessionFlow: Origin] = [:]
  /// The ports from which the guest has asked for files.
  private var clients: Set<UInt16> = []
  /// By the client's port, the server's.
  private var recordedServers: [UInt16: UInt16] = [:]
  private var replayedServers: [UInt16: UInt16] = [:]
  /// The port to which requests for files go.
  static let tftpPort: UInt16 = 69

  /// A frame was sent to the guest when the session was recorded.
  mutating func passed(recorded frame: SessionFrame) {
    if let (ends, origin) = Self.origin(in: frame) { recorded[ends] = origin }
    if let (client, server) = transferPorts(in: frame) { recordedServers[client] = server }
  }

  /// A frame is sent to the guest now.
  mutating func passed(replayed frame: SessionFrame) {
    if let (ends, origin) = Self.origin(in: frame) { replayed[ends] = origin }
    if let (client, server) = transferPorts(in: frame) { replayedServers[client] = server }
  }

  private static func origin(in frame: SessionFrame) -> (SessionFlow, Origin)? {
    guard let (ends, segment) = frame.segment, segment.flags.contains(.syn) else { return nil }
    return (ends, Origin(sequence: segment.sequence, timestamp: segment.timestamps?.value))
  }

  private func transferPorts(in frame: SessionFrame) -> (client: UInt16, server: UInt16)? {
    guard case .udp(let datagram)? = frame.plain?.payload, clients.contains(datagram.destinationPort),
      TFTPMessage(datagram.payload)?.isFromServer == true
    else { return nil }
    return (datagram.destinationPort, datagram.sourcePort)
  }

  /// What the guest sends now in the place of a frame that it sent then.
  ///
  /// - Parameter refused: kinds of TCP options that the network did not take.
  mutating func translate(_ frame: SessionFrame, refused: Set<UInt8>) -> [UInt8] {
    // What is neither TCP nor UDP, or in parts, has nothing to be translated.
    guard let layout = try? FrameLayout(frame.bytes) else { return frame.bytes }
    var bytes = frame.bytes
    if layout.proto == 17 {
      translateDatagram(&bytes, layout, frame)
    } else if let (ends, segment) = frame.segment {
      translateSegment(&bytes, layout, ends, segment, refused)
    }
    guard bytes != frame.bytes else { return bytes }
    layout.complete(&bytes)
    return bytes
  }

  private mutating func translateDatagram(_ bytes: inout [UInt8], _ layout: FrameLayout, _ frame: SessionFrame) {
    guard case .udp(let datagram)? = frame.plain?.payload, let message = TFTPMessage(datagram.payload) else { return }
    let client = datagram.sourcePort
    if message.isRequest && datagram.destinationPort == Self.tftpPort {
      clients.insert(client)
      (recordedServers[client], replayedServers[client]) = (nil, nil)
    } else if recordedServers[client] == datagram.destinationPort, let port = replayedServers[client] {
      bytes.store(port, at: layout.transport + 2)
    }
  }

  private func translateSegment(
    _ bytes: inout [UInt8], _ layout: FrameLayout, _ ends: SessionFlow, _ segment: PlainTCP, _ refused: Set<UInt8>
  ) {
    let (then, now) = (recorded[ends], replayed[ends])
    var shift: UInt32 = 0
    if let then, let now { shift = now.sequence.value &- then.sequence.value }
    if segment.flags.contains(.ack) {
      bytes.store(segment.acknowledgment.value &+ shift, at: layout.transport + 8)
    }
    Self.forEachOption(of: bytes, layout) { kind, place, length in
      switch kind {
      case _ where segment.flags.contains(.syn) && refused.contains(kind):
        // No-operations, so that nothing moves.
        for index in place..<(place + length) { bytes[index] = 1 }
      case 5:
        for offset in stride(from: place + 2, to: place + length - 3, by: 4) {
          bytes.store(bytes.span.bigEndian32(at: offset) &+ shift, at: offset)
        }
      case 8 where length == 10 && segment.flags.contains(.ack):
        guard let before = then?.timestamp, let after = now?.timestamp else { return }
        bytes.store(bytes.span.bigEndian32(at: place + 6) &+ (after &- before), at: place + 6)
      default: break
      }
    }
  }

  /// Goes through the options of a segment's header: the kind of each, where it begins and how long it is.
  private static func forEachOption(
    of bytes: [UInt8], _ layout: FrameLayout, _ body: (_ kind: UInt8, _ place: Int, _ length: Int) -> Void
  ) {
    var place = layout.transport + 20
    while place < layout.payload {
      let kind = bytes[place]
      if kind == 0 { return }
      if kind == 1 {
        place += 1
        continue
      }
      guard place + 1 < layout.payload, bytes[place + 1] >= 2 else { return }
      let length = Int(bytes[place + 1])
      guard place + length <= layout.payload else { return }
      body(kind, place, length)
      place += length
    }
  }
}

/// A message of TFTP (RFC 1350 section 5), as far as a replay needs it.
struct TFTPMessage {
  /// 1 for a request to read, 3 for data, 4 for an acknowledgment, 5 for an error, 6 for options that are granted.
  let operation: UInt8
  private let rest: ArraySlice<UInt8>

  /// Takes a datagram apart; nil where it is none.
  init?(_ payload: [UInt8]) {
    guard payload.count >= 4, payload[0] == 0, (1...6).contains(payload[1]) else { return nil }
    operation = payload[1]
    rest = payload[2...]
  }

  /// Whether it asks for a file.
  var isRequest: Bool { operation == 1 || operation == 2 }
  /// Whether it may begin what the server says.
  var isFromServer: Bool { operation == 3 || operation == 5 || operation == 6 }
  /// The file that a request names.
  var fileName: String { String(decoding: rest.prefix { $0 != 0 }, as: UTF8.self) }
  /// The number of a block of data.
  var block: Int { Int(rest[2]) << 8 | Int(rest[3]) }
  /// The data of a block.
  var data: ArraySlice<UInt8> { rest[4...] }
}
