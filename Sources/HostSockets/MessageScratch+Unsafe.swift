import Buffers
import CLinux
import Glibc

/// Memory that system calls with lists need, made once and used again and again.
@safe
struct MessageScratch: ~Copyable {
  /// The most pieces of memory that one call takes (IOV_MAX).
  static let regionCapacity = 1024
  /// Slices written by one call: each may be a header's rest and a few pieces.
  static let slicesPerCall = 256
  /// Messages by one call, each of a datagram or of several.
  static let messageCapacity = 64

  /// Pieces of memory for one call.
  let regions: UnsafeMutableBufferPointer<MemoryRegion>
  /// Where bytes are read to that nobody wants.
  let ignored: UnsafeMutableRawBufferPointer
  /// Messages for one call, with an address, a piece of memory and control data for each.
  let messages: UnsafeMutableBufferPointer<clinux_message>
  let addresses: UnsafeMutableBufferPointer<sockaddr_storage>
  let controls: UnsafeMutableRawBufferPointer
  /// A header for each message that needs one of its own.
  let headers: UnsafeMutableRawBufferPointer
  /// How many datagrams each message to send stands for.
  let datagramCounts: UnsafeMutableBufferPointer<Int>

  /// Bytes of memory for what nobody wants, unless given.
  static let defaultIgnoredLength = 256 * 1024

  /// Bytes of control data for each message.
  static var controlStride: Int { Int(CLINUX_MESSAGE_CONTROL_CAPACITY) }

  /// Bytes for the header of each message.
  static var headerStride: Int { 32 }

  init(ignoredLength: Int) {
    unsafe regions = .allocate(capacity: Self.regionCapacity)
    unsafe ignored = .allocate(byteCount: ignoredLength, alignment: 64)
    unsafe messages = .allocate(capacity: Self.messageCapacity)
    unsafe messages.initialize(repeating: clinux_message())
    unsafe addresses = .allocate(capacity: Self.messageCapacity)
    unsafe addresses.initialize(repeating: sockaddr_storage())
    unsafe controls = .allocate(byteCount: Self.messageCapacity * Self.controlStride, alignment: 16)
    unsafe datagramCounts = .allocate(capacity: Self.messageCapacity)
    unsafe datagramCounts.initialize(repeating: 0)
    unsafe headers = .allocate(byteCount: Self.messageCapacity * Self.headerStride, alignment: 16)
    unsafe headers.initializeMemory(as: UInt8.self, repeating: 0)
  }

  deinit {
    unsafe regions.deallocate()
    unsafe ignored.deallocate()
    unsafe messages.deallocate()
    unsafe addresses.deallocate()
    unsafe controls.deallocate()
    unsafe headers.deallocate()
    unsafe datagramCounts.deallocate()
  }

  /// The control data of message `index`.
  func control(_ index: Int) -> UnsafeMutableRawPointer? {
    // SAFETY: every message has its own part.
    unsafe controls.baseAddress.map { unsafe $0 + index * Self.controlStride }
  }

  /// The memory for the header of message `index`.
  func header(_ index: Int) -> UnsafeMutableRawBufferPointer {
    // SAFETY: every message has its own part.
    let start = index * Self.headerStride
    return unsafe UnsafeMutableRawBufferPointer(rebasing: headers[start..<start + Self.headerStride])
  }
}
