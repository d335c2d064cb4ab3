import Netstack
import Primitives
import Simulation
import Testing

/// The headers between an IPv6 header and what the packet carries (RFC 8200 section 4): followed within bounds, and the
/// sender told of what is wrong with them.
@Suite struct ExtensionHeaderTests {
  private typealias Header = PlainIPv6.Extension

  /// A routing header of a type that nobody speaks, with so many segments left (RFC 8200 section 4.4).
  private static func routing(segmentsLeft: UInt8) -> PlainIPv6.Extension {
    PlainIPv6.Extension(type: 43, bytes: [0, 253, segmentsLeft, 0, 0, 0, 0])
  }

  /// A header of options that is only padding, of a type.
  private static func padding(_ type: UInt8) -> PlainIPv6.Extension { .options(type, []) }

  /// What became of a packet.
  enum Outcome: Equatable {
    /// It went on to the host's network.
    case carried
    /// Nobody was told.
    case dropped(DropReason)
    /// The guest was told by a parameter problem (RFC 4443 section 3.4) of this code and pointer.
    case problem(code: UInt8, pointer: UInt32)
  }

  /// Sends a datagram behind `headers` and tells what became of it.
  private func outcome(
    _ headers: [PlainIPv6.Extension], fragment: PlainIPv6.Fragment? = nil, proto: UInt8? = nil, in lab: Lab
  ) -> Outcome? {
    let datagram = PlainUDP(sourcePort: 5000, destinationPort: 7, payload: [1, 2, 3])
    var packet = PlainIPv6(from: lab.guest.ipv6Address, to: .outside, .udp(datagram), proto: proto)
    (packet.extensions, packet.fragment) = (headers, fragment)
    lab.guest.send(packet)
    return settledOutcome(lab)
  }

  private func settledOutcome(_ lab: Lab) -> Outcome? {
    lab.settle()
    if let error = lab.guest.icmpMessages.first {
      #expect(error.type == 4)
      #expect(lab.stack.observer.drops.count == 1)
      #expect(lab.sentDatagrams.isEmpty)
      return .problem(code: error.code, pointer: error.rest)
    }
    if let reason = lab.stack.observer.drops.first {
      #expect(lab.sentDatagrams.isEmpty)
      return .dropped(reason)
    }
    return lab.sentDatagrams.map(\.payload) == [[1, 2, 3]] ? .carried : nil
  }

