import CLinux
import Glibc

/// A socket option whose value is an integer or a truth value (which the system keeps as an integer too).
public struct SocketOption: Hashable, Sendable {
  let level: Int32
  let name: Int32
  let words: String

  private init(_ level: Int32, _ name: Int32, _ words: String) {
    self.level = level
    self.name = name
    self.words = words
  }

  /// Binding to an address that an ended connection still holds (SO_REUSEADDR).
  public static let reuseAddress = SocketOption(SOL_SOCKET, SO_REUSEADDR, "SO_REUSEADDR")
  /// Urgent bytes stay in the stream (SO_OOBINLINE).
  public static let urgentInline = SocketOption(SOL_SOCKET, SO_OOBINLINE, "SO_OOBINLINE")
  /// Where the next peek begins, -1 for the front (SO_PEEK_OFF).
  public static let peekOffset = SocketOption(SOL_SOCKET, SO_PEEK_OFF, "SO_PEEK_OFF")
  /// The pending error, taken by reading it (SO_ERROR).
  public static let pendingError = SocketOption(SOL_SOCKET, SO_ERROR, "SO_ERROR")
  /// Whether the socket listens (SO_ACCEPTCONN).
  public static let acceptsConnections = SocketOption(SOL_SOCKET, SO_ACCEPTCONN, "SO_ACCEPTCONN")
  /// The kind of socket (SO_TYPE).
  public static let kind = SocketOption(SOL_SOCKET, SO_TYPE, "SO_TYPE")
  /// The protocol family (SO_DOMAIN).
  public static let family = SocketOption(SOL_SOCKET, SO_DOMAIN, "SO_DOMAIN")
  /// The size of the receive buffer in bytes (SO_RCVBUF).
  public static let receiveBuffer = SocketOption(SOL_SOCKET, SO_RCVBUF, "SO_RCVBUF")
  /// The size of the send buffer in bytes (SO_SNDBUF).
  public static let sendBuffer = SocketOption(SOL_SOCKET, SO_SNDBUF, "SO_SNDBUF")
  /// Segments are not held back to be filled (TCP_NODELAY).
  public static let noDelay = SocketOption(Int32(IPPROTO_TCP), TCP_NODELAY, "TCP_NODELAY")
  /// An IPv6 socket leaves IPv4 to others (IPV6_V6ONLY).
  public static let ipv6Only = SocketOption(Int32(IPPROTO_IPV6), IPV6_V6ONLY, "IPV6_V6ONLY")
  /// Datagrams tell the address they came to (IP_PKTINFO).
  public static let ipv4PacketInformation = SocketOption(Int32(IPPROTO_IP), IP_PKTINFO, "IP_PKTINFO")
  /// Datagrams tell the address they came to (IPV6_RECVPKTINFO).
  public static let ipv6PacketInformation = SocketOption(
    Int32(IPPROTO_IPV6), IPV6_RECVPKTINFO, "IPV6_RECVPKTINFO")
  /// Errors are queued with their cause (IP_RECVERR).
  public static let ipv4ErrorQueue = SocketOption(Int32(IPPROTO_IP), IP_RECVERR, "IP_RECVERR")
  /// Errors are queued with their cause (IPV6_RECVERR).
  public static let ipv6ErrorQueue = SocketOption(Int32(IPPROTO_IPV6), IPV6_RECVERR, "IPV6_RECVERR")
  /// The time to live of what is sent, -1 for the system's default (IP_TTL).
  public static let ipv4HopLimit = SocketOption(Int32(IPPROTO_IP), IP_TTL, "IP_TTL")
  /// The hop limit of what is sent, -1 for the system's default (IPV6_UNICAST_HOPS).
  public static let ipv6HopLimit = SocketOption(Int32(IPPROTO_IPV6), IPV6_UNICAST_HOPS, "IPV6_UNICAST_HOPS")
  /// The octet of DSCP and ECN (IP_TOS).
  public static let ipv4TrafficClass = SocketOption(Int32(IPPROTO_IP), IP_TOS, "IP_TOS")
  /// The octet of DSCP and ECN (IPV6_TCLASS).
  public static let ipv6TrafficClass = SocketOption(Int32(IPPROTO_IPV6), IPV6_TCLASS, "IPV6_TCLASS")
  /// Whether packets may be fragmented: IP_PMTUDISC_* (IP_MTU_DISCOVER).
  public static let ipv4PathMTU = SocketOption(Int32(IPPROTO_IP), IP_MTU_DISCOVER, "IP_MTU_DISCOVER")
  /// Whether packets may be fragmented: IPV6_PMTUDISC_* (IPV6_MTU_DISCOVER).
  public static let ipv6PathMTU = SocketOption(Int32(IPPROTO_IPV6), IPV6_MTU_DISCOVER, "IPV6_MTU_DISCOVER")

