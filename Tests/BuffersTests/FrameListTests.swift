import Buffers
import Primitives
import Testing

@Suite struct FrameListTests {
  /// The bytes 0, 1, 2 ... of a frame.
  static func frame(_ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: $0) } }

  /// The bytes of a slice, and the lengths of the parts that they lay in.
  static func read(_ slice: PayloadSlice, of list: borrowing FrameList) -> (bytes: [UInt8], parts: [Int]) {
    var bytes: [UInt8] = []
    var parts: [Int] = []
    list.batch.forEachSpan(of: slice) { span in
      parts.append(span.count)
      for index in span.indices { bytes.append(span[index]) }
    }
    return (bytes, parts)
  }

  /// A list of one frame of 30 bytes: 10 of header, then pieces of 8, 8 and 4.
  static func pieces() -> FrameList {
    var list = FrameList(capacity: 4, byteCapacity: 256)
    _ = list.append(frame(30).span, port: PortID(rawValue: 3), headerLength: 10, pieceLength: 8)
    return list
  }

  @Test func `a frame is its header part by default`() {
    var list = FrameList(capacity: 2, byteCapacity: 100)
    let first = Self.frame(60)
    let wasTaken = list.append(first.span, port: .first, checksum: .verified)
    #expect(wasTaken)
    let batch = list.batch
    let (count, pieces, header) = (batch.count, batch.pieceCount(0), batch.header(0).count)
    #expect((list.count, count, pieces, header) == (1, 1, 0, 60))
    let descriptor = list.batch.descriptor(0)
    #expect(descriptor == FrameDescriptor(port: .first, headerLength: 60, byteCount: 60, checksum: .verified))
    #expect(list.freeByteCount == 40)
  }

  @Test func `what is behind the header part lies in pieces`() {
    let list = Self.pieces()
    let (descriptor, count) = (list.batch.descriptor(0), list.batch.pieceCount(0))
    #expect(descriptor == FrameDescriptor(port: PortID(rawValue: 3), headerLength: 10, byteCount: 30))
    #expect(count == 3)
    let batch = list.batch
    var lengths: [Int] = []
    for index in 0..<3 { lengths.append(batch.piece(index, of: 0).count) }
    #expect(lengths == [8, 8, 4])
    let first = batch.piece(1, of: 0)[0]
    #expect(first == 18)
  }

  @Test(arguments: [
    (0, 30, [10, 8, 8, 4]), (0, 10, [10]), (10, 20, [8, 8, 4]), (9, 2, [1, 1]), (12, 3, [3]), (17, 10, [1, 8, 1]),
    (29, 1, [1]), (30, 0, []), (5, 0, []),
  ])
  func `a slice goes through header and pieces`(_ offset: Int, _ count: Int, _ parts: [Int]) {
    let read = Self.read(PayloadSlice(frame: 0, offset: offset, count: count), of: Self.pieces())
    #expect(read.bytes == Array(Self.frame(30)[offset..<(offset + count)]))
    #expect(read.parts == parts)
  }

  @Test func `every slice is copied as its bytes`() {
    let list = Self.pieces()
    for offset in 0...30 {
      for count in 0...(30 - offset) {
        var target = [UInt8](repeating: 0xee, count: count + 1)
        var span = target.mutableSpan
        list.batch.copy(PayloadSlice(frame: 0, offset: offset, count: count), to: &span)
        #expect(target == Array(Self.frame(30)[offset..<(offset + count)]) + [0xee])
      }
    }
  }

  @Test func `a frame without room is not taken, and changes nothing`() {
    var list = FrameList(capacity: 2, byteCapacity: 100)
    let (long, short) = (Self.frame(101), Self.frame(10))
    let tookLong = list.append(long.span, port: .first)
    #expect(!tookLong)
    #expect((list.count, list.freeByteCount) == (0, 100))
    for _ in 0..<2 {
      let took = list.append(short.span, port: .first)
      #expect(took)
    }
    let tookThird = list.append(short.span, port: .first)
    #expect(!tookThird)
    #expect((list.count, list.freeByteCount) == (2, 80))
    list.removeAll()
    #expect((list.count, list.freeByteCount) == (0, 100))
  }

  @Test func `a long frame lies in as many pieces as the list has room for`() {
    var list = FrameList(capacity: 10, byteCapacity: 200_000)
    let frame = Self.frame(65_549)
    let segmentation = Segmentation(kind: .tcp4, size: 1448)
    let took = list.append(
      frame.span, port: .first, headerLength: 134, pieceLength: 3000, checksum: .partial(start: 34, offset: 16),
      segmentation: segmentation)
    #expect(took)
    let (pieces, descriptor) = (list.batch.pieceCount(0), list.batch.descriptor(0))
    #expect(pieces == 22)
    #expect(descriptor.checksum == .partial(start: 34, offset: 16) && descriptor.segmentation == segmentation)
    #expect(Self.read(PayloadSlice(frame: 0, offset: 0, count: frame.count), of: list).bytes == frame)
    // Four for each frame of the list, all together.
    let tookAnother = list.append(frame.span, port: .first, headerLength: 134, pieceLength: 3000)
    #expect(!tookAnother)
    #expect(list.count == 1)
    // Longer than a header part can say: the rest is a piece of its own.
    let tookWhole = list.append(frame.span, port: .first)
    #expect(tookWhole)
    #expect(Self.read(PayloadSlice(frame: 1, offset: 0, count: frame.count), of: list).bytes == frame)
  }

  @Test func `an empty frame is a frame`() {
    var list = FrameList(capacity: 1, byteCapacity: 10)
    let empty: [UInt8] = []
    let took = list.append(empty.span, port: .first)
    let batch = list.batch
    let header = batch.header(0).count
    #expect(took && header == 0)
  }

  @Test func `a frame, piece or slice that is not there is a mistake of ours`() async {
    await #expect(processExitsWith: .failure) {
      let list = FrameListTests.pieces()
      _ = list.batch.descriptor(1)
    }
    await #expect(processExitsWith: .failure) {
      let list = FrameListTests.pieces()
      _ = list.batch.descriptor(-1)
    }
    await #expect(processExitsWith: .failure) {
      let list = FrameListTests.pieces()
      let batch = list.batch
      _ = batch.piece(3, of: 0).count
    }
    await #expect(processExitsWith: .failure) {
      let list = FrameListTests.pieces()
      var target = [UInt8](repeating: 0, count: 31)
      var span = target.mutableSpan
      list.batch.copy(PayloadSlice(frame: 0, offset: 0, count: 31), to: &span)
    }
  }
}
