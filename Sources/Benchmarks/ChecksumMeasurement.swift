import Primitives
import Wire

/// How fast the checksum of so many bytes is, beside a copy of them: whoever copies payload, as the kernel does, has
/// paid for bytes in the cache already.
struct ChecksumMeasurement {
  /// A segment of Ethernet's, and the longest.
  static let lengths = [1460, 64 * 1024]

  private let length: Int
  private let sum: Measurement
  private let copy: Measurement

  /// Measures both, in turns.
  init(_ length: Int) {
    self.length = length
    let source = (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 7) }
    var target = [UInt8](repeating: 0, count: length)
    var (sum, copy) = (Measurement("sum"), Measurement("copy"))
    let repetitions = (16 << 20) / length
    var total: UInt64 = 0
    for round in 0..<60 {
      sum.measure(isWarm: round >= 10) {
        for _ in 0..<repetitions { total &+= UInt64(Self.sum(source)) }
        return (repetitions, repetitions * length)
      }
      copy.measure(isWarm: round >= 10) {
        for _ in 0..<repetitions { Self.copy(source, to: &target) }
        return (repetitions, repetitions * length)
      }
    }
    guard target == source, total == UInt64(Self.sum(source)) &* UInt64(60 * repetitions) else {
      fatalExit("a checksum or a copy of \(length) bytes went wrong")
    }
    (self.sum, self.copy) = (sum, copy)
  }

  /// Apart from the loop, of which the compiler must not see that it does the same again.
  @inline(never)
  private static func sum(_ bytes: [UInt8]) -> UInt16 {
    var checksum = InternetChecksum()
    checksum.add(bytes.span)
    return checksum.checksum
  }

  @inline(never)
  private static func copy(_ bytes: [UInt8], to target: inout [UInt8]) {
    var span = target.mutableSpan
    span.copy(bytes.span)
  }

  /// A row of the table.
  var row: String {
    let (summed, copied) = (Double(length) / sum.nanoseconds, Double(length) / copy.nanoseconds)
    return "| \(length) | \(summed.tenths) | \(copied.tenths) | \((copied / summed).tenths) |"
  }
}
