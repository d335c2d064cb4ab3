import Primitives
import Wire

/// Where an IP packet comes from and goes to.
///
/// Not two `IPAddress`es: an IPv6 packet with mapped addresses, which is never legitimate, is to be shown as it is.
enum PacketAddresses {
  case ipv4(IPv4Address, IPv4Address)
  case ipv6(IPv6Address, IPv6Address)

  /// `10.0.2.15:1000 > 10.0.2.2:53`, for packets with ports.
  func words(_ sourcePort: UInt16, _ destinationPort: UInt16) -> String {
    switch self {
    case .ipv4(let source, let destination): "\(source):\(sourcePort) > \(destination):\(destinationPort)"
    case .ipv6(let source, let destination): "[\(source)]:\(sourcePort) > [\(destination)]:\(destinationPort)"
    }
  }

  /// `10.0.2.15 > 10.0.2.2`.
  var words: String {
    switch self {
    case .ipv4(let source, let destination): "\(source) > \(destination)"
    case .ipv6(let source, let destination): "\(source) > \(destination)"
    }
  }

  /// The sum of the pseudo-header before `length` bytes of a protocol.
  func pseudoHeader(_ proto: IPProtocol, length: Int) -> InternetChecksum {
    var checksum = InternetChecksum()
    switch self {
    case .ipv4(let source, let destination):
      checksum.addPseudoHeader(source: source, destination: destination, proto: proto, length: length)
    case .ipv6(let source, let destination):
      checksum.addPseudoHeader(source: source, destination: destination, proto: proto, length: length)
    }
    return checksum
  }
}

/// What an IP packet carries, and what is needed to make sense of it.
struct PacketPayload {
  let addresses: PacketAddresses
  let proto: IPProtocol
  /// Where it lies.
  let extent: Extent
  /// Which part of the whole payload it is; nil for all of it.
  var fragment: Fragment?

  /// A part of a packet.
  struct Fragment {
    let identification: UInt32
    let offset: Int
    let moreFollow: Bool
  }

  /// Whether all bytes are there, so that a checksum can be looked at.
  var isWhole: Bool { fragment == nil && extent.missing == 0 }
}

extension FrameDecoder {
  /// Tells what of a packet a fragment has.
  mutating func fragmentNote(_ fragment: PacketPayload.Fragment, _ count: Int) {
    let end = fragment.moreFollow ? "" : ", the last"
    let last = max(fragment.offset, fragment.offset + count - 1)
    note("fragment of \(hexadecimal(fragment.identification, width: 4)), bytes \(fragment.offset)-\(last)\(end)")
  }

  /// Looks at a checksum of 16 bits at `offset` of a message that is there as a whole; `before` is the sum of its
  /// pseudo-header.
  mutating func checksum(
    _ layer: String, _ range: Range<Int>, at offset: Int, _ frame: Span<UInt8>,
    before: InternetChecksum = InternetChecksum(), isNeverZero: Bool = false
  ) {
    let field = range.part(offset, 2)
    let found = frame.bigEndian16(at: field.lowerBound)
    var sum = before
    sum.add(frame.extracting(range.lowerBound..<field.lowerBound))
    sum.add(0 as UInt16)
    sum.add(frame.extracting(field.upperBound..<range.upperBound))
    let right = isNeverZero ? sum.nonzeroChecksum : sum.checksum
    guard found != right else { return }
    // RFC 1071 section 2: the two zeroes are the same to who adds them up.
    guard !(found == 0xffff && right == 0 || found == 0 && right == 0xffff && !isNeverZero) else { return }
    let words = "bad \(layer) checksum \(hexadecimal(found, width: 4)), should be \(hexadecimal(right, width: 4))"
    problem(layer, field, words)
  }

  /// Decodes what an IP packet carries.
  mutating func payload(_ payload: PacketPayload, _ frame: Span<UInt8>) {
    if let fragment = payload.fragment { fragmentNote(fragment, payload.extent.count) }
    // Behind the first fragment there are no headers.
    guard payload.fragment.map({ $0.offset == 0 }) ?? true else {
      say("\(payload.addresses.words) \(payload.proto.words) length \(payload.extent.count)")
      return bytes(payload.proto.words, "payload", payload.extent.range, frame)
    }
    switch payload.proto {
    case .tcp: tcp(payload, frame)
    case .udp: udp(payload, frame)
    case .icmp: icmp(payload, frame)
    case .icmpv6: icmpv6(payload, frame)
    default:
      say("\(payload.addresses.words) \(payload.proto.words)")
      if payload.extent.count > 0 { say("length \(payload.extent.count)") }
      bytes(payload.proto.words, "payload", payload.extent.range, frame)
    }
  }
}

extension IPProtocol {
  /// The protocol, or its number.
  var words: String {
    switch self {
    case .tcp: "TCP"
    case .udp: "UDP"
    case .icmp: "ICMP"
    case .icmpv6: "ICMPv6"
    case .hopByHopOptions: "hop-by-hop options"
    case .routingHeader: "routing header"
    case .fragmentHeader: "fragment header"
    case .destinationOptions: "destination options"
    case .noNextHeader: "no next header"
    default: "protocol \(rawValue)"
    }
  }
}
