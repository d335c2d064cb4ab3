import CLinux
import Glibc

/// A look at the frames that pass an interface, in both directions, while the kernel goes on with them: a packet socket
/// (packet(7)) in the network namespace of the thread that makes it.
public struct InterfaceTap: ~Copyable, Sendable {
  private let descriptor: FileDescriptor

  /// Bytes of frames that wait at most, as the kernel counts them.
  private static let capacity: Int32 = 16 * 1024 * 1024

  /// Opens a socket on the interface of a number (`ifindex`). Needs CAP_NET_RAW, and for all of its room CAP_NET_ADMIN.
  /// - Parameter isPromiscuous: whether frames count, too, that are for somebody else: of a bridge, all that it forwards.
  public init(interface: UInt32, isPromiscuous: Bool) throws(SystemError) {
    let made = FileDescriptor(owning: try checked("make a packet socket") { clinux_packet_socket() })
    try checked("capture on interface", "\(interface)") {
      clinux_capture_frames(made.rawValue, interface, isPromiscuous ? 1 : 0, Self.capacity)
    }
    descriptor = made
  }

  /// The descriptor's number: readable while a frame waits, or the interface has gone.
  public var rawValue: Int32 { descriptor.rawValue }

  /// How many frames were lost since this was asked last, for want of room.
  public func takeDropCount() throws(SystemError) -> Int {
    Int(try checked("count lost frames") { clinux_capture_drops(rawValue) })
  }
}

/// A frame that passed an interface.
public struct TappedFrame: Hashable, Sendable {
  /// Its length on the link in bytes, of which fewer may be there.
  public var originalLength: Int
  /// Whether it went out by the interface; otherwise it has come in.
  public var isOutgoing: Bool
  /// When the kernel had it, in nanoseconds since 1970 by its present clock; 0 where it does not tell.
  public var time: Int64
  /// Bytes by which a VLAN tag, which the kernel keeps beside a frame and is put back, has moved what is behind it: places
  /// in the header do not count them.
  public var shift: Int
}

/// Frames that were taken off taps by one system call, in memory that is used again by the next.
@safe
public struct TappedFrames: ~Copyable {
  /// The most frames of one call.
  public static let capacity = 32
  /// Bytes of the header that says what is left to be done to a frame, as `struct virtio_net_hdr` (virtio 1.2 section
  /// 5.1.6) without the number of buffers.
  public static let headerLength = Int(CLINUX_CAPTURE_HEADER)
  /// Bytes of the longest frame that is taken whole: an IPv4 packet of any length, Ethernet's header and a tag.
  public static let longestFrame = 65_535 + 18

  /// How many frames there are.
  public private(set) var count = 0

  private let memory: UnsafeMutableRawBufferPointer
  private let slotLength: Int
  private let slots: UnsafeMutablePointer<clinux_capture_slot>
  private let messages: UnsafeMutablePointer<clinux_message>
  private let frames: UnsafeMutablePointer<clinux_captured>

  /// Makes room for frames, of each of which at most `byteCount` bytes are wanted.
  public init(of byteCount: Int) {
    let room = min(max(byteCount, 64), Self.longestFrame)
    slotLength = (room + Int(CLINUX_CAPTURE_TAG + CLINUX_CAPTURE_HEADER) + 15) & ~15
    unsafe memory = .allocate(byteCount: slotLength * Self.capacity, alignment: 16)
    unsafe slots = .allocate(capacity: Self.capacity)
    unsafe slots.initialize(repeating: clinux_capture_slot(), count: Self.capacity)
    unsafe messages = .allocate(capacity: Self.capacity)
    unsafe messages.initialize(repeating: clinux_message(), count: Self.capacity)
    unsafe frames = .allocate(capacity: Self.capacity)
    unsafe frames.initialize(repeating: clinux_captured(), count: Self.capacity)
  }

  deinit {
    unsafe frames.deallocate()
    unsafe messages.deallocate()
    unsafe slots.deallocate()
    unsafe memory.deallocate()
  }

  /// Takes the frames that wait, in the place of those that were taken before.
  /// - Returns: how many; nil where none waits.
  /// - Throws: ENETDOWN once the interface is down or has gone, EINVAL for a frame that the header has no words for, which
  ///   is lost.
  public mutating func take(from tap: borrowing InterfaceTap) throws(SystemError) -> Int? {
    count = 0
    // SAFETY: there are `capacity` slots of each kind, and as many of `slotLength` bytes in the memory.
    let taken = uninterrupted {
      unsafe clinux_take_frames(
        tap.rawValue, messages, slots, memory.baseAddress, slotLength, UInt32(Self.capacity))
    }
    guard let taken = try FileDescriptor.orWait(Int(taken), "capture frames") else { return nil }
    for index in 0..<taken {
      // SAFETY: the system has filled the first `taken` messages and their slots.
      unsafe frames[index] = clinux_captured_frame(messages + index, slots + index)
    }
    count = taken
    return taken
  }

  /// Frame `index`, but for its bytes.
  /// - Precondition: `index` is less than `count`.
  public subscript(index: Int) -> TappedFrame {
    precondition(index >= 0 && index < count, "no such frame")
    // SAFETY: the first `count` frames are those that were taken.
    let frame = unsafe frames[index]
    return TappedFrame(
      originalLength: Int(frame.length), isOutgoing: frame.is_outgoing != 0, time: frame.time, shift: Int(frame.shift))
  }

  /// The bytes of a frame that are there, from its Ethernet header on, with its tag, if it has one.
  /// - Precondition: `index` is less than `count`.
  @_lifetime(borrow self)
  public borrowing func bytes(_ index: Int) -> Span<UInt8> {
    precondition(index >= 0 && index < count, "no such frame")
    // SAFETY: as above; the frame lies within its slot, which is left alone while `self` is borrowed.
    let frame = unsafe frames[index]
    let start = index * slotLength + Int(frame.offset)
    let bytes = unsafe UnsafeRawBufferPointer(rebasing: memory[start..<(start + Int(frame.count))])
    let span = unsafe Span<UInt8>(_unsafeBytes: bytes)
    return unsafe _overrideLifetime(span, borrowing: self)
  }

  /// The header of a frame, `headerLength` bytes.
  /// - Precondition: `index` is less than `count`.
  @_lifetime(borrow self)
  public borrowing func header(_ index: Int) -> Span<UInt8> {
    precondition(index >= 0 && index < count, "no such frame")
    // SAFETY: as above; the header is an array of bytes in the frame's description.
    let bytes = unsafe UnsafeRawBufferPointer(start: frames + index, count: MemoryLayout<clinux_captured>.size)
    let start = MemoryLayout<clinux_captured>.offset(of: \.header) ?? 0
    let header = unsafe UnsafeRawBufferPointer(rebasing: bytes[start..<(start + Self.headerLength)])
    let span = unsafe Span<UInt8>(_unsafeBytes: header)
    return unsafe _overrideLifetime(span, borrowing: self)
  }
}

extension SystemError {
  /// The interface is down, or has gone.
  public var isInterfaceDown: Bool { number == ENETDOWN }
}
