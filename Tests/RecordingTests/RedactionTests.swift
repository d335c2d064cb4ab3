import Buffers
import Netstack
import Primitives
import Testing

@testable import Recording
@testable import Simulation

/// What guests and hosts say to each other is not in a redacted recording, which is replayed all the same.
struct RedactionTests {
  /// What is looked for: two bytes apart are enough for a leak.
  private static let secret: [UInt8] = Array("the password is swordfish".utf8)

  private static func message(_ count: Int) -> [UInt8] {
    (0..<count).map { secret[$0 % secret.count] }
  }

  /// Whether a recording has the secret in it, in any place.
  private static func tells(_ recording: [UInt8]) -> Bool {
    for start in 0..<(secret.count - 8) where recording.firstRange(of: secret[start..<(start + 8)]) != nil {
      return true
    }
    return false
  }

  /// Runs a script twice: what is recorded as it is has the secret, and redacted it has not; both are replayed.
  private func check(_ settings: NetworkSettings = NetworkSettings(), _ script: (Lab) -> Void) throws {
    for isRedacted in [false, true] {
      let lab = recordedLab(redacted: isRedacted) { $0.settings = settings }
      script(lab)
      #expect(lab.problems.isEmpty, "\(lab.problems)")
      let recording = lab.finishRecordings()[0]
      #expect(Self.tells(recording) == !isRedacted)
      let outcome = try replay(recording)
      #expect(outcome.difference == nil, words(outcome))
      #expect(outcome.end == .finished)
    }
  }

  @Test(arguments: [IPAddress.Family.ipv4, .ipv6])
  func `TCP, in both directions`(_ family: IPAddress.Family) throws {
    try check { lab in
      lab.setWorld { $0.defaultService = RemoteService(echoes: true) }
      let connection = lab.guest.connect(to: host(family))
      connection.write(Self.message(5000))
      connection.finish()
      lab.run(for: .seconds(5)) { connection.isFinished }
      #expect(connection.isFinished)
    }
  }

  @Test(arguments: [IPAddress.Family.ipv4, .ipv6])
  func `datagrams, in both directions and in fragments`(_ family: IPAddress.Family) throws {
    try check { lab in
      lab.setWorld { $0.datagramServices[host(family)] = .answers(Self.message(4000)) }
      for count in [25, 300, 5000] {
        lab.guest.sendUDP(Self.message(count), from: 5000, to: host(family))
        lab.advance(by: .seconds(1))
      }
    }
  }

  @Test func `pings, and what errors quote`() throws {
    try check { lab in
      let there = IPAddress(IPv4Address(192, 0, 2, 9))
      lab.setWorld { $0.echoResponders = [there] }
      lab.guest.ping(there, payload: Self.message(60))
      lab.guest.ping(IPAddress(lab.options.settings.ipv4Gateway), payload: Self.message(60))
      lab.guest.ping(IPAddress(lab.options.settings.ipv6Gateway), payload: Self.message(60))
      lab.settle()
      // Nobody listens: the error quotes the datagram.
      lab.guest.sendUDP(Self.message(100), from: 5000, to: Endpoint(there, port: 9))
      lab.advance(by: .seconds(1))
    }
  }

  @Test func `files by TFTP`() throws {
    var settings = NetworkSettings()
    settings.servesFiles = true
    try check(settings) { lab in
      lab.setWorld { $0.files["boot"] = SimulatedFile(Self.message(1000)) }
      var received: [UInt8] = []
      let server = Endpoint(settings.ipv4Gateway, port: 69)
      lab.guest.bind(2000) { payload, source in
        received += payload.dropFirst(4)
        lab.guest.sendUDP([0, 4] + payload[2..<4], from: 2000, to: source)
      }
      lab.guest.sendUDP([0, 1] + Array("boot\0octet\0".utf8), from: 2000, to: server)
      lab.advance(by: .seconds(2))
      #expect(received == Self.message(1000))
    }
  }

  @Test func `bytes behind a datagram's own end`() throws {
    try check { lab in
      lab.setWorld { $0.datagramServices[host(.ipv4)] = .answers([1, 2, 3]) }
      let (source, destination) = (lab.guest.address, IPv4Address(192, 0, 2, 7))
      let udp = PlainPayload.udp(PlainUDP(sourcePort: 5000, destinationPort: 80, payload: Self.message(40)))
      let bytes = udp.encoded(from: IPAddress(source), to: IPAddress(destination)) + Self.message(30)
      lab.guest.send(PlainIPv4(from: source, to: destination, .raw(bytes), proto: 17))
      lab.settle()
      #expect(lab.guest.datagrams.filter { $0.destinationPort == 5000 }.count == 1)
    }
  }

