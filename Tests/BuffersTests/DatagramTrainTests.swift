import Buffers
import Testing

@Suite struct DatagramTrainTests {
  /// How many of these datagrams travel together, from the first on.
  private func count(_ lengths: [Int]) -> Int {
    var train = DatagramTrain(lengths[0])
    for length in lengths.dropFirst() {
      guard train.append(length) else { break }
    }
    return train.count
  }

  @Test(arguments: [
    ([100], 1), ([100, 100, 100], 3), ([100, 100, 40], 3), ([100, 40, 40], 2), ([100, 100, 101], 2), ([40, 100], 1),
    ([0, 0], 1), ([100, 0, 100], 1), ([1, 1], 2),
  ])
  func `datagrams of one length travel together, the last may be shorter, none is empty`(lengths: [Int], together: Int)
  {
    #expect(count(lengths) == together)
  }

  @Test func `a train has an end`() {
    #expect(count(Array(repeating: 9, count: 200)) == 64)
    // 46 times 1400 are 64,400 bytes, and 40,000 fit no second time.
    #expect(count(Array(repeating: 1400, count: 60)) == 46)
    #expect(count([40_000, 40_000]) == 1)
    #expect(count([40_000, 25_487]) == 2)
    #expect(count([40_000, 25_488]) == 1)
  }
}
