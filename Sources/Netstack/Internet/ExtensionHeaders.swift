import Primitives
import Wire

/// What stands at the end of an IPv6 packet's chain of headers (RFC 8200 section 4).
///
/// Offsets count in bytes from the first of the packet.
enum HeaderChain {
  /// The protocol that the packet carries, at `offset`; the field at `pointer` says so.
  case upperLayer(IPProtocol, offset: Int, pointer: Int)
  /// A fragment header at `offset`; the field at `pointer` says so.
  case fragment(IPv6FragmentHeader, offset: Int, pointer: Int)
  /// A header that the sender is told of.
  case problem(ICMPv6Code, pointer: Int)
  /// An option that says that packets with it are dropped without a word (RFC 8200 section 4.2).
  case discard
}

/// Reads the chain of headers of an IPv6 packet, at most so many and only as far as the packet goes.
struct HeaderChainReader: ~Escapable {
  private let bytes: Span<UInt8>
  /// Whether the packet is for a group, which is told less of its errors.
  private let isGroup: Bool
  private var offset = IPv6Header.length
  private var proto: IPProtocol
  private var pointer: Int
  private var isFragment = false

  /// The most extension headers in a packet; honest ones have one or two.
  private static var maximumHeaders: Int { 8 }
  /// The most options in a header (RFC 8504 section 5.3).
  private static var maximumOptions: Int { 8 }

  /// A reader of the packet in `bytes`, from the IPv6 header on.
  @_lifetime(copy bytes)
  init(_ bytes: Span<UInt8>, first: IPProtocol, isGroup: Bool) {
    self.bytes = bytes
    self.isGroup = isGroup
    proto = first
    pointer = 6
  }

  /// As `init`, from the header at `offset` on, which the field at `pointer` calls `first`: behind a fragment header.
  @_lifetime(copy bytes)
  init(_ bytes: Span<UInt8>, first: IPProtocol, at offset: Int, pointer: Int, isGroup: Bool) {
    self.bytes = bytes
    self.isGroup = isGroup
    proto = first
    self.offset = offset
    self.pointer = pointer
    isFragment = true
  }

  /// Follows the chain to its end.
  mutating func read() throws(WireError) -> HeaderChain {
    // One more round for what stands at the end.
    for _ in 0...Self.maximumHeaders {
      switch proto {
      case .hopByHopOptions:
        // RFC 8200 section 4.3: directly behind the IPv6 header or not at all.
        guard offset == IPv6Header.length else { return .problem(.unrecognizedNextHeader, pointer: pointer) }
        if let end = try readOptions() { return end }
      case .destinationOptions:
        if let end = try readOptions() { return end }
      case .routingHeader:
        // RFC 8200 section 4.4, RFC 5095: no type is known; one that is used up does no harm.
        let length = try headerLength()
        guard bytes[offset + 3] == 0 else { return .problem(.erroneousField, pointer: offset + 2) }
        advance(by: length)
      case .fragmentHeader:
        let header = try IPv6FragmentHeader(bytes.extracting(droppingFirst: offset))
        // RFC 8200 section 4.5: fragments are not fragmented again.
        guard !isFragment else { return .discard }
        isFragment = true
        // RFC 6946: a fragment that is the whole packet is one by itself, whatever others have its identification.
        guard header.offset == 0, !header.moreFragments else {
          return .fragment(header, offset: offset, pointer: pointer)
        }
        advance(by: IPv6FragmentHeader.length)
      default:
        return .upperLayer(proto, offset: offset, pointer: pointer)
      }
    }
    return .discard
  }

  /// The length of the header at `offset`, which lies in the packet.
  private func headerLength() throws(WireError) -> Int {
    guard offset + 8 <= bytes.count else { throw .truncated(needed: offset + 8, available: bytes.count) }
    let length = (Int(bytes[offset + 1]) + 1) * 8
    guard offset + length <= bytes.count else { throw .truncated(needed: offset + length, available: bytes.count) }
    return length
  }

  private mutating func advance(by length: Int) {
    proto = IPProtocol(rawValue: bytes[offset])
    pointer = offset
    offset += length
  }

  /// Reads a header of options (RFC 8200 section 4.2); nil if the chain goes on behind it.
  private mutating func readOptions() throws(WireError) -> HeaderChain? {
    let length = try headerLength()
    var place = offset + 2
    let end = offset + length
    var count = 0
    while place < end {
      let type = bytes[place]
      if type == Option.pad1 {
        place += 1
        continue
      }
      guard place + 2 <= end, place + 2 + Int(bytes[place + 1]) <= end else { throw .badHeaderLength(length) }
      if type != Option.padN {
        count += 1
        guard count <= Self.maximumOptions else { return .discard }
        if let outcome = outcome(of: type, at: place) { return outcome }
      }
      place += 2 + Int(bytes[place + 1])
    }
    advance(by: length)
    return nil
  }

  private enum Option {
    static var pad1: UInt8 { 0 }
    static var padN: UInt8 { 1 }
  }

  /// RFC 8200 section 4.2: the two highest bits of a type say what becomes of a packet whose option is not known.
  private func outcome(of type: UInt8, at place: Int) -> HeaderChain? {
    switch type >> 6 {
    case 0: nil
    case 1: .discard
    case 2: .problem(.unrecognizedOption, pointer: place)
    default: isGroup ? .discard : .problem(.unrecognizedOption, pointer: place)
    }
  }

  // MARK: Errors

  /// Whether the packet in `bytes`, from the IPv6 header on, is an ICMPv6 error or a redirect, which no error may answer
  /// (RFC 4443 section 2.4 (e.1) and (e.2)). The headers are followed whatever is wrong with them; where they cannot
  /// be, or end beyond what is there, the packet is not known to be harmless.
  /// - Precondition: `bytes` holds the whole IPv6 header.
  static func mayBeError(_ bytes: Span<UInt8>) -> Bool {
    var offset = IPv6Header.length
    var proto = IPProtocol(rawValue: bytes[6])
    for _ in 0...maximumHeaders {
      switch proto {
      case .icmpv6:
        guard offset < bytes.count else { return true }
        let type = ICMPv6Type(rawValue: bytes[offset])
        return type.isError || type == .redirect
      case .hopByHopOptions, .destinationOptions, .routingHeader, .fragmentHeader:
        guard offset + 8 <= bytes.count else { return true }
        let isFragment = proto == .fragmentHeader
        proto = IPProtocol(rawValue: bytes[offset])
        // What lies in another part than the first is not seen.
        if isFragment && bytes.bigEndian16(at: offset + 2) & 0xfff8 != 0 { return proto == .icmpv6 }
        offset += isFragment ? IPv6FragmentHeader.length : (Int(bytes[offset + 1]) + 1) * 8
      default:
        return false
      }
    }
    return true
  }
}
