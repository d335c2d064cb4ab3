import Capture
import Primitives
import Testing
import Wire

/// A conversation as a capture has it, seen by a tracker.
private final class Conversation {
  private var tracker: FlowTracker
  private(set) var lines: [String] = []
  private var time: Int64 = 0

  init(capacity: Int = 16) { tracker = FlowTracker(capacity: capacity) }

  /// A frame passes, so many milliseconds after the start.
  func pass(_ frame: [UInt8], at milliseconds: Int64, fromGuest: Bool) {
    time = milliseconds * 1_000_000
    let flow = tracker.note(frame.span, originalLength: frame.count, at: time, isFromGuest: fromGuest)
    lines.append(FrameText().line(of: frame.span, flow: flow))
  }

  /// A segment between port 40000 of the guest's and port 80.
  func segment(
    _ flags: TCPFlags, _ sequence: UInt32, _ acknowledgment: UInt32 = 0, _ length: Int = 0, window: UInt16 = 1000,
    options: TCPOptions = TCPOptions(), at milliseconds: Int64, fromGuest: Bool
  ) {
    let header = TCPHeader(
      sourcePort: fromGuest ? 40_000 : 80, destinationPort: fromGuest ? 80 : 40_000,
      sequenceNumber: SequenceNumber(sequence), acknowledgmentNumber: SequenceNumber(acknowledgment), flags: flags,
      window: window, options: options)
    let payload = [UInt8](repeating: 0x61, count: length)
    pass(FrameBuilder.tcp(header, payload, toGuest: !fromGuest), at: milliseconds, fromGuest: fromGuest)
  }

  /// The guest's SYN, its answer and the acknowledgment, at 0, 10 and 11 milliseconds: numbers 1000 and 5000.
  func shakeHands() {
    segment(.syn, 1000, options: TCPOptions(windowScale: 2), at: 0, fromGuest: true)
    segment([.syn, .ack], 5000, 1001, options: TCPOptions(windowScale: 3), at: 10, fromGuest: false)
    segment(.ack, 1001, 5001, at: 11, fromGuest: true)
  }

  /// The flows' lines.
  var flows: [String] { tracker.flows.map { $0.line(since: 0, until: time) } }
  /// Those that had to make room.
  func takeEnded() -> [String] { tracker.takeEnded().map { $0.line(since: 0, until: time) } }
}

/// What a capture shows of flows.
@Suite struct FlowTrackerTests {
  private static let ends = "TCP 10.0.2.15:40000 > 10.0.2.2:80 at 0.000000"
  private static let handshake = "handshake 0.010000 + 0.001000"

