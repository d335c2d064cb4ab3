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

  // MARK: Checksums

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