  @Test(arguments: [
    [], [padding(0)], [padding(60)], [routing(segmentsLeft: 0)],
    // The order that RFC 8200 section 4.1 recommends, and another.
    [padding(0), padding(60), routing(segmentsLeft: 0), padding(60)], [routing(segmentsLeft: 0), padding(60)],
    // RFC 8200 section 4.2: an option of the type 00 is skipped; Pad1 and PadN are no options.
    [.options(0, [0x1e, 2, 9, 9])], [.options(60, [0, 0, 0, 1, 3, 0, 0, 0, 0x1e, 0])],
    [.options(60, [UInt8](repeating: 0, count: 256))],
    // RFC 2711: a router alert.
    [.options(0, [5, 2, 0, 0])],
    // As many as are followed, and as many options as are read (RFC 8504 section 5.3).
    [PlainIPv6.Extension](repeating: padding(60), count: 8), [.options(60, [0x1e, 0, 0x1e, 0, 0x1e, 0, 0x1e, 0])],
    [.options(60, [UInt8](repeating: 0x1e, count: 8).flatMap { [$0, 0] })],
  ])
  func `headers that do no harm are skipped (RFC 8200 section 4)`(headers: [PlainIPv6.Extension]) {
    withLab { lab in #expect(outcome(headers, in: lab) == .carried) }
  }

  @Test(arguments: [[], [padding(60)]])
  func `a fragment header of a whole packet is skipped, and the headers behind it read (RFC 6946)`(
    behind: [PlainIPv6.Extension]
  ) {
    withLab { lab in
      let datagram = PlainUDP(sourcePort: 5000, destinationPort: 7, payload: [1, 2, 3])
      let bytes = datagram.encoded(from: IPAddress(lab.guest.ipv6Address), to: IPAddress(IPv6Address.outside))
      // Of the types of what follows, each header names the next.
      let rest = behind.flatMap { [17] + $0.bytes } + bytes
      var packet = PlainIPv6(
        from: lab.guest.ipv6Address, to: .outside, .raw(rest), proto: behind.first?.type ?? 17)
      packet.fragment = PlainIPv6.Fragment(offset: 0, moreFragments: false, identification: 7)
      lab.guest.send(packet)
      #expect(settledOutcome(lab) == .carried)
    }
  }

  /// RFC 8200 section 4.2, by the two highest bits of the type: skip, discard, discard and tell, discard and tell unless
  /// the packet is for a group.
  @Test(arguments: [0, 60] as [UInt8])
  func `an option that is not known is treated as its type says (RFC 8200 section 4.2)`(header: UInt8) {
    let expected: [(UInt8, Outcome)] = [
      (0x1e, .carried), (0x5e, .dropped(.unknownProtocol)), (0x9e, .problem(code: 2, pointer: 44)),
      (0xde, .problem(code: 2, pointer: 44)),
    ]
    for (type, expectation) in expected {
      withLab { lab in
        // Behind the two bytes of the header comes one option that is known, PadN.
        #expect(outcome([.options(header, [1, 0, type, 0])], in: lab) == expectation, "\(type)")
      }
    }
  }

  @Test(arguments: [(0x1e, [], 1), (0x5e, [], 0), (0x9e, [2], 0), (0xde, [], 0)] as [(UInt8, [UInt8], Int)])
  func `the sender of a packet to a group is told of options 10 alone (RFC 4443 section 2.4 (e.3))`(
    type: UInt8, codes: [UInt8], replies: Int
  ) {
    withLab { lab in
      var packet = PlainIPv6(from: lab.guest.ipv6Address, to: .everybody, .icmp(PlainICMP(type: 128, rest: 1)))
      packet.extensions = [.options(60, [type, 0])]
      lab.guest.send(packet)
      lab.settle()
      #expect(lab.guest.icmpMessages.filter { $0.type == 4 }.map(\.code) == codes)
      #expect(lab.guest.icmpMessages.filter { $0.type == 129 }.count == replies)
    }
  }

  @Test(
    arguments: [
      // RFC 8200 section 4.3: hop-by-hop options behind another header are a next header that nobody knows.
      ([padding(60), padding(0)], .problem(code: 1, pointer: 40)),
      ([padding(0), padding(0)], .problem(code: 1, pointer: 40)),
      // RFC 8200 section 4.4: of a routing header of unknown type, the type.
      ([routing(segmentsLeft: 1)], .problem(code: 0, pointer: 42)),
      ([padding(0), routing(segmentsLeft: 255)], .problem(code: 0, pointer: 50)),
      // More than the bounds allow.
      ([PlainIPv6.Extension](repeating: padding(60), count: 9), .dropped(.unknownProtocol)),
      ([.options(60, [UInt8](repeating: 0x1e, count: 9).flatMap { [$0, 0] })], .dropped(.unknownProtocol)),
      // Headers that end beyond the packet, and options beyond their header.
      ([PlainIPv6.Extension(type: 60, bytes: [200, 1, 4, 0, 0, 0, 0])], .dropped(.malformed)),
      ([PlainIPv6.Extension(type: 43, bytes: [200, 0, 0, 0, 0, 0, 0])], .dropped(.malformed)),
      ([PlainIPv6.Extension(type: 60, bytes: [0, 1, 5, 0, 0, 0, 0])], .dropped(.malformed)),
      ([PlainIPv6.Extension(type: 60, bytes: [0, 1, 3, 0, 0, 0, 1])], .dropped(.malformed)),
    ] as [([PlainIPv6.Extension], Outcome)])
  func `headers that are wrong end the packet's way, and the sender is told where it may be`(
    headers: [PlainIPv6.Extension], expected: Outcome
  ) {
    withLab { lab in #expect(outcome(headers, in: lab) == expected) }
  }

  @Test(arguments: [(50, []), (51, []), (135, []), (253, [padding(60)]), (4, [])] as [(UInt8, [PlainIPv6.Extension])])
  func `a next header that nobody speaks is told of by where it is named (RFC 8200 section 4)`(
    proto: UInt8, headers: [PlainIPv6.Extension]
  ) {
    withLab { lab in
      #expect(outcome(headers, proto: proto, in: lab) == .problem(code: 1, pointer: headers.isEmpty ? 6 : 40))
    }
  }

  @Test(arguments: [[], [padding(60)]])
  func `a packet that carries nothing is dropped without a word (RFC 8200 section 4.7)`(headers: [PlainIPv6.Extension])
  {
    withLab { lab in #expect(outcome(headers, proto: 59, in: lab) == .dropped(.unknownProtocol)) }
  }

  @Test func `a fragment in a fragment is dropped without a word (RFC 8200 section 4.5)`() {
    withLab { lab in
      let inner = PlainIPv6.Extension(type: 44, bytes: [0, 0, 0, 0, 0, 0, 1])
      let whole = PlainIPv6.Fragment(offset: 0, moreFragments: false, identification: 2)
      #expect(outcome([inner], fragment: whole, in: lab) == .dropped(.unknownProtocol))
    }
  }

  // MARK: Errors about errors

  /// Packets that are answered by an error when they carry an echo request.
  enum Fault: CaseIterable {
    case option, hopByHopSecond, routing, hopLimit, hopLimitAndOption, hopLimitInFirstPart, firstPartOfOddLength
    case partsThatNeverCome
  }

  private func packet(_ fault: Fault, _ message: PlainICMP, _ lab: Lab) -> PlainIPv6 {
    var packet = PlainIPv6(from: lab.guest.ipv6Address, to: .outside, .icmp(message))
    switch fault {
    case .option: packet.extensions = [.options(60, [0x9e, 0])]
    case .hopByHopSecond: packet.extensions = [Self.padding(60), Self.padding(0), Self.padding(60)]
    case .routing: packet.extensions = [Self.routing(segmentsLeft: 1)]
    case .hopLimit: packet.hopLimit = 1
    case .hopLimitAndOption:
      packet.extensions = [Self.padding(0), .options(60, [0x9e, 0])]
      packet.hopLimit = 1
    case .hopLimitInFirstPart, .firstPartOfOddLength, .partsThatNeverCome:
      let odd = fault == .firstPartOfOddLength ? 1 : 0
      packet.payload = .raw(Array(packet.payloadBytes.prefix(48 - odd)))
      packet.fragment = PlainIPv6.Fragment(offset: 0, moreFragments: true, identification: 1)
      if fault == .hopLimitInFirstPart { packet.hopLimit = 1 }
    }
    packet.proto = 58
    return packet
  }

  @Test(arguments: Fault.allCases)
  func `no error answers an ICMPv6 error or a redirect, whatever stands before it (RFC 4443 section 2.4 (e.1), (e.2))`(
    fault: Fault
  ) {
    for type in [1, 2, 3, 4, 100, 127, 137, 128] as [UInt8] {
      withLab { lab in
        lab.guest.send(packet(fault, PlainICMP(type: type, payload: pattern(56)), lab))
        lab.advance(by: .seconds(61))
        #expect(lab.guest.icmpMessages.count == (type == 128 ? 1 : 0), "type \(type)")
        #expect(lab.stack.observer.drops.count == 1)
      }
    }
  }

  @Test func `no error answers a later part of what may be an ICMPv6 error (RFC 4443 section 2.4 (e.1))`() {
    for (proto, answers) in [(58, 0), (17, 1)] as [(UInt8, Int)] {
      withLab { lab in
        var packet = PlainIPv6(from: lab.guest.ipv6Address, to: .outside, .raw(pattern(40)), proto: proto)
        packet.fragment = PlainIPv6.Fragment(offset: 1208, moreFragments: false, identification: 1)
        packet.hopLimit = 1
        lab.guest.send(packet)
        lab.settle()
        #expect(lab.guest.icmpMessages.map(\.type) == [UInt8](repeating: 3, count: answers))
      }
    }
  }
}
