import Netstack
import Primitives
import Simulation

/// A packet to be sent in parts.
struct DividedPacket {
  let source: IPAddress
  let destination: IPAddress
  let proto: UInt8
  /// What lies behind the IP header.
  var bytes: [UInt8]
  var identification: UInt32 = 77
  /// Where the packet ends; the part that ends there is the last. Nil for the end of `bytes`.
  var end: Int?

  init(source: IPAddress, destination: IPAddress, proto: UInt8, bytes: [UInt8]) {
    self.source = source
    self.destination = destination
    self.proto = proto
    self.bytes = bytes
  }

  func send(_ range: Range<Int>, by lab: Lab) {
    sendRaw(offset: range.lowerBound, Array(bytes[range]), more: range.upperBound < end ?? bytes.count, by: lab)
  }

  /// Sends a part with `extraHeader` bytes more of headers than it needs, a multiple of eight up to 40.
  func sendRaw(offset: Int, _ part: [UInt8], more: Bool, extraHeader: Int = 0, by lab: Lab) {
    if let source = source.ipv4, let destination = destination.ipv4 {
      var packet = PlainIPv4(from: source, to: destination, .raw(part), proto: proto)
      packet.identification = UInt16(identification)
      packet.dontFragment = false
      packet.fragmentOffset = offset
      packet.moreFragments = more
      packet.options = [UInt8](repeating: 1, count: extraHeader)
      lab.guest.send(packet)
    } else {
      var packet = PlainIPv6(from: source.mapped, to: destination.mapped, .raw(part), proto: proto)
      packet.fragment = PlainIPv6.Fragment(offset: offset, moreFragments: more, identification: identification)
      if extraHeader > 0 { packet.extensions = [.options(60, [UInt8](repeating: 0, count: extraHeader - 2))] }
      lab.guest.send(packet)
    }
  }
}
