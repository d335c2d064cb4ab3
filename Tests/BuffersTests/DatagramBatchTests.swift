import Buffers
import Primitives
import Testing

@Suite struct DatagramBatchTests {
  static let source = Endpoint(IPv4Address(192, 0, 2, 1), port: 53)

  @Test func `datagrams are kept with their sender and local address`() {
    var batch = DatagramBatch(capacity: 2)
    let (first, second): ([UInt8], [UInt8]) = ([1, 2, 3], [])
    let local = IPAddress(IPv4Address(192, 0, 2, 9))
    let tookFirst = batch.append(first.span, from: Self.source, to: local)
    let tookSecond = batch.append(second.span, from: Self.source)
    let tookThird = batch.append(first.span, from: Self.source)
    #expect((tookFirst, tookSecond, tookThird) == (true, true, false))
    #expect(batch.count == 2)
    #expect(batch[0] == DatagramBatch.Entry(byteCount: 3, source: Self.source, destination: local))
    #expect(batch[1] == DatagramBatch.Entry(byteCount: 0, source: Self.source))
    let payload = batch.payload(0)
    let bytes = payload.indices.map { payload[$0] }
    #expect(bytes == [1, 2, 3])
    let isEmpty = batch.payload(1).isEmpty
    #expect(isEmpty)
  }

  @Test func `the longest datagram fits, a longer one is not taken`() {
    var batch = DatagramBatch(capacity: 2)
    let (longest, longer) = (
      [UInt8](repeating: 7, count: DatagramBatch.datagramCapacity),
      [UInt8](repeating: 7, count: DatagramBatch.datagramCapacity + 1)
    )
    let tookLonger = batch.append(longer.span, from: Self.source)
    let tookLongest = batch.append(longest.span, from: Self.source)
    #expect((tookLonger, tookLongest) == (false, true))
    let last = batch.payload(0)[DatagramBatch.datagramCapacity - 1]
    #expect(last == 7)
  }

  @Test func `a batch is used again after it was emptied`() {
    var batch = DatagramBatch(capacity: 1)
    let payload: [UInt8] = [1]
    for _ in 0..<3 {
      let took = batch.append(payload.span, from: Self.source)
      #expect(took)
      batch.removeAll()
      #expect(batch.count == 0)
    }
  }

  @Test func `a datagram that is not there is a mistake of ours`() async {
    await #expect(processExitsWith: .failure) { _ = DatagramBatch(capacity: 1)[0] }
    await #expect(processExitsWith: .failure) {
      var batch = DatagramBatch(capacity: 1)
      let payload: [UInt8] = [1]
      _ = batch.append(payload.span, from: DatagramBatchTests.source)
      batch.removeAll()
      _ = batch.payload(0).count
    }
  }
}
