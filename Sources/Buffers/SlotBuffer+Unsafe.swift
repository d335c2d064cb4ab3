/// Contiguous memory from which a link lends frame slots and whose committed bytes it then sends in one piece.
///
/// Each slot is a prefix (the link's framing), the headers, the payload. Frames stand back to back in the order of
/// their commit, so that all frames of a turn leave by one system call.
@safe
public struct SlotBuffer: ~Copyable {
  /// Bytes of framing before each frame.
  public let prefixLength: Int
  private let memory: UnsafeMutableRawBufferPointer
  private let regions: UnsafeMutableBufferPointer<MemoryRegion>
  private var head = 0
  private var tail = 0

  /// The most slots in one run: what one scatter read takes (IOV_MAX), less one for a skipped region.
  public static let maximumSlots = 1023

  /// Makes an empty buffer of `capacity` bytes.
  public init(capacity: Int, prefixLength: Int) {
    self.prefixLength = prefixLength
    unsafe memory = .allocate(byteCount: capacity, alignment: 64)
    unsafe memory.initializeMemory(as: UInt8.self, repeating: 0)
    unsafe regions = .allocate(capacity: Self.maximumSlots)
  }

  deinit {
    unsafe memory.deallocate()
    unsafe regions.deallocate()
  }

  /// The number of committed bytes not yet consumed, framing included.
  public var pendingByteCount: Int { tail - head }

  /// Lends slots as `request` asks, or nil where not even one fits.
  public mutating func reserve(_ request: SlotRequest) -> SlotRun? {
    let stride = prefixLength + request.headerLength + request.payloadLength
    let wanted = min(request.maximumSlots, Self.maximumSlots)
    guard wanted > 0 else { return nil }
    if unsafe tail + stride * wanted > memory.count { moveToFront() }
    let fitting = unsafe (memory.count - tail) / stride
    guard fitting > 0 else { return nil }
    return SlotRun(
      first: UInt32(tail), count: min(wanted, fitting), headerLength: request.headerLength,
      payloadLength: request.payloadLength)
  }

  /// The framing bytes of slot `slot`.
  @_lifetime(&self)
  public mutating func prefix(_ slot: Int, of run: borrowing SlotRun) -> MutableSpan<UInt8> {
    bytes(at: start(of: slot, in: run), count: prefixLength)
  }

  /// The header bytes of slot `slot`.
  @_lifetime(&self)
  public mutating func header(_ slot: Int, of run: borrowing SlotRun) -> MutableSpan<UInt8> {
    bytes(at: start(of: slot, in: run) + prefixLength, count: run.headerLength)
  }

  /// The headers of slot `slot` and `payloadLength` bytes of payload behind them, as one frame.
  @_lifetime(borrow self)
  public borrowing func frame(_ slot: Int, of run: borrowing SlotRun, payloadLength: Int) -> Span<UInt8> {
    precondition(payloadLength >= 0 && payloadLength <= run.payloadLength, "the payload is longer than its slot")
    let start = start(of: slot, in: run) + prefixLength
    // SAFETY: slots lie within the memory, by `reserve`, which was initialised.
    let slice = unsafe UnsafeRawBufferPointer(rebasing: memory[start..<(start + run.headerLength + payloadLength)])
    let span = unsafe Span<UInt8>(_unsafeBytes: slice)
    return unsafe _overrideLifetime(span, borrowing: self)
  }

  /// The payload of every slot of the run.
  @_lifetime(&self)
  public mutating func payload(of run: borrowing SlotRun) -> ByteRegions {
    for slot in 0..<run.count {
      let offset = start(of: slot, in: run) + prefixLength + run.headerLength
      let span = unsafe UnsafeMutableRawBufferPointer(rebasing: memory[offset..<(offset + run.payloadLength)])
      // SAFETY: an empty payload needs an address too; the buffer's own will do.
      guard let base = unsafe span.baseAddress ?? memory.baseAddress else { continue }
      unsafe regions[slot] = MemoryRegion(base: base, count: run.payloadLength)
    }
    let list = unsafe UnsafeMutableBufferPointer(rebasing: regions[..<run.count])
    return unsafe ByteRegions(unsafe: list, owner: &self)
  }

  /// Takes the first `slots` slots as frames, the last one's payload cut to `lastPayload` bytes.
  public mutating func commit(_ run: consuming SlotRun, slots: Int, lastPayload: Int) {
    precondition(slots > 0 && slots <= run.count, "commit of no slots, or of more than were lent")
    precondition(lastPayload >= 0 && lastPayload <= run.payloadLength, "the last payload is longer than its slot")
    tail = start(of: slots - 1, in: run) + prefixLength + run.headerLength + lastPayload
    run.end()
  }

  /// Gives the run back unused.
  public mutating func cancel(_ run: consuming SlotRun) { run.end() }

  /// Removes the first `count` pending bytes, which were sent.
  public mutating func consume(_ count: Int) {
    precondition(count >= 0 && count <= pendingByteCount, "more bytes consumed than pending")
    head += count
    if head == tail { removeAll() }
  }

  /// Forgets everything that is pending.
  public mutating func removeAll() {
    head = 0
    tail = 0
  }

  /// The pending bytes.
  public var pending: Span<UInt8> {
    @_lifetime(borrow self)
    borrowing get {
      // SAFETY: `head..<tail` lies in the memory and was initialised.
      let slice = unsafe UnsafeRawBufferPointer(rebasing: memory[head..<tail])
      let span = unsafe Span<UInt8>(_unsafeBytes: slice)
      return unsafe _overrideLifetime(span, borrowing: self)
    }
  }

  private func start(of slot: Int, in run: borrowing SlotRun) -> Int {
    precondition(slot >= 0 && slot < run.count, "no such slot")
    return Int(run.first) + slot * (prefixLength + run.headerLength + run.payloadLength)
  }

  @_lifetime(&self)
  private mutating func bytes(at offset: Int, count: Int) -> MutableSpan<UInt8> {
    // SAFETY: slots lie within the memory, by `reserve`; exclusive access to `self` makes the span exclusive.
    let slice = unsafe UnsafeMutableRawBufferPointer(rebasing: memory[offset..<(offset + count)])
    let span = unsafe MutableSpan<UInt8>(_unsafeBytes: slice)
    return unsafe _overrideLifetime(span, mutating: &self)
  }

  /// Moves what is pending to the front where that is cheap, to make room behind it.
  private mutating func moveToFront() {
    let pending = pendingByteCount
    guard head > 0, unsafe pending <= memory.count / 4, let base = unsafe memory.baseAddress else { return }
    // SAFETY: both ranges lie in the memory; memmove allows the overlap.
    unsafe base.copyMemory(from: base + head, byteCount: pending)
    head = 0
    tail = pending
  }
}
