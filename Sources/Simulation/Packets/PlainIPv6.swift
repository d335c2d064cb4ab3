public import Primitives

/// An IPv6 packet as a plain value.
public struct PlainIPv6: Hashable, Sendable {
  /// An extension header: its number and its bytes behind the next-header field, padded to a multiple of 8 with it.
  public struct Extension: Hashable, Sendable {
    /// The number: 0 hop-by-hop, 43 routing, 60 destination options, or anything.
    public var type: UInt8
    /// The bytes from the length field on.
    public var bytes: [UInt8]

    /// Makes a header of its bytes as they are, behind the next-header field.
    public init(type: UInt8, bytes: [UInt8]) {
      self.type = type
      self.bytes = bytes
    }

    /// Makes a header of options (RFC 8200 section 4.2), padded by PadN.
    public static func options(_ type: UInt8, _ options: [UInt8]) -> Extension {
      var bytes = options
      let missing = (8 - (bytes.count + 2) % 8) % 8
      if missing == 1 { bytes.append(0) }
      if missing > 1 { bytes += [1, UInt8(missing - 2)] + [UInt8](repeating: 0, count: missing - 2) }
      return Extension(type: type, bytes: [UInt8((bytes.count + 2) / 8 - 1)] + bytes)
    }
  }

  /// The fields of a fragment header (RFC 8200 section 4.5).
  public struct Fragment: Hashable, Sendable {
    /// Where the fragment belongs, in bytes.
    public var offset: Int
    /// More fragments follow.
    public var moreFragments: Bool
    /// What fragments of one packet have in common.
    public var identification: UInt32

    /// Makes a fragment's place of its parts.
    public init(offset: Int, moreFragments: Bool, identification: UInt32) {
      self.offset = offset
      self.moreFragments = moreFragments
      self.identification = identification
    }
  }

  /// The sender.
  public var source: IPv6Address
  /// The receiver.
  public var destination: IPv6Address
  /// The number of what the packet carries, behind all headers.
  public var proto: UInt8
  /// The content.
  public var payload: PlainPayload
  /// The hop limit.
  public var hopLimit: UInt8 = 64
  /// DSCP and ECN.
  public var trafficClass: UInt8 = 0
  /// The extension headers before the fragment header.
  public var extensions: [Extension] = []
  /// Present where the packet has a fragment header.
  public var fragment: Fragment?

  /// Makes a packet of what it carries.
  public init(from source: IPv6Address, to destination: IPv6Address, _ payload: PlainPayload, proto: UInt8? = nil) {
    self.source = source
    self.destination = destination
    self.payload = payload
    self.proto = proto ?? payload.proto(in: .ipv6)
  }

  /// Whether the packet is a part of a longer one.
  public var isFragment: Bool { fragment.map { $0.moreFragments || $0.offset > 0 } ?? false }

  /// The bytes behind all headers.
  public var payloadBytes: [UInt8] { payload.encoded(from: IPAddress(source), to: IPAddress(destination)) }

  /// The packet's bytes with valid checksums.
  public var encoded: [UInt8] {
    var types = extensions.map(\.type) + (fragment == nil ? [] : [44]) + [proto]
    var headers = PlainWriter()
    let first = types.removeFirst()
    for header in extensions { headers.append([types.removeFirst()] + header.bytes) }
    if let fragment {
      headers.append([types.removeFirst(), 0])
      headers.append(UInt16(fragment.offset) | (fragment.moreFragments ? 1 : 0))
      headers.append(fragment.identification)
    }
    let body = headers.bytes + payloadBytes
    var writer = PlainWriter()
    writer.append(UInt32(6) << 28 | UInt32(trafficClass) << 20)
    writer.append(UInt16(truncatingIfNeeded: body.count))
    writer.append([first, hopLimit])
    writer.append(source)
    writer.append(destination)
    writer.append(body)
    return writer.bytes
  }

  init(decoding bytes: [UInt8], strictly: Bool = true) throws(PacketFault) {
    var reader = PlainReader(bytes)
    let first = try reader.long()
    guard first >> 28 == 6 else { throw PacketFault("IPv6 version \(first >> 28)") }
    trafficClass = UInt8(truncatingIfNeeded: first >> 20)
    let length = Int(try reader.word())
    proto = try reader.byte()
    hopLimit = try reader.byte()
    source = try reader.ipv6()
    destination = try reader.ipv6()
    guard length <= reader.remaining else { throw PacketFault("IPv6 payload of \(length) in \(bytes.count) bytes") }
    guard !strictly || length == reader.remaining else { throw PacketFault("bytes behind the IPv6 packet") }
    payload = .raw([])
    var body = PlainReader(try reader.take(length))
    while [0, 43, 60].contains(proto) && fragment == nil {
      let next = try body.byte()
      let units = try body.byte()
      extensions.append(Extension(type: proto, bytes: [units] + (try body.take(6 + 8 * Int(units)))))
      proto = next
    }
    if proto == 44 {
      proto = try body.byte()
      let reserved = try body.byte()
      let word = try body.word()
      guard !strictly || (reserved == 0 && word & 6 == 0) else { throw PacketFault("IPv6 reserved bits are set") }
      fragment = Fragment(
        offset: Int(word & 0xfff8), moreFragments: word & 1 != 0, identification: try body.long())
    }
    let rest = body.rest()
    payload = .raw(rest)
    guard !isFragment else { return }
    payload = try PlainPayload(
      decoding: rest, proto, from: IPAddress(source), to: IPAddress(destination), strictly: strictly)
  }
}