  @Test func `questions in fragments stay, and are answered`() throws {
    for isRedacted in [false, true] {
      let lab = recordedLab(redacted: isRedacted)
      var answers = 0
      lab.guest.bind(2000) { _, _ in answers += 1 }
      let question = PlainDNS(7, PlainDNS.Question("gateway.culvert.internal", 1)).encoded
      let (source, destination) = (lab.guest.address, lab.options.settings.ipv4Resolver)
      let bytes = PlainPayload.udp(PlainUDP(sourcePort: 2000, destinationPort: 53, payload: question))
        .encoded(from: IPAddress(source), to: IPAddress(destination))
      for start in stride(from: 0, to: bytes.count, by: 16) {
        let end = min(start + 16, bytes.count)
        var part = PlainIPv4(from: source, to: destination, .raw(Array(bytes[start..<end])), proto: 17)
        (part.fragmentOffset, part.moreFragments, part.dontFragment) = (start, end < bytes.count, false)
        lab.guest.send(part)
      }
      lab.settle()
      #expect(answers == 1)
      let outcome = try replay(lab.finishRecordings()[0])
      #expect(outcome.difference == nil, words(outcome))
    }
  }

  private func host(_ family: IPAddress.Family) -> Endpoint {
    family == .ipv4
      ? remote(7) : Endpoint(IPAddress(IPv6Address(high: 0x2001_0db8 << 32, low: 7)), port: 80)
  }

  @Test func `what others than the network's resolver are asked, and say, at the port of DNS`() throws {
    try check { lab in
      let stranger = remote(7, port: 53)
      lab.setWorld { world in
        world.datagramServices[stranger] = .answers(Self.message(300))
        world.defaultService = RemoteService(echoes: true)
      }
      lab.guest.sendUDP(Self.message(300), from: 5000, to: stranger)
      let connection = lab.guest.connect(to: stranger)
      connection.write(Self.message(500))
      connection.finish()
      lab.run(for: .seconds(5)) { connection.isFinished }
    }
  }

  @Test func `a flow of the resolver's is seen until it is closed`() {
    var redactor = Redactor(NetworkSettings(), key: (1, 2))
    redactor.resolvers = [remote(1, port: 53)]
    let flow = FlowID(index: 1, generation: 1)
    for call in [
      RecordedCall.connect(flow, to: remote(1, port: 53), PacketMarks()),
      .openDatagrams(flow, .ipv4, destination: remote(1, port: 53), preferredPort: 0), .openPair(flow, flow),
    ] {
      redactor.note(call)
      #expect(redactor.isVisible(flow))
      redactor.note(.close(flow, abortively: false))
      #expect(!redactor.isVisible(flow))
    }
    redactor.note(.connect(flow, to: remote(2, port: 53), PacketMarks()))
    #expect(!redactor.isVisible(flow))
  }

  /// A packet around `body`, of a protocol and in a frame of a type.
  private static func packet(_ proto: UInt8, _ body: [UInt8], etherType: [UInt8] = [8, 0]) -> [UInt8] {
    var bytes = frame(.udp(PlainUDP(sourcePort: 1, destinationPort: 2, payload: Array(body.dropFirst(8)))))
    bytes.replaceSubrange(34..., with: body)
    bytes[23] = proto
    bytes.replaceSubrange(12..<14, with: etherType)
    return bytes
  }

  private static let quoted = Array(
    frame(.udp(PlainUDP(sourcePort: 5000, destinationPort: 80, payload: message(40)))).dropFirst(14))
  private static let header = [UInt8](repeating: 0, count: 7)

  @Test(arguments: [
    (packet(1, [3, 3] + header.dropFirst() + quoted), 14 + 20 + 8 + 28), (packet(1, [8] + header + message(40)), 42),
    (packet(1, [13] + header + message(40)), 42), (packet(47, message(40)), 34),
    (packet(17, message(40), etherType: [0x88, 0xcc]), 14),
  ])
  func `of a frame from a guest the headers stay, whatever it carries`(frame: [UInt8], kept: Int) {
    #expect(Self.tells(frame))
    let copy = redacted(frame)
    #expect(!Self.tells(copy))
    #expect(copy.count == frame.count)
    // But for the checksum, which changes with what it covers.
    #expect(copy.indices.prefix(kept).allSatisfy { copy[$0] == frame[$0] || 36...37 ~= $0 })
  }

