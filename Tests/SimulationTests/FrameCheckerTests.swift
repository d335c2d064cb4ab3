import Netstack
import Primitives
import Testing

@testable import Simulation

/// The witness itself: it accepts what is right and finds each thing that is wrong.
@Suite struct FrameCheckerTests {
  private static let guest = IPv4Address(10, 0, 2, 15)
  private static let server = IPv4Address(192, 0, 2, 1)
  private static let mac = MACAddress(0x52, 0x54, 0, 0x12, 0x34, 0x56)
  private static let settings = NetworkSettings()

  /// A checker that has seen a handshake: guest from 1000, stack from 5000, MSS 1000, a window of 3000 each way.
  private func afterHandshake() -> FrameChecker {
    var checker = FrameChecker(settings: Self.settings)
    checker.received(fromGuest(.syn, 1000, 0, window: 3000, options: [.mss(1000)]))
    checker.sent(fromStack([.syn, .ack], 5000, 1001, window: 3000, options: [.mss(1460)]), at: .zero)
    checker.received(fromGuest(.ack, 1001, 5001, window: 3000))
    return checker
  }

  private func segment(
    _ flags: PlainTCP.Flags, _ sequence: UInt32, _ ack: UInt32, window: UInt16, options: [PlainTCP.Option],
    _ payload: [UInt8]
  ) -> PlainTCP {
    var segment = PlainTCP()
    segment.flags = flags
    segment.sequence = SequenceNumber(sequence)
    segment.acknowledgment = SequenceNumber(ack)
    segment.window = window
    segment.options = options
    segment.payload = payload
    return segment
  }

  private func fromGuest(
    _ flags: PlainTCP.Flags, _ sequence: UInt32, _ ack: UInt32, window: UInt16, options: [PlainTCP.Option] = [],
    _ payload: [UInt8] = []
  ) -> [UInt8] {
    var tcp = segment(flags, sequence, ack, window: window, options: options, payload)
    (tcp.sourcePort, tcp.destinationPort) = (4000, 80)
    let packet = PlainIPv4(from: Self.guest, to: Self.server, .tcp(tcp))
    return PlainFrame(destination: Self.settings.gatewayMAC, source: Self.mac, .ipv4(packet)).encoded
  }

  private func fromStack(
    _ flags: PlainTCP.Flags, _ sequence: UInt32, _ ack: UInt32, window: UInt16 = 3000,
    options: [PlainTCP.Option] = [], _ payload: [UInt8] = []
  ) -> [UInt8] {
    var tcp = segment(flags, sequence, ack, window: window, options: options, payload)
    (tcp.sourcePort, tcp.destinationPort) = (80, 4000)
    return stackFrame(PlainIPv4(from: Self.server, to: Self.guest, .tcp(tcp)))
  }

  private func stackFrame(_ packet: PlainIPv4) -> [UInt8] {
    PlainFrame(destination: Self.mac, source: Self.settings.gatewayMAC, .ipv4(packet)).encoded
  }

