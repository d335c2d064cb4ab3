import Capture
import Netstack
import Primitives
import Simulation
import Testing
import Wire

private let server = Endpoint(IPv4Address(192, 0, 2, 1), port: 80)
private let server6 = Endpoint(IPAddress(IPv6Address(high: 0x2001_0db8 << 32, low: 1)), port: 80)

private func pattern(_ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 >> 8) } }

/// A capture of a guest that sends `bytes` to a server that echoes, and reads them again.
private func echoed(
  _ bytes: [UInt8], at server: Endpoint = server, seed: UInt64 = 1, loss: Int = 0,
  _ guest: GuestTCP.Options = GuestTCP.Options()
) -> [CapturedFrame] {
  var options = Lab.Options()
  options.seed = seed
  (options.downLink.lossPermille, options.downLink.delay) = (loss, .milliseconds(1))
  return capture(options) { lab in
    lab.host.services[server] = RemoteService(echoes: true)
    let connection = lab.guest.connect(to: server, options: guest)
    connection.write(bytes)
    connection.finish()
    lab.run(for: .seconds(100)) { connection.isFinished }
    lab.advance(by: .seconds(1))
  }
}

/// A capture's guest against a fresh stack.
@Suite struct CaptureReplayTests {
  @Test(arguments: [server, server6])
  func `a guest's connection goes on as it did, with other sequence numbers`(server: Endpoint) {
    let recorded = echoed(pattern(50_000), at: server)
    let result = replay(recorded, .echo)
    #expect(result.drops == [], "\(result.lines.joined(separator: "\n"))")
    #expect(result.stream(fromGuest: true) == pattern(50_000))
    #expect(result.stream(fromGuest: false) == pattern(50_000))
    let ends = result.flows.filter { $0.proto == .tcp }.map(\.end)
    #expect(ends == [.closed(first: .opener)])
    #expect(result.flows.first { $0.proto == .tcp }?.toGuest.retransmissions == 0)
    // The stack chooses numbers of its own: what it has sent is not what was recorded.
    #expect(result.frames.filter { !$0.isFromGuest }.map(\.bytes) != recorded.filter { !$0.isFromGuest }.map(\.bytes))
  }

  @Test func `the guest's frames alone are enough`() {
    let recorded = echoed(pattern(20_000)).filter(\.isFromGuest)
    let result = replay(recorded, .echo, learns: false)
    #expect(result.drops == [])
    #expect(result.stream(fromGuest: false) == pattern(20_000))
    #expect(result.flows.filter { $0.proto == .tcp }.map(\.end) == [.closed(first: .opener)])
  }

  @Test func `losses that were recorded are repaired again`() {
    let recorded = echoed(pattern(200_000), loss: 20)
    let result = replay(recorded, .echo)
    #expect(result.stream(fromGuest: false) == pattern(200_000))
    let blocks = result.lines.filter { $0.hasPrefix(">") && $0.contains(" sack ") }
    #expect(!blocks.isEmpty)
    #expect(result.flows.first { $0.proto == .tcp }.map { $0.toGuest.retransmissions > 0 } == true)
  }

  @Test func `a guest that had timestamps echoes those of this network`() throws {
    let result = replay(echoed(pattern(5000)), .echo)
    let echoes = result.lines.filter { $0.hasPrefix(">") && $0.contains(" ts ") && !$0.contains(" TCP S ") }
    #expect(!echoes.isEmpty)
    // Counted from the network's first timestamp, an echo of another network's would be far away.
    for line in echoes {
      let echo = try #require(line.split(separator: " echo ").last?.split(separator: " ").first.flatMap { UInt32($0) })
      #expect(echo < 200_000, "\(line)")
    }
  }

  @Test func `what the recorded network did not take up is not offered`() {
    // A network without timestamps and scaled windows: its answer's options are taken out.
    var recorded = echoed(pattern(5000))
    for index in recorded.indices where !recorded[index].isFromGuest {
      recorded[index].bytes = withoutOptions(recorded[index].bytes)
    }
    let result = replay(recorded, .echo)
    let syn = result.lines.first { $0.hasPrefix(">") && $0.contains(" TCP S ") }
    #expect(syn?.contains("mss 1460") == true)
    #expect(syn?.contains("ts ") == false && syn?.contains("wscale") == false && syn?.contains("sackOK") == false)
    #expect(result.lines.allSatisfy { !$0.contains("{") }, "checksums are right")
    let answer = result.lines.first { $0.hasPrefix("<") && $0.contains(" TCP SA ") }
    #expect(answer?.contains("wscale") == false)
    // Without the look before, it is offered as it was.
    let unprepared = replay(recorded, .echo, learns: false)
    #expect(unprepared.lines.contains { $0.contains(" TCP S ") && $0.contains("wscale") })
  }