  /// Datagrams of one length that came together are read as one message (UDP_GRO, Linux 5.0).
  public static let receivesTogether = SocketOption(Int32(IPPROTO_UDP), CLINUX_UDP_GRO, "UDP_GRO")

  /// Sets the option of a socket.
  public func set(_ value: Int32, on socket: Int32) throws(SystemError) {
    var value = value
    // SAFETY: the option's value is one integer.
    try checked("set the socket option", words) {
      unsafe setsockopt(socket, level, name, &value, UInt32(MemoryLayout<Int32>.size))
    }
  }

  /// The option's value on a socket.
  public func value(on socket: Int32) throws(SystemError) -> Int32 {
    var value: Int32 = 0
    var length = UInt32(MemoryLayout<Int32>.size)
    // SAFETY: the option's value is one integer.
    try checked("read the socket option", words) { unsafe getsockopt(socket, level, name, &value, &length) }
    return value
  }
}

extension Socket {
  /// Sets an option.
  public func set(_ option: SocketOption, to value: Int32) throws(SystemError) {
    try option.set(value, on: rawValue)
  }

  /// Switches an option.
  public func set(_ option: SocketOption, to value: Bool) throws(SystemError) {
    try option.set(value ? 1 : 0, on: rawValue)
  }

  /// The value of an option.
  public func value(of option: SocketOption) throws(SystemError) -> Int32 { try option.value(on: rawValue) }

  /// Takes the pending error: how connecting has ended, or why the connection failed; 0 for none.
  public func takeError() throws(SystemError) -> Int32 { try value(of: .pendingError) }

  /// Closing resets the connection instead of finishing it (SO_LINGER of 0 seconds).
  public func resetOnClose() throws(SystemError) { try Socket.resetOnClose(rawValue) }

  /// Makes closing the socket of this number reset its connection.
  public static func resetOnClose(_ socket: Int32) throws(SystemError) {
    var value = linger(l_onoff: 1, l_linger: 0)
    // SAFETY: the option's value is this structure.
    try checked("set the socket option", "SO_LINGER") {
      unsafe setsockopt(socket, SOL_SOCKET, SO_LINGER, &value, UInt32(MemoryLayout<linger>.size))
    }
  }

  /// The number of the user at the other end of a UNIX socket (SO_PEERCRED).
  public func peerUser() throws(SystemError) -> UInt32 {
    var user: UInt32 = 0
    try checked("ask who is connected") { unsafe clinux_peer_user(rawValue, &user) }
    return user
  }

  /// Bytes written that the peer has not acknowledged (SIOCOUTQ).
  public func unacknowledgedByteCount() throws(SystemError) -> Int {
    var count: Int32 = 0
    try checked("ask for the bytes on their way") { unsafe clinux_unsent_count(rawValue, &count) }
    return Int(count)
  }

  /// Free space in the send buffer, in bytes of memory: its size less what is queued (SO_MEMINFO).
  public func sendSpace() throws(SystemError) -> Int {
    var space: Int64 = 0
    try checked("ask for the room to send") { unsafe clinux_send_space(rawValue, &space) }
    return Int(space)
  }
}
