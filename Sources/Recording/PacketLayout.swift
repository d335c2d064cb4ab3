import Netstack
import Primitives
import Wire

/// Where in a frame there is something that is to be replaced, in bytes from the frame's first.
///
/// It is looked for in whatever a guest sends: what cannot be read as a packet is unknown from there on.
struct PacketLayout {
  /// What the packet holds.
  enum Content {
    /// Nothing that is to be replaced.
    case plain
    /// Something that nobody here speaks, from `start` on.
    case unknown(start: Int)
    /// A part of a packet's data, from `start` on; in the first one is the checksum over all, at `checksum`.
    case fragment(start: Int, checksum: Int?)
    /// A segment or datagram whose payload begins at `start`, with its checksum at `checksum`: 0 for none where
    /// `isOptional`.
    case segment(start: Int, checksum: Int, isOptional: Bool)
    /// An ICMP message, to be replaced from `start` on, with its checksum at `checksum`.
    case message(start: Int, checksum: Int)

    /// The same, but for a start that lies behind `end`.
    func beginning(noLaterThan end: Int) -> Content {
      switch self {
      case .plain: .plain
      case .unknown(let start): .unknown(start: min(start, end))
      case .fragment(let start, let checksum): .fragment(start: min(start, end), checksum: checksum)
      case .segment(let start, let checksum, let isOptional):
        .segment(start: min(start, end), checksum: checksum, isOptional: isOptional)
      case .message(let start, let checksum): .message(start: min(start, end), checksum: checksum)
      }
    }
  }

  private(set) var content = Content.plain
  /// Where the packet ends; padding follows.
  private(set) var end: Int

  private let settings: NetworkSettings

  /// Looks at a frame whose Ethernet header is `start` bytes long.
  init(_ bytes: Span<UInt8>, from start: Int, _ settings: NetworkSettings) {
    self.settings = settings
    end = bytes.count
    switch bytes.bigEndian16(at: start - 2) {
    case 0x0806: break
    case 0x0800: readIPv4(bytes, from: start)
    case 0x86dd: readIPv6(bytes, from: start)
    default: content = .unknown(start: start)
    }
    // A header may say that it reaches beyond its packet.
    content = content.beginning(noLaterThan: end)
  }

  private mutating func find(_ content: Content) { self.content = content }

  /// RFC 791 section 3.1.
  private mutating func readIPv4(_ bytes: Span<UInt8>, from start: Int) {
    guard start + 20 <= bytes.count else { return find(.unknown(start: start)) }
    let length = Int(bytes[start] & 15) * 4
    let total = Int(bytes.bigEndian16(at: start + 2))
    guard bytes[start] >> 4 == 4, length >= 20, total >= length, start + length <= bytes.count else {
      return find(.unknown(start: start))
    }
    end = min(start + total, bytes.count)
    let addresses = (
      IPAddress(IPv4Address(bytes, at: start + 12)), IPAddress(IPv4Address(bytes, at: start + 16))
    )
    let fragment = bytes.bigEndian16(at: start + 6)
    let isFragment = fragment & 0x3fff != 0
    read(
      bytes, proto: bytes[start + 9], from: start + length, addresses, isFragment: isFragment,
      isFirst: fragment & 0x1fff == 0)
  }

  /// RFC 8200 sections 3 and 4.
  private mutating func readIPv6(_ bytes: Span<UInt8>, from start: Int) {
    guard start + 40 <= bytes.count, bytes[start] >> 4 == 6 else { return find(.unknown(start: start)) }
    end = min(start + 40 + Int(bytes.bigEndian16(at: start + 4)), bytes.count)
    let addresses = (
      IPAddress(IPv6Address(bytes, at: start + 8)), IPAddress(IPv6Address(bytes, at: start + 24))
    )
    var (proto, place) = (bytes[start + 6], start + 40)
    var (isFragment, isFirst) = (false, true)
    while true {
      switch proto {
      case 0, 43, 60:
        guard place + 8 <= end else { return find(.unknown(start: place)) }
        (proto, place) = (bytes[place], place + 8 + Int(bytes[place + 1]) * 8)
      case 44:
        guard place + 8 <= end else { return find(.unknown(start: place)) }
        let offset = bytes.bigEndian16(at: place + 2)
        isFragment = isFragment || offset & 0xfff9 != 0
        isFirst = isFirst && offset & 0xfff8 == 0
        (proto, place) = (bytes[place], place + 8)
      default:
        guard place <= end else { return find(.unknown(start: min(place, bytes.count))) }
        return read(bytes, proto: proto, from: place, addresses, isFragment: isFragment, isFirst: isFirst)
      }
    }
  }

  // MARK: Above IP

  private typealias Addresses = (source: IPAddress, destination: IPAddress)