  private func withoutOptions(_ bytes: [UInt8]) -> [UInt8] {
    guard var frame = try? PlainFrame(decoding: bytes, strictly: false), case .ipv4(var packet) = frame.body,
      case .tcp(var segment) = packet.payload, segment.flags.contains(.syn)
    else { return bytes }
    segment.options = segment.options.filter { if case .mss = $0 { true } else { false } }
    packet.payload = .tcp(segment)
    frame.body = .ipv4(packet)
    return frame.encoded
  }

  @Test func `whatever the world says, the guest acknowledges no more and no less`() throws {
    let recorded = echoed(pattern(3000))
    let less = replay(recorded, try ReplayBehavior(script: #"tcp 80 receive 1 send "hello" close"#))
    #expect(less.drops == [])
    #expect(less.stream(fromGuest: false) == Array("hello".utf8))
    #expect(less.flows.filter { $0.proto == .tcp }.map(\.fromGuest.bytes) == [3000])
    let more = replay(recorded, try ReplayBehavior(script: "tcp 80 receive 1 send 9000 close"))
    #expect(more.drops == [])
    #expect(more.stream(fromGuest: false).count == 9000)
    for result in [less, more] {
      #expect(
        result.flows.filter { $0.proto == .tcp }.map(\.end).allSatisfy { if case .closed = $0 { true } else { false } })
    }
  }

  @Test(arguments: [
    (ReplayBehavior.discard, "> 10.0.2.15:40000 > 192.0.2.1:80 TCP A"), (.refuse, "TCP RA seq"), (.blackhole, ""),
  ])
  func `the world may do otherwise than the recorded one`(behavior: ReplayBehavior, words: String) {
    let result = replay(echoed(pattern(1000)), behavior)
    switch behavior {
    case .discard: #expect(result.stream(fromGuest: false) == [] && result.counts.answered > 2)
    case .refuse: #expect(result.flows.filter { $0.proto == .tcp }.map(\.end) == [.refused(by: .other)])
    default: #expect(result.lines.allSatisfy { !$0.hasPrefix("<") || !$0.contains("TCP") })
    }
  }

  @Test func `datagrams and pings are answered by the world`() {
    let recorded = capture { lab in
      lab.guest.sendUDP([1, 2, 3], from: 4000, to: IPv4Address(192, 0, 2, 1), port: 7)
      lab.guest.ping(IPv4Address(192, 0, 2, 1))
      lab.settle()
    }
    func answers(_ behavior: ReplayBehavior) -> [String] {
      replay(recorded, behavior).lines.filter { $0.hasPrefix("<") && !$0.contains("ARP") && !$0.contains("router") }
    }
    #expect(
      answers(.echo) == [
        "< 192.0.2.1:7 > 10.0.2.15:4000 UDP length 3",
        "< 192.0.2.1 > 10.0.2.15 ICMP echo reply id 4660 seq 1 length 56",
      ])
    #expect(answers(.discard).count == 1)
    #expect(answers(.blackhole) == [])
    let refusals = answers(.refuse)
    #expect(refusals.contains { $0.contains("ICMP port unreachable [10.0.2.15:4000 > 192.0.2.1:7 UDP") })
  }

  @Test func `the resolver answers by TCP, too`() {
    let resolver = Endpoint(IPv4Address(10, 0, 2, 3), port: 53)
    // The name of the gateway, behind the message's length.
    let query =
      [0, 42, 0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 7] + Array("gateway".utf8) + [7] + Array("culvert".utf8)
      + [8] + Array("internal".utf8) + [0, 0, 1, 0, 1]
    let recorded = capture { lab in
      let connection = lab.guest.connect(to: resolver)
      connection.write(query)
      lab.advance(by: .milliseconds(100))
      connection.finish()
      lab.advance(by: .seconds(1))
    }
    for behavior in [ReplayBehavior.echo, .refuse] {
      let result = replay(recorded, behavior)
      #expect(result.lines.contains { $0.hasPrefix("<") && $0.contains("A? gateway.culvert.internal is A 10.0.2.2") })
      #expect(result.flows.filter { $0.proto == .tcp }.map(\.end) == [.closed(first: .opener)])
    }
  }

  @Test func `the same seed gives the same frames, another seed others`() {
    let recorded = echoed(pattern(3000))
    let (first, second, other) = (replay(recorded, .echo), replay(recorded, .echo), replay(recorded, .echo, seed: 5))
    #expect(first.frames == second.frames)
    #expect(first.frames != other.frames)
    // As text, which counts from the flow's first numbers, there is no difference.
    #expect(first.lines == other.lines)
  }

