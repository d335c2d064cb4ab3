import Netstack
import Primitives
import Simulation

extension FrameTarget {
  /// What a guest sends in the lab: connections, datagrams, messages to services, neighbors; and what real guests have
  /// sent in the recorded sessions.
  static var seeds: [[UInt8]] {
    let scripts: [(Lab) -> Void] = [
      transfer(.ipv4), transfer(.ipv6), resolve, configure, configureV6, fetch, ask, fragments, segments,
    ]
    let scripted = scripts.flatMap { script in
      [[0, 0], [16, 32]].map { families in recorded([0] + families + [0, 0, 0, 0, 0], script) }
    }
    let sessions = SessionSeeds.frames(upTo: 3500) { $0 == MACAddress(0x52, 0x54, 0, 0x12, 0x34, 0x56) }
    return scripted + sessions.map { [UInt8](repeating: 0, count: 8) + $0.flatMap { record($0, isAddressed: true) } }
  }

  /// The frames that a guest has sent in a lab of these options, with the time between them.
  private static func recorded(_ choices: [UInt8], _ script: (Lab) -> Void) -> [UInt8] {
    var input = FuzzInput(choices)
    let lab = Lab(FuzzLab.options(&input))
    FuzzLab.populate(lab)
    var records = choices
    var time = lab.now
    lab.guest.mangler = { [unowned lab] frame in
      // As little later as there is a step for.
      if let step = FuzzLab.steps.lastIndex(where: { time + $0 <= lab.now }) {
        records += Self.time(UInt8(step))
        time = time + FuzzLab.steps[step]
      }
      records += record(frame.bytes)
      return [frame]
    }
    script(lab)
    return records
  }

  private static func server(_ family: IPAddress.Family) -> Endpoint {
    Endpoint(family == .ipv4 ? FuzzLab.remotes[0] : FuzzLab.remotes[2], port: 80)
  }

  private static func transfer(_ family: IPAddress.Family) -> (Lab) -> Void {
    { lab in
      lab.setWorld { $0.defaultService = RemoteService(.acceptsAfter(.milliseconds(20)), echoes: true) }
      let connection = lab.guest.connect(to: server(family))
      connection.write([UInt8](repeating: 7, count: 600))
      lab.advance(by: .milliseconds(60))
      connection.finish()
      lab.advance(by: .milliseconds(60))
    }
  }

  private static func resolve(_ lab: Lab) {
    let settings = lab.options.settings
    lab.guest.requestARP(for: settings.ipv4Gateway)
    lab.guest.solicit(settings.ipv6Gateway)
    lab.guest.send(PlainDiscovery(type: 133), to: IPv6Address(high: 0xff02 << 48, low: 2))
    lab.advance(by: .milliseconds(60))
    lab.guest.ping(settings.ipv4Gateway)
    lab.guest.ping(FuzzLab.remotes[0])
    lab.guest.ping(FuzzLab.remotes[2])
    lab.settle()
  }

  private static func configure(_ lab: Lab) {
    lab.guest.sendDHCP(type: 1, options: [55, 6, 1, 3, 6, 15, 119, 121, 12, 3, 97, 98, 99])
    lab.advance(by: .milliseconds(60))
    lab.guest.sendDHCP(type: 3, options: [50, 4, 10, 0, 2, 15, 54, 4, 10, 0, 2, 2])
    lab.settle()
    lab.guest.sendDHCP(type: 7)
    lab.settle()
  }

  private static func configureV6(_ lab: Lab) {
    let identifier: [UInt8] = [0, 1, 0, 10, 0, 3, 0, 1, 0x52, 0x54, 0, 0x12, 0x34, 0x56]
    let association: [UInt8] = [0, 3, 0, 12, 0, 0, 0, 1] + [UInt8](repeating: 0, count: 8)
    let servers = IPAddress(IPv6Address(high: 0xff02 << 48, low: 0x1_0002))
    for type in [1, 11] as [UInt8] {
      let message = [type, 0, 0, 1] + identifier + association + [0, 6, 0, 4, 0, 23, 0, 24, 0, 14, 0, 0]
      let datagram = PlainUDP(sourcePort: 546, destinationPort: 547, payload: message)
      lab.guest.send(.udp(datagram), from: IPAddress(lab.guest.ipv6LinkLocal), to: servers)
      lab.advance(by: .milliseconds(12))
    }
  }

  private static func fetch(_ lab: Lab) {
    let gateway = Endpoint(lab.options.settings.ipv4Gateway, port: 69)
    lab.guest.sendUDP([0, 1] + Array("boot.img\0octet\0blksize\01024\0".utf8), from: 2000, to: gateway)
    lab.settle()
    for block in UInt8(0)..<4 {
      guard let port = lab.guest.datagrams.last?.sourcePort else { return }
      lab.guest.sendUDP([0, 4, 0, block], from: 2000, to: Endpoint(gateway.address, port: port))
      lab.settle()
    }
  }

  private static func ask(_ lab: Lab) {
    let resolver = Endpoint(lab.options.settings.ipv4Resolver, port: 53)
    for name in ["gateway.culvert.internal", "2.2.0.10.in-addr.arpa", "www.example.com"] {
      lab.guest.sendUDP(PlainDNS(1, PlainDNS.Question(name, 1)).encoded, from: 5353, to: resolver)
      lab.settle()
    }
    let query = PlainDNS(2, PlainDNS.Question("host.culvert.internal", 28)).encoded
    let connection = lab.guest.connect(to: resolver)
    connection.write([0, UInt8(query.count)] + query)
    lab.advance(by: .milliseconds(12))
  }

