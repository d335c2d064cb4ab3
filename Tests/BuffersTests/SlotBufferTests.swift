import Buffers
import Primitives
import Testing

/// There was no room for a run that a test needs.
private struct NoRoom: Error {}

/// A run, where there must be room for one.
private func lend(_ request: SlotRequest, by buffer: inout SlotBuffer) throws -> SlotRun {
  guard let run = buffer.reserve(request) else { throw NoRoom() }
  return run
}

@Suite struct SlotBufferTests {
  static func request(_ slots: Int = 1, header: Int = 4, payload: Int = 8) -> SlotRequest {
    SlotRequest(port: .first, maximumSlots: slots, headerLength: header, payloadLength: payload)
  }

  /// The bytes that wait to be sent.
  static func pending(_ buffer: borrowing SlotBuffer) -> [UInt8] {
    let span = buffer.pending
    return span.indices.map { span[$0] }
  }

  /// Commits one frame whose bytes are all `value`.
  static func commit(_ value: UInt8, to buffer: inout SlotBuffer, payload: Int = 8) -> Bool {
    guard let run = buffer.reserve(request(payload: payload)) else { return false }
    var regions = buffer.payload(of: run)
    _ = regions.write([UInt8](repeating: value, count: payload).span)
    var header = buffer.header(0, of: run)
    header.fill(value, at: 0, length: 4)
    var prefix = buffer.prefix(0, of: run)
    prefix.fill(value, at: 0, length: 2)
    buffer.commit(run, slots: 1, lastPayload: payload)
    return true
  }

  @Test func `slots lie back to back: framing, headers, payload`() throws {
    var buffer = SlotBuffer(capacity: 100, prefixLength: 2)
    let run = try lend(Self.request(3), by: &buffer)
    let shape = (run.count, run.headerLength, run.payloadLength)
    #expect(shape == (3, 4, 8))
    let bytes: [UInt8] = Array(1...20)
    var regions = buffer.payload(of: run)
    let (count, byteCount) = (regions.count, regions.byteCount)
    let copied = regions.write(bytes.span)
    #expect((count, byteCount, copied) == (3, 24, 20))
    for slot in 0..<3 {
      var prefix = buffer.prefix(slot, of: run)
      prefix.storeBigEndian(UInt16(0xa0 + slot), at: 0)
      var header = buffer.header(slot, of: run)
      header.storeBigEndian(0xc0de_0000 + UInt32(slot), at: 0)
    }
    buffer.commit(run, slots: 3, lastPayload: 4)
    let expected: [UInt8] =
      [0, 0xa0, 0xc0, 0xde, 0, 0] + (1...8) + [0, 0xa1, 0xc0, 0xde, 0, 1] + (9...16)
      + [0, 0xa2, 0xc0, 0xde, 0, 2] + (17...20)
    #expect(Self.pending(buffer) == expected)
    #expect(buffer.pendingByteCount == 38)
  }

  @Test func `a commit of fewer slots gives the rest back`() throws {
    var buffer = SlotBuffer(capacity: 42, prefixLength: 2)
    let run = try lend(Self.request(3), by: &buffer)
    buffer.commit(run, slots: 1, lastPayload: 0)
    #expect(buffer.pendingByteCount == 6)
    // 36 bytes are left: two slots of 14.
    let next = try lend(Self.request(3), by: &buffer)
    let count = next.count
    #expect(count == 2)
    buffer.cancel(next)
    #expect(buffer.pendingByteCount == 6)
  }

  @Test func `as many slots are lent as fit, and none where not one does`() throws {
    var buffer = SlotBuffer(capacity: 30, prefixLength: 2)
    let run = try lend(Self.request(9), by: &buffer)
    let count = run.count
    #expect(count == 2)
    buffer.commit(run, slots: 2, lastPayload: 8)
    let full = buffer.reserve(Self.request())
    switch consume full {
    case nil: break
    case .some(let run):
      Issue.record("lent where there is no room")
      buffer.cancel(run)
    }
    let none = buffer.reserve(Self.request(0))
    switch consume none {
    case nil: break
    case .some(let run):
      Issue.record("lent no slots")
      buffer.cancel(run)
    }
  }

  @Test func `what was sent is consumed, and all of it makes the buffer empty`() {
    var buffer = SlotBuffer(capacity: 30, prefixLength: 2)
    let first = Self.commit(1, to: &buffer)
    let second = Self.commit(2, to: &buffer)
    let third = Self.commit(3, to: &buffer)
    #expect((first, second, third) == (true, true, false))
    buffer.consume(14)
    #expect(Self.pending(buffer) == [UInt8](repeating: 2, count: 14))
    buffer.consume(10)
    #expect(Self.pending(buffer) == [2, 2, 2, 2])
    buffer.consume(4)
    #expect(Self.pending(buffer).isEmpty)
    let again = Self.commit(4, to: &buffer) && Self.commit(5, to: &buffer)
    #expect(again)
  }

