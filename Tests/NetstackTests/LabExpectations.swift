import Netstack
import Primitives
import Simulation
import Testing

/// Runs `body` in a lab; whatever the lab's witnesses find wrong fails the test, with the frames that led there.
func withLab(
  _ options: Lab.Options = Lab.Options(), sourceLocation: SourceLocation = #_sourceLocation,
  _ body: (Lab) throws -> Void
) rethrows {
  let lab = Lab(options)
  try body(lab)
  lab.settle()
  for problem in lab.problems {
    Issue.record("\(problem)\n\(lab.transcript)", sourceLocation: sourceLocation)
  }
}

extension RawConnection {
  /// The stack's next segment is `expected`, and it came now.
  func stack(_ expected: Segment, sourceLocation: SourceLocation = #_sourceLocation) {
    guard let (at, segment) = takeSegment() else {
      Issue.record("expected \(expected), nothing came\n\(lab.transcript)", sourceLocation: sourceLocation)
      return
    }
    if !expected.matches(segment) {
      Issue.record("expected \(expected)\n     got \(segment)\n\(lab.transcript)", sourceLocation: sourceLocation)
    } else if at != lab.now {
      Issue.record("\(segment) came \(lab.now - at) earlier", sourceLocation: sourceLocation)
    }
  }

  /// The stack's next segment is `expected`, and it comes after `delay`, give or take `tolerance`.
  func stack(
    after delay: Interval, within tolerance: Interval = .milliseconds(1), _ expected: Segment,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    silence(for: delay - tolerance, sourceLocation: sourceLocation)
    let begin = lab.now
    var came: (at: Instant, segment: Segment)?
    lab.run(for: tolerance * 2) {
      came = came ?? takeSegment()
      return came != nil
    }
    guard let (_, segment) = came else {
      Issue.record(
        "expected \(expected) by \(lab.now - begin + delay), nothing came\n\(lab.transcript)",
        sourceLocation: sourceLocation)
      return
    }
    if !expected.matches(segment) {
      Issue.record("expected \(expected)\n     got \(segment)\n\(lab.transcript)", sourceLocation: sourceLocation)
    }
  }

  /// The stack sends nothing, now and for `interval`.
  func silence(for interval: Interval = .zero, sourceLocation: SourceLocation = #_sourceLocation) {
    if interval > .zero { lab.advance(by: interval) }
    for segment in takeSegments() {
      Issue.record("unexpected \(segment)\n\(lab.transcript)", sourceLocation: sourceLocation)
    }
  }

  /// The handshake, with the guest's options, up to ESTABLISHED; returns the server's end.
  @discardableResult
  func establish(
    _ options: [PlainTCP.Option] = [.mss(1460)], win: UInt16? = nil,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> Peer {
    let before = lab.peers(at: remote).count
    guest(Segment(.syn, seq: 0, win: win, options: options))
    stack(.synAck(), sourceLocation: sourceLocation)
    guest(.ack(1, seq: 1, win: win))
    let peers = lab.peers(at: remote)
    try #require(peers.count == before + 1, sourceLocation: sourceLocation)
    discardWindowUpdates(sourceLocation: sourceLocation)
    return try #require(peers.last, sourceLocation: sourceLocation)
  }

  /// Takes pure acknowledgments that only tell of the window.
  func discardWindowUpdates(sourceLocation: SourceLocation = #_sourceLocation) {
    for segment in takeSegments() where segment.flags != .ack || !segment.payload.isEmpty {
      Issue.record("unexpected \(segment)\n\(lab.transcript)", sourceLocation: sourceLocation)
    }
  }
}

extension RawConnection {
  /// The guest reports `type` and `code` about our segment at `sequence`, which was `length` bytes long.
  func reports(_ type: UInt8, _ code: UInt8, rest: UInt32 = 0, at sequence: Int, length: Int = 1460) throws {
    var quoted = PlainTCP()
    (quoted.sourcePort, quoted.destinationPort) = (remote.port, port)
    quoted.sequence = try #require(remoteInitial) + sequence
    quoted.flags = .ack
    quoted.payload = pattern(length)
    let guest = lab.guest.address(in: remote.address.family)
    let packet: [UInt8]
    if let source = remote.address.ipv4 {
      packet = PlainIPv4(from: source, to: lab.guest.address, .tcp(quoted)).encoded
    } else {
      packet = PlainIPv6(from: remote.address.mapped, to: guest.mapped, .tcp(quoted)).encoded
    }
    // An error quotes the IP header and eight bytes at least (RFC 792).
    let quote = Array(packet.prefix(remote.address.family == .ipv4 ? 28 : 48))
    let message = PlainICMP(type: type, code: code, rest: rest, payload: quote)
    lab.guest.send(.icmp(message), from: guest, to: remote.address)
    lab.settle()
  }
}

extension Endpoint {
  /// A server of the simulated world, in TEST-NET-1 (RFC 5737).
  static let server = Endpoint(IPv4Address(192, 0, 2, 1), port: 80)