  private static func fragments(_ lab: Lab) {
    for (offset, isLast) in [(8, true), (0, false)] {
      var part = PlainIPv4(
        from: lab.guest.address, to: IPv4Address(192, 0, 2, 1), .raw([0x13, 0x88, 7, 0xd0, 0, 16, 0, 0]), proto: 17)
      (part.fragmentOffset, part.moreFragments, part.dontFragment) = (offset, !isLast, false)
      lab.guest.send(part)
      var partV6 = PlainIPv6(
        from: lab.guest.ipv6Address, to: FuzzLab.remotes[2].mapped, .raw([UInt8](repeating: 1, count: 8)), proto: 17)
      partV6.fragment = PlainIPv6.Fragment(offset: offset, moreFragments: !isLast, identification: 9)
      lab.guest.send(partV6)
    }
    lab.settle()
  }

  private static func segments(_ lab: Lab) {
    let connection = lab.rawConnection(to: server(.ipv4))
    connection.guestQueues(.syn(.mss(1460), .sackPermitted, .windowScale(7)))
    lab.advance(by: .milliseconds(60))
    connection.guestQueues(.data("out of order", seq: 20, ack: 1))
    connection.guestQueues(.data("in order", seq: 1, ack: 1))
    connection.guestQueues(.sack(1, 5..<9, seq: 9))
    connection.guestQueues(.fin(seq: 32, ack: 1))
    connection.guestQueues(.rst(seq: 9))
    lab.settle()
  }
}

extension OperationTarget {
  /// Runs that do a few things in order, each beginning with the eight bytes that choose the lab.
  static var seeds: [[UInt8]] {
    let labs: [[UInt8]] = [
      [1, 0, 0, 0, 0, 0, 0, 0], [2, 0, 32, 1, 0xff, 2, 2, 2], [3, 8, 16, 2, 0x0f, 5, 3, 3], [4, 1, 0, 0, 0, 0, 0, 0],
    ]
    return runs.enumerated().map { labs[$0.offset % labs.count] + $0.element }
  }

  private static let wait: [UInt8] = [0, 4]
  private static let openRaw: [UInt8] = [1, 0, 0x30, 0, 7]
  private static let openOrderly: [UInt8] = [5, 0, 0]
  private static let worldSpeaks: [UInt8] = [7, 0, 4, 180]

  private static let runs: [[UInt8]] = [
    // Connections of choice: data in and out of order, SACK, FIN, RST, old and new acknowledgments.
    openRaw + wait + [4, 0, 1, 90] + worldSpeaks + wait + [4, 0, 0] + [4, 0, 2] + [7, 0, 0] + wait + [4, 0, 0],
    openRaw + [2, 0, 16, 5, 0, 100, 0, 2, 0, 16, 10, 0, 100, 0, 2, 0, 0, 90, 0] + wait + [2, 0, 5, 0, 0],
    openRaw + worldSpeaks + [2, 0, 0, 0, 0xc4, 1, 5] + [2, 0, 0, 0, 0xc4, 9, 5] + wait + wait + [0, 8],
    openRaw + [7, 0, 1] + wait + [2, 0, 5, 0, 0],
    // A segment that begins with what was there already, and one that is all old.
    openRaw + [2, 0, 0, 40, 0] + wait + [2, 0, 16, 236, 0, 60, 0] + wait + [2, 0, 16, 206, 0, 30, 0] + wait,
    // The guest's own TCP, with a peer that reads slowly, a window that closes, a link that does.
    openOrderly + wait + [6, 0, 3, 220, 10, 16] + wait + [7, 0, 2, 9, 0] + wait + [6, 0, 0] + [7, 0, 3, 0],
    openOrderly + worldSpeaks + [11, 2] + wait + [11, 0] + worldSpeaks + [7, 0, 0] + [6, 0, 0] + wait,
    [5, 0, 0x30, 0] + worldSpeaks + worldSpeaks + wait + [6, 0, 2, 4, 0] + wait + [11, 4] + wait + [11, 5] + [0, 8],
    [10, 5, 2, 9] + openOrderly + wait + [10, 6] + openOrderly + wait + [10, 4, 3] + openRaw + wait,
    // Datagrams both ways, failures, echo.
    [8, 0, 0, 20, 9, 0x80, 0, 30, 3, 8, 67, 2, 200, 9, 0, 0, 0, 1, 2, 3, 8, 3, 0, 1, 2, 3] + wait + [0, 9],
    // Forwards and their clients.
    [12, 0, 12, 0x20, 13, 0, 9, 7, 0, 4, 100] + wait + [13, 1, 30, 6, 0, 3, 90, 6, 0, 0] + wait + [12, 3],
    [12, 8, 13, 0] + wait + [12, 16, 13, 1] + [0, 6],
    // Services: DHCP, DHCPv6, names with an answer, files.
    [14, 0, 8, 14, 8, 3, 14, 1, 0, 14, 9, 0] + [12, 5] + [12, 13] + wait,
    [12, 20, 14, 2, 0, 14, 10, 0, 14, 37, 0, 14, 7, 0, 0] + wait + [14, 18, 1] + [0, 5],
    [14, 3, 14, 67, 9, 14, 4, 14, 4, 14, 12, 14, 0xf4] + wait,
    // What is strange: changed, cut, repeated and divided frames, parts, reports, neighbors.
    [15, 8, 40, 1] + openRaw + [15, 2, 200] + openOrderly + [15, 4, 9] + [8, 0, 0, 210] + wait,
    [15, 6, 4, 0, 0, 7, 80, 15, 6, 0, 0, 10, 7, 80] + openRaw + worldSpeaks + [15, 5, 0, 0, 0, 2, 0] + wait,
    [15, 7, 0, 15, 7, 1, 15, 7, 2, 15, 7, 4] + [12, 16, 13, 1] + [0, 5, 0, 6],
  ]
}