  @Test func `timers run between the frames, by the capture's clock`() {
    // A SYN that the world answers, and then silence until something else comes: the SYN ACK is sent again meanwhile.
    var recorded = echoed(pattern(10)).filter(\.isFromGuest)
    recorded = recorded.filter { $0.bytes[12...13] != [0x08, 0x06] }.prefix(1) + []
    var later = recorded[0]
    later.time += 10_000_000_000
    later.bytes = Array(recorded[0].bytes.prefix(20))
    let result = replay(recorded + [later], .echo)
    let answers = result.frames.filter { !$0.isFromGuest && $0.bytes.count > 47 && $0.bytes[47] == 0x12 }
    #expect(answers.count > 2)
    let times = answers.map { $0.time - recorded[0].time }
    #expect(times.first == 0 && times.allSatisfy { $0 <= 10_000_000_000 })
    #expect(times == times.sorted() && times.dropFirst().first.map { $0 >= 1_000_000_000 } == true)
  }

  @Test func `frames of another network's gateway reach this one's`() {
    var recorded = echoed(pattern(100))
    for index in recorded.indices {
      let place = recorded[index].isFromGuest ? 0 : 6
      recorded[index].bytes.replaceSubrange(place..<place + 6, with: [0, 0x11, 0x22, 0x33, 0x44, 0x55])
    }
    let guest = MACAddress(0x52, 0x54, 0x00, 0x12, 0x34, 0x56)
    let result = replay(recorded, .echo) { $0.guest = guest }
    #expect(result.stream(fromGuest: false) == pattern(100))
  }

  @Test func `a checksum that was left to the device is completed, and a wrong one stays wrong`() throws {
    let recorded = echoed(pattern(100))
    let isSegment = { (frame: CapturedFrame) in frame.isFromGuest && frame.bytes.count > 100 }
    var partial = recorded
    for index in partial.indices where isSegment(partial[index]) { leaveChecksum(&partial[index].bytes) }
    #expect(partial != recorded)
    #expect(replay(partial, .echo).stream(fromGuest: false) == pattern(100))
    var wrong = recorded
    for index in wrong.indices where isSegment(wrong[index]) { wrong[index].bytes[51] ^= 1 }
    let result = replay(wrong, .echo)
    #expect(result.drops.first?.hasPrefix("badChecksum") == true)
    #expect(result.lines.contains { $0.contains("{bad TCP checksum") })
  }

  /// Leaves the checksum of a segment over IPv4 to the device: the pseudo-header's sum, of addresses, protocol and length.
  private func leaveChecksum(_ bytes: inout [UInt8]) {
    var sum = 6 + bytes.count - 34
    for place in stride(from: 26, to: 34, by: 2) { sum += Int(bytes[place]) << 8 + Int(bytes[place + 1]) }
    while sum > 0xffff { sum = sum & 0xffff + sum >> 16 }
    (bytes[50], bytes[51]) = (UInt8(sum >> 8), UInt8(sum & 0xff))
  }

  @Test func `options at odd bytes are translated, and checksums stay right`() {
    var recorded = echoed(pattern(5000))
    var count = 0
    for index in recorded.indices where recorded[index].isFromGuest && recorded[index].bytes.count >= 66 {
      // Timestamps and padding become NOP, timestamps and less padding.
      guard recorded[index].bytes[54..<56] == [8, 10] else { continue }
      recorded[index].bytes.remove(at: 65)
      recorded[index].bytes.insert(1, at: 54)
      leaveChecksum(&recorded[index].bytes)
      count += 1
    }
    #expect(count > 3)
    let result = replay(recorded, .echo)
    #expect(result.lines.allSatisfy { !$0.contains("{") })
    #expect(result.drops == [])
    #expect(result.stream(fromGuest: false) == pattern(5000))
  }

  @Test func `what the capture has cut off is left out, and counted`() {
    let recorded = echoed(pattern(100))
    var replay = CaptureReplay(CaptureReplay.Options())
    var transcript = Replayed()
    for frame in recorded {
      let part = Array(frame.bytes.prefix(60))
      replay.play(
        part.span, CaptureRecord(time: frame.time, originalLength: frame.bytes.count), into: &transcript)
    }
    let counts = replay.counts
    #expect(counts.cutOff > 0)
    #expect(counts.played + counts.cutOff == UInt64(recorded.count { $0.isFromGuest }))
    #expect(counts.passedOver == UInt64(recorded.count { !$0.isFromGuest }))
  }

  @Test func `no frame, and no time, of any file is too strange`() {
    var frames = echoed(pattern(3000))
    var generator = SeededGenerator(seed: 7)
    for index in frames.indices {
      frames[index].time = [Int64.min, .max, 0, frames[index].time].randomElement(using: &generator) ?? 0
      for _ in 0..<4 where !frames[index].bytes.isEmpty {
        let place = Int.random(in: frames[index].bytes.indices, using: &generator)
        frames[index].bytes[place] = UInt8.random(in: 0...255, using: &generator)
      }
      frames[index].bytes.removeLast(Int.random(in: 0...frames[index].bytes.count, using: &generator) / 8)
    }
    let guest = MACAddress(0x52, 0x54, 0x00, 0x12, 0x34, 0x56)
    for behavior in [ReplayBehavior.echo, .refuse, .blackhole] {
      let result = replay(frames, behavior) { $0.guest = guest }
      #expect(result.counts.played > 0)
    }
  }
}

