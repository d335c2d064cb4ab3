import CLinux
import Glibc

/// A TAP device of the kernel, by a descriptor that is one of its queues: what is written to it the device receives,
/// and what it sends is read from it, one frame a call (Documentation/networking/tuntap.rst).
public struct TAPDevice: ~Copyable, Sendable {
  /// What the reader of a device takes off the kernel's hands (TUNSETOFFLOAD).
  public struct Offloads: OptionSet, Hashable, Sendable {
    /// The bits, as TUNSETOFFLOAD has them.
    public let rawValue: UInt32

    /// Makes a set of its bits.
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// Frames whose transport checksum is still to be summed.
    public static let checksum = Offloads(rawValue: CLINUX_TAP_CHECKSUM)
    /// Frames that stand for several TCP segments over IPv4.
    public static let tcp4 = Offloads(rawValue: CLINUX_TAP_TSO4)
    /// The same over IPv6.
    public static let tcp6 = Offloads(rawValue: CLINUX_TAP_TSO6)
    /// Such frames also where the segments tell of congestion (CWR, RFC 3168).
    public static let congestion = Offloads(rawValue: CLINUX_TAP_TSO_ECN)
    /// Frames that stand for several datagrams of UDP, over both IPs (Linux 6.2): neither is accepted without the other.
    public static let udp = Offloads(rawValue: CLINUX_TAP_USO4 | CLINUX_TAP_USO6)

    /// Everything that there is.
    public static let all: Offloads = [.checksum, .tcp4, .tcp6, .congestion, .udp]
    /// What a kernel without `udp` takes.
    public static let withoutUDP: Offloads = [.checksum, .tcp4, .tcp6, .congestion]
  }

  /// The longest name of an interface, in bytes (IFNAMSIZ less the final zero).
  public static let longestName = 15

  /// The file by which the kernel makes devices.
  public static let path = "/dev/net/tun"

  /// The queue's descriptor, which never waits.
  public let descriptor: FileDescriptor
  /// The interface's name, in the namespace that it was made in.
  public let name: String
  /// Bytes of the header before each frame (`struct virtio_net_hdr_mrg_rxbuf` or `struct virtio_net_hdr`), in the
  /// host's byte order; 0 where frames have none.
  public let headerLength: Int
  /// Which offloads the kernel has granted; none without a header, which they need.
  public let offloads: Offloads

  /// Opens the device `name`, or makes one that lives as long as its descriptors, in the network namespace of the
  /// calling thread; a "%d" in the name stands for the first number that is free.
  ///
  /// `usesHeader` and `offloads` are wishes; the device says what came of them.
  /// - Throws: EBUSY where another process holds the device, EPERM without the right to have one.
  public init(
    name: String, isMultiQueue: Bool = false, usesHeader: Bool = true, offloads wanted: Offloads = .all
  ) throws(SystemError) {
    let device = try UnreadTAPDevice(name: name, isMultiQueue: isMultiQueue, usesHeader: usesHeader)
    try self.init(attached: device.detached(), offloads: wanted)
  }

  /// Takes over a descriptor that is attached to a TAP device already.
  /// - Throws: EINVAL for a TUN device, or one whose frames have the flags and the protocol before them (no IFF_NO_PI).
  public init(attached descriptor: consuming FileDescriptor, offloads wanted: Offloads = .all) throws(SystemError) {
    (name, headerLength, offloads) = try Self.agree(descriptor, wanted)
    self.descriptor = descriptor
  }

  /// Whether a descriptor is attached to a TAP or TUN device.
  public static func isDevice(_ descriptor: Int32) -> Bool {
    var request = clinux_interface_request()
    return unsafe clinux_tap_query(descriptor, &request) == 0
  }

  /// Gives the descriptor up, open, to the caller.
  public consuming func detached() -> FileDescriptor { descriptor }

  /// Settles with the kernel what is read and written.
  private static func agree(
    _ descriptor: borrowing FileDescriptor, _ wanted: Offloads
  ) throws(SystemError) -> (name: String, headerLength: Int, offloads: Offloads) {
    let number = descriptor.rawValue
    var request = clinux_interface_request()
    try checked("use a descriptor as a TAP device") { unsafe clinux_tap_query(number, &request) }
    guard request.flags & CLINUX_TAP_KIND != 0, request.flags & CLINUX_TAP_NO_PI != 0 else {
      throw SystemError(EINVAL, "use a descriptor as a TAP device")
    }
    try descriptor.setNonBlocking()
    try descriptor.setCloseOnExec()
    guard request.flags & CLINUX_TAP_VNET_HEADER != 0 else { return (name(of: request), 0, []) }
    // `struct virtio_net_hdr_mrg_rxbuf`, the header of virtio 1.0.
    let length: Int32 = 12
    try checked("agree on the header of a TAP device") { clinux_tap_set_header_length(number, length) }
    return (name(of: request), Int(length), agreeOnOffloads(number, wanted))
  }

  static func name(of request: clinux_interface_request) -> String {
    // SAFETY: the kernel ends the name with a zero; all of the array is looked at otherwise.
    unsafe withUnsafeBytes(of: request.name) { bytes in
      unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }
  }

  /// Asks for what is wanted, and for less where the kernel does not know it.
  private static func agreeOnOffloads(_ descriptor: Int32, _ wanted: Offloads) -> Offloads {
    for attempt in [wanted, wanted.intersection(.withoutUDP), wanted.intersection(.checksum)]
    where clinux_tap_set_offloads(descriptor, attempt.rawValue) == 0 {
      return attempt
    }
    return []
  }
}

extension TAPDevice {
  /// What became of a frame that was written.
  public enum Sending: Hashable, Sendable {
    /// The interface has it.
    case sent
    /// The interface did not take it, because it is down, lacks memory, or finds fault with the frame.
    case refused
    /// The device takes nothing now; a writable event will tell when it does.
    case full
  }

  /// Reads one frame, with its header, to the start of `bytes`.
  /// - Returns: its length; nil where none waits.
  /// - Throws: EBADFD once the device is gone.
  public static func receive(into bytes: inout MutableSpan<UInt8>, from device: Int32) throws(SystemError) -> Int? {
    // SAFETY: the system writes only within the span's bounds.
    let count = unsafe bytes.withUnsafeMutableBytes { buffer in
      uninterrupted { unsafe Glibc.read(device, buffer.baseAddress, buffer.count) }
    }
    return try FileDescriptor.orWait(count, "read from the TAP device")
  }

  /// Writes one frame, with its header.
  /// - Throws: EBADFD once the device is gone.
  public static func send(_ bytes: Span<UInt8>, to device: Int32) throws(SystemError) -> Sending {
    // SAFETY: the system reads only within the span's bounds.
    let count = unsafe bytes.withUnsafeBytes { buffer in
      uninterrupted { unsafe Glibc.write(device, buffer.baseAddress, buffer.count) }
    }
    if count >= 0 { return .sent }
    switch errno {
    case EAGAIN: return .full
    case EBADFD, EBADF, ENODEV: throw .last("write to the TAP device")
    default: return .refused
    }
  }
}
