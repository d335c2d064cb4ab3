/// Why bytes are not the packet that they were taken for.
public enum WireError: Error, Hashable, Sendable {
  /// The bytes end before the header does. Both count in bytes from the header's first.
  case truncated(needed: Int, available: Int)
  /// The version field is another protocol's.
  case badVersion(UInt8)
  /// The header's length field, in bytes, is below the minimum of its protocol.
  case badHeaderLength(Int)
  /// The packet's length field, in bytes, is shorter than its own header or longer than what arrived.
  case badTotalLength(Int, available: Int)
  /// The message is for another kind of hardware or network than Ethernet and IPv4.
  case unsupportedHardware
  /// An option stands more than once that says who the message is from or for.
  case repeatedOption(Int)
  /// A domain name has a label that is none, or is too long; counted in bytes from the message's first.
  case badName(at: Int)
  /// A record stands where it may not; counted likewise.
  case badRecord(at: Int)
}
