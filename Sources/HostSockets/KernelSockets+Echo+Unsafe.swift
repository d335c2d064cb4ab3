import Buffers
import CLinux
import Glibc
import LinuxSystem
public import Netstack
public import Primitives

/// Sockets for ICMP echo: the unprivileged ones where the administrator lets us have them (icmp(7),
/// net.ipv4.ping_group_range, for both families), else raw ones, for which the process needs CAP_NET_RAW.
extension KernelSockets {
  /// Opens a socket for echo.
  public mutating func openEcho(_ flow: FlowID, family: IPAddress.Family, identifier: UInt16) -> HostOpen {
    do throws(SystemError) {
      if try openPing(flow, family, identifier) {
        // A ping socket's port is its identifier (icmp(7)).
        witness?.beginEcho(flow, identifier: localEndpoint(of: flow).port)
        return .ready
      }
      try openRaw(flow, family, identifier)
      witness?.beginEcho(flow, identifier: table[flow].identifier)
      return .ready
    } catch {
      return .failed(HostError(reaching: error))
    }
  }

  /// Opens a ping socket; false where we may not have one.
  private mutating func openPing(
    _ flow: FlowID, _ family: IPAddress.Family, _ identifier: UInt16
  ) throws(SystemError) -> Bool {
    let any = IPAddress.any(family)
    let socket: Socket
    do throws(SystemError) {
      socket = try Socket(.datagram, for: .internet(Endpoint(any, port: 0)), proto: Self.proto(family))
    } catch  where HostError(error) == .forbidden || error.number == EPROTONOSUPPORT {
      return false
    }
    try socket.set(.errorQueue(family), to: true)
    // By default the kernel lets several of these sockets have one identifier, of which one gets all replies.
    try socket.set(.reuseAddress, to: false)
    try Self.bind(socket, any, preferredPort: identifier, least: 1)
    try register(flow, socket, as: .echo, family: family)
    return true
  }

  private mutating func openRaw(
    _ flow: FlowID, _ family: IPAddress.Family, _ wanted: UInt16
  ) throws(SystemError) {
    let any = SocketAddress.internet(Endpoint(.any(family), port: 0))
    let socket = try Socket(.raw, for: any, proto: Self.proto(family))
    try socket.set(.errorQueue(family), to: true)
    let identifier = rawIdentifiers.take(wanted)
    guard clinux_take_echo_replies(socket.rawValue, family == .ipv4 ? 1 : 0, identifier) == 0 else {
      let number = errno
      rawIdentifiers.giveBack(identifier)
      throw SystemError(number, "filter echo replies")
    }
    do throws(SystemError) {
      try register(flow, socket, as: .rawEcho, family: family)
    } catch {
      rawIdentifiers.giveBack(identifier)
      throw error
    }
    table[flow].identifier = identifier
  }

  private static func proto(_ family: IPAddress.Family) -> Int32 {
    Int32(family == .ipv4 ? IPPROTO_ICMP : IPPROTO_ICMPV6)
  }
}

/// The identifiers of raw echo sockets, among which the kernel does not tell one from another.
struct IdentifierSet {
  private var words = [UInt64](repeating: 0, count: 1024)

  /// Takes `wanted`, or the next that is free.
  /// - Precondition: fewer than 2^16 are taken.
  mutating func take(_ wanted: UInt16) -> UInt16 {
    var identifier = wanted
    while words[Int(identifier >> 6)] & 1 << UInt64(identifier & 63) != 0 { identifier &+= 1 }
    words[Int(identifier >> 6)] |= 1 << UInt64(identifier & 63)
    return identifier
  }

  /// Makes an identifier free again.
  mutating func giveBack(_ identifier: UInt16) { words[Int(identifier >> 6)] &= ~(1 << UInt64(identifier & 63)) }
}

extension MessageScratch {
  /// Bytes of an ICMP echo header.
  static var echoHeaderLength: Int { 8 }
  /// Bytes of an IPv4 header without options, as a raw socket delivers it.
  private static var ipv4HeaderLength: Int { 20 }

  /// Prepares messages for echo requests, with `identifier` instead of the guest's.
  func listEchoes(
    _ datagrams: Span<OutgoingDatagram>, of batch: borrowing FrameBatch, _ identifier: UInt16,
    _ family: IPAddress.Family
  ) -> Int {
    var used = 0
    for index in datagrams.indices {
      guard index < Self.messageCapacity else { return index }
      let datagram = datagrams[index]
      let pieces = batch.pieceCount(datagram.payload.frame) + 2
      guard index == 0 || used + pieces <= Self.regionCapacity else { return index }
      writeEchoHeader(index, datagram.payload, of: batch, identifier, family)
      guard let header = unsafe header(index).baseAddress else { return index }
      // SAFETY: the header's memory lives as long as the messages.
      unsafe regions[used] = MemoryRegion(base: header, count: Self.echoHeaderLength)
      var rest = datagram.payload
      rest.offset += Self.echoHeaderLength
      rest.count -= Self.echoHeaderLength
      let end = append(rest, of: batch, from: used + 1)
      setRegions(used..<end, of: index)
      used = end
      setAddresses(of: index, datagram)
      unsafe datagramCounts[index] = 1
    }
    return datagrams.count
  }

  /// The header of an echo request with another identifier, and over IPv4 the checksum that goes with it (RFC 1624);
  /// over IPv6 the kernel computes it.
  private func writeEchoHeader(
    _ index: Int, _ message: PayloadSlice, of batch: borrowing FrameBatch, _ identifier: UInt16,
    _ family: IPAddress.Family
  ) {
    // SAFETY: the header's memory lives as long as the messages.
    var bytes = unsafe MutableSpan<UInt8>(_unsafeBytes: header(index))
    var head = message
    head.count = Self.echoHeaderLength
    batch.copy(head, to: &bytes)
    let old = bytes.span.bigEndian16(at: 4)
    bytes.storeBigEndian(identifier, at: 4)
    guard family == .ipv4 else { return }
    var sum = UInt32(~bytes.span.bigEndian16(at: 2)) + UInt32(~old) + UInt32(identifier)
    while sum > 0xffff { sum = sum & 0xffff + sum >> 16 }
    bytes.storeBigEndian(~UInt16(sum), at: 2)
  }

  /// Lets message `index` take an IP header apart from what follows it.
  func prepareToReceiveHeader(_ index: Int, before region: MemoryRegion) {
    guard let header = unsafe header(index).baseAddress else { return }
    // SAFETY: the header's memory lives as long as the messages.
    unsafe regions[2 * index] = MemoryRegion(base: header, count: Self.ipv4HeaderLength)
    unsafe regions[2 * index + 1] = unsafe region
    setRegions(2 * index..<2 * index + 2, of: index)
  }

  /// The bytes behind the IP header of received message `index`; 0 where the header is longer than usual.
  func byteCountBehindHeader(_ index: Int) -> Int {
    let length = unsafe Int(messages[index].length)
    let first = unsafe header(index)[0]
    return first == 0x45 && length > Self.ipv4HeaderLength ? length - Self.ipv4HeaderLength : 0
  }
}
