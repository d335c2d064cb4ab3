import Primitives

/// How a list of options is laid out: each a code, a length and a value.
struct OptionLayout {
  /// Bytes before the value.
  let headerLength: Int
  /// In how many bytes the length counts.
  var unit = 1
  /// Whether the length counts the header as well.
  var countsHeader = false
  /// The code of options that are one byte.
  var padding: Int?
  /// The code of one byte behind which nothing counts.
  var end: Int?

  /// IPv4 (RFC 791 section 3.1) and TCP (RFC 9293 section 3.2).
  static let internet = OptionLayout(headerLength: 2, countsHeader: true, padding: 1, end: 0)
  /// IPv6's hop-by-hop and destination options (RFC 8200 section 4.2).
  static let ipv6 = OptionLayout(headerLength: 2, padding: 0)
  /// Neighbor discovery (RFC 4861 section 4.6).
  static let neighborDiscovery = OptionLayout(headerLength: 2, unit: 8, countsHeader: true)
  /// DHCP (RFC 2132 section 2).
  static let dhcp = OptionLayout(headerLength: 2, padding: 0, end: 255)
  /// DHCPv6 (RFC 8415 section 21.1).
  static let dhcpv6 = OptionLayout(headerLength: 4)
  /// EDNS (RFC 6891 section 6.1.2).
  static let edns = OptionLayout(headerLength: 4)
}

/// An option in a frame.
struct FoundOption {
  /// What it is.
  let code: Int
  /// Where all of it lies.
  let range: Range<Int>
  /// Where its value lies.
  let value: Range<Int>
}

extension Span<UInt8> {
  /// The options that fill `range`, and the bytes at its end that are none. A padding of one byte is no option.
  /// - Precondition: the range lies in the span.
  func options(in range: Range<Int>, _ layout: OptionLayout) -> (found: [FoundOption], rest: Range<Int>, isClosed: Bool)
  {
    var found: [FoundOption] = []
    var offset = range.lowerBound
    while offset < range.upperBound {
      let single = layout.headerLength == 2 ? Int(self[offset]) : nil
      if let end = layout.end, single == end { return (found, offset..<range.upperBound, true) }
      if let padding = layout.padding, single == padding {
        offset += 1
        continue
      }
      guard offset + layout.headerLength <= range.upperBound else { break }
      let code = single ?? Int(bigEndian16(at: offset))
      let given = single == nil ? Int(bigEndian16(at: offset + 2)) : Int(self[offset + 1])
      let length = given * layout.unit + (layout.countsHeader ? 0 : layout.headerLength)
      guard length >= layout.headerLength, offset + length <= range.upperBound else { break }
      let whole = offset..<(offset + length)
      found.append(FoundOption(code: code, range: whole, value: whole.dropFirst(layout.headerLength)))
      offset += length
    }
    return (found, offset..<range.upperBound, offset == range.upperBound)
  }
}
