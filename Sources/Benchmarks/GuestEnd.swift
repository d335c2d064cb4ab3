import Netstack
import Primitives
import Simulation

/// A guest's end of a connection, or of an exchange of datagrams: no more than the frames that it sends.
struct GuestEnd {
  /// The guest's endpoint, and the one that it speaks to.
  let local: Endpoint
  let remote: Endpoint
  private var stackStart = SequenceNumber(0)

  private static let start = SequenceNumber(1000)
  private static let mac = MACAddress(0x52, 0x54, 0, 0x12, 0x34, 0x56)

  init(_ local: Endpoint, to remote: Endpoint) {
    self.local = local
    self.remote = remote
  }

  /// Learns from the stack's SYN-ACK where its sequence numbers start.
  mutating func take(synAck frame: [UInt8]) {
    guard let answer = try? PlainFrame(decoding: frame), case .tcp(let synAck)? = answer.payload else {
      fatalExit("the SYN got no answer")
    }
    stackStart = synAck.sequence
  }

  /// A segment of the guest's; places count from each side's SYN.
  func segment(
    _ flags: PlainTCP.Flags, at place: Int, ack: Int, options: [PlainTCP.Option] = [], payload: [UInt8] = []
  ) -> [UInt8] {
    var segment = PlainTCP()
    segment.sourcePort = local.port
    segment.destinationPort = remote.port
    segment.sequence = Self.start + place
    segment.acknowledgment = stackStart + ack
    segment.flags = flags
    segment.window = 65_535
    segment.options = options
    segment.payload = payload
    return frame(.tcp(segment))
  }

  /// A datagram of the guest's.
  func datagram(_ payload: [UInt8]) -> [UInt8] {
    frame(.udp(PlainUDP(sourcePort: local.port, destinationPort: remote.port, payload: payload)))
  }

  /// Any packet of the guest's.
  func frame(_ payload: PlainPayload) -> [UInt8] {
    let settings = NetworkSettings()
    guard let source = local.address.ipv4, let destination = remote.address.ipv4 else {
      let packet = PlainIPv6(from: local.address.mapped, to: remote.address.mapped, payload)
      return PlainFrame(destination: settings.ipv6GatewayMAC, source: Self.mac, .ipv6(packet)).encoded
    }
    let packet = PlainIPv4(from: source, to: destination, payload)
    return PlainFrame(destination: settings.gatewayMAC, source: Self.mac, .ipv4(packet)).encoded
  }
}
