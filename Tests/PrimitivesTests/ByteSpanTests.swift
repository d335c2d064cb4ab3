import Primitives
import Testing

@Suite struct ByteSpanTests {
  static let bytes: [UInt8] = Array(1...9)

  @Test func `integers are read in network byte order at any offset`() {
    let bytes = Self.bytes
    let (a, b, c) = (bytes.span.bigEndian16(at: 7), bytes.span.bigEndian32(at: 1), bytes.span.bigEndian64(at: 1))
    #expect((a, b, c) == (0x0809, 0x0203_0405, 0x0203_0405_0607_0809))
    let native: UInt16 = bytes.span.native(at: 3)
    #expect(native == UInt16(bigEndian: 0x0405) || native == UInt16(littleEndian: 0x0504))
  }

  @Test func `integers are written in network byte order at any offset`() {
    var bytes = [UInt8](repeating: 0, count: 15)
    var span = bytes.mutableSpan
    span.storeBigEndian(0x0102 as UInt16, at: 0)
    span.storeBigEndian(0x0304_0506 as UInt32, at: 2)
    span.storeBigEndian(0x0708_090a_0b0c_0d0e as UInt64, at: 6)
    #expect(bytes == Array(1...14) + [0])
  }

  @Test func `bytes are copied and filled where they belong`() {
    var bytes = [UInt8](repeating: 0, count: 6)
    let (source, empty): ([UInt8], [UInt8]) = ([1, 2, 3], [])
    var span = bytes.mutableSpan
    span.copy(source.span, at: 2)
    span.copy(empty.span, at: 6)
    span.fill(9, at: 4, length: 2)
    span.fill(9, at: 0, length: 0)
    #expect(bytes == [0, 0, 1, 2, 9, 9])
  }

  @Test(arguments: [-1, 8, 9, Int.max, Int.min])
  func `a load that is not wholly inside is a mistake of ours`(_ offset: Int) async {
    await #expect(processExitsWith: .failure) { [offset] in
      let bytes: [UInt8] = Array(1...9)
      _ = bytes.span.bigEndian16(at: offset)
    }
  }

  @Test(arguments: [-1, 6, Int.max])
  func `a store that is not wholly inside is a mistake of ours`(_ offset: Int) async {
    await #expect(processExitsWith: .failure) { [offset] in
      var bytes: [UInt8] = Array(1...9)
      var span = bytes.mutableSpan
      span.storeBigEndian(1 as UInt32, at: offset)
    }
  }

  @Test(arguments: [-1, 7, Int.max])
  func `a copy that is not wholly inside is a mistake of ours`(_ offset: Int) async {
    await #expect(processExitsWith: .failure) { [offset] in
      var bytes: [UInt8] = Array(1...9)
      let source: [UInt8] = [1, 2, 3]
      var span = bytes.mutableSpan
      span.copy(source.span, at: offset)
    }
  }
}