  private mutating func read(
    _ bytes: Span<UInt8>, proto: UInt8, from start: Int, _ addresses: Addresses, isFragment: Bool, isFirst: Bool
  ) {
    // The ports are in the first fragment alone.
    if isFragment, isResolverAlone(addresses.source) || isResolverAlone(addresses.destination) { return }
    let headerLength: Int
    switch proto {
    case _ where !isFirst: return find(.fragment(start: start, checksum: nil))
    case 1 where !isFragment, 58 where !isFragment: return readICMP(bytes, isIPv6: proto == 58, from: start)
    case 1, 58: headerLength = Redactor.icmpHeaderLength
    case 6:
      guard start + 20 <= end else { return findCutHeader(isFragment, from: start) }
      headerLength = max(Int(bytes[start + 12] >> 4) * 4, 20)
    case 17: headerLength = 8
    default: return find(.unknown(start: start))
    }
    guard start + headerLength <= end else { return findCutHeader(isFragment, from: start) }
    let payload = start + headerLength
    let checksum = start + (proto == 6 ? 16 : proto == 17 ? 6 : 2)
    guard !isFragment else { return find(.fragment(start: payload, checksum: checksum)) }
    if proto == 17 {
      // RFC 768: what is behind the datagram's own end is not its data, nor in its sum.
      end = min(end, start + max(Int(bytes.bigEndian16(at: start + 4)), headerLength))
    }
    let source = Endpoint(addresses.source, port: bytes.bigEndian16(at: start))
    let destination = Endpoint(addresses.destination, port: bytes.bigEndian16(at: start + 2))
    switch readMessage(isTCP: proto == 6, source, destination) {
    case nil: break
    case .some(let kept):
      content = .segment(
        start: min(payload + kept, end), checksum: checksum, isOptional: proto == 17)
    }
  }

  /// Of a header that goes on in the next fragment all stays that is here.
  private mutating func findCutHeader(_ isFragment: Bool, from start: Int) {
    find(isFragment ? .plain : .unknown(start: start))
  }

  /// How many bytes at the front of a payload stay; nil where all do, since the core itself reads it.
  private func readMessage(isTCP: Bool, _ source: Endpoint, _ destination: Endpoint) -> Int? {
    for end in [source, destination] where end.port == 53 && isResolver(end.address) { return nil }
    guard !isTCP else { return 0 }
    // RFC 2131 section 4.1, RFC 8415 section 7.2.
    let ports = [67, 68, 546, 547] as [UInt16]
    if ports.contains(destination.port) || ports.contains(source.port) { return nil }
    // RFC 1350: a request, and of all else its kind and its number. The ports of transfers are dynamic ones.
    if settings.servesFiles, isGateway(destination.address) {
      if destination.port == 69 { return nil }
      if destination.port >= 49_152 { return 4 }
    }
    return 0
  }

  private func isResolver(_ address: IPAddress) -> Bool {
    isVirtualResolver(address)
      || settings.guestForwards.contains { $0.target == .resolver && $0.endpoint.address == address }
  }

  /// Whether nobody but the resolver answers at an address, whatever the port.
  private func isResolverAlone(_ address: IPAddress) -> Bool {
    isVirtualResolver(address)
      && !settings.guestForwards.contains { $0.endpoint.address == address && $0.target != .resolver }
  }

  private func isVirtualResolver(_ address: IPAddress) -> Bool {
    address == IPAddress(settings.ipv4Resolver) || address == IPAddress(settings.ipv6Resolver)
  }

  private func isGateway(_ address: IPAddress) -> Bool {
    address == IPAddress(settings.ipv4Gateway) || address == IPAddress(settings.ipv6Gateway)
      || address == IPAddress(settings.ipv6LinkLocal)
  }

  /// RFC 792, RFC 4443: of an echo the data are replaced, of an error what it quotes behind the headers. Neighbor
  /// discovery stays.
  private mutating func readICMP(_ bytes: Span<UInt8>, isIPv6: Bool, from start: Int) {
    let quote = start + Redactor.icmpHeaderLength
    guard quote <= end else { return find(.unknown(start: start)) }
    let type = bytes[start]
    let isEcho = isIPv6 ? type == 128 || type == 129 : type == 8 || type == 0
    let isError = isIPv6 ? type < 128 : [3, 4, 5, 11, 12].contains(type)
    if isEcho { return find(.message(start: quote, checksum: start + 2)) }
    guard isError else {
      if isIPv6 { return }
      return find(.message(start: quote, checksum: start + 2))
    }
    content = .message(start: quotedHeadersEnd(bytes, isIPv6: isIPv6, from: quote), checksum: start + 2)
  }

  /// Where the headers end of the packet that an error quotes: of its transport's the first eight bytes, and of TCP's
  /// no more, since no more is looked at.
  private func quotedHeadersEnd(_ bytes: Span<UInt8>, isIPv6: Bool, from start: Int) -> Int {
    guard start < end else { return end }
    let length = isIPv6 ? 40 : Int(bytes[start] & 15) * 4
    return min(start + length + 8, end)
  }
}
