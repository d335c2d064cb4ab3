import CLinux
import Glibc

/// The frames of an interface that a server of addresses needs, and a way to send others: a packet socket (packet(7)) in
/// the network namespace of the thread that makes it.
///
/// It takes DHCP requests, ARP replies and router solicitations, without VLAN tags, before any packet filter sees them,
/// and nothing else comes up. The kernel goes on with the same frames.
public struct PacketSocket: ~Copyable, Sendable {
  /// A frame that has come.
  public struct Frame: Hashable, Sendable {
    /// Its length in bytes, of which the buffer may have held fewer.
    public var byteCount: Int
    /// Whether its transport checksum was still to be filled in by a device, which there was none on its way: it is as good
    /// as right (TP_STATUS_CSUMNOTREADY).
    public var isChecksumPending: Bool
  }

  private let descriptor: FileDescriptor

  /// Opens a socket on the interface of a number (`ifindex`). Needs CAP_NET_RAW.
  public init(interface: UInt32) throws(SystemError) {
    let made = FileDescriptor(owning: try checked("make a packet socket") { clinux_packet_socket() })
    // Before it is bound, so that nothing comes up that the filter would have kept out.
    try checked("filter a packet socket") { clinux_take_address_requests(made.rawValue) }
    try checked("bind a packet socket to interface", "\(interface)") { clinux_bind_packets(made.rawValue, interface) }
    descriptor = made
  }

  /// The descriptor's number: readable while a frame waits.
  public var rawValue: Int32 { descriptor.rawValue }

  /// Reads the next frame, from its Ethernet header on, to the start of `bytes`.
  /// - Returns: nil where none waits, be it because the interface is down.
  public func receive(into bytes: inout MutableSpan<UInt8>) throws(SystemError) -> Frame? {
    var (length, isPending): (UInt32, Int32) = (0, 0)
    // SAFETY: the system writes only within the span's bounds.
    let count = unsafe bytes.withUnsafeMutableBytes { buffer in
      uninterrupted {
        unsafe clinux_receive_packet(rawValue, buffer.baseAddress, buffer.count, &length, &isPending)
      }
    }
    // It works again when the interface does.
    if count < 0, errno == ENETDOWN { return nil }
    guard try FileDescriptor.orWait(count, "receive a frame") != nil else { return nil }
    return Frame(byteCount: Int(length), isChecksumPending: isPending != 0)
  }

  /// Sends a frame, from its Ethernet header on.
  /// - Returns: false where it was lost, as on a wire: the interface is down, or its queue is full.
  @discardableResult
  public func send(_ frame: Span<UInt8>) throws(SystemError) -> Bool {
    do throws(SystemError) {
      return try Socket.send(frame, on: rawValue) != nil
    } catch  where [ENETDOWN, ENOBUFS, ENXIO].contains(error.number) {
      return false
    }
  }
}

extension Socket {
  /// Has the socket speak and listen on the interface of a name only. Needs CAP_NET_RAW.
  public func bind(toInterface name: String) throws(SystemError) {
    try checked("bind a socket to interface", name) { unsafe clinux_bind_to_device(rawValue, name) }
  }

  /// Has the socket take nothing that is sent to it; its port counts as open.
  public func takeNothing() throws(SystemError) {
    try checked("filter a socket") { clinux_take_nothing(rawValue) }
  }
}
