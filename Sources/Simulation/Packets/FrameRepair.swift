import Primitives

/// Makes the lengths and checksums of a frame of any bytes right, as far as there are any, so that a stack looks at what
/// stands behind them.
public enum FrameRepair {
  private static let internet = 14

  /// The frame with lengths that fit it and with valid checksums.
  public static func repair(_ frame: [UInt8]) -> [UInt8] {
    guard frame.count >= internet + 20 else { return frame }
    var bytes = frame
    switch bytes.span.bigEndian16(at: 12) {
    case 0x0800: repairIPv4(&bytes)
    case 0x86dd where bytes.count >= internet + 40: repairIPv6(&bytes)
    default: break
    }
    return bytes
  }

  private static func repairIPv4(_ bytes: inout [UInt8]) {
    if bytes[internet] >> 4 != 4 || bytes[internet] & 15 < 5 { bytes[internet] = 0x45 }
    let transport = min(internet + Int(bytes[internet] & 15) * 4, bytes.count)
    if transport - internet != Int(bytes[internet] & 15) * 4 { return }
    var end = internet + Int(bytes.span.bigEndian16(at: internet + 2))
    if end < transport || end > bytes.count {
      end = min(bytes.count, internet + 65_535)
      bytes.store(UInt16(end - internet), at: internet + 2)
    }
    bytes.store(0 as UInt16, at: internet + 10)
    bytes.store(plainChecksum(Array(bytes[internet..<transport])), at: internet + 10)
    // A part of a packet has no sum of its own.
    guard bytes.span.bigEndian16(at: internet + 6) & 0x3fff == 0 else { return }
    let proto = bytes[internet + 9]
    let addresses = Array(bytes[(internet + 12)..<(internet + 20)])
    repairTransport(&bytes, proto, transport..<end, pseudo: addresses + [0, proto], lengthBytes: 2)
  }

  private static func repairIPv6(_ bytes: inout [UInt8]) {
    bytes[internet] = 0x60 | bytes[internet] & 15
    var transport = internet + 40
    var end = transport + Int(bytes.span.bigEndian16(at: internet + 4))
    if end > bytes.count {
      end = min(bytes.count, transport + 65_535)
      bytes.store(UInt16(end - transport), at: internet + 4)
    }
    var proto = bytes[internet + 6]
    // RFC 8200 section 4.1: hop-by-hop options, routing, destination options.
    while [0, 43, 60].contains(proto) && transport + 8 <= end {
      proto = bytes[transport]
      transport += 8 + 8 * Int(bytes[transport + 1])
    }
    guard transport <= end else { return }
    let addresses = Array(bytes[(internet + 8)..<(internet + 40)])
    repairTransport(&bytes, proto, transport..<end, pseudo: addresses + [0, 0, 0, proto], lengthBytes: 4)
  }

  /// - Parameter lengthBytes: how many bytes of the pseudo-header count the transport's bytes.
  private static func repairTransport(
    _ bytes: inout [UInt8], _ proto: UInt8, _ range: Range<Int>, pseudo: [UInt8], lengthBytes: Int
  ) {
    let isV4 = lengthBytes == 2
    var count = range.count
    let field: Int
    switch proto {
    case 6 where range.count >= 20: field = range.lowerBound + 16
    case 17 where range.count >= 8:
      field = range.lowerBound + 6
      let length = Int(bytes.span.bigEndian16(at: range.lowerBound + 4))
      if length >= 8 && length <= count { count = length }
      bytes.store(UInt16(count), at: range.lowerBound + 4)
    case 1 where isV4 && range.count >= 8, 58 where !isV4 && range.count >= 8: field = range.lowerBound + 2
    default: return
    }
    bytes.store(0 as UInt16, at: field)
    let length = (0..<lengthBytes).map { UInt8(truncatingIfNeeded: count >> (8 * (lengthBytes - 1 - $0))) }
    let content = Array(bytes[range.lowerBound..<(range.lowerBound + count)])
    let sum = proto == 1 ? plainChecksum(content) : plainChecksum(pseudo + length, content)
    // RFC 768: a sum of zero is sent as all ones.
    bytes.store(sum == 0 && proto == 17 ? 0xffff : sum, at: field)
  }
}
