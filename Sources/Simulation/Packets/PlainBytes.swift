import Primitives

/// Bytes being written in network byte order, for packets of the simulation.
struct PlainWriter {
  private(set) var bytes: [UInt8] = []

  mutating func append(_ value: UInt8) { bytes.append(value) }

  mutating func append(_ value: UInt16) {
    bytes.append(UInt8(truncatingIfNeeded: value >> 8))
    bytes.append(UInt8(truncatingIfNeeded: value))
  }

  mutating func append(_ value: UInt32) {
    append(UInt16(truncatingIfNeeded: value >> 16))
    append(UInt16(truncatingIfNeeded: value))
  }

  mutating func append(_ more: [UInt8]) { bytes += more }

  mutating func append(_ address: MACAddress) {
    append(UInt16(truncatingIfNeeded: address.bits >> 32))
    append(UInt32(truncatingIfNeeded: address.bits))
  }

  mutating func append(_ address: IPv4Address) { append(address.bits) }

  mutating func append(_ address: IPv6Address) {
    for half in [address.high, address.low] {
      append(UInt32(truncatingIfNeeded: half >> 32))
      append(UInt32(truncatingIfNeeded: half))
    }
  }

  mutating func store(_ value: UInt16, at offset: Int) {
    bytes[offset] = UInt8(truncatingIfNeeded: value >> 8)
    bytes[offset + 1] = UInt8(truncatingIfNeeded: value)
  }
}

/// Bytes being read in network byte order; reading past the end is an error, not a trap.
struct PlainReader {
  let bytes: [UInt8]
  private(set) var offset = 0

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  var remaining: Int { bytes.count - offset }

  mutating func byte() throws(PacketFault) -> UInt8 {
    guard remaining >= 1 else { throw PacketFault("ends after \(bytes.count) bytes") }
    defer { offset += 1 }
    return bytes[offset]
  }

  mutating func word() throws(PacketFault) -> UInt16 { UInt16(try byte()) << 8 | UInt16(try byte()) }

  mutating func long() throws(PacketFault) -> UInt32 { UInt32(try word()) << 16 | UInt32(try word()) }

  mutating func mac() throws(PacketFault) -> MACAddress {
    MACAddress(bits: UInt64(try word()) << 32 | UInt64(try long()))
  }

  mutating func ipv4() throws(PacketFault) -> IPv4Address { IPv4Address(bits: try long()) }

  mutating func ipv6() throws(PacketFault) -> IPv6Address {
    let high = UInt64(try long()) << 32 | UInt64(try long())
    return IPv6Address(high: high, low: UInt64(try long()) << 32 | UInt64(try long()))
  }

  mutating func take(_ count: Int) throws(PacketFault) -> [UInt8] {
    guard count >= 0 && count <= remaining else {
      throw PacketFault("wants \(count) bytes where \(remaining) are left")
    }
    defer { offset += count }
    return Array(bytes[offset..<(offset + count)])
  }

  mutating func rest() -> [UInt8] {
    defer { offset = bytes.count }
    return Array(bytes[offset...])
  }
}

/// What is wrong with a packet, in words.
public struct PacketFault: Error, Hashable, CustomStringConvertible {
  /// The words.
  public let description: String

  /// Makes a fault of its words.
  public init(_ description: String) { self.description = description }
}

/// The Internet checksum as RFC 1071 section 1 puts it: the ones' complement of the ones' complement sum of 16-bit
/// words. Written apart from the stack's, to be compared with it.
func plainChecksum(_ parts: [UInt8]...) -> UInt16 {
  var sum: UInt64 = 0
  for part in parts {
    let words = part.count / 2
    let span = part.span
    // Four bytes at a time are two words side by side; folding brings them together.
    for index in 0..<(words / 2) { sum += UInt64(span.bigEndian32(at: index * 4)) }
    if words % 2 == 1 { sum += UInt64(span.bigEndian16(at: (words - 1) * 2)) }
    // Only the last part may have an odd length: a zero is added behind it.
    if part.count % 2 == 1 { sum += UInt64(part[part.count - 1]) << 8 }
  }
  while sum >> 16 != 0 { sum = sum & 0xffff + sum >> 16 }
  return ~UInt16(sum)
}

/// What a transport's checksum covers beside its own bytes: RFC 9293 section 3.1, RFC 768, RFC 8200 section 8.1.
/// - Precondition: both addresses are of one family.
func plainPseudoHeader(_ source: IPAddress, _ destination: IPAddress, _ proto: UInt8, _ length: Int) -> [UInt8] {
  var writer = PlainWriter()
  if let source = source.ipv4, let destination = destination.ipv4 {
    writer.append(source)
    writer.append(destination)
    writer.append([0, proto])
    writer.append(UInt16(truncatingIfNeeded: length))
  } else {
    writer.append(source.mapped)
    writer.append(destination.mapped)
    writer.append(UInt32(truncatingIfNeeded: length))
    writer.append([0, 0, 0, proto])
  }
  return writer.bytes
}
