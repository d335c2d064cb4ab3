/// Places for packets that are put together from parts, each as long as an IP packet can be, with room before it for
/// its headers. What was never written to costs no memory.
@safe
public struct PacketSlots: ~Copyable {
  /// Bytes before the packet's data, for the Ethernet and IP headers.
  @inlinable
  public static var headroom: Int { 512 }
  private static var slotSize: Int { headroom + 65_536 }

  /// The number of slots.
  public let count: Int
  private let memory: UnsafeMutableRawBufferPointer
  private var storage = FrameBatchStorage(capacity: 1, pieceCapacity: 1)

  /// Makes `count` slots.
  public init(count: Int) {
    self.count = count
    unsafe memory = .allocate(byteCount: count * Self.slotSize, alignment: 4096)
  }

  deinit { unsafe memory.deallocate() }

  /// Copies the bytes of `slice` to slot `slot`, from byte `offset` of the slot on.
  /// - Precondition: they fit the slot.
  public mutating func copy(_ slice: PayloadSlice, of batch: borrowing FrameBatch, to slot: Int, at offset: Int) {
    precondition(slot >= 0 && slot < count, "no such slot")
    precondition(offset >= 0 && slice.count >= 0 && offset + slice.count <= Self.slotSize, "the slice does not fit")
    let start = slot * Self.slotSize + offset
    // SAFETY: the range was checked, and `self` is exclusive while the span exists.
    let bytes = unsafe UnsafeMutableRawBufferPointer(rebasing: memory[start..<(start + slice.count)])
    var span = unsafe MutableSpan<UInt8>(_unsafeBytes: bytes)
    batch.copy(slice, to: &span)
  }

  /// The room for headers of slot `slot`; the packet's data begins behind its last byte.
  /// - Precondition: there is such a slot.
  @_lifetime(&self)
  public mutating func headers(of slot: Int) -> MutableSpan<UInt8> {
    precondition(slot >= 0 && slot < count, "no such slot")
    let start = slot * Self.slotSize
    // SAFETY: the slot lies in the memory, and `self` is exclusive while the span exists.
    let bytes = unsafe UnsafeMutableRawBufferPointer(rebasing: memory[start..<(start + Self.headroom)])
    let span = unsafe MutableSpan<UInt8>(_unsafeBytes: bytes)
    return unsafe _overrideLifetime(span, mutating: &self)
  }

  /// Makes the bytes from `start` on, `byteCount` of them, the one frame of `batch`.
  public mutating func lay(_ slot: Int, from start: Int, byteCount: Int, port: PortID) {
    precondition(slot >= 0 && slot < count && start >= 0 && start + byteCount <= Self.slotSize, "no such bytes")
    storage.removeAll()
    guard let base = unsafe memory.baseAddress else { return }
    // SAFETY: the range was checked; the memory is never moved, and lives as long as the batch.
    unsafe storage.append(
      unsafe: base + slot * Self.slotSize + start, byteCount: byteCount, port: port, isReassembled: true)
  }

  /// The packet that was laid out last, as the one frame of a batch.
  public var batch: FrameBatch {
    @_lifetime(borrow self)
    borrowing get { storage.batch }
  }
}
