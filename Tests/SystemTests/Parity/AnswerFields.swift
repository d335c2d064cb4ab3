import Primitives
import Simulation

/// One field of an answer, by its name and its value in words.
struct AnswerField: Hashable {
  let name: String
  let value: String

  init(_ name: String, _ value: some CustomStringConvertible) {
    self.name = name
    self.value = value.description
  }
}

extension PlainFrame {
  /// What the frame is, in a word: answers of different kinds have no fields to compare.
  var kind: String {
    switch payload {
    case .tcp(let segment)?: "TCP \(segment.flagNames)"
    case .udp?: "UDP"
    case .icmp(let message)?: "ICMP \(message.type)/\(message.code)"
    case .raw?: "IP"
    case nil: if case .arp = body { "ARP" } else { "Ethernet" }
    }
  }

  /// Everything that the frame says, but for what is chance or follows from the rest: lengths, checksums, the
  /// identification of a packet, sequence numbers, the window behind the handshake, and ports above 32767, which the
  /// system chooses.
  var fields: [AnswerField] {
    let ethernet = [AnswerField("ethernet.source", source), AnswerField("ethernet.destination", destination)]
    switch body {
    case .arp(let message):
      return ethernet + [
        AnswerField("arp.operation", message.operation), AnswerField("arp.sender", message.senderAddress),
        AnswerField("arp.sender.hardware", message.senderMAC), AnswerField("arp.target", message.targetAddress),
        AnswerField("arp.target.hardware", message.targetMAC),
      ]
    case .ipv4(let packet):
      let place = packet.isFragment ? " at \(packet.fragmentOffset)\(packet.moreFragments ? "+" : "")" : ""
      return ethernet + [
        AnswerField("ip.source", packet.source), AnswerField("ip.destination", packet.destination),
        AnswerField("ip.ttl", packet.timeToLive), AnswerField("ip.tos", packet.trafficClass),
        AnswerField("ip.fragment", (packet.dontFragment ? "DF" : "-") + place),
      ] + packet.payload.fields
    case .ipv6(let packet):
      return ethernet + [
        AnswerField("ip.source", packet.source), AnswerField("ip.destination", packet.destination),
        AnswerField("ip.ttl", packet.hopLimit), AnswerField("ip.tos", packet.trafficClass),
      ] + packet.payload.fields
    case .other(let type, let bytes): return ethernet + [AnswerField("ethernet.\(type)", bytes.hex)]
    }
  }
}

extension PlainPayload {
  fileprivate var fields: [AnswerField] {
    switch self {
    case .udp(let datagram): return datagram.fields
    case .tcp(let segment): return segment.fields
    case .icmp(let message):
      do {
        if let discovery = try PlainDiscovery(message) { return discovery.fields }
      } catch {
        return [AnswerField("icmp", "\(error)")]
      }
      return [AnswerField("icmp.rest", message.rest), AnswerField("icmp.payload", message.payload.hex)]
    case .raw(let bytes): return [AnswerField("ip.payload", bytes.hex)]
    }
  }
}

extension PlainTCP {
  fileprivate var flagNames: String {
    let names: [(Flags, String)] = [(.fin, "FIN"), (.syn, "SYN"), (.rst, "RST"), (.psh, "PSH"), (.ack, "ACK")]
    return names.filter { flags.contains($0.0) }.map(\.1).joined(separator: "+")
  }

  fileprivate var fields: [AnswerField] {
    var fields = [
      AnswerField("tcp.source", sourcePort.unlessChosen), AnswerField("tcp.destination", destinationPort.unlessChosen),
      AnswerField("tcp.flags", flagNames), AnswerField("tcp.acknowledgment", acknowledgment.value),
      AnswerField("tcp.payload", payload.hex),
    ]
    if !flags.isDisjoint(with: [.syn, .rst]) { fields.append(AnswerField("tcp.window", window)) }
    if flags.contains(.rst) { fields.append(AnswerField("tcp.sequence", sequence.value)) }
    for option in options {
      switch option {
      case .mss(let value): fields.append(AnswerField("tcp.option.mss", value))
      case .windowScale(let shift): fields.append(AnswerField("tcp.option.wscale", shift))
      case .sackPermitted: fields.append(AnswerField("tcp.option.sack", "permitted"))
      case .timestamps(_, let echo): fields.append(AnswerField("tcp.option.timestamps", "echo \(echo)"))
      default: fields.append(AnswerField("tcp.option", "\(option)"))
      }
    }
    return fields
  }
}

