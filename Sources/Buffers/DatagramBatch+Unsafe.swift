public import Primitives

/// Datagrams read from a host socket by one system call, in memory of their own.
///
/// A datagram's length is unknown before it is read, so slots of a link cannot take it directly: it is read here and
/// copied once. Untouched memory costs nothing: 64 KiB are set aside for each message that is read, of which a small one
/// touches a page. A message is a datagram, or several of one length that the system has put together.
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

  /// The most messages of one batch.
  public let capacity: Int
  private let memory: UnsafeMutableRawBufferPointer
  private let entries: UnsafeMutableBufferPointer<Entry>
  /// Where the payload of each datagram begins in the memory.
  private let starts: UnsafeMutableBufferPointer<Int>
  private var filled = FilledDatagrams()

  /// The most datagrams in one message (UDP_MAX_SEGMENTS since Linux 6.9).
  public static let segmentCapacity = 128

  /// Makes an empty batch for `capacity` messages.
  public init(capacity: Int) {
    self.capacity = capacity
    unsafe memory = .allocate(byteCount: capacity * Self.datagramCapacity, alignment: 4096)
    unsafe entries = .allocate(capacity: capacity * Self.segmentCapacity)
    unsafe starts = .allocate(capacity: capacity * Self.segmentCapacity)
  }

  deinit {
    unsafe memory.deallocate()
    unsafe entries.deallocate()
    unsafe starts.deallocate()
  }

  /// The number of datagrams held.
  public var count: Int { filled.count }

  /// Whether more may wait where these came from: as many were read as there is room for.
  public var isFull: Bool { filled.messageCount == capacity }

  /// Datagram `index`.
  /// - Precondition: `index` is less than `count`.
  public subscript(index: Int) -> Entry {
    precondition(index >= 0 && index < count, "no such datagram")
    return unsafe entries[index]
  }

  /// The payload of datagram `index`.
  @_lifetime(borrow self)
  public borrowing func payload(_ index: Int) -> Span<UInt8> {
    let byteCount = self[index].byteCount
    // SAFETY: the datagram's place was checked against its message's when it was appended.
    let start = unsafe starts[index]
    let slice = unsafe UnsafeRawBufferPointer(rebasing: memory[start..<(start + byteCount)])
    let span = unsafe Span<UInt8>(_unsafeBytes: slice)
    return unsafe _overrideLifetime(span, borrowing: self)
  }

  /// In which message of the batch datagram `index` came, counted from 0.
  /// - Precondition: `index` is less than `count`.
  public func message(of index: Int) -> Int {
    precondition(index >= 0 && index < count, "no such datagram")
    return unsafe starts[index] / Self.datagramCapacity
  }

  /// Stores an integer in network byte order at the start of datagram `index`.
  /// - Precondition: it has so many bytes.
  public mutating func store(_ value: UInt16, to index: Int) {
    precondition(self[index].byteCount >= MemoryLayout<UInt16>.size, "the datagram is too short")
    // SAFETY: the datagram lies in the memory, and `self` is exclusive.
    unsafe memory.storeBytes(of: value.bigEndian, toByteOffset: starts[index], as: UInt16.self)
  }

  /// Appends a copy of a datagram, or of a message of datagrams of `segmentSize` bytes each, but for the last; false
  /// where the batch is full.
  public mutating func append(
    _ payload: Span<UInt8>, from source: Endpoint, to destination: IPAddress? = nil, segmentSize: Int = 0
  ) -> Bool {
    guard !isFull, payload.count <= Self.datagramCapacity else { return false }
    unsafe payload.withUnsafeBytes { bytes in
      guard let base = bytes.baseAddress, let target = unsafe memory.baseAddress else { return }
      // SAFETY: room for the datagram was checked above.
      unsafe (target + filled.messageCount * Self.datagramCapacity).copyMemory(from: base, byteCount: bytes.count)
    }
    let entry = Entry(byteCount: payload.count, source: source, destination: destination)
    unsafe filled.append(entry, segmentSize: segmentSize, to: entries, starts)
    return true
  }

  /// Empties the batch, lets `body` read into the memory set aside for each message (the addresses of which are
  /// `datagramCapacity` apart), and takes the messages that it reports through `commit` in their order, each with the
  /// size of the datagrams in it but the last, 0 for one datagram.
  public mutating func fill(
    unsafe body: (_ memory: UnsafeMutableRawBufferPointer, _ commit: (Entry, _ segmentSize: Int) -> Void) -> Void
  ) {
    // Not by `self` within the closure, which would have to escape.
    var filled = FilledDatagrams()
    let (entries, starts, capacity) = unsafe (entries, starts, capacity)
    unsafe body(memory) { entry, segmentSize in
      precondition(filled.messageCount < capacity, "more than was set aside")
      unsafe filled.append(entry, segmentSize: segmentSize, to: entries, starts)
    }
    self.filled = filled
  }

  /// Empties the batch.
  public mutating func removeAll() { filled = FilledDatagrams() }
}

/// How far a batch is filled.
private struct FilledDatagrams {
  /// The number of datagrams.
  var count = 0
  /// The number of messages that they came in.
  var messageCount = 0

  /// Appends the datagrams of the next message.
  @unsafe
  mutating func append(
    _ entry: DatagramBatch.Entry, segmentSize: Int, to entries: UnsafeMutableBufferPointer<DatagramBatch.Entry>,
    _ starts: UnsafeMutableBufferPointer<Int>
  ) {
    precondition(entry.byteCount <= DatagramBatch.datagramCapacity, "more than was set aside")
    let size = segmentSize > 0 ? segmentSize : max(entry.byteCount, 1)
    let most = messageCount * DatagramBatch.segmentCapacity + DatagramBatch.segmentCapacity
    var offset = 0
    repeat {
      // More datagrams than the system puts together do not happen; the room is counted, not believed.
      guard count < most else { break }
      var datagram = entry
      datagram.byteCount = min(size, entry.byteCount - offset)
      // SAFETY: there is room for so many of each message, and no message has had more.
      unsafe entries.initializeElement(at: count, to: datagram)
      unsafe starts.initializeElement(at: count, to: messageCount * DatagramBatch.datagramCapacity + offset)
      count += 1
      offset += size
    } while offset < entry.byteCount
    messageCount += 1
  }
}
