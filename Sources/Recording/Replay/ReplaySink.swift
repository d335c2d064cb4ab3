import Buffers
import Netstack
import Primitives

/// A sink that lends what a recording says, and compares the frames that are sent.
struct ReplaySink: FrameSink, ~Copyable {
  let tape: ReplayTape
  private var slots: SlotBuffer
  private let redactor: Redactor?

  /// Bytes that can be lent at once, and that will be where that is not enough: more than any link has.
  private var capacity = 256 << 10
  private static var mostBytes: Int { 8 << 20 }

  init(_ tape: ReplayTape) {
    self.tape = tape
    slots = SlotBuffer(capacity: capacity, prefixLength: 0)
    let head = tape.reader.head
    redactor = head.isRedacted ? Redactor(head.settings, key: (0, 0)) : nil
  }

  mutating func reserve(_ request: SlotRequest) -> SlotRun? {
    let count = tape.answer(.reserve(request)) { decoder throws(RecordingError) in
      let count = try decoder.count(atMost: min(request.maximumSlots, SlotBuffer.maximumSlots))
      guard count * (request.headerLength + request.payloadLength) <= Self.mostBytes else { throw .damaged }
      return count
    }
    guard let count, count > 0 else { return nil }
    if count * (request.headerLength + request.payloadLength) > capacity {
      // Between two runs nothing is in it.
      capacity = Self.mostBytes
      slots = SlotBuffer(capacity: capacity, prefixLength: 0)
    }
    var request = request
    request.maximumSlots = count
    return slots.reserve(request)
  }

  @_lifetime(&self)
  mutating func header(_ slot: Int, of run: borrowing SlotRun) -> MutableSpan<UInt8> { slots.header(slot, of: run) }

  @_lifetime(&self)
  mutating func payload(of run: borrowing SlotRun) -> ByteRegions { slots.payload(of: run) }

  mutating func cancel(_ run: consuming SlotRun) {
    slots.cancel(run)
    tape.compare(.cancel)
  }

  mutating func forward(_ frame: Int, of batch: borrowing FrameBatch, to ports: EgressPorts) {
    tape.compare(.forward(frame: frame, to: ports))
  }

  mutating func handOver(_ frame: Int, of batch: borrowing FrameBatch, to loop: Int) -> Bool {
    tape.answer(.handingOver(frame, of: batch, to: loop, isRedacted: tape.isRedacted)) {
      decoder throws(RecordingError) in try decoder.value(Bool.self)
    } ?? false
  }

  // MARK: Frames

  mutating func commit(_ run: consuming SlotRun, slots count: Int, lastPayload: Int, as descriptor: FrameDescriptor) {
    let shape = Shape(
      slots: count, headerLength: run.headerLength, payloadLength: run.payloadLength, lastPayload: lastPayload)
    let expected = tape.answer(.commit(slots: count, lastPayload: lastPayload, descriptor)) {
      decoder throws(RecordingError) in try Expected(from: &decoder, shape)
    }
    slots.commit(run, slots: count, lastPayload: lastPayload)
    if let expected { compare(shape, with: expected) }
    slots.consume(slots.pendingByteCount)
  }

  /// How the frames of a run lie behind each other.
  private struct Shape {
    let slots: Int
    let headerLength: Int
    let payloadLength: Int
    let lastPayload: Int

    func frame(_ slot: Int) -> Range<Int> {
      let start = slot * (headerLength + payloadLength)
      return start..<(start + headerLength + (slot == slots - 1 ? lastPayload : payloadLength))
    }

    func payload(_ slot: Int) -> Range<Int> { frame(slot).dropFirst(headerLength) }

    var payloadByteCount: Int { (slots - 1) * payloadLength + lastPayload }
  }

  /// What is recorded of the frames of a run; its bytes are left where they are.
  private struct Expected {
    let headers: Range<Int>
    let kind: RecordedPayload
    let payload: Range<Int>
    let digest: UInt64

    init(from decoder: inout RecordDecoder, _ shape: Shape) throws(RecordingError) {
      headers = try decoder.skip(shape.slots * shape.headerLength)
      guard let kind = RecordedPayload(rawValue: try decoder.byte()) else { throw .damaged }
      self.kind = kind
      payload = try decoder.skip(kind == .whole ? shape.payloadByteCount : 0)
      digest = kind == .hidden ? 0 : try decoder.whole()
    }
  }

  private mutating func compare(_ shape: Shape, with expected: Expected) {
    var digest = RecordDigest()
    for slot in 0..<shape.slots {
      let start = expected.headers.lowerBound + slot * shape.headerLength
      guard isHeader(shape.frame(slot), shape, equalTo: start..<(start + shape.headerLength)) else {
        return differ(slot, shape, expected)
      }
      if expected.kind == .whole, !isPayload(slot, shape, equalTo: expected) { return differ(slot, shape, expected) }
      if expected.kind != .hidden { digest.add(slots.pending.extracting(shape.payload(slot))) }
      tape.statistics.framesToGuest += 1
      tape.statistics.bytesToGuest += shape.frame(slot).count
      tape.frames?(slots.pending.extracting(shape.frame(slot)), false, tape.now)
    }
    guard expected.kind != .hidden, digest.value != expected.digest else { return }
    tape.statistics.framesToGuest -= shape.slots
    tape.differ(.payload(got: copy(shape.frame(0))))
  }

  private mutating func isHeader(_ frame: Range<Int>, _ shape: Shape, equalTo range: Range<Int>) -> Bool {
    let bytes = tape.bytes
    let expected = bytes.span.extracting(range)
    let header = slots.pending.extracting(frame.prefix(shape.headerLength))
    guard let redactor else { return header.hasBytes(of: expected) }
    var masked = [UInt8](repeating: 0, count: header.count)
    var target = masked.mutableSpan
    target.copy(header)
    _ = redactor.mask(header: &target)
    return masked.span.hasBytes(of: expected)
  }

  private func isPayload(_ slot: Int, _ shape: Shape, equalTo expected: Expected) -> Bool {
    let bytes = tape.bytes
    let start = expected.payload.lowerBound + slot * shape.payloadLength
    let payload = slots.pending.extracting(shape.payload(slot))
    return payload.hasBytes(of: bytes.span.extracting(start..<(start + payload.count)))
  }

  private func differ(_ slot: Int, _ shape: Shape, _ expected: Expected) {
    let bytes = tape.bytes
    let header = expected.headers.lowerBound + slot * shape.headerLength
    var frame = Array(bytes[header..<(header + shape.headerLength)])
    if expected.kind == .whole {
      let payload = expected.payload.lowerBound + slot * shape.payloadLength
      frame += bytes[payload..<(payload + shape.payload(slot).count)]
    }
    tape.differ(.frame(expected: frame, got: copy(shape.frame(slot))))
  }

  private func copy(_ range: Range<Int>) -> [UInt8] {
    var copy = [UInt8](repeating: 0, count: range.count)
    var target = copy.mutableSpan
    target.copy(slots.pending.extracting(range))
    return copy
  }
}

extension Span where Element == UInt8 {
  /// Whether these are the bytes of another span.
  fileprivate func hasBytes(of other: Span<UInt8>) -> Bool {
    guard count == other.count else { return false }
    var offset = 0
    while offset &+ 8 <= count {
      guard native(at: offset, as: UInt64.self) == other.native(at: offset, as: UInt64.self) else { return false }
      offset &+= 8
    }
    while offset < count {
      guard self[offset] == other[offset] else { return false }
      offset &+= 1
    }
    return true
  }
}