  @Test func `a hash has eight bytes, and is another with another key`() {
    let frame = Self.frame(.udp(PlainUDP(sourcePort: 5000, destinationPort: 80, payload: Self.message(100))))
    let hashes = ([(1, 2), (1, 3), (0, 0)] as [(UInt64, UInt64)]).map { key in
      var bytes = frame
      var span = bytes.mutableSpan
      Redactor(NetworkSettings(), key: key)
        .redact(&span, FrameDescriptor(port: .first, headerLength: frame.count, byteCount: frame.count))
      return Array(bytes[42..<50])
    }
    #expect(Set(hashes).count == 3)
    #expect(hashes.allSatisfy { $0.suffix(4) != [0, 0, 0, 0] })
  }

  // MARK: Checksums

  @Test func `a sum that is left to the link, or that is not there, stays as it is`() {
    var frame = Self.frame(.udp(PlainUDP(sourcePort: 5000, destinationPort: 80, payload: Self.message(100))))
    #expect(redacted(frame)[40..<42] != frame[40..<42])
    #expect(redacted(frame, checksum: .partial(start: 34, offset: 6))[40..<42] == frame[40..<42])
    frame.replaceSubrange(40..<42, with: [0, 0])
    #expect(redacted(frame)[40..<42] == [0, 0])
  }

  /// A redacted copy of a frame.
  private func redacted(_ frame: [UInt8], checksum: ChecksumState = .unverified) -> [UInt8] {
    var bytes = frame
    var span = bytes.mutableSpan
    let descriptor = FrameDescriptor(
      port: .first, headerLength: frame.count, byteCount: frame.count, checksum: checksum)
    Redactor(NetworkSettings(), key: (1, 2)).redact(&span, descriptor)
    return bytes
  }

  private static func frame(_ payload: PlainPayload, family: IPAddress.Family = .ipv4) -> [UInt8] {
    let lab = Lab()
    lab.guest.send(
      payload, from: lab.guest.address(in: family),
      to: family == .ipv4
        ? IPAddress(IPv4Address(192, 0, 2, 7)) : IPAddress(IPv6Address(high: 0x2001_0db8 << 32, low: 7)))
    return lab.guest.outbox[0].bytes
  }

  @Test(arguments: [IPAddress.Family.ipv4, .ipv6], [1, 2, 7, 8, 9, 100, 1001])
  func `a checksum that was right is right, and one that was wrong is wrong`(
    _ family: IPAddress.Family, _ count: Int
  ) throws {
    let udp = PlainUDP(sourcePort: 5000, destinationPort: 80, payload: Self.message(count))
    let frame = Self.frame(.udp(udp), family: family)
    let copy = redacted(frame)
    #expect(copy.count == frame.count && copy != frame)
    #expect(throws: Never.self) { try PlainFrame(decoding: copy) }
    var wrong = frame
    wrong[frame.count - count - 1] ^= 1
    #expect(throws: PacketFault.self) { try PlainFrame(decoding: wrong) }
    let wrongCopy = redacted(wrong)
    #expect(throws: PacketFault.self) { try PlainFrame(decoding: wrongCopy) }
  }

  @Test func `equal payloads have equal hashes, and others have others`() {
    func payload(_ bytes: [UInt8]) -> [UInt8] {
      redacted(Self.frame(.udp(PlainUDP(sourcePort: 5000, destinationPort: 80, payload: bytes)))).suffix(bytes.count)
    }
    #expect(payload(Self.message(100)) == payload(Self.message(100)))
    #expect(payload(Self.message(100)) != payload(Self.message(99) + [0]))
    #expect(payload(Self.message(100)).dropFirst(8).allSatisfy { $0 == 0 })
  }

  @Test func `what is cut off anywhere is redacted without a trap`() {
    let frames = [
      Self.frame(.udp(PlainUDP(sourcePort: 5000, destinationPort: 80, payload: Self.message(40)))),
      Self.frame(.udp(PlainUDP(sourcePort: 5000, destinationPort: 80, payload: Self.message(40))), family: .ipv6),
    ]
    var generator = SeededGenerator(seed: 5)
    for frame in frames {
      for count in 0...frame.count { #expect(redacted(Array(frame.prefix(count))).count == count) }
      for _ in 0..<2000 {
        var bytes = frame
        for _ in 0..<3 {
          bytes[Int.random(in: 12..<min(60, bytes.count), using: &generator)] = .random(in: 0...255, using: &generator)
        }
        #expect(redacted(bytes).count == bytes.count)
      }
    }
  }
}