/// A world that says what it has said in the capture.
@Suite struct RecordedWorldTests {
  @Test func `a server says again what it said, when the guest has said what made it`() {
    let recorded = capture { lab in
      lab.host.services[server] = RemoteService()
      let connection = lab.guest.connect(to: server)
      connection.write(pattern(400))
      lab.advance(by: .milliseconds(100))
      let peer = lab.peers(at: server).first
      peer?.write(pattern(30_000))
      lab.advance(by: .milliseconds(100))
      connection.write(pattern(50))
      lab.advance(by: .milliseconds(100))
      peer?.write([1, 2, 3])
      peer?.finish()
      lab.advance(by: .milliseconds(100))
      connection.finish()
      lab.advance(by: .seconds(1))
    }
    let result = replay(recorded, .recorded)
    #expect(result.drops == [])
    #expect(result.stream(fromGuest: false) == pattern(30_000) + [1, 2, 3])
    #expect(result.flows.filter { $0.proto == .tcp }.map(\.end) == [.closed(first: .other)])
    // Nothing is said before its time.
    let second = result.lines.firstIndex { $0.hasPrefix(">") && $0.contains("length 50") }
    let last = result.lines.firstIndex { $0.hasPrefix("<") && $0.contains("length 3 ") }
    #expect(second.map { second in last.map { second < $0 } ?? false } == true)
  }

  @Test func `who refused refuses, who reset resets, and who was silent is`() {
    func ends(_ body: (Lab) -> Void) -> [FlowOutcome] {
      replay(capture { body($0) }, .recorded).flows.filter { $0.proto == .tcp }.map(\.end)
    }
    #expect(
      ends { lab in
        _ = lab.guest.connect(to: server)
        lab.advance(by: .seconds(1))
      } == [.refused(by: .other)])
    #expect(
      ends { lab in
        lab.host.services[server] = RemoteService(.isSilent)
        _ = lab.guest.connect(to: server)
        lab.advance(by: .milliseconds(100))
      } == [.unanswered(1)])
    #expect(
      ends { lab in
        lab.host.services[server] = RemoteService()
        let connection = lab.guest.connect(to: server)
        connection.write([1])
        lab.advance(by: .milliseconds(100))
        lab.peers(at: server).first?.reset()
        lab.advance(by: .milliseconds(100))
        // The reset comes behind what the guest has said, and shows with the next thing that it does.
        lab.guest.ping(IPv4Address(192, 0, 2, 1))
        lab.settle()
      } == [.reset(by: .other)])
  }

  @Test func `a reset comes when the guest has said what came before it`() {
    let recorded = capture { lab in
      lab.host.services[server] = RemoteService()
      let connection = lab.guest.connect(to: server)
      lab.advance(by: .milliseconds(100))
      connection.write(pattern(5000))
      lab.advance(by: .milliseconds(100))
      lab.peers(at: server).first?.reset()
      lab.advance(by: .milliseconds(100))
    }
    let result = replay(recorded, .recorded)
    #expect(result.stream(fromGuest: true) == pattern(5000))
    #expect(result.lines.last?.contains(" TCP R") == true)
    #expect(result.lines.count { $0.contains(" TCP R") } == 1)
  }

  @Test func `datagrams come back in the order in which they came, each behind its own`() {
    let echo = Endpoint(IPv4Address(192, 0, 2, 1), port: 7)
    let recorded = capture { lab in
      for (index, answer) in [[UInt8(1)], [2, 2], [3, 3, 3]].enumerated() {
        lab.host.datagramServices[echo] = .answers(answer)
        lab.guest.sendUDP([UInt8(index)], from: 4000, to: echo)
        lab.settle()
      }
      lab.host.datagramServices[echo] = nil
      lab.guest.sendUDP([9], from: 4000, to: echo)
      lab.settle()
    }
    let answers = replay(recorded, .recorded).lines.filter { $0.hasPrefix("<") && $0.contains("UDP") }
    #expect(answers == [1, 2, 3].map { "< 192.0.2.1:7 > 10.0.2.15:4000 UDP length \($0)" })
  }

  @Test func `losses on the recorded link do not change what is said`() {
    let recorded = echoed(pattern(100_000), loss: 30)
    let result = replay(recorded, .recorded)
    #expect(result.stream(fromGuest: false) == pattern(100_000))
  }
}
