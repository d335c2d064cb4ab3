public import Primitives

/// An ARP message as a plain value (RFC 826).
public struct PlainARP: Hashable, Sendable {
  /// 1 for a request, 2 for a reply.
  public var operation: UInt16
  /// The sender's hardware address.
  public var senderMAC: MACAddress
  /// The sender's address.
  public var senderAddress: IPv4Address
  /// The target's hardware address, zero where it is asked for.
  public var targetMAC: MACAddress
  /// The target's address.
  public var targetAddress: IPv4Address

  /// Makes a message of its parts.
  public init(
    operation: UInt16, senderMAC: MACAddress, senderAddress: IPv4Address, targetMAC: MACAddress = MACAddress(bits: 0),
    targetAddress: IPv4Address
  ) {
    self.operation = operation
    self.senderMAC = senderMAC
    self.senderAddress = senderAddress
    self.targetMAC = targetMAC
    self.targetAddress = targetAddress
  }
}

/// An Ethernet frame as a plain value: what the simulation's guest sends and what its checker and tests look at.
public struct PlainFrame: Hashable, Sendable {
  /// What the frame carries.
  public enum Body: Hashable, Sendable {
    /// An ARP message.
    case arp(PlainARP)
    /// An IPv4 packet.
    case ipv4(PlainIPv4)
    /// An IPv6 packet.
    case ipv6(PlainIPv6)
    /// Anything else: its EtherType and its bytes.
    case other(UInt16, [UInt8])
  }

  /// The receiver's hardware address.
  public var destination: MACAddress
  /// The sender's hardware address.
  public var source: MACAddress
  /// The content.
  public var body: Body

  /// Makes a frame of its parts.
  public init(destination: MACAddress, source: MACAddress, _ body: Body) {
    self.destination = destination
    self.source = source
    self.body = body
  }

  /// The IPv4 packet inside, if there is one.
  public var ipv4: PlainIPv4? {
    if case .ipv4(let packet) = body { return packet }
    return nil
  }

  /// The IPv6 packet inside, if there is one.
  public var ipv6: PlainIPv6? {
    if case .ipv6(let packet) = body { return packet }
    return nil
  }

  /// What the IP packet inside carries, if there is one.
  public var payload: PlainPayload? { ipv4?.payload ?? ipv6?.payload }

  /// The sender of the IP packet inside, if there is one.
  public var packetSource: IPAddress? { ipv4.map { IPAddress($0.source) } ?? ipv6.map { IPAddress($0.source) } }

  /// The frame's bytes, without padding and FCS, with valid checksums.
  public var encoded: [UInt8] {
    var writer = PlainWriter()
    writer.append(destination)
    writer.append(source)
    switch body {
    case .arp(let message):
      writer.append([0x08, 0x06, 0, 1, 0x08, 0, 6, 4])
      writer.append(message.operation)
      writer.append(message.senderMAC)
      writer.append(message.senderAddress)
      writer.append(message.targetMAC)
      writer.append(message.targetAddress)
    case .ipv4(let packet):
      writer.append([0x08, 0x00])
      writer.append(packet.encoded)
    case .ipv6(let packet):
      writer.append([0x86, 0xdd])
      writer.append(packet.encoded)
    case .other(let type, let bytes):
      writer.append(type)
      writer.append(bytes)
    }
    return writer.bytes
  }

  /// Takes a frame apart. Strictly, everything that it says of itself is checked: lengths, checksums, options, fields
  /// that must be zero; else what a receiver may overlook is overlooked.
  public init(decoding bytes: [UInt8], strictly: Bool = true) throws(PacketFault) {
    var reader = PlainReader(bytes)
    destination = try reader.mac()
    source = try reader.mac()
    let type = try reader.word()
    switch type {
    case 0x0806: body = .arp(try Self.arp(&reader, strictly: strictly))
    case 0x0800: body = .ipv4(try PlainIPv4(decoding: reader.rest(), strictly: strictly))
    case 0x86dd: body = .ipv6(try PlainIPv6(decoding: reader.rest(), strictly: strictly))
    default: body = .other(type, reader.rest())
    }
  }

  private static func arp(_ reader: inout PlainReader, strictly: Bool) throws(PacketFault) -> PlainARP {
    guard try reader.take(6) == [0, 1, 8, 0, 6, 4] else { throw PacketFault("ARP is not for IPv4 over Ethernet") }
    let message = PlainARP(
      operation: try reader.word(), senderMAC: try reader.mac(), senderAddress: try reader.ipv4(),
      targetMAC: try reader.mac(), targetAddress: try reader.ipv4())
    let padding = reader.rest()
    guard !strictly || padding.isEmpty || (padding.count == 18 && padding.allSatisfy { $0 == 0 }) else {
      throw PacketFault("\(padding.count) bytes behind the ARP message")
    }
    return message
  }
}

extension PlainFrame: CustomStringConvertible {
  /// One line: addresses and content.
  public var description: String {
    switch body {
    case .arp(let arp) where arp.operation == 1: "arp who-has \(arp.targetAddress) tell \(arp.senderAddress)"
    case .arp(let arp): "arp \(arp.senderAddress) is-at \(arp.senderMAC)"
    case .ipv4(let packet): packet.description
    case .ipv6(let packet): packet.description
    case .other(let type, let bytes): "ethertype 0x\(String(type, radix: 16)), \(bytes.count) bytes"
    }
  }
}

extension PlainIPv4: CustomStringConvertible {
  /// One line: addresses and content.
  public var description: String {
    let fragment = isFragment ? " fragment \(identification)@\(fragmentOffset)\(moreFragments ? "+" : "")" : ""
    return payload.description(from: IPAddress(source), to: IPAddress(destination), proto) + fragment
  }
}

extension PlainIPv6: CustomStringConvertible {
  /// One line: addresses and content.
  public var description: String {
    let headers = extensions.map { " header \($0.type)" }.joined()
    let part = fragment.map { " fragment \($0.identification)@\($0.offset)\($0.moreFragments ? "+" : "")" } ?? ""
    return payload.description(from: IPAddress(source), to: IPAddress(destination), proto) + headers + part
  }
}

extension PlainPayload {
  fileprivate func description(from source: IPAddress, to destination: IPAddress, _ proto: UInt8) -> String {
    func ends(_ from: UInt16, _ to: UInt16) -> String {
      "\(Endpoint(source, port: from)) > \(Endpoint(destination, port: to))"
    }
    switch self {
    case .tcp(let segment): return "\(ends(segment.sourcePort, segment.destinationPort)) tcp \(segment)"
    case .udp(let datagram):
      return "\(ends(datagram.sourcePort, datagram.destinationPort)) udp (\(datagram.payload.count))"
    case .icmp(let message):
      return "\(source) > \(destination) icmp \(message.type)/\(message.code) (\(message.payload.count))"
    case .raw(let bytes): return "\(source) > \(destination) proto \(proto) (\(bytes.count))"
    }
  }
}

/// Bytes in rows of sixteen, as a failed check shows a frame.
func hexDump(_ bytes: [UInt8]) -> String {
  let digits = Array("0123456789abcdef")
  let shown = min(bytes.count, 256)
  var rows: [String] = []
  for start in stride(from: 0, to: shown, by: 16) {
    let row = bytes[start..<min(start + 16, shown)].map { "\(digits[Int($0 >> 4)])\(digits[Int($0 & 15)])" }
    rows.append("    " + row.joined(separator: " "))
  }
  if shown < bytes.count { rows.append("    ... \(bytes.count - shown) more") }
  return rows.joined(separator: "\n")
}
