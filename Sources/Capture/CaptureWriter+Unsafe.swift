import CPcap
import Glibc
public import LinuxSystem

/// Writes frames to a capture file: pcap with nanoseconds, Ethernet, by libpcap.
///
/// Records are gathered and written in pieces of some 256 KiB, or when `flush` asks for it. After an error nothing more
/// is written, and of a file that was opened by its path what is left ends with its last whole record.
///
/// Writing may wait, as the file does. For the standard output or a pipe that nobody reads any more it fails with EPIPE,
/// if the process ignores SIGPIPE.
@safe
public struct CaptureWriter: ~Copyable {
  /// The file's path, or "-".
  public let path: String
  /// The most bytes of a frame that are written.
  public let snapLength: Int
  /// Records that the file has or will have; after an error, those that were kept.
  public private(set) var recordCount = 0
  /// Bytes that the file has or will have, as `recordCount`.
  public private(set) var byteCount = Self.fileHeaderLength

  private let description: OpaquePointer
  private let dumper: OpaquePointer
  private let stream: UnsafeMutablePointer<FILE>
  private let buffer: UnsafeMutablePointer<CChar>
  /// Whether it is a file that is ours from its first byte on, and can be cut.
  private let isOurs: Bool
  /// What the system has for certain.
  private var flushedByteCount = Self.fileHeaderLength
  /// Where in the file each record ends that the system may not have yet.
  private var unwrittenEnds: [Int] = []
  /// What has ended the writing.
  private var failure: CaptureError?

  /// Bytes before the first record (pcap-savefile(5)).
  public static let fileHeaderLength = 24
  /// Bytes before each record.
  public static let recordHeaderLength = 16
  private static let bufferLength = 256 * 1024
  private static let mostUnwritten = 4096

  /// Makes the file at `path`, or empties the one that is there, for its owner to read and nobody else (0600); "-" is the
  /// standard output. A FIFO must have a reader.
  /// - Precondition: `snapLength` is positive.
  public init(path: String, snapLength: Int = 262_144) throws(CaptureError) {
    // Before there is a file.
    try Pcap.load()
    try self.init(descriptor: Self.open(path), name: path, snapLength: snapLength)
  }

  /// Writes to an open descriptor, which errors call `name`.
  /// - Precondition: `snapLength` is positive.
  public init(descriptor file: consuming FileDescriptor, name path: String, snapLength: Int) throws(CaptureError) {
    precondition(snapLength > 0 && snapLength <= Int(Int32.max), "a snap length that is none")
    try Pcap.load()
    let number = file.rawValue
    // SAFETY: a stream takes the descriptor over; its buffer outlives it, and what fails here is given back here.
    guard let stream = unsafe fdopen(number, "w") else {
      throw .unwritable(path: path, number: errno, reason: SystemError(errno, "write").reason)
    }
    _ = file.take()
    let buffer = UnsafeMutablePointer<CChar>.allocate(capacity: Self.bufferLength)
    unsafe setvbuf(stream, buffer, _IOFBF, Self.bufferLength)
    guard
      let description = unsafe cpcap_open_dead_with_tstamp_precision(
        DLT_EN10MB, Int32(snapLength), UInt32(PCAP_TSTAMP_PRECISION_NANO))
    else {
      _ = unsafe fclose(stream)
      unsafe buffer.deallocate()
      throw .unwritable(path: path, number: ENOMEM, reason: SystemError(ENOMEM, "write").reason)
    }
    // Only into the buffer, which takes it.
    guard let dumper = unsafe cpcap_dump_fopen(description, stream) else {
      let reason = unsafe String(cString: cpcap_geterr(description))
      unsafe cpcap_close(description)
      unsafe buffer.deallocate()
      throw .unwritable(path: path, number: EIO, reason: reason)
    }
    self.path = path
    self.snapLength = snapLength
    unsafe self.description = description
    unsafe self.dumper = dumper
    unsafe self.stream = stream
    unsafe self.buffer = buffer
    isOurs = path != "-" && Self.regularLength(of: number) != nil
    unwrittenEnds.reserveCapacity(Self.mostUnwritten)
  }

