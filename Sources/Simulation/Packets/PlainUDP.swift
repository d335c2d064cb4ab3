public import Primitives

/// A UDP datagram as a plain value.
public struct PlainUDP: Hashable, Sendable {
  /// The sender's port.
  public var sourcePort: UInt16
  /// The receiver's port.
  public var destinationPort: UInt16
  /// The data.
  public var payload: [UInt8]

  /// Makes a datagram of its parts.
  public init(sourcePort: UInt16, destinationPort: UInt16, payload: [UInt8]) {
    self.sourcePort = sourcePort
    self.destinationPort = destinationPort
    self.payload = payload
  }

  /// The datagram's bytes with a valid checksum.
  public func encoded(from source: IPAddress, to destination: IPAddress) -> [UInt8] {
    var writer = PlainWriter()
    writer.append(sourcePort)
    writer.append(destinationPort)
    writer.append(UInt16(8 + payload.count))
    writer.append(UInt16(0))
    writer.append(payload)
    let sum = plainChecksum(plainPseudoHeader(source, destination, 17, writer.bytes.count), writer.bytes)
    // RFC 768: a sum of zero is sent as all ones.
    writer.store(sum == 0 ? 0xffff : sum, at: 6)
    return writer.bytes
  }

  init(
    decoding bytes: [UInt8], from source: IPAddress, to destination: IPAddress, strictly: Bool
  ) throws(PacketFault) {
    var reader = PlainReader(bytes)
    sourcePort = try reader.word()
    destinationPort = try reader.word()
    let length = Int(try reader.word())
    let checksum = try reader.word()
    guard length >= 8 && (length == bytes.count || (!strictly && length < bytes.count)) else {
      throw PacketFault("UDP length \(length) in \(bytes.count) bytes")
    }
    payload = try reader.take(length - 8)
    guard checksum != 0 || (!strictly && source.family == .ipv4) else { throw PacketFault("UDP without a checksum") }
    let bytes = Array(bytes[..<length])
    guard checksum == 0 || plainChecksum(plainPseudoHeader(source, destination, 17, length), bytes) == 0 else {
      throw PacketFault("UDP checksum is wrong")
    }
    guard sourcePort != 0 && destinationPort != 0 else { throw PacketFault("UDP port 0") }
  }
}

/// An ICMP message as a plain value.
public struct PlainICMP: Hashable, Sendable {
  /// The message's type.
  public var type: UInt8
  /// The code within the type.
  public var code: UInt8
  /// The second word of the header: identifier and sequence number of an echo.
  public var rest: UInt32
  /// What follows the header.
  public var payload: [UInt8]

  /// Makes a message of its parts.
  public init(type: UInt8, code: UInt8 = 0, rest: UInt32 = 0, payload: [UInt8] = []) {
    self.type = type
    self.code = code
    self.rest = rest
    self.payload = payload
  }

  /// The message's bytes in IPv4 with a valid checksum.
  public var encoded: [UInt8] { encoded(pseudoHeader: []) }

  /// The message's bytes with a valid checksum, which in IPv6 covers the addresses (RFC 4443 section 2.3).
  public func encoded(from source: IPAddress, to destination: IPAddress) -> [UInt8] {
    guard source.family == .ipv6 else { return encoded }
    return encoded(pseudoHeader: plainPseudoHeader(source, destination, 58, 8 + payload.count))
  }

  private func encoded(pseudoHeader: [UInt8]) -> [UInt8] {
    var writer = PlainWriter()
    writer.append([type, code])
    writer.append(UInt16(0))
    writer.append(rest)
    writer.append(payload)
    writer.store(plainChecksum(pseudoHeader, writer.bytes), at: 2)
    return writer.bytes
  }

  init(decoding bytes: [UInt8], from source: IPAddress, to destination: IPAddress) throws(PacketFault) {
    var reader = PlainReader(bytes)
    type = try reader.byte()
    code = try reader.byte()
    _ = try reader.word()
    rest = try reader.long()
    payload = reader.rest()
    let pseudo = source.family == .ipv6 ? plainPseudoHeader(source, destination, 58, bytes.count) : []
    guard plainChecksum(pseudo, bytes) == 0 else { throw PacketFault("ICMP checksum is wrong") }
  }
}
