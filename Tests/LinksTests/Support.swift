import Buffers
import Links
import LinuxSystem
import Netstack
import Primitives
import Testing

/// A link with its event loop, as an owner has it, and all that came of it.
final class Owner {
  private let queue: EventQueue
  var link: Link
  var frames: [[UInt8]] = []
  /// What came with each of them.
  var descriptors: [FrameDescriptor] = []
  var notices: [LinkNotice] = []
  var ends: [LinkEnd] = []
  /// How often the link said that there is room again.
  var roomNotices = 0
  private var events = EventBuffer()

  init(
    _ endpoint: StreamEndpoint, receiveCapacity: Int = FrameReceiver.defaultCapacity,
    transmitCapacity: Int = FrameTransmitter.defaultCapacity
  ) throws {
    let queue = try EventQueue()
    link = try Link(
      endpoint, registrar: queue.registrar, at: MonotonicClock.now, receiveCapacity: receiveCapacity,
      transmitCapacity: transmitCapacity)
    self.queue = queue
  }

  init(_ device: consuming TAPDevice) throws {
    let queue = try EventQueue()
    link = Link(device, registrar: queue.registrar, at: MonotonicClock.now)
    self.queue = queue
  }

  /// Waits for events, at most five seconds, and does all that they call for.
  func turn() throws {
    let now = MonotonicClock.now
    try queue.wait(into: &events, until: min(link.nextDeadline, now + .seconds(5)))
    try work()
  }

  /// Does what waits, without waiting for more.
  func poll() throws {
    try queue.wait(into: &events, timeout: .zero)
    try work()
  }

  private func work() throws {
    for index in 0..<events.count {
      let source = try #require(LinkSource(rawValue: events[index].data))
      let turn = link.handle(source, events[index].events, at: MonotonicClock.now)
      if let notice = turn.notice { notices.append(notice) }
      if turn.isReadable { receive() }
    }
    if let notice = link.advance(to: MonotonicClock.now).notice { notices.append(notice) }
    _ = link.flush()
    while link.transmitter.takeRoomNotice() { roomNotices += 1 }
  }

  private func receive() {
    while true {
      let receipt = link.receive()
      collect()
      if let end = receipt.end {
        ends.append(end)
        link.detach(at: MonotonicClock.now)
        return
      }
      if receipt.isDrained { return }
    }
  }

  private func collect() {
    for index in 0..<link.receiver.batch.count {
      let length = Int(link.receiver.batch.descriptor(index).byteCount)
      var frame = [UInt8](repeating: 0, count: length)
      var target = frame.mutableSpan
      link.receiver.batch.copy(PayloadSlice(frame: index, offset: 0, count: length), to: &target)
      frames.append(frame)
      descriptors.append(link.receiver.batch.descriptor(index))
    }
  }

  // What tests ask, as values: an expectation cannot look into a type that is not copyable.

  var isAttached: Bool { link.isAttached }
  var offloads: LinkOffloads { link.transmitter.offloads }
  var isFinished: Bool { link.attachment.isFinished }
  var peerNumber: Int32? { link.attachment.peerNumber }
  var nextDeadline: Instant { link.nextDeadline }
  var received: FrameReceiver.Counters { link.receiver.counters }
  var sent: FrameTransmitter.Counters { link.transmitter.counters }
  var pendingByteCount: Int { link.transmitter.pendingByteCount }
  func localEndpoint() throws -> Endpoint? { try link.attachment.localEndpoint }
  func flush() -> FrameTransmitter.Flush { link.flush() }
  func takeRoomNotice() -> Bool { link.transmitter.takeRoomNotice() }
  func advance(to now: Instant) -> LinkNotice? { link.advance(to: now).notice }
  func detach() { link.detach(at: MonotonicClock.now) }
  func handle(_ source: LinkSource) -> Link.Turn { link.handle(source, .readable, at: MonotonicClock.now) }

  /// The data of the first event that waits, without looking after it.
  func firstEvent() throws -> UInt64? {
    try queue.wait(into: &events, timeout: .zero)
    return events.count == 0 ? nil : events[0].data
  }

  /// Turns until `condition` holds.
  func run(until condition: (Owner) -> Bool) throws {
    for _ in 0..<10_000 where !condition(self) { try turn() }
    try #require(condition(self), "nothing more happens")
  }

  /// Writes a frame through the sink; false where it was refused.
  func transmit(
    _ frame: [UInt8], headerLength: Int = 14, checksum: ChecksumState = .unverified,
    segmentation: Segmentation? = nil
  ) -> Bool {
    let header = min(frame.count, headerLength)
    let payload = frame.count - header
    let request = SlotRequest(port: .first, headerLength: header, payloadLength: payload)
    guard let run = link.transmitter.reserve(request) else { return false }
    do {
      var bytes = link.transmitter.header(0, of: run)
      bytes.copy(frame.span.extracting(first: header))
    }
    do {
      var regions = link.transmitter.payload(of: run)
      let written = regions.write(frame.span.extracting(droppingFirst: header))
      #expect(written == payload)
    }
    link.transmitter.commit(
      run, slots: 1, lastPayload: payload,
      as: FrameDescriptor(
        port: .first, headerLength: header, byteCount: frame.count, checksum: checksum, segmentation: segmentation))
    return true
  }
}

/// The far end of a link.
final class Peer {
  let socket: Socket

  init(_ socket: consuming Socket) { self.socket = socket }

  /// Takes over a socket of this number.
  init(_ number: Int32) { socket = Socket(FileDescriptor(owning: number)) }

  /// Connects to where a link listens.
  init(connectingTo address: SocketAddress) throws {
    let socket = try Socket(.stream, for: address)
    if try !socket.connect(to: address) { try wait(socket.rawValue, for: .writable) }
    let failure = try socket.takeError()
    #expect(failure == 0)
    self.socket = socket
  }

  var isHungUp: Bool { socket.isHungUp }

  /// Sends all of `bytes`, which the link's socket must have room for.
  func send(_ bytes: [UInt8]) throws {
    let sent = try socket.send(bytes.span)
    try #require(sent == bytes.count)
  }

  /// Receives up to `limit` bytes of what has arrived: nil where nothing has, empty at the end.
  func receive(_ limit: Int = 1 << 20) throws -> [UInt8]? {
    var buffer = [UInt8](repeating: 0, count: limit)
    var span = buffer.mutableSpan
    guard let count = try Socket.receive(into: &span, on: socket.rawValue) else { return nil }
    return Array(buffer.prefix(count))
  }
}

/// Waits, at most five seconds, until something of `events` holds.
func wait(_ descriptor: Int32, for events: Events) throws {
  let queue = try EventQueue()
  var buffer = EventBuffer(capacity: 1)
  try queue.registrar.add(descriptor, for: events, data: 0)
  try queue.wait(into: &buffer, timeout: .seconds(5))
  try #require(buffer.count == 1, "no event")
}

/// A path for a socket that no other test uses; nothing is there.
func freshPath() throws -> String {
  "/tmp/culvert-link-\(String(try ProcessControl.randomSeed().0, radix: 36))"
}

/// A frame of `length` bytes that differs from others.
func frame(_ length: Int, _ seed: Int = 0) -> [UInt8] {
  (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ seed &* 7 &+ ($0 >> 8)) }
}

/// A frame as it is on the wire: its length as a big-endian integer of four bytes, then the frame.
func framed(_ frame: [UInt8]) -> [UInt8] {
  let length = UInt32(frame.count)
  return [UInt8(length >> 24), UInt8(length >> 16 & 255), UInt8(length >> 8 & 255), UInt8(length & 255)] + frame
}
