import Buffers
import Netstack
import Primitives
import Simulation
import Testing

/// What one connection has in plenty does not keep another flow waiting for all of it.
@Suite struct TCPFairnessTests {
  /// What a connection may send in its turn: its quantum, and the rest of a frame that was begun in it.
  private static let share = 256 * 1024 + 65_536
  /// Several shares, which the windows let through at once.
  private static let plenty = 1 << 20
  private static let cutting: LinkOffloads = [.checksum, .tcp4, .tcp6]

  private static func options(toGuest: LinkOffloads = [], fromGuest: LinkOffloads = []) -> Lab.Options {
    var options = Lab.Options()
    (options.offloads, options.guestOffloads) = (toGuest, fromGuest)
    return options
  }

  // MARK: Towards the guest

  @Test(arguments: families, [LinkOffloads(), cutting])
  func `of connections that the host has plenty for each sends its share in turn`(
    family: IPAddress.Family, offloads: LinkOffloads
  ) throws {
    try withLab(Self.options(toGuest: offloads)) { lab in
      let flows = try (0..<3).map { try WideFlow(lab, .server(family, port: 5000 + $0)) }
      let ledger = Ledger(of: lab)
      for flow in flows { flow.server.write([UInt8](repeating: 1, count: Self.plenty)) }
      lab.settle()
      for flow in flows {
        #expect(ledger.byteCount(of: flow.port) == Self.plenty)
        #expect(ledger.longestRun(of: flow.port) <= Self.share)
      }
    }
  }

  /// A connection, and beside it another and a mapping of the guest's port 7000.
  private struct Rivals {
    let bulk, small: WideFlow
    /// Whom the mapping is to.
    let server: Endpoint
    let datagrams: FlowID
    let ledger: Ledger

    init(_ lab: Lab, _ family: IPAddress.Family) throws {
      bulk = try WideFlow(lab, .server(family, port: 5000))
      small = try WideFlow(lab, .server(family, port: 5001))
      server = .server(family, port: 7)
      lab.guest.sendUDP([1], from: 7000, to: server)
      lab.settle()
      datagrams = try #require(lab.datagramFlow(onPort: 7000))
      ledger = Ledger(of: lab)
    }
  }

  @Test(arguments: families, [LinkOffloads(), cutting])
  func `between two events of other flows a connection that the host has plenty for has its share at most`(
    family: IPAddress.Family, offloads: LinkOffloads
  ) throws {
    try withLab(Self.options(toGuest: offloads)) { lab in
      let flows = try Rivals(lab, family)
      let (bulk, small, ledger) = (flows.bulk, flows.small, flows.ledger)
      bulk.server.write([UInt8](repeating: 1, count: Self.plenty))
      lab.host.deliver([2], from: flows.server, to: flows.datagrams)
      small.server.write([3])
      lab.settle()
      #expect(ledger.byteCount(of: bulk.port) == Self.plenty)
      let order = ledger.runs(of: bulk.port, between: [7000, small.port])
      try #require(order.count == 3)
      #expect(order[0] <= Self.share)
      // It waits for the next turn.
      #expect(order[1] == 0)
    }
  }

  /// Who exchanges a byte for a byte while another has much.
  enum Conversation: CaseIterable {
    case datagrams, connection
  }

  @Test(arguments: [LinkOffloads(), cutting], Conversation.allCases)
  func `between two answers of a conversation a connection that the host has plenty for has two shares at most`(
    offloads: LinkOffloads, conversation: Conversation
  ) throws {
    for family in families {
      try withLab(Self.options(toGuest: offloads)) { lab in
        let bulk = try WideFlow(lab, .server(family, port: 5000))
        let ledger = Ledger(of: lab)
        let port = converse(conversation, lab, family, ledger, until: bulk.port, has: Self.plenty)
        bulk.server.write([UInt8](repeating: 1, count: Self.plenty))
        lab.settle()
        #expect(ledger.byteCount(of: bulk.port) == Self.plenty)
        // In the turn that takes the answer to the guest, and in the one that takes its next question to the host.
        let runs = ledger.runs(of: bulk.port, between: [port])
        #expect(runs.allSatisfy { $0 <= 2 * Self.share }, "\(runs)")
      }
    }
  }

  /// Begins a conversation, of which each answer brings the next question until a connection has had so much.
  private func converse(
    _ conversation: Conversation, _ lab: Lab, _ family: IPAddress.Family, _ ledger: Ledger, until bulk: UInt16,
    has byteCount: Int
  ) -> UInt16 {
    let server = Endpoint.server(family, port: 7)
    let port: UInt16
    let ask: (Lab) -> Void
    switch conversation {
    case .datagrams:
      lab.host.datagramServices[server] = .echoes
      port = 7000
      ask = { $0.guest.sendUDP([1], from: port, to: server) }
    case .connection:
      lab.host.services[server] = RemoteService(echoes: true)
      let connection = lab.guest.connect(to: server)
      lab.settle()
      port = connection.local.port
      ask = { _ in connection.write([1]) }
    }
    ledger.react(to: port) { [unowned lab, unowned ledger] in
      if ledger.byteCount(of: bulk) < byteCount { lab.schedule(after: .zero, ask) }
    }
    ask(lab)
    return port
  }

  // MARK: A full link