  deinit {
    // SAFETY: each is given back once, the buffer behind the stream that uses it.
    unsafe cpcap_dump_close(dumper)
    unsafe cpcap_close(description)
    unsafe buffer.deallocate()
  }

  /// Appends a frame of `bytes`, of which the first `snapLength` are kept.
  public mutating func append(_ record: CaptureRecord, _ bytes: Span<UInt8>) throws(CaptureError) {
    if let failure { throw failure }
    let (seconds, nanoseconds) = record.time.quotientAndRemainder(dividingBy: 1_000_000_000)
    guard record.time >= 0, seconds <= Int64(UInt32.max) else {
      throw .timeOutOfRange(path: path, time: record.time)
    }
    if unwrittenEnds.count == Self.mostUnwritten { try flush() }
    let count = min(bytes.count, snapLength)
    var header = pcap_pkthdr(
      ts: timeval(tv_sec: Int(seconds), tv_usec: Int(nanoseconds)), caplen: UInt32(count),
      len: UInt32(clamping: max(record.originalLength, bytes.count)))
    byteCount += Self.recordHeaderLength + count
    recordCount += 1
    unwrittenEnds.append(byteCount)
    // SAFETY: libpcap reads `count` bytes and the header, and keeps neither.
    unsafe bytes.withUnsafeBufferPointer { bytes in
      let dumper = unsafe UnsafeMutableRawPointer(dumper).assumingMemoryBound(to: UInt8.self)
      unsafe cpcap_dump(dumper, &header, bytes.baseAddress)
    }
    // pcap_dump tells of no errors; the stream does.
    if unsafe ferror(stream) != 0 { throw fail(errno) }
  }

  /// Hands everything that was appended to the system.
  public mutating func flush() throws(CaptureError) {
    if let failure { throw failure }
    guard unsafe cpcap_dump_flush(dumper) == 0 else { throw fail(errno) }
    flushedByteCount = byteCount
    unwrittenEnds.removeAll(keepingCapacity: true)
  }

  /// Ends the writing; the file keeps its whole records.
  private mutating func fail(_ number: Int32) -> CaptureError {
    let error = CaptureError.unwritable(path: path, number: number, reason: SystemError(number, "write").reason)
    failure = error
    unsafe cpcap_forget_unwritten(stream)
    cutToWholeRecords()
    return error
  }

  private mutating func cutToWholeRecords() {
    let descriptor = unsafe fileno(stream)
    // Of a pipe nobody knows how much was read.
    let length = isOurs ? Self.regularLength(of: descriptor) ?? 0 : 0
    let kept = unwrittenEnds.count { $0 <= length }
    recordCount -= unwrittenEnds.count - kept
    byteCount = kept > 0 ? unwrittenEnds[kept - 1] : flushedByteCount
    unwrittenEnds.removeAll()
    guard length > byteCount else { return }
    do throws(SystemError) {
      try FileDescriptor.cut(descriptor, to: byteCount)
    } catch {
      // Then it ends within a record, and its readers at the one before.
    }
  }

  private static func open(_ path: String) throws(CaptureError) -> FileDescriptor {
    do throws(SystemError) {
      guard path != "-" else { return try .duplicate(of: STDOUT_FILENO) }
      let file = try FileDescriptor.open(replacingReadyFile: path, mode: 0o600)
      // One that was there may have been open to everybody.
      if regularLength(of: file.rawValue) != nil { try file.setPermissions(to: 0o600) }
      return file
    } catch  where error.number == ENXIO {
      throw .unwritable(path: path, number: error.number, reason: "nobody reads from it yet; start the reader first")
    } catch {
      throw .unwritable(path: path, number: error.number, reason: error.reason)
    }
  }

  private static func regularLength(of descriptor: Int32) -> Int? {
    do throws(SystemError) {
      return try FileDescriptor.regularLength(of: descriptor)
    } catch {
      // It is open: what cannot be looked at is no file of ours.
      return nil
    }
  }
}

// SAFETY: the stream and libpcap's structures belong to this value alone, and neither cares for threads.
extension CaptureWriter: @unchecked Sendable {}
