/// A run of bytes somewhere in memory, with the layout of the system's `struct iovec`.
@unsafe
public struct MemoryRegion {
  /// The first byte.
  public var base: UnsafeMutableRawPointer
  /// The number of bytes.
  public var count: Int

  /// Makes a region of its parts.
  @inlinable
  public init(base: UnsafeMutableRawPointer, count: Int) {
    unsafe self.base = base
    unsafe self.count = count
  }
}
