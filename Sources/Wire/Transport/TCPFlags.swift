/// The control bits of a TCP segment (RFC 9293 section 3.1, RFC 3168 section 6.1).
public struct TCPFlags: OptionSet, Hashable, Sendable {
  /// The bits, as in byte 13 of the header.
  public let rawValue: UInt8

  /// Makes a set of its bits.
  @inlinable
  public init(rawValue: UInt8) { self.rawValue = rawValue }

  /// No more data from the sender.
  @inlinable
  public static var fin: TCPFlags { TCPFlags(rawValue: 0x01) }
  /// The sequence numbers begin here.
  @inlinable
  public static var syn: TCPFlags { TCPFlags(rawValue: 0x02) }
  /// The connection is reset.
  @inlinable
  public static var rst: TCPFlags { TCPFlags(rawValue: 0x04) }
  /// The data is to be delivered without waiting for more.
  @inlinable
  public static var psh: TCPFlags { TCPFlags(rawValue: 0x08) }
  /// The acknowledgment number counts.
  @inlinable
  public static var ack: TCPFlags { TCPFlags(rawValue: 0x10) }
  /// The urgent pointer counts.
  @inlinable
  public static var urg: TCPFlags { TCPFlags(rawValue: 0x20) }
  /// The sender saw congestion marks, or offers to look for them.
  @inlinable
  public static var ece: TCPFlags { TCPFlags(rawValue: 0x40) }
  /// The sender has reduced its congestion window.
  @inlinable
  public static var cwr: TCPFlags { TCPFlags(rawValue: 0x80) }
}

extension TCPFlags: CustomStringConvertible {
  /// The names of the bits, as in `SYN ACK`.
  public var description: String {
    let names = ["FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"]
    return names.indices.filter { rawValue & 1 << $0 != 0 }.map { names[$0] }.joined(separator: " ")
  }
}