  private func bytes(_ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: $0) } }

  @Test func `an ordinary conversation has no faults`() {
    var checker = afterHandshake()
    checker.sent(fromStack(.ack, 5001, 1001, bytes(1000)), at: .zero)
    checker.sent(fromStack(.ack, 6001, 1001, bytes(1000)), at: .zero)
    checker.sent(fromStack(.ack, 5001, 1001, bytes(1000)), at: .zero)
    checker.received(fromGuest(.ack, 1001, 7001, window: 3000, bytes(100)))
    checker.sent(fromStack([.ack, .fin], 7001, 1101, window: 2900), at: .zero)
    checker.received(fromGuest([.ack, .fin], 1101, 7002, window: 3000))
    checker.sent(fromStack(.ack, 7002, 1102, window: 2899), at: .zero)
    #expect(checker.faults.isEmpty, "\(checker.faults.joined(separator: "\n"))")
    #expect(checker.frameCount == 6)
  }

  @Test func `what a connection must not do is found`() {
    let faults: [(words: String, frame: [UInt8])] = [
      ("acknowledges", fromStack(.ack, 5001, 1002)),
      ("moves back", fromStack(.ack, 5001, 1001, window: 2000)),
      ("a guest that takes 1000", fromStack(.ack, 5001, 1001, bytes(1001))),
      ("leaves a gap", fromStack(.ack, 5002, 1001, bytes(10))),
      ("option 2 behind the handshake", fromStack(.ack, 5001, 1001, options: [.mss(1460)])),
      ("timestamps against", fromStack(.ack, 5001, 1001, options: [.timestamps(1, echo: 2)])),
      ("without ACK", fromStack(.psh, 5001, 1001, bytes(10))),
      ("a reset with data", fromStack(.rst, 5001, 1001, bytes(1))),
    ]
    for fault in faults {
      var checker = afterHandshake()
      checker.sent(fault.frame, at: .zero)
      #expect(checker.faults.count == 1 && checker.faults[0].contains(fault.words), "\(fault.words)")
    }
  }

  @Test func `other bytes in a repetition are found`() {
    var checker = afterHandshake()
    checker.sent(fromStack(.ack, 5001, 1001, bytes(10)), at: .zero)
    checker.sent(fromStack(.ack, 5006, 1001, bytes(10)), at: .zero)
    #expect(checker.faults.count == 1 && checker.faults[0].contains("other bytes"))
  }

  @Test func `data beyond the guest's window is found, a probe of one byte is not`() {
    var checker = afterHandshake()
    for place in [UInt32(5001), 6001, 7001] { checker.sent(fromStack(.ack, place, 1001, bytes(1000)), at: .zero) }
    checker.sent(fromStack(.ack, 8001, 1001, [7]), at: .zero)
    #expect(checker.faults.isEmpty)
    checker.sent(fromStack(.ack, 8001, 1001, [7, 8]), at: .zero)
    #expect(checker.faults.count == 1 && checker.faults[0].contains("window ends"))
  }

  @Test func `anything behind a reset or a FIN is found`() {
    var checker = afterHandshake()
    checker.sent(fromStack([.rst, .ack], 5001, 1001), at: .zero)
    checker.sent(fromStack(.ack, 5001, 1001), at: .zero)
    #expect(checker.faults.count == 1 && checker.faults[0].contains("behind a reset"))
    checker = afterHandshake()
    checker.sent(fromStack([.fin, .ack], 5001, 1001), at: .zero)
    checker.sent(fromStack(.ack, 5001, 1001, [1]), at: .zero)
    #expect(checker.faults.count == 1 && checker.faults[0].contains("behind the FIN"))
  }

  @Test func `a reset answers something, be it a segment to port 0`() {
    func segment(_ flags: PlainTCP.Flags, from source: UInt16, to destination: UInt16) -> PlainTCP {
      var segment = self.segment(flags, 0, 1, window: 0, options: [], [])
      (segment.sourcePort, segment.destinationPort) = (source, destination)
      return segment
    }
    var checker = FrameChecker(settings: Self.settings)
    let reset = stackFrame(PlainIPv4(from: Self.server, to: Self.guest, .tcp(segment(.rst, from: 0, to: 4000))))
    let stray = PlainIPv4(from: Self.guest, to: Self.server, .tcp(segment(.ack, from: 4000, to: 0)))
    checker.received(PlainFrame(destination: Self.settings.gatewayMAC, source: Self.mac, .ipv4(stray)).encoded)
    checker.sent(reset, at: .zero)
    #expect(checker.faults.isEmpty, "\(checker.faults)")
    let another = PlainIPv4(from: Self.server, to: Self.guest, .tcp(segment(.rst, from: 0, to: 4001)))
    checker.sent(stackFrame(another), at: .zero)
    #expect(checker.faults.count == 1 && checker.faults[0].contains("answers nothing"))
    let data = PlainIPv4(from: Self.server, to: Self.guest, .tcp(segment(.ack, from: 0, to: 4000)))
    checker.sent(stackFrame(data), at: .zero)
    #expect(checker.faults.count == 2 && checker.faults[1].contains("port 0"))
  }

  /// Every byte of a frame matters: whichever is changed, something is found. The exceptions are named.
  @Test func `a frame with any one byte changed is found`() {
    let frame = fromStack(.ack, 5001, 1001, bytes(20))
    for place in frame.indices {
      // Type of service: any will do, but the header's checksum tells.
      var changed = frame
      changed[place] ^= 0x40
      var checker = afterHandshake()
      checker.sent(changed, at: .zero)
      #expect(!checker.faults.isEmpty, "byte \(place)")
    }
  }

  @Test func `packets from and to the wrong places are found`() {
    let datagram = PlainIPv4.Payload.udp(PlainUDP(sourcePort: 1, destinationPort: 2, payload: [1]))
    for (source, destination) in [
      (IPv4Address(127, 0, 0, 1), Self.guest), (IPv4Address(10, 0, 2, 77), Self.guest),
      (Self.server, IPv4Address(10, 0, 2, 16)), (Self.server, IPv4Address(192, 0, 2, 2)), (.broadcast, Self.guest),
    ] {
      var checker = afterHandshake()
      checker.sent(stackFrame(PlainIPv4(from: source, to: destination, datagram)), at: .zero)
      #expect(checker.faults.count == 1, "\(source) to \(destination)")
    }
  }

  @Test func `a packet longer than the guest takes is found`() {
    func datagram(_ count: Int) -> [UInt8] {
      let udp = PlainUDP(sourcePort: 1, destinationPort: 2, payload: bytes(count))
      return stackFrame(PlainIPv4(from: Self.server, to: Self.guest, .udp(udp)))
    }
    var checker = afterHandshake()
    checker.sent(datagram(1472), at: .zero)
    #expect(checker.faults.isEmpty)
    checker.sent(datagram(1473), at: .zero)
    #expect(checker.faults.count == 1)
  }
}
