public import Primitives

/// An IPv4 packet as a plain value.
public struct PlainIPv4: Hashable, Sendable {
  /// What the packet carries.
  public typealias Payload = PlainPayload

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
  /// DSCP and ECN.
  public var trafficClass: UInt8 = 0
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
    self.proto = proto ?? payload.proto(in: .ipv4)
  }

  /// Whether the packet is a part of a longer one.
  public var isFragment: Bool { moreFragments || fragmentOffset > 0 }

  /// The bytes behind the IP header.
  public var payloadBytes: [UInt8] { payload.encoded(from: IPAddress(source), to: IPAddress(destination)) }

  /// The packet's bytes with valid checksums.
  public var encoded: [UInt8] {
    let body = payloadBytes
    var writer = PlainWriter()
    writer.append(UInt8(0x40 + (20 + options.count) / 4))
    writer.append(trafficClass)
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
    trafficClass = try reader.byte()
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
    payload = try PlainPayload(
      decoding: body, proto, from: IPAddress(source), to: IPAddress(destination), strictly: strictly)
  }
}
