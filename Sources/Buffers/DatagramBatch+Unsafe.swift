public import Primitives

/// Datagrams read from a host socket by one system call, in memory of their own.
///
/// A datagram's length is unknown before it is read, so slots of a link cannot take it directly: it is read here and
/// copied once. Untouched memory costs nothing: 64 KiB are set aside for each datagram, of which a small one touches
/// a page.
@safe
public struct DatagramBatch: ~Copyable {
  /// What is known of one datagram.
  public struct Entry: Hashable, Sendable {
    /// The number of payload bytes.
    public var byteCount: Int
    /// The sender.
    public var source: Endpoint
    /// The local address that the datagram was sent to, where the host tells it.
    public var destination: IPAddress?

    /// Makes an entry of its parts.
    public init(byteCount: Int, source: Endpoint, destination: IPAddress? = nil) {
      self.byteCount = byteCount
      self.source = source
      self.destination = destination
    }
  }

  /// Bytes set aside for each datagram: more than the longest UDP payload (65,507 over IPv4, 65,527 over IPv6).
  public static let datagramCapacity = 65_536

  /// The most datagrams of one batch.
  public let capacity: Int
  private let memory: UnsafeMutableRawBufferPointer
  private let entries: UnsafeMutableBufferPointer<Entry>
  /// The number of datagrams held.
  public private(set) var count = 0

  /// Makes an empty batch for `capacity` datagrams.
  public init(capacity: Int) {
    self.capacity = capacity
    unsafe memory = .allocate(byteCount: capacity * Self.datagramCapacity, alignment: 4096)
    unsafe entries = .allocate(capacity: capacity)
  }

  deinit {
    unsafe memory.deallocate()
    unsafe entries.deallocate()
  }

  /// Datagram `index`.
  /// - Precondition: `index` is less than `count`.
  public subscript(index: Int) -> Entry {
    precondition(index >= 0 && index < count, "no such datagram")
    return unsafe entries[index]
  }

  /// The payload of datagram `index`.
  @_lifetime(borrow self)
  public borrowing func payload(_ index: Int) -> Span<UInt8> {
    let start = index * Self.datagramCapacity
    // SAFETY: the entry's length was checked against the capacity when it was appended.
    let slice = unsafe UnsafeRawBufferPointer(rebasing: memory[start..<(start + self[index].byteCount)])
    let span = unsafe Span<UInt8>(_unsafeBytes: slice)
    return unsafe _overrideLifetime(span, borrowing: self)
  }

  /// Stores an integer in network byte order at the start of datagram `index`.
  /// - Precondition: it has so many bytes.
  public mutating func store(_ value: UInt16, to index: Int) {
    precondition(self[index].byteCount >= MemoryLayout<UInt16>.size, "the datagram is too short")
    // SAFETY: the datagram lies in the memory, and `self` is exclusive.
    unsafe memory.storeBytes(of: value.bigEndian, toByteOffset: index * Self.datagramCapacity, as: UInt16.self)
  }

  /// Appends a copy of a datagram; false where the batch is full.
  public mutating func append(_ payload: Span<UInt8>, from source: Endpoint, to destination: IPAddress? = nil) -> Bool {
    guard count < capacity, payload.count <= Self.datagramCapacity else { return false }
    unsafe payload.withUnsafeBytes { bytes in
      guard let base = bytes.baseAddress, let target = unsafe memory.baseAddress else { return }
      // SAFETY: room for the datagram was checked above.
      unsafe (target + count * Self.datagramCapacity).copyMemory(from: base, byteCount: bytes.count)
    }
    unsafe entries.initializeElement(
      at: count, to: Entry(byteCount: payload.count, source: source, destination: destination))
    count += 1
    return true
  }

  /// Empties the batch, lets `body` read into the memory set aside for each datagram (the addresses of which are
  /// `datagramCapacity` apart), and takes the entries that it reports through `commit`.
  public mutating func fill(unsafe body: (_ memory: UnsafeMutableRawBufferPointer, _ commit: (Entry) -> Void) -> Void) {
    count = 0
    var filled = 0
    let (entries, capacity) = unsafe (entries, capacity)
    unsafe body(memory) { entry in
      precondition(filled < capacity && entry.byteCount <= Self.datagramCapacity, "more than was set aside")
      unsafe entries.initializeElement(at: filled, to: entry)
      filled += 1
    }
    count = filled
  }

  /// Empties the batch.
  public mutating func removeAll() { count = 0 }
}
