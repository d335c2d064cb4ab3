import Primitives

/// A first-in, first-out queue of bytes; it grows as needed and then stays as large.
public struct ByteQueue: Sendable {
  private var storage: [UInt8]
  private var head = 0
  /// The number of bytes held.
  public private(set) var count = 0

  /// Makes an empty queue with room for `capacity` bytes.
  public init(capacity: Int = 4096) { storage = [UInt8](repeating: 0, count: capacity) }

  /// Appends a copy of `bytes`.
  public mutating func append(_ bytes: Span<UInt8>) {
    reserve(bytes.count)
    let start = (head + count) % storage.count
    let first = min(bytes.count, storage.count - start)
    var target = storage.mutableSpan
    target.copy(bytes.extracting(..<first), at: start)
    target.copy(bytes.extracting(first...), at: 0)
    count += bytes.count
  }

  /// Appends a copy of `bytes`.
  public mutating func append(_ bytes: [UInt8]) { append(bytes.span) }

  /// Removes `length` bytes from the front.
  /// - Precondition: so many are held.
  public mutating func removeFirst(_ length: Int) {
    precondition(length <= count, "removes more than the queue holds")
    head = (head + length) % storage.count
    count -= length
    if count == 0 { head = 0 }
  }

  /// Calls `body` with the bytes of `range`, counted from the front, in one or two pieces.
  /// - Precondition: the range lies in the queue.
  public func forEachSpan(in range: Range<Int>, _ body: (Span<UInt8>) -> Void) {
    precondition(range.lowerBound >= 0 && range.upperBound <= count, "reads more than the queue holds")
    let start = (head + range.lowerBound) % storage.count
    let first = min(range.count, storage.count - start)
    body(storage.span.extracting(start..<(start + first)))
    if first < range.count { body(storage.span.extracting(0..<(range.count - first))) }
  }

  /// Removes up to `limit` bytes from the front and returns them.
  public mutating func take(_ limit: Int = .max) -> [UInt8] {
    var bytes: [UInt8] = []
    let length = min(limit, count)
    bytes.reserveCapacity(length)
    forEachSpan(in: 0..<length) { span in
      for index in span.indices { bytes.append(span[index]) }
    }
    removeFirst(length)
    return bytes
  }

  private mutating func reserve(_ more: Int) {
    guard count + more > storage.count else { return }
    var larger = ByteQueue(capacity: max(storage.count * 2, count + more))
    forEachSpan(in: 0..<count) { larger.append($0) }
    self = larger
  }
}
