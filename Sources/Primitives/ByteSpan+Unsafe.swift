// Big-endian loads and stores on byte spans.
//
// Composed from single bytes, each load would carry one bounds check per byte, and the compiler does not merge
// them (measured: a checksum 4 times slower). Here each access is checked once, then done as one machine load.

extension Span where Element == UInt8 {
  /// The 16-bit integer in network byte order at `offset`.
  /// - Precondition: `offset + 2 <= count`.
  @inlinable @inline(__always)
  public func bigEndian16(at offset: Int) -> UInt16 { UInt16(bigEndian: native(at: offset)) }

  /// The 32-bit integer in network byte order at `offset`.
  /// - Precondition: `offset + 4 <= count`.
  @inlinable @inline(__always)
  public func bigEndian32(at offset: Int) -> UInt32 { UInt32(bigEndian: native(at: offset)) }

  /// The 64-bit integer in network byte order at `offset`.
  /// - Precondition: `offset + 8 <= count`.
  @inlinable @inline(__always)
  public func bigEndian64(at offset: Int) -> UInt64 { UInt64(bigEndian: native(at: offset)) }

  /// The integer (or SIMD vector of integers) at `offset` in the machine's byte order, at any alignment.
  /// - Precondition: `offset + MemoryLayout<Value>.size <= count`.
  @inlinable @inline(__always)
  public func native<Value: BitwiseCopyable>(at offset: Int, as type: Value.Type = Value.self) -> Value {
    precondition(offset >= 0 && offset <= count - MemoryLayout<Value>.size, "load outside the span")
    // SAFETY: the range was checked above; a loaded integer may have any bit pattern.
    return unsafe withUnsafeBytes { bytes in unsafe bytes.loadUnaligned(fromByteOffset: offset, as: Value.self) }
  }
}

extension Span where Element == UInt8 {
  /// The sum of the 32-bit integers in the machine's byte order that `range` holds, for checksums.
  ///
  /// The range is checked once, where a loop of single loads would check it for each.
  /// - Precondition: the range lies in the span and is a multiple of four bytes long.
  @inlinable @inline(__always)
  public func sumOfIntegers32(in range: Range<Int>) -> UInt64 {
    precondition(range.lowerBound >= 0 && range.upperBound <= count && range.count & 3 == 0, "sum outside the span")
    // SAFETY: the range was checked above; a loaded integer may have any bit pattern.
    return unsafe withUnsafeBytes { bytes in
      guard let base = bytes.baseAddress else { return 0 }
      var sum: UInt64 = 0
      var offset = range.lowerBound
      while offset < range.upperBound {
        unsafe sum &+= UInt64(base.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
        offset &+= 4
      }
      return sum
    }
  }
}

extension MutableSpan where Element == UInt8 {
  /// Stores a 16-bit integer in network byte order at `offset`.
  /// - Precondition: `offset + 2 <= count`.
  @inlinable @inline(__always)
  public mutating func storeBigEndian(_ value: UInt16, at offset: Int) { store(value.bigEndian, at: offset) }

  /// Stores a 32-bit integer in network byte order at `offset`.
  /// - Precondition: `offset + 4 <= count`.
  @inlinable @inline(__always)
  public mutating func storeBigEndian(_ value: UInt32, at offset: Int) { store(value.bigEndian, at: offset) }

  /// Stores a 64-bit integer in network byte order at `offset`.
  /// - Precondition: `offset + 8 <= count`.
  @inlinable @inline(__always)
  public mutating func storeBigEndian(_ value: UInt64, at offset: Int) { store(value.bigEndian, at: offset) }

  /// Copies `source` to the bytes from `offset` on.
  /// - Precondition: `offset + source.count <= count`.
  @inlinable @inline(__always)
  public mutating func copy(_ source: Span<UInt8>, at offset: Int = 0) {
    precondition(offset >= 0 && offset <= count - source.count, "copy outside the span")
    // SAFETY: the range was checked above; the two spans cannot overlap, since this one is exclusive.
    unsafe withUnsafeMutableBytes { target in
      unsafe source.withUnsafeBytes { bytes in
        guard let from = bytes.baseAddress, let to = target.baseAddress else { return }
        unsafe (to + offset).copyMemory(from: from, byteCount: bytes.count)
      }
    }
  }

  /// Sets `length` bytes from `offset` on to `value`.
  /// - Precondition: `offset + length <= count`.
  public mutating func fill(_ value: UInt8 = 0, at offset: Int, length: Int) {
    precondition(length >= 0 && offset >= 0 && offset <= count - length, "fill outside the span")
    for index in offset..<(offset + length) { self[index] = value }
  }

  @inlinable @inline(__always)
  mutating func store<Value: BitwiseCopyable>(_ value: Value, at offset: Int) {
    precondition(offset >= 0 && offset <= count - MemoryLayout<Value>.size, "store outside the span")
    // SAFETY: the range was checked above; the bytes of the span are initialised and trivial.
    unsafe withUnsafeMutableBytes { bytes in
      unsafe bytes.storeBytes(of: value, toByteOffset: offset, as: Value.self)
    }
  }
}