  @Test(arguments: families, [LinkOffloads(), cutting])
  func `who finds the link full has its turn before who has filled it`(
    family: IPAddress.Family, offloads: LinkOffloads
  ) throws {
    try withLab(Self.options(toGuest: offloads)) { lab in
      let flows = try Rivals(lab, family)
      let (bulk, small, ledger) = (flows.bulk, flows.small, flows.ledger)
      lab.openLink(room: 2)
      bulk.server.write([UInt8](repeating: 1, count: Self.plenty))
      lab.settle()
      small.server.write([2])
      lab.host.deliver([3], from: flows.server, to: flows.datagrams)
      lab.settle()
      #expect(ledger.byteCount(of: small.port) == 0)
      lab.openLink(room: 2)
      lab.settle()
      #expect(ledger.byteCount(of: small.port) == 1)
      #expect(ledger.byteCount(of: 7000) == 1)
      lab.openLink()
      lab.settle()
      #expect(ledger.byteCount(of: bulk.port) == Self.plenty)
      #expect(lab.drops(.linkFull) == 0)
    }
  }

  @Test(arguments: families, [LinkOffloads(), cutting])
  func `connections that the host has plenty for share what room a full link gets`(
    family: IPAddress.Family, offloads: LinkOffloads
  ) throws {
    try withLab(Self.options(toGuest: offloads)) { lab in
      let flows = try (0..<3).map { try WideFlow(lab, .server(family, port: 5000 + $0)) }
      let ledger = Ledger(of: lab)
      lab.openLink(room: 1)
      for flow in flows { flow.server.write([UInt8](repeating: 1, count: Self.plenty)) }
      lab.settle()
      for _ in 1..<9 {
        lab.openLink(room: 1)
        lab.settle()
      }
      let counts = flows.map { ledger.byteCount(of: $0.port) }
      #expect(counts[0] > 0 && Set(counts).count == 1, "\(counts)")
    }
  }

  // MARK: From the guest

  @Test(arguments: families, [LinkOffloads(), cutting])
  func `a batch of the guest's is written whole, with what it has for each flow`(
    family: IPAddress.Family, offloads: LinkOffloads
  ) throws {
    var options = Self.options(fromGuest: offloads)
    options.batchLimit = 4
    try withLab(options) { lab in
      let bulk = try WideFlow(lab, .server(family, port: 5000))
      let small = try WideFlow(lab, .server(family, port: 5001))
      let server = Endpoint.server(family, port: 7)
      lab.guest.sendUDP([1], from: 7000, to: server)
      lab.settle()
      let ledger = Ledger(of: lab)
      for _ in 0..<8 {
        bulk.connection.write([UInt8](repeating: 1, count: 65_536))
        small.connection.write([2])
        lab.guest.sendUDP([3], from: 7000, to: server)
      }
      lab.settle()
      #expect(ledger.byteCount(of: bulk.port) == 8 * 65_536)
      #expect(ledger.byteCount(of: small.port) == 8)
      // What lies before the one and before the next in the link's order, and the rest of the batch.
      let batch = options.batchLimit * (offloads.isEmpty ? 1460 : 65_535)
      let runs = ledger.runs(of: bulk.port, between: [small.port])
      #expect(runs.allSatisfy { $0 <= 65_536 + batch }, "\(runs)")
      #expect(lab.sentDatagrams.count == 9)
    }
  }
}

/// A connection whose windows hold nothing back, and the server's end of it.
private struct WideFlow {
  let connection: GuestTCP
  let server: Peer

  /// The guest's port.
  var port: UInt16 { connection.local.port }

  init(_ lab: Lab, _ remote: Endpoint) throws {
    var service = RemoteService()
    service.receiveBufferSize = 4 << 20
    service.sendBufferSize = 4 << 20
    lab.host.services[remote] = service
    var options = GuestTCP.Options()
    options.receiveBufferSize = 4 << 20
    options.maximumInFlight = 4096
    connection = lab.guest.connect(to: remote, options: options)
    lab.settle()
    server = try #require(lab.peers(at: remote).first)
    // Slow start, until the congestion window holds nothing back either.
    server.write([UInt8](repeating: 0, count: 1200 * 1024))
    lab.settle()
  }
}

/// Whose payload came to the guest and to the host, in the order in which it came, by the guest's ports.
private final class Ledger {
  private var entries: [(port: UInt16, byteCount: Int)] = []
  private var reactions: [UInt16: () -> Void] = [:]

  init(of lab: Lab) {
    lab.guest.watcher = { [self] frame in
      switch frame.payload {
      case .tcp(let segment) where !segment.payload.isEmpty: note(segment.destinationPort, segment.payload.count)
      case .udp(let datagram): note(datagram.destinationPort, datagram.payload.count)
      default: break
      }
    }
    let ports = Dictionary(uniqueKeysWithValues: lab.flows.map { ($0.id, $0.guest.port) })
    lab.host.writeWatcher = { [self] flow, byteCount in
      if let port = ports[flow] { note(port, byteCount) }
    }
  }

  private func note(_ port: UInt16, _ byteCount: Int) {
    entries.append((port, byteCount))
    reactions[port]?()
  }

  /// Does `body` whenever something comes for `port`.
  func react(to port: UInt16, _ body: @escaping () -> Void) { reactions[port] = body }

  /// Bytes of one flow.
  func byteCount(of port: UInt16) -> Int { entries.reduce(0) { $0 + ($1.port == port ? $1.byteCount : 0) } }

  /// Bytes of one flow before the first of others, between each two of theirs, and behind the last.
  func runs(of port: UInt16, between others: Set<UInt16>) -> [Int] {
    var runs = [0]
    for entry in entries {
      if entry.port == port { runs[runs.count - 1] += entry.byteCount }
      if others.contains(entry.port) { runs.append(0) }
    }
    return runs
  }

  /// The most bytes of one flow without one of another's between.
  func longestRun(of port: UInt16) -> Int {
    runs(of: port, between: Set(entries.map(\.port)).subtracting([port])).max() ?? 0
  }
}