  @Test func `a connection has its bytes, round trips and who has finished first`() {
    let talk = Conversation()
    talk.shakeHands()
    talk.segment([.ack, .psh], 1001, 5001, 100, at: 20, fromGuest: true)
    talk.segment(.ack, 5001, 1101, at: 26, fromGuest: false)
    talk.segment([.ack, .fin], 5001, 1101, 50, at: 30, fromGuest: false)
    talk.segment([.ack, .fin], 1101, 5052, at: 33, fromGuest: true)
    talk.segment(.ack, 5052, 1102, at: 40, fromGuest: false)
    #expect(
      talk.flows == [
        "\(Self.ends) for 0.040000 up 4 frames 100 bytes down 4 frames 50 bytes \(Self.handshake) "
          + "rtt up 0.006000/0.007666 down 0.001000/0.002000 closed, the network first"
      ])
  }

  @Test func `a flow's lines count from its first numbers, and windows are in bytes`() {
    let talk = Conversation()
    talk.shakeHands()
    talk.segment([.ack, .psh], 1001, 5001, 100, at: 20, fromGuest: true)
    talk.segment(.ack, 5001, 1101, at: 21, fromGuest: false)
    #expect(
      talk.lines == [
        "10.0.2.15:40000 > 10.0.2.2:80 TCP S seq 0 win 1000 wscale 2",
        "10.0.2.2:80 > 10.0.2.15:40000 TCP SA seq 0 ack 1 win 1000 wscale 3",
        "10.0.2.15:40000 > 10.0.2.2:80 TCP A seq 1 ack 1 win 4000",
        "10.0.2.15:40000 > 10.0.2.2:80 TCP PA seq 1 ack 1 win 4000 length 100",
        "10.0.2.2:80 > 10.0.2.15:40000 TCP A seq 1 ack 101 win 8000",
      ])
  }

  @Test func `windows are as they are where one of the SYNs does not scale`() {
    let talk = Conversation()
    talk.segment(.syn, 1000, options: TCPOptions(windowScale: 2), at: 0, fromGuest: true)
    talk.segment([.syn, .ack], 5000, 1001, at: 10, fromGuest: false)
    talk.segment(.ack, 1001, 5001, at: 11, fromGuest: true)
    #expect(talk.lines.last == "10.0.2.15:40000 > 10.0.2.2:80 TCP A seq 1 ack 1 win 1000")
    // The window of a SYN that is sent again is not scaled either.
    let again = Conversation()
    again.shakeHands()
    again.segment([.syn, .ack], 5000, 1001, options: TCPOptions(windowScale: 3), at: 12, fromGuest: false)
    #expect(again.lines.last == "10.0.2.2:80 > 10.0.2.15:40000 TCP SA seq 0 ack 1 win 1000 wscale 3")
  }

  @Test func `echoes of timestamps count from the other end's first, and that of a SYN is nothing`() {
    let talk = Conversation()
    func options(_ value: UInt32, _ echo: UInt32) -> TCPOptions {
      TCPOptions(timestamps: TCPTimestamps(value: value, echo: echo))
    }
    talk.segment(.syn, 1000, options: options(700, 0), at: 0, fromGuest: true)
    talk.segment([.syn, .ack], 5000, 1001, options: options(90, 700), at: 10, fromGuest: false)
    talk.segment(.ack, 1001, 5001, options: options(712, 90), at: 11, fromGuest: true)
    talk.segment(.syn, 1000, options: options(720, 0), at: 12, fromGuest: true)
    #expect(talk.lines.map { $0.split(separator: " ts ").last } == ["0 echo 0", "0 echo 0", "12 echo 0", "20 echo 0"])
  }

  @Test func `a connection that was there before the capture begins with number 1, its windows as they are`() {
    let talk = Conversation()
    talk.segment([.ack, .psh], 7001, 9001, 10, at: 0, fromGuest: true)
    talk.segment([.ack, .psh], 9001, 7011, 20, at: 1, fromGuest: false)
    #expect(
      talk.lines == [
        "10.0.2.15:40000 > 10.0.2.2:80 TCP PA seq 1 ack 1 win 1000 length 10",
        "10.0.2.2:80 > 10.0.2.15:40000 TCP PA seq 1 ack 11 win 1000 length 20",
      ])
  }

  @Test func `what is sent again, comes late and finds no room is counted apart`() {
    let talk = Conversation()
    talk.shakeHands()
    talk.segment(.ack, 1001, 5001, 100, at: 20, fromGuest: true)
    talk.segment(.ack, 1001, 5001, 100, at: 220, fromGuest: true)  // again
    talk.segment(.ack, 1201, 5001, 100, at: 221, fromGuest: true)  // passes 1101 over
    talk.segment(.ack, 1101, 5001, 100, at: 222, fromGuest: true)  // and fills it
    talk.segment(.ack, 1101, 5001, 100, at: 223, fromGuest: true)  // again
    talk.segment(.ack, 5001, 1301, window: 0, at: 224, fromGuest: false)
    talk.segment(.ack, 5001, 1301, window: 0, at: 225, fromGuest: false)  // the same window
    talk.segment(.ack, 5001, 1301, window: 9, at: 226, fromGuest: false)
    talk.segment(.ack, 5001, 1301, window: 0, at: 227, fromGuest: false)
    talk.segment(.ack, 1300, 5001, at: 9000, fromGuest: true)  // is it still there?
    #expect(
      talk.flows == [
        "\(Self.ends) for 9.000000 up 8 frames 500 bytes down 5 frames 0 bytes \(Self.handshake) "
          + "rtt up 0.010000/0.010000 down 0.001000/0.001000 retransmitted up 2 out of order up 1 zero windows down 2 "
          + "keep-alives up 1 open at the end"
      ])
  }

  @Test func `a refusal, a reset, an error and silence end a connection`() {
    let refused = Conversation()
    refused.segment(.syn, 1000, at: 0, fromGuest: true)
    refused.segment([.rst, .ack], 0, 1001, at: 5, fromGuest: false)
    #expect(refused.flows.first?.hasSuffix(" refused by the network") == true)
    let reset = Conversation()
    reset.shakeHands()
    reset.segment(.rst, 1001, at: 20, fromGuest: true)
    #expect(reset.flows.first?.hasSuffix(" reset by the guest") == true)
    let silent = Conversation()
    silent.segment(.syn, 1000, at: 0, fromGuest: true)
    silent.segment(.syn, 1000, at: 1000, fromGuest: true)
    #expect(silent.flows.first?.hasSuffix(" no answer to 2 SYNs") == true)
    let half = Conversation()
    half.shakeHands()
    half.segment([.ack, .fin], 1001, 5001, at: 20, fromGuest: true)
    half.pass(FrameBuilder.udp(from: 1, to: 2, []), at: 100_000, fromGuest: true)
    #expect(half.flows.first?.hasSuffix(" half closed by the guest, open at the end, silent for 99.980000") == true)
  }

  @Test func `an ICMP error is of the flow whose packet it quotes`() {
    let talk = Conversation()
    let datagram = FrameBuilder.udp(from: 4000, to: 7, [1, 2, 3])
    talk.pass(datagram, at: 0, fromGuest: true)
    let error = ICMPv4Header(type: .destinationUnreachable, code: .portUnreachable)
    talk.pass(FrameBuilder.icmp(error, Array(datagram[14...]), toGuest: true), at: 1, fromGuest: false)
    #expect(
      talk.flows == [
        "UDP 10.0.2.15:4000 > 10.0.2.2:7 at 0.000000 for 0.000000 up 1 frame 3 bytes down 0 frames 0 bytes "
          + "port unreachable, says 10.0.2.2"
      ])
  }

  @Test func `who has reset a connection counts, whatever an ICMP error has said of it`() {
    let talk = Conversation()
    talk.shakeHands()
    let segment = FrameBuilder.tcp(
      TCPHeader(sourcePort: 40_000, destinationPort: 80, sequenceNumber: SequenceNumber(1001), flags: .ack, window: 1))
    talk.pass(
      FrameBuilder.icmp(ICMPv4Header(fragmentationNeededFor: 1400), Array(segment[14...]), toGuest: true), at: 12,
      fromGuest: false)
    #expect(talk.flows.first?.hasSuffix(" fragmentation needed, says 10.0.2.2") == true)
    talk.segment(.rst, 1001, at: 20, fromGuest: true)
    #expect(talk.flows.first?.hasSuffix(" reset by the guest") == true)
  }

  @Test func `what was sent twice measures no round trip (RFC 6298)`() {
    let talk = Conversation()
    talk.segment(.syn, 1000, at: 0, fromGuest: true)
    talk.segment([.syn, .ack], 5000, 1001, at: 10, fromGuest: false)
    talk.segment(.ack, 1001, 5001, 100, at: 20, fromGuest: true)
    talk.segment(.ack, 1001, 5001, 100, at: 220, fromGuest: true)
    talk.segment(.ack, 5001, 1101, at: 221, fromGuest: false)
    talk.segment(.ack, 1101, 5001, 100, at: 300, fromGuest: true)
    talk.segment(.ack, 5001, 1201, at: 305, fromGuest: false)
    #expect(talk.flows.first?.contains(" rtt up 0.005000/0.007500 down ") == true, "\(talk.flows)")
  }

  @Test func `an echo has the time to its reply`() {
    let talk = Conversation()
    for (number, time) in [(UInt16(1), Int64(0)), (2, 100)] {
      let request = ICMPv4Header(type: .echoRequest, identifier: 9, sequenceNumber: number)
      talk.pass(FrameBuilder.icmp(request, [0]), at: time, fromGuest: true)
    }
    // The reply to the first is too late for it to be timed.
    for (number, time) in [(UInt16(1), Int64(101)), (2, 104)] {
      let reply = ICMPv4Header(type: .echoReply, identifier: 9, sequenceNumber: number)
      talk.pass(FrameBuilder.icmp(reply, [0], toGuest: true), at: time, fromGuest: false)
    }
    #expect(
      talk.flows == [
        "ICMP 10.0.2.15 > 10.0.2.2 id 9 at 0.000000 for 0.104000 up 2 frames 2 bytes down 2 frames 2 bytes "
          + "rtt up 0.004000/0.004000"
      ])
  }

  @Test func `another SYN between the same ends is another connection`() {
    let talk = Conversation()
    talk.shakeHands()
    talk.segment(.rst, 1001, at: 20, fromGuest: true)
    talk.segment(.syn, 9000, at: 30, fromGuest: true)
    #expect(talk.flows.count == 2)
    #expect(talk.lines.last == "10.0.2.15:40000 > 10.0.2.2:80 TCP S seq 0 win 1000")
  }

  @Test func `of more flows than there is room for, the one that was silent for longest makes room`() {
    let talk = Conversation(capacity: 3)
    for port in [UInt16(1), 2, 3, 1, 4] {
      talk.pass(FrameBuilder.udp(from: port, to: 7, []), at: Int64(port), fromGuest: true)
    }
    #expect(talk.takeEnded().map { String($0.prefix(18)) } == ["UDP 10.0.2.15:2 > "])
    #expect(talk.flows.map { String($0.prefix(16)) } == ["UDP 10.0.2.15:1 ", "UDP 10.0.2.15:3 ", "UDP 10.0.2.15:4 "])
    talk.pass(FrameBuilder.udp(from: 2, to: 7, []), at: 9, fromGuest: true)
    #expect(talk.takeEnded().map { String($0.prefix(16)) } == ["UDP 10.0.2.15:3 "])
  }

  @Test func `a connection stays known when one before it of the same ends makes room`() {
    let talk = Conversation(capacity: 2)
    talk.segment(.syn, 1000, at: 0, fromGuest: true)
    talk.segment(.syn, 9000, at: 1, fromGuest: true)
    talk.pass(FrameBuilder.udp(from: 1, to: 7, []), at: 2, fromGuest: true)
    #expect(talk.takeEnded().count == 1)
    talk.segment([.syn, .ack], 5000, 9001, at: 3, fromGuest: false)
    #expect(talk.takeEnded() == [])
    #expect(talk.flows.first?.contains(" up 1 frame 0 bytes down 1 frame ") == true)
  }

  @Test func `ports of a TFTP transfer are known by its request`() {
    let talk = Conversation()
    talk.pass(FrameBuilder.udp(from: 4000, to: 69, hex("0001 6100 6f6374657400")), at: 0, fromGuest: true)
    talk.pass(FrameBuilder.udp(from: 50_000, to: 4000, hex("0003 0001 616263"), toGuest: true), at: 1, fromGuest: false)
    #expect(talk.lines.last == "10.0.2.2:50000 > 10.0.2.15:4000 UDP length 7 TFTP data block 1 length 3")
    // Of another transfer as well.
    talk.pass(FrameBuilder.udp(from: 4001, to: 69, hex("0001 6200 6f6374657400")), at: 2, fromGuest: true)
    talk.pass(FrameBuilder.udp(from: 4001, to: 50_001, hex("0004 0001")), at: 3, fromGuest: true)
    #expect(talk.lines.last == "10.0.2.15:4001 > 10.0.2.2:50001 UDP length 4 TFTP ack block 1")
  }
}

