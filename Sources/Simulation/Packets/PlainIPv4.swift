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
  public func encoded(from source: IPv4Address, to destination: IPv4Address) -> [UInt8] {
    var writer = PlainWriter()
    writer.append(sourcePort)
    writer.append(destinationPort)
    writer.append(UInt16(8 + payload.count))
    writer.append(UInt16(0))
    writer.append(payload)
    let sum = plainChecksum(PlainIPv4.pseudoHeader(source, destination, 17, writer.bytes.count), writer.bytes)
    // RFC 768: a sum of zero is sent as all ones.
    writer.store(sum == 0 ? 0xffff : sum, at: 6)
    return writer.bytes
  }

  init(
    decoding bytes: [UInt8], from source: IPv4Address, to destination: IPv4Address, strictly: Bool
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
    guard !strictly || checksum != 0 else { throw PacketFault("UDP without a checksum") }
    let bytes = Array(bytes[..<length])
    guard checksum == 0 || plainChecksum(PlainIPv4.pseudoHeader(source, destination, 17, length), bytes) == 0 else {
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

  /// The message's bytes with a valid checksum.
  public var encoded: [UInt8] {
    var writer = PlainWriter()
    writer.append([type, code])
    writer.append(UInt16(0))
    writer.append(rest)
    writer.append(payload)
    writer.store(plainChecksum(writer.bytes), at: 2)
    return writer.bytes
  }

  init(decoding bytes: [UInt8]) throws(PacketFault) {
    var reader = PlainReader(bytes)
    type = try reader.byte()
    code = try reader.byte()
    _ = try reader.word()
    rest = try reader.long()
    payload = reader.rest()
    guard plainChecksum(bytes) == 0 else { throw PacketFault("ICMP checksum is wrong") }
  }
}

/// An IPv4 packet as a plain value.
public struct PlainIPv4: Hashable, Sendable {
  /// What the packet carries.
  public enum Payload: Hashable, Sendable {
    /// A segment.
    case tcp(PlainTCP)
    /// A datagram.
    case udp(PlainUDP)
    /// A message.
    case icmp(PlainICMP)
    /// A part of a packet, or a protocol that the simulation does not speak.
    case raw([UInt8])
  }

  /// The sender.
  public var source: IPv4Address
  /// The receiver.
  public var destination: IPv4Address
  /// The protocol number.
  public var proto: UInt8
  /// The content.
  public var payload: Payload
  /// The time to live.
  public var timeToLive: UInt8 = 64
  /// What fragments of one packet have in common.
  public var identification: UInt16 = 0
  /// Don't fragment.
  public var dontFragment = true
  /// More fragments follow.
  public var moreFragments = false
  /// Where the fragment belongs, in bytes.
  public var fragmentOffset = 0
  /// The options' bytes, a multiple of four.
  public var options: [UInt8] = []

  /// Makes a packet of what it carries.
  public init(from source: IPv4Address, to destination: IPv4Address, _ payload: Payload, proto: UInt8? = nil) {
    self.source = source
    self.destination = destination
    self.payload = payload
    switch payload {
    case .tcp: self.proto = proto ?? 6
    case .udp: self.proto = proto ?? 17
    case .icmp: self.proto = proto ?? 1
    case .raw: self.proto = proto ?? 255
    }
  }

  /// Whether the packet is a part of a longer one.
  public var isFragment: Bool { moreFragments || fragmentOffset > 0 }

  /// The bytes behind the IP header.
  public var payloadBytes: [UInt8] {
    switch payload {
    case .tcp(let segment): segment.encoded(from: source, to: destination)
    case .udp(let datagram): datagram.encoded(from: source, to: destination)
    case .icmp(let message): message.encoded
    case .raw(let bytes): bytes
    }
  }

  /// The packet's bytes with valid checksums.
  public var encoded: [UInt8] {
    let body = payloadBytes
    var writer = PlainWriter()
    writer.append(UInt8(0x40 + (20 + options.count) / 4))
    writer.append(UInt8(0))
    writer.append(UInt16(truncatingIfNeeded: 20 + options.count + body.count))
    writer.append(identification)
    let bits: UInt16 = (dontFragment ? 0x4000 : 0) | (moreFragments ? 0x2000 : 0)
    writer.append(bits | UInt16(fragmentOffset / 8))
    writer.append([timeToLive, proto])
    writer.append(UInt16(0))
    writer.append(source)
    writer.append(destination)
    writer.append(options)
    writer.store(plainChecksum(writer.bytes), at: 10)
    writer.append(body)
    return writer.bytes
  }

  init(decoding bytes: [UInt8], strictly: Bool = true) throws(PacketFault) {
    var reader = PlainReader(bytes)
    let first = try reader.byte()
    let headerLength = Int(first & 0x0f) * 4
    guard first >> 4 == 4, headerLength >= 20, headerLength <= bytes.count else {
      throw PacketFault("IPv4 version or header length byte \(first)")
    }
    guard plainChecksum(Array(bytes[..<headerLength])) == 0 else { throw PacketFault("IPv4 checksum is wrong") }
    _ = try reader.byte()
    let total = Int(try reader.word())
    identification = try reader.word()
    let bits = try reader.word()
    timeToLive = try reader.byte()
    proto = try reader.byte()
    _ = try reader.word()
    source = try reader.ipv4()
    destination = try reader.ipv4()
    options = try reader.take(headerLength - 20)
    guard total >= headerLength && total <= bytes.count else {
      throw PacketFault("IPv4 total length \(total) in \(bytes.count) bytes")
    }
    guard !strictly || bits & 0x8000 == 0 else { throw PacketFault("IPv4 reserved flag is set") }
    dontFragment = bits & 0x4000 != 0
    moreFragments = bits & 0x2000 != 0
    fragmentOffset = Int(bits & 0x1fff) * 8
    // RFC 894: a short packet is padded with zeroes to Ethernet's minimum of 60 bytes, never more.
    let padding = bytes[total...]
    guard !strictly || padding.isEmpty || (bytes.count == 46 && padding.allSatisfy { $0 == 0 }) else {
      throw PacketFault("\(padding.count) bytes behind the IPv4 packet of \(total)")
    }
    let body = try reader.take(total - headerLength)
    payload = .raw(body)
    guard !isFragment else { return }
    switch proto {
    case 6: payload = .tcp(try PlainTCP(decoding: body, from: source, to: destination, strictly: strictly))
    case 17: payload = .udp(try PlainUDP(decoding: body, from: source, to: destination, strictly: strictly))
    case 1: payload = .icmp(try PlainICMP(decoding: body))
    default: break
    }
  }

  static func pseudoHeader(
    _ source: IPv4Address, _ destination: IPv4Address, _ proto: UInt8, _ length: Int
  ) -> [UInt8] {
    var writer = PlainWriter()
    writer.append(source)
    writer.append(destination)
    writer.append([0, proto])
    writer.append(UInt16(truncatingIfNeeded: length))
    return writer.bytes
  }
}