extension PlainDiscovery {
  fileprivate var fields: [AnswerField] {
    [AnswerField("nd.type", type), AnswerField("nd.flags", "0x" + String(rest, radix: 16))]
      + (target.map { [AnswerField("nd.target", $0)] } ?? [])
      + timers.enumerated().map { AnswerField("nd.timer.\($0.offset)", $0.element) }
      + options.map { AnswerField("nd.option.\($0.type)", $0.bytes.hex) }
  }
}

extension PlainUDP {
  fileprivate var fields: [AnswerField] {
    let ports = [
      AnswerField("udp.source", sourcePort.unlessChosen), AnswerField("udp.destination", destinationPort.unlessChosen),
    ]
    switch destinationPort {
    case 68: return ports + dhcpFields
    case 546: return ports + dhcpv6Fields
    case ProbePort.tftp: return ports + tftpFields
    default: return ports + [AnswerField("udp.payload", payload.hex)]
    }
  }

  /// RFC 2131 section 2, RFC 2132.
  private var dhcpFields: [AnswerField] {
    guard payload.count >= 240 else { return [AnswerField("dhcp", payload.hex)] }
    let parts: [(String, Range<Int>)] = [
      ("op", 0..<1), ("hops", 3..<4), ("xid", 4..<8), ("secs", 8..<10), ("flags", 10..<12), ("ciaddr", 12..<16),
      ("yiaddr", 16..<20), ("siaddr", 20..<24), ("giaddr", 24..<28), ("chaddr", 28..<34), ("cookie", 236..<240),
    ]
    var fields = parts.map { AnswerField("dhcp.\($0.0)", payload[$0.1].hex) }
    fields.append(AnswerField("dhcp.sname", payload[44..<108].text))
    fields.append(AnswerField("dhcp.file", payload[108..<236].text))
    var rest = payload[240...]
    var codes: [String] = []
    while let code = rest.popFirst(), code != 255 {
      guard code != 0, let length = rest.popFirst() else { continue }
      codes.append("\(code)")
      fields.append(AnswerField("dhcp.option.\(code)", rest.prefix(Int(length)).hex))
      rest = rest.dropFirst(Int(length))
    }
    return fields + [AnswerField("dhcp.options", codes.joined(separator: ","))]
  }

  /// RFC 8415 section 8.
  private var dhcpv6Fields: [AnswerField] {
    guard payload.count >= 4 else { return [AnswerField("dhcpv6", payload.hex)] }
    var fields = [
      AnswerField("dhcpv6.type", payload[0]), AnswerField("dhcpv6.transaction", payload[1..<4].hex),
    ]
    var rest = payload[4...]
    while rest.count >= 4 {
      let header = Array(rest.prefix(4))
      let (code, length) = (Int(header[0]) << 8 | Int(header[1]), Int(header[2]) << 8 | Int(header[3]))
      rest = rest.dropFirst(4)
      let value = rest.prefix(length)
      // The URL of a boot file is text.
      fields.append(AnswerField("dhcpv6.option.\(code)", code == 59 ? value.text : value.hex))
      rest = rest.dropFirst(length)
    }
    return fields
  }
}

extension PlainUDP {
  /// RFC 1350 section 5, RFC 2347: of data the length and the beginning.
  fileprivate var tftpFields: [AnswerField] {
    guard payload.count >= 4 else { return [AnswerField("tftp", payload.hex)] }
    let number = UInt16(payload[2]) << 8 | UInt16(payload[3])
    switch payload[1] {
    case 3:
      return [
        AnswerField("tftp", "DATA"), AnswerField("tftp.block", number),
        AnswerField("tftp.data", "\(payload.count - 4) bytes, \(payload.dropFirst(4).prefix(8).hex)"),
      ]
    case 5:
      return [
        AnswerField("tftp", "ERROR"), AnswerField("tftp.code", number),
        AnswerField("tftp.message", payload.dropFirst(4).text),
      ]
    case 6:
      let words = payload.dropFirst(2).split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
      return [AnswerField("tftp", "OACK"), AnswerField("tftp.options", words.joined(separator: " "))]
    default: return [AnswerField("tftp", payload.hex)]
    }
  }
}

extension Collection<UInt8> {
  /// Two digits for each byte; `-` for none.
  fileprivate var hex: String {
    isEmpty ? "-" : map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }

  /// The text before the first zero; `-` for none.
  fileprivate var text: String {
    let text = String(decoding: prefix { $0 != 0 }, as: UTF8.self)
    return text.isEmpty ? "-" : text
  }
}

extension UInt16 {
  /// The port, unless it is one that the system chooses.
  fileprivate var unlessChosen: String { self > 32_767 ? "chosen" : "\(self)" }
}