/// What there is in a capture altogether.
@Suite struct CaptureTotalsTests {
  @Test func `frames and bytes on the wire are counted, from the first time to the latest`() {
    var totals = CaptureTotals()
    #expect(totals.line == "0 frames 0 bytes in 0.000000")
    for (time, length) in [(Int64(5_000_000_000), 42), (7_500_000_000, 1514), (6_000_000_000, 60)] {
      totals.begin(at: time)
      totals.add(CaptureRecord(time: time, originalLength: length))
    }
    totals.begin(at: 4_000_000_000)
    #expect(totals.line == "3 frames 1616 bytes in 2.500000")
  }

  @Test func `a time before the first is negative`() {
    #expect(
      [-1_500_000_000, -999, 0, 999, 1000].map { secondsText($0) } == [
        "-1.500000", "0.000000", "0.000000", "0.000000", "0.000001",
      ])
  }
}

/// Who the guest of a capture is.
@Suite struct GuestFinderTests {
  private static let up = FrameBuilder.udp(from: 1, to: 2, [])
  private static let down = FrameBuilder.udp(from: 2, to: 1, [], toGuest: true)

  @Test func `the guest is behind the gateway, or who is told, or who comes first`() {
    var behindGateway = GuestFinder()
    let (down, up) = (Self.down, Self.up)
    let isDown = behindGateway.isFromGuest(down.span)
    #expect(!isDown)
    #expect(behindGateway.guest == FrameBuilder.guestMAC)
    var told = GuestFinder(guest: FrameBuilder.gatewayMAC)
    let isUp = told.isFromGuest(up.span)
    #expect(!isUp)
    var first = GuestFinder()
    let isFirst = first.isFromGuest(up.span)
    #expect(isFirst && first.guest == FrameBuilder.guestMAC)
    // A group is nobody's guest.
    var group = down
    for place in 0..<6 { group[place] = 0xff }
    var waiting = GuestFinder()
    let isGroup = waiting.isFromGuest(group.span)
    #expect(!isGroup && waiting.guest == nil)
    let nothing: [UInt8] = []
    let isNothing = waiting.isFromGuest(nothing.span)
    #expect(!isNothing)
  }
}
