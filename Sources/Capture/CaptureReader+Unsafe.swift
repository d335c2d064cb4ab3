import CPcap
import Glibc
import LinuxSystem

/// Reads the frames of a capture file, one after the other.
///
/// By libpcap, and so in any of its formats: pcap of either byte order with micro- or nanoseconds, and pcapng. Frames
/// must be Ethernet. Memory is bounded by the longest record that libpcap takes (256 KiB), whatever a file says.
@safe
public struct CaptureReader: ~Copyable {
  /// The file's path, or "-".
  public let path: String
  /// Whether another reader finds the same frames at `path`: it is a regular file's.
  public let canBeReadAgain: Bool
  private let capture: OpaquePointer
  private var current: UnsafeBufferPointer<UInt8>
  /// Records read so far.
  public private(set) var recordCount = 0
  private var hasEnded = false

  /// Opens the file at `path`, "-" for the standard input.
  public init(path: String) throws(CaptureError) {
    try Pcap.load()
    let stream = try unsafe Self.open(path)
    var message = PcapMessage()
    // SAFETY: the stream is open; from here on it belongs to `capture`, if there is one, or is closed below.
    let opened = unsafe message.withBuffer { buffer in
      unsafe cpcap_fopen_offline_with_tstamp_precision(stream, UInt32(PCAP_TSTAMP_PRECISION_NANO), buffer)
    }
    guard let capture = unsafe opened else {
      _ = unsafe fclose(stream)
      throw .notCapture(path: path, reason: message.text)
    }
    let linkType = unsafe cpcap_datalink(capture)
    guard linkType == DLT_EN10MB else {
      unsafe cpcap_close(capture)
      throw .notEthernet(path: path, linkType: Self.name(ofLinkType: linkType))
    }
    self.path = path
    canBeReadAgain = unsafe path != "-" && Self.isRegular(fileno(stream))
    unsafe self.capture = capture
    unsafe current = UnsafeBufferPointer(start: nil, count: 0)
  }

  // Closes the stream, too.
  deinit { unsafe cpcap_close(capture) }

  /// The next frame's head, nil at the end; its bytes are `bytes`.
  ///
  /// A file that is cut short or damaged throws behind its last whole record, and ends there.
  public mutating func next() throws(CaptureError) -> CaptureRecord? {
    unsafe current = UnsafeBufferPointer(start: nil, count: 0)
    guard !hasEnded else { return nil }
    var header: UnsafeMutablePointer<pcap_pkthdr>?
    var data: UnsafePointer<UInt8>?
    // SAFETY: libpcap sets both pointers where it returns 1; they hold until it is called for `capture` again.
    let result = unsafe cpcap_next_ex(capture, &header, &data)
    guard result == 1, let header = unsafe header, let data = unsafe data else {
      hasEnded = true
      guard result != PCAP_ERROR_BREAK else { return nil }
      let reason = unsafe String(cString: cpcap_geterr(capture))
      throw .damaged(path: path, records: recordCount, reason: reason)
    }
    recordCount += 1
    let head = unsafe header.pointee
    unsafe current = UnsafeBufferPointer(start: data, count: Int(head.caplen))
    // A file may say anything: no frame was shorter than what there is of it.
    return CaptureRecord(time: Self.nanoseconds(head.ts), originalLength: Int(max(head.len, head.caplen)))
  }

  /// The captured bytes of the record that `next` has returned last; none before the first and behind the last.
  public var bytes: Span<UInt8> {
    @_lifetime(borrow self)
    borrowing get {
      // SAFETY: libpcap leaves the bytes alone until `next`, which needs `self` exclusively.
      let span = unsafe Span<UInt8>(_unsafeElements: current)
      return unsafe _overrideLifetime(span, borrowing: self)
    }
  }

  /// Opens a stream of the file's bytes.
  private static func open(_ path: String) throws(CaptureError) -> UnsafeMutablePointer<FILE> {
    let file = try descriptor(of: path)
    // SAFETY: the stream takes the descriptor over, where there is one.
    guard let stream = unsafe fdopen(file.rawValue, "r") else {
      throw .unreadable(path: path, reason: SystemError(errno, "open").reason)
    }
    _ = file.take()
    return unsafe stream
  }

  private static func descriptor(of path: String) throws(CaptureError) -> FileDescriptor {
    do throws(SystemError) {
      guard path != "-" else { return try .duplicate(of: STDIN_FILENO) }
      let file = try FileDescriptor.open(reading: path)
      if try FileDescriptor.regularLength(of: file.rawValue) != 0 { return file }
    } catch {
      throw .unreadable(path: path, reason: error.reason)
    }
    throw .empty(path: path)
  }

  private static func isRegular(_ number: Int32) -> Bool {
    do throws(SystemError) {
      return try FileDescriptor.regularLength(of: number) != nil
    } catch {
      return false
    }
  }

  /// A time of `capture`'s, whose fractions are nanoseconds. What a file says is bounded to what a time can be.
  private static func nanoseconds(_ time: timeval) -> Int64 {
    // libpcap 1.10 takes a pcap file's unsigned seconds for signed.
    let isWrapped = time.tv_sec < 0 && time.tv_sec >= Int(Int32.min)
    let seconds = isWrapped ? Int64(UInt32(truncatingIfNeeded: time.tv_sec)) : Int64(time.tv_sec)
    let (whole, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
    let (sum, secondOverflow) = whole.addingReportingOverflow(Int64(time.tv_usec))
    guard seconds >= 0, !overflow, !secondOverflow else { return seconds < 0 ? 0 : .max }
    return max(sum, 0)
  }

  private static func name(ofLinkType type: Int32) -> String {
    // SAFETY: libpcap's names are constants, nil for a type that it does not know.
    guard let name = unsafe cpcap_datalink_val_to_name(type) else { return "of link type \(type)" }
    guard let words = unsafe cpcap_datalink_val_to_description(type) else { return unsafe String(cString: name) }
    return unsafe "\(String(cString: words)) (\(String(cString: name)))"
  }
}

/// The library.
enum Pcap {
  /// Loads it, if that has not been done.
  static func load() throws(CaptureError) {
    // SAFETY: the words are a string that stays.
    if let words = unsafe cpcap_load() { throw .noLibrary(reason: unsafe String(cString: words)) }
  }
}

/// Room for what libpcap says of a failure.
@safe
struct PcapMessage {
  private var bytes = [CChar](repeating: 0, count: Int(PCAP_ERRBUF_SIZE))

  /// Calls `body` with the room, in which it leaves a string that ends with a zero byte.
  mutating func withBuffer<Result>(_ body: (UnsafeMutablePointer<CChar>?) -> Result) -> Result {
    unsafe bytes.withUnsafeMutableBufferPointer { buffer in unsafe body(buffer.baseAddress) }
  }

  /// What was said.
  var text: String { String(decoding: bytes.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self) }
}
