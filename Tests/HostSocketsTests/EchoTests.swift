import Buffers
import CLinux
import Glibc
import LinuxSystem
import Netstack
import Primitives
import Testing

@testable import HostSockets

/// Sockets for ICMP echo (RFC 792, RFC 4443), of both kinds.
@Suite(.needsRoot) struct EchoTests {
  private static let kinds = [
    (true, bothFamilies[0]), (true, bothFamilies[1]), (false, bothFamilies[0]), (false, bothFamilies[1]),
  ]

  @Test(arguments: kinds)
  func `requests are answered, with the socket's identifier instead of the guest's`(
    _ lendsPing: Bool, _ far: Far
  ) throws {
    try withRoutedWorld(lendsPing: lendsPing) { _ in
      let host = try Host()
      let (first, second) = (host.newFlow(), host.newFlow())
      // Two guests may use one identifier; the network must see two.
      for flow in [first, second] { #expect(host.openEcho(flow, family: far.family, identifier: 0x1234) == .ready) }
      #expect(host.sockets.table[first].kind == (lendsPing ? .echo : .rawEcho))
      let target = Endpoint(far.outside, port: 0)
      for (flow, sequence) in [(first, 1), (second, 2), (first, 3)] {
        let request = echoRequest(far.family, identifier: 0x1234, sequence: UInt16(sequence), pattern(56, sequence))
        #expect(host.send(flow, [(request, target, nil)]) == .accepted(1))
      }
      var replies: [FlowID: [[UInt8]]] = [:]
      for flow in [first, second] {
        while replies[flow, default: []].count < (flow == first ? 2 : 1) {
          try host.wait(flow, for: .readable)
          for (payload, entry) in host.receive(flow).1 {
            #expect(entry.source.address == far.outside)
            replies[flow, default: []].append(payload)
          }
        }
      }
      let data = { (message: [UInt8]) in Array(message[6...]) }
      #expect(replies[first]?.map { $0[0] } == [far.family == .ipv4 ? 0 : 129, far.family == .ipv4 ? 0 : 129])
      #expect(replies[first]?.map(data) == [[0, 1] + pattern(56, 1), [0, 3] + pattern(56, 3)])
      #expect(replies[second]?.map(data) == [[0, 2] + pattern(56, 2)])
      #expect(replies[first]?[0][4...5] != replies[second]?[0][4...5])
      #expect(host.receive(first).0 == .wouldBlock && host.receive(second).0 == .wouldBlock)
    }
  }

  @Test(arguments: kinds)
  func `data of any length passes whole, in fragments where it may be cut`(_ lendsPing: Bool, _ far: Far) throws {
    try withRoutedWorld(lendsPing: lendsPing) { _ in
      let host = try Host()
      let flow = host.newFlow()
      #expect(host.openEcho(flow, family: far.family, identifier: 7) == .ready)
      // IPv6 routers cut nothing: the host has to learn the width of the way before it cuts (RFC 8201).
      let probe = echoRequest(far.family, identifier: 7, sequence: 0, pattern(1400))
      let narrow = host.send(flow, [(probe, Endpoint(far.outside, port: 0), nil)], PacketMarks(mayFragment: false))
      #expect(narrow == .accepted(1))
      try host.wait(flow, for: .failed)
      #expect(host.takeFailure(flow)?.failure.report == .tooBig(mtu: RoutedWorld.narrowMTU))
      for length in [0, 1, 1000, 8192, 60_000] {
        let request = echoRequest(far.family, identifier: 7, sequence: 1, pattern(length))
        #expect(host.send(flow, [(request, Endpoint(far.outside, port: 0), nil)]) == .accepted(1))
        try host.wait(flow, for: .readable)
        #expect(host.receive(flow).1.map { Array($0.payload[8...]) } == [pattern(length)])
      }
    }
  }

  @Test(arguments: kinds)
  func `errors come with the request that they are about`(_ lendsPing: Bool, _ far: Far) throws {
    try withRoutedWorld(lendsPing: lendsPing) { _ in
      let host = try Host()
      let (flow, other) = (host.newFlow(), host.newFlow())
      #expect(host.openEcho(flow, family: far.family, identifier: 7) == .ready)
      #expect(host.openEcho(other, family: far.family, identifier: 8) == .ready)
      let target = Endpoint(far.outside, port: 0)
      let marks = [
        // First, since Linux lends no budget to a prohibition behind other errors.
        (PacketMarks(), NetworkReport.prohibited, far.prohibited, 40),
        (PacketMarks(hopLimit: 1), .timeExceeded, far.outside, 40),
        (PacketMarks(mayFragment: false), .tooBig(mtu: RoutedWorld.narrowMTU), far.outside, 1400),
      ]
      for (number, (mark, report, address, length)) in marks.enumerated() {
        let request = echoRequest(far.family, identifier: 7, sequence: UInt16(number), pattern(length))
        #expect(host.send(flow, [(request, Endpoint(address, port: 0), nil)], mark) == .accepted(1))
        try host.wait(flow, for: .failed)
        let (failure, quote) = try #require(host.takeFailure(flow))
        #expect(failure.report == report)
        #expect(failure.reporter == far.router)
        #expect(failure.destination == Endpoint(address, port: 0))
        #expect(quote.count > 8)
        #expect(quote[0] == request[0])
        #expect(Array(quote[6...]) == Array(request[6..<quote.count]))
      }
      // The other socket was told of nothing that is not its own.
      #expect(host.takeFailure(other) == nil)
      #expect(
        host.send(other, [(echoRequest(far.family, identifier: 8, sequence: 0, []), target, nil)]) == .accepted(1))
      try host.wait(other, for: .readable)
      #expect(host.receive(other).1.count == 1)
    }
  }

  @Test(arguments: bothFamilies)
  func `who may have neither kind is told that it is forbidden`(_ far: Far) throws {
    try withRoutedWorld(lendsPing: false) { _ in
      let host = try Host()
      try #require(clinux_set_effective_user(65_534) == 0)
      let opened = host.openEcho(host.newFlow(), family: far.family, identifier: 7)
      try #require(clinux_set_effective_user(0) == 0)
      #expect(opened == .failed(.forbidden))
    }
  }

  @Test func `identifiers of raw sockets come back into use`() {
    var set = IdentifierSet()
    #expect(set.take(65_535) == 65_535)
    #expect(set.take(65_535) == 0)
    #expect(set.take(65_535) == 1)
    set.giveBack(0)
    #expect(set.take(65_535) == 0)
  }
}

/// An echo request as a guest sends it.
func echoRequest(
  _ family: IPAddress.Family, identifier: UInt16, sequence: UInt16, _ data: [UInt8]
) -> [UInt8] {
  let words = [identifier, sequence].flatMap { [UInt8($0 >> 8), UInt8($0 & 0xff)] }
  var message = [family == .ipv4 ? 8 : 128, 0, 0, 0] + words + data
  guard family == .ipv4 else { return message }
  var sum: UInt32 = 0
  for index in stride(from: 0, to: message.count, by: 2) {
    sum += UInt32(message[index]) << 8 | (index + 1 < message.count ? UInt32(message[index + 1]) : 0)
  }
  while sum > 0xffff { sum = sum & 0xffff + sum >> 16 }
  (message[2], message[3]) = (UInt8(~sum >> 8 & 0xff), UInt8(~sum & 0xff))
  return message
}
