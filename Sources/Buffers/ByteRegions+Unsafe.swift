import Primitives

/// Writable memory in several runs: what one scatter read fills, the payload of one segment in each run.
@safe
public struct ByteRegions: ~Copyable, ~Escapable {
  private let regions: UnsafeMutableBufferPointer<MemoryRegion>
  /// The number of runs.
  public private(set) var count: Int
  /// The number of bytes in all runs together.
  public private(set) var byteCount: Int

  /// Makes a list of `regions`, which stay valid and exclusive while `owner` is borrowed.
  @_lifetime(&owner)
  public init<Owner: ~Copyable>(unsafe regions: UnsafeMutableBufferPointer<MemoryRegion>, owner: inout Owner) {
    unsafe self.regions = unsafe regions
    count = regions.count
    byteCount = unsafe regions.reduce(0) { total, region in unsafe total + region.count }
  }

  /// The bytes of run `index`.
  /// - Precondition: `index` is less than `count`.
  public subscript(index: Int) -> MutableSpan<UInt8> {
    @_lifetime(&self)
    mutating get {
      precondition(index >= 0 && index < count, "no such region")
      // SAFETY: the owner's memory outlives `self`; exclusive access to `self` makes the span exclusive.
      let region = unsafe regions[index]
      let span = unsafe MutableSpan<UInt8>(
        _unsafeStart: region.base.assumingMemoryBound(to: UInt8.self), count: region.count)
      return unsafe _overrideLifetime(span, mutating: &self)
    }
  }

  /// The bytes of run `index`, to read. (Reading them through the mutable span of the subscript costs an allocation.)
  /// - Precondition: `index` is less than `count`.
  @_lifetime(borrow self)
  public borrowing func bytes(_ index: Int) -> Span<UInt8> {
    precondition(index >= 0 && index < count, "no such region")
    // SAFETY: the owner's memory outlives `self`; borrowing `self` keeps writers out.
    let region = unsafe regions[index]
    let span = unsafe Span<UInt8>(
      _unsafeStart: region.base.assumingMemoryBound(to: UInt8.self), count: region.count)
    return unsafe _overrideLifetime(span, borrowing: self)
  }

  /// Shortens the list so that its runs hold at most `limit` bytes.
  public mutating func truncate(toByteCount limit: Int) {
    guard limit < byteCount else { return }
    var total = 0
    var index = 0
    while unsafe index < count && total + regions[index].count <= limit {
      unsafe total += regions[index].count
      index += 1
    }
    if total < limit {
      unsafe regions[index].count = limit - total
      index += 1
    }
    count = index
    byteCount = max(limit, 0)
  }

  /// Copies as much of `source` as fits, filling run after run, and returns the number of bytes copied.
  public mutating func write(_ source: Span<UInt8>) -> Int {
    var copied = 0
    for index in 0..<count where copied < source.count {
      var region = self[index]
      let part = min(region.count, source.count - copied)
      region.copy(source.extracting(copied..<(copied + part)))
      copied += part
    }
    return copied
  }

  /// Calls `body` with the runs, for a system call that takes an `iovec` list.
  public mutating func withUnsafeRegions<Result, Failure: Error>(
    _ body: (UnsafeMutableBufferPointer<MemoryRegion>) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    // SAFETY: `count` never exceeds the number of regions.
    try unsafe body(UnsafeMutableBufferPointer(rebasing: regions[..<count]))
  }
}