  /// A server of the simulated world, in TEST-NET-1 or in 2001:db8::/32 (RFC 3849).
  static func server(_ family: IPAddress.Family, port: UInt16 = 80) -> Endpoint {
    let address = family == .ipv4 ? server.address : IPAddress(IPv6Address(high: 0x2001_0db8 << 32, low: 1))
    return Endpoint(address, port: port)
  }
}

/// The arguments of a test that holds in both families.
let families: [IPAddress.Family] = [.ipv4, .ipv6]

extension IPAddress {
  /// 127.0.0.1, or ::1.
  static func loopback(_ family: Family) -> IPAddress {
    family == .ipv4 ? IPAddress(.loopback as IPv4Address) : IPAddress(.loopback as IPv6Address)
  }

  /// The gateway's address.
  static func gateway(_ family: Family) -> IPAddress {
    family == .ipv4 ? IPAddress(IPv4Address(10, 0, 2, 2)) : IPAddress(IPv6Address(high: 0xfec0 << 48, low: 2))
  }
}

extension IPv6Address {
  /// fec0::2, the gateway.
  static let gateway = IPv6Address(high: 0xfec0 << 48, low: 2)
  /// fe80::2, the gateway's link-local address.
  static let router = IPv6Address(high: 0xfe80 << 48, low: 2)
  /// ff02::1, every node.
  static let everybody = IPv6Address(high: 0xff02 << 48, low: 1)
  /// ff02::2, every router.
  static let everyRouter = IPv6Address(high: 0xff02 << 48, low: 2)
  /// A host outside, in 2001:db8::/32 (RFC 3849).
  static let outside = IPv6Address(high: 0x2001_0db8 << 32, low: 1)
}

/// Text that is easy to recognise, `count` bytes of it.
func pattern(_ count: Int, from start: Int = 0) -> [UInt8] {
  (start..<(start + count)).map { UInt8(truncatingIfNeeded: $0 &* 31 ^ $0 >> 8) }
}

extension Lab {
  /// A raw connection to a server that behaves as `service`, up to ESTABLISHED, and the server's end.
  func established(
    _ service: RemoteService = RemoteService(), _ options: PlainTCP.Option..., win: UInt16? = nil,
    over family: IPAddress.Family = .ipv4, sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> (RawConnection, Peer) {
    host.services[.server(family)] = service
    let tcp = rawConnection(to: .server(family))
    let peer = try tcp.establish(options.isEmpty ? [.mss(1460)] : options, win: win, sourceLocation: sourceLocation)
    return (tcp, peer)
  }
}

extension Lab {
  /// A client of a forward has come, and our SYN to the guest's port 22 is on its way: the guest's end, and the client.
  func forwarded(_ service: RemoteService = RemoteService()) throws -> (RawConnection, Peer) {
    let listener = Endpoint(.loopback, port: 2222)
    try apply(.addForward(PortForward(transport: .tcp, host: listener, guest: Endpoint(guest.address, port: 22))))
    let client = Endpoint(IPv4Address(203, 0, 113, 9), port: 40_000)
    let tcp = rawConnection(to: client, port: 22)
    let peer = try #require(connectClient(from: client, to: listener, service: service))
    settle()
    return (tcp, peer)
  }
}