  @Test func `a short rest is moved to the front to make room`() {
    var buffer = SlotBuffer(capacity: 100, prefixLength: 2)
    for value in 1...7 as ClosedRange<UInt8> { _ = Self.commit(value, to: &buffer) }
    let full = Self.commit(8, to: &buffer)
    #expect(!full)
    // 98 bytes stand there. The rest of 20, a frame half sent and a whole one, is a quarter at most, and moves.
    buffer.consume(78)
    let fits = Self.commit(8, to: &buffer)
    #expect(fits)
    #expect(
      Self.pending(buffer) == [UInt8](repeating: 6, count: 6) + [UInt8](repeating: 7, count: 14)
        + [UInt8](repeating: 8, count: 14))
  }

  @Test func `a long rest is not moved`() {
    var buffer = SlotBuffer(capacity: 100, prefixLength: 2)
    for value in 1...7 as ClosedRange<UInt8> { _ = Self.commit(value, to: &buffer) }
    buffer.consume(70)
    let fits = Self.commit(8, to: &buffer)
    #expect(!fits)
    #expect(Self.pending(buffer) == [UInt8](repeating: 6, count: 14) + [UInt8](repeating: 7, count: 14))
  }

  @Test func `everything pending can be forgotten`() {
    var buffer = SlotBuffer(capacity: 30, prefixLength: 2)
    _ = Self.commit(1, to: &buffer)
    buffer.removeAll()
    #expect(buffer.pendingByteCount == 0)
  }

  @Test func `a run may have no payload`() throws {
    var buffer = SlotBuffer(capacity: 64, prefixLength: 0)
    let run = try lend(Self.request(2, header: 42, payload: 0), by: &buffer)
    let (count, byteCount) = (run.count, buffer.payload(of: run).byteCount)
    #expect((count, byteCount) == (1, 0))
    buffer.commit(run, slots: 1, lastPayload: 0)
    #expect(buffer.pendingByteCount == 42)
  }

  @Test func `a run that is forgotten, or given back wrongly, is a mistake of ours`() async {
    await #expect(processExitsWith: .failure) {
      var buffer = SlotBuffer(capacity: 100, prefixLength: 2)
      _ = buffer.reserve(SlotBufferTests.request())
    }
    await #expect(processExitsWith: .failure) {
      var buffer = SlotBuffer(capacity: 100, prefixLength: 2)
      guard let run = buffer.reserve(SlotBufferTests.request(2)) else { return }
      buffer.commit(run, slots: 3, lastPayload: 0)
    }
    await #expect(processExitsWith: .failure) {
      var buffer = SlotBuffer(capacity: 100, prefixLength: 2)
      guard let run = buffer.reserve(SlotBufferTests.request(2)) else { return }
      buffer.commit(run, slots: 0, lastPayload: 0)
    }
    await #expect(processExitsWith: .failure) {
      var buffer = SlotBuffer(capacity: 100, prefixLength: 2)
      guard let run = buffer.reserve(SlotBufferTests.request(2)) else { return }
      buffer.commit(run, slots: 1, lastPayload: 9)
    }
  }

  @Test func `slots and bytes that are not there are a mistake of ours`() async {
    await #expect(processExitsWith: .failure) {
      var buffer = SlotBuffer(capacity: 100, prefixLength: 2)
      guard let run = buffer.reserve(SlotBufferTests.request(2)) else { return }
      _ = buffer.header(2, of: run).count
      buffer.cancel(run)
    }
    await #expect(processExitsWith: .failure) {
      var buffer = SlotBuffer(capacity: 100, prefixLength: 2)
      _ = SlotBufferTests.commit(1, to: &buffer)
      buffer.consume(15)
    }
  }
}

@Suite struct ByteRegionsTests {
  /// Three runs of 4 bytes, cut to `limit`, into which `source` is written: the runs' lengths, how much was written,
  /// and what then stands in the slots.
  private func write(
    _ source: [UInt8], limit: Int = .max
  ) throws -> (lengths: [Int], byteCount: Int, copied: Int, bytes: [UInt8]) {
    var buffer = SlotBuffer(capacity: 100, prefixLength: 0)
    let run = try lend(SlotRequest(port: .first, maximumSlots: 3, headerLength: 1, payloadLength: 4), by: &buffer)
    var regions = buffer.payload(of: run)
    regions.truncate(toByteCount: limit)
    let byteCount = regions.byteCount
    var lengths: [Int] = []
    for index in 0..<regions.count { lengths.append(regions[index].count) }
    let copied = regions.write(source.span)
    buffer.commit(run, slots: 3, lastPayload: 4)
    return (lengths, byteCount, copied, SlotBufferTests.pending(buffer))
  }

  @Test(arguments: [
    (Int.max, [4, 4, 4], 12), (12, [4, 4, 4], 12), (11, [4, 4, 3], 11), (8, [4, 4], 8), (5, [4, 1], 5), (4, [4], 4),
    (1, [1], 1), (0, [], 0),
  ])
  func `a list is cut to a number of bytes`(_ limit: Int, _ lengths: [Int], _ byteCount: Int) throws {
    let result = try write(Array(1...20), limit: limit)
    #expect(result.lengths == lengths)
    #expect((result.byteCount, result.copied) == (byteCount, byteCount))
    let expected = (0..<15).map { place -> UInt8 in
      let byte = place / 5 * 4 + place % 5
      return place % 5 == 0 || byte > byteCount ? 0 : UInt8(byte)
    }
    #expect(result.bytes == expected)
  }

  @Test func `less than there is room for fills the first runs`() throws {
    let result = try write([1, 2, 3, 4, 5])
    #expect(result.copied == 5)
    #expect(result.bytes == [0, 1, 2, 3, 4, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0])
    #expect(try write([]).copied == 0)
  }

  @Test func `a run that was cut off is a mistake of ours`() async {
    await #expect(processExitsWith: .failure) {
      var buffer = SlotBuffer(capacity: 100, prefixLength: 0)
      guard let run = buffer.reserve(SlotBufferTests.request(3)) else { return }
      var regions = buffer.payload(of: run)
      regions.truncate(toByteCount: 8)
      _ = regions[1].count
      buffer.cancel(run)
    }
  }
}
