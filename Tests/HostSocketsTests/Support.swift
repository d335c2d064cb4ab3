import Buffers
import LinuxSystem
import Netstack
import Primitives
import Testing

@testable import HostSockets

/// Host sockets with their event loop, as the stack's owner has them.
final class Host {
  let queue: EventQueue
  var sockets: KernelSockets
  private var events = EventBuffer()
  private var told: [FlowID: HostReadiness] = [:]
  private var next: UInt32 = 0
  private var slots = SlotBuffer(capacity: 4 << 20, prefixLength: 0)

  init(
    _ mode: PeekMode = .automatic, services: [ServiceAddress] = [], files: consuming FileTree? = nil,
    scratchLength: Int = 256 * 1024
  ) throws {
    let queue = try EventQueue()
    sockets = try KernelSockets(
      registrar: queue.registrar, maximumFlows: 1024, peekMode: mode, services: services, files: files,
      commandData: Self.commandData, scratchLength: scratchLength)
    self.queue = queue
  }

  /// What events of commands that have ended carry.
  private static let commandData = UInt64.max

  /// How many commands run for flows.
  var commandCount: Int { sockets.commands.count }

  /// A descriptor that is readable once the command that was started first has ended.
  func descriptorOfCommand() throws -> FileDescriptor { try sockets.commands.running[0].process.descriptor.duplicate() }

  /// Waits, at most five seconds for each event, until no command runs.
  func waitForCommands() throws {
    while commandCount > 0 { try #require(try poll(timeout: .seconds(5)) > 0, "a command does not end") }
  }

  /// The name of a new flow.
  func newFlow() -> FlowID {
    next += 1
    return FlowID(index: next - 1, generation: next * 3)
  }

  // MARK: Events

  /// Takes the events that wait, at most `timeout` for the first, and returns how many there were.
  @discardableResult
  func poll(timeout: Interval = .zero) throws -> Int {
    try queue.wait(into: &events, timeout: timeout)
    for index in 0..<events.count {
      guard events[index].data != Self.commandData else {
        sockets.reapCommands()
        continue
      }
      let flow = FlowID(rawValue: events[index].data)
      let readiness = sockets.readiness(of: flow, events[index].events)
      told[flow, default: []].formUnion(readiness)
    }
    return events.count
  }

  /// Waits, at most five seconds, until a flow was told all of `wanted`, and returns all it was told.
  @discardableResult
  func wait(_ flow: FlowID, for wanted: HostReadiness) throws -> HostReadiness {
    while !told[flow, default: []].isSuperset(of: wanted) {
      try #require(try poll(timeout: .seconds(5)) > 0, "no event")
    }
    return told.removeValue(forKey: flow) ?? []
  }

  /// What a flow was told since it was last asked.
  func takeReadiness(_ flow: FlowID) throws -> HostReadiness {
    try poll()
    return told.removeValue(forKey: flow) ?? []
  }

  /// The socket of a flow.
  func number(of flow: FlowID) -> Int32 { sockets.table[flow].descriptor }

  /// Whether a flow has a socket.
  func holds(_ flow: FlowID) -> Bool { sockets.table[flow].descriptor >= 0 }

  /// The endpoint that a flow's socket has on the host.
  func localEndpoint(of flow: FlowID) throws -> Endpoint {
    try #require(try Socket.localAddress(of: number(of: flow)).endpoint)
  }

  // The network's own calls: an expectation cannot look into a type that is not copyable.

  var calls: KernelSockets.CallCounts { sockets.calls }
  var usesPeekOffset: Bool { sockets.usesPeekOffset }
  func connect(_ flow: FlowID, to endpoint: Endpoint, marks: PacketMarks = PacketMarks()) -> HostOpen {
    sockets.connect(flow, to: endpoint, marks: marks)
  }
  func connect(_ flow: FlowID, toService number: Int) -> HostOpen {
    sockets.connect(flow, to: HostService(number, name: ""))
  }
  func openPair(_ one: FlowID, _ other: FlowID) -> HostOpen { sockets.openPair(one, other) }
  func finishConnecting(_ flow: FlowID) -> HostOpen { sockets.finishConnecting(flow) }
  func accept(from listener: FlowID, as flow: FlowID) -> HostAccept { sockets.accept(from: listener, as: flow) }
  func close(_ flow: FlowID, abortively: Bool) { sockets.close(flow, abortively: abortively) }
  func discard(_ flow: FlowID, count: Int) { sockets.discard(flow, count: count) }
  func sendSpace(_ flow: FlowID) -> Int { sockets.sendSpace(flow) }
  func requestWritable(_ flow: FlowID) { sockets.requestWritable(flow) }
  func unacknowledgedByteCount(_ flow: FlowID) -> Int { sockets.unacknowledgedByteCount(flow) }
  func finishWriting(_ flow: FlowID) { sockets.finishWriting(flow) }
  func takeError(_ flow: FlowID) -> HostError? { takeFailure(flow)?.failure.error }
  func takeFailure(_ flow: FlowID) -> (failure: HostFailure, quote: [UInt8])? {
    var quote = [UInt8](repeating: 0, count: 2048)
    var span = quote.mutableSpan
    guard let failure = sockets.takeError(flow, quote: &span) else { return nil }
    return (failure, Array(quote.prefix(failure.quoteLength)))
  }
  func readiness(of flow: FlowID, _ events: Events) -> HostReadiness { sockets.readiness(of: flow, events) }
  func listen(_ flow: FlowID, for transport: Transport, on local: Endpoint) -> HostOpen {
    sockets.listen(flow, at: .port(transport, local))
  }
  func listen(_ flow: FlowID, atPath path: String) -> HostOpen {
    sockets.listen(flow, at: .local(path))
  }
  func openEcho(_ flow: FlowID, family: IPAddress.Family, identifier: UInt16) -> HostOpen {
    sockets.openEcho(flow, family: family, identifier: identifier)
  }
  func openDatagrams(
    _ flow: FlowID, family: IPAddress.Family, destination: Endpoint?, preferredPort: UInt16
  ) -> HostOpen {
    sockets.openDatagrams(flow, family: family, destination: destination, preferredPort: preferredPort)
  }

  // MARK: Streams

  /// A connected flow and its peer.
  func connection(_ local: Endpoint = Endpoint(.loopback, port: 0)) throws -> (flow: FlowID, peer: Peer) {
    let listener = try Peer(listeningOn: local)
    let flow = newFlow()
    let opened = connect(flow, to: try listener.endpoint())
    #expect(opened == .ready || opened == .inProgress)
    if opened == .inProgress {
      try wait(flow, for: .writable)
      #expect(sockets.finishConnecting(flow) == .ready)
    }
    return (flow, try listener.accept())
  }

  /// Peeks at up to `count` bytes behind `skipping`, scattered into pieces of `piece` bytes.
  func peek(_ flow: FlowID, skipping: Int = 0, _ count: Int, piece: Int = 1000) throws -> (HostRead, [UInt8]) {
    try scatter(count, piece: piece) { sockets, regions in
      sockets.receive(flow, skipping: skipping, into: &regions)
    }
  }

  /// Has `body` read up to `count` bytes, scattered into pieces of `piece` bytes.
  private func scatter(
    _ count: Int, piece: Int, _ body: (inout KernelSockets, inout ByteRegions) -> HostRead
  ) throws -> (HostRead, [UInt8]) {
    let request = SlotRequest(
      port: .first, maximumSlots: (count + piece - 1) / piece, headerLength: 0, payloadLength: piece)
    guard let run = slots.reserve(request) else { throw SystemError(0, "lend slots") }
    var regions = slots.payload(of: run)
    regions.truncate(toByteCount: count)
    let read = body(&sockets, &regions)
    var bytes: [UInt8] = []
    if case .bytes(let received) = read {
      for index in 0..<regions.count {
        let region = regions[index]
        for place in 0..<min(region.count, received - bytes.count) { bytes.append(region[place]) }
      }
    }
    slots.cancel(run)
    return (read, bytes)
  }

  /// Peeks until there is nothing more behind `skipping` and returns what there was, and the result that ended it.
  func peekAll(_ flow: FlowID, skipping: Int = 0) throws -> (HostRead, [UInt8]) {
    var all: [UInt8] = []
    while true {
      let (read, bytes) = try peek(flow, skipping: skipping + all.count, 100_000)
      guard case .bytes = read else { return (read, all) }
      all += bytes
    }
  }

  /// Sends bytes in slices of `piece` bytes.
  func send(_ flow: FlowID, _ bytes: [UInt8], piece: Int = .max) -> HostWrite {
    var list = FrameList(capacity: 1, byteCapacity: max(bytes.count, 1))
    let appended = list.append(bytes.span, port: .first, headerLength: 60_000, pieceLength: 1 << 30)
    precondition(appended)
    let slices = stride(from: 0, to: bytes.count, by: piece).map {
      PayloadSlice(frame: 0, offset: $0, count: min(piece, bytes.count - $0))
    }
    return sockets.send(slices.span, of: list.batch, on: flow)
  }

  /// Sends until the socket takes no more, and returns how many bytes it took.
  func fill(_ flow: FlowID) throws -> Int {
    let chunk = pattern(50_000)
    var total = 0
    while true {
      switch send(flow, chunk) {
      case .accepted(let count): total += count
      case .wouldBlock: return total
      case .failed(let error): throw error
      }
    }
  }

  // MARK: Files

  func openFile(_ flow: FlowID, _ name: String) -> HostFileOpen { sockets.openFile(flow, named: Array(name.utf8).span) }

  /// Reads up to `count` bytes of a file from `offset` on, scattered into pieces of `piece` bytes.
  func readFile(
    _ flow: FlowID, at offset: UInt64 = 0, _ count: Int, piece: Int = 1000
  ) throws -> (HostRead, [UInt8]) {
    try scatter(count, piece: piece) { sockets, regions in sockets.readFile(flow, at: offset, into: &regions) }
  }

  // MARK: Datagrams

  /// Sends datagrams by one call of the network, without marks.
  func send(_ flow: FlowID, _ datagrams: [(payload: [UInt8], to: Endpoint?, from: IPAddress?)]) -> HostWrite {
    send(flow, datagrams, PacketMarks())
  }

  /// Sends datagrams by one call of the network, all marked alike.
  func send(
    _ flow: FlowID, _ datagrams: [(payload: [UInt8], to: Endpoint?, from: IPAddress?)], _ marks: PacketMarks
  ) -> HostWrite {
    send(flow, datagrams, each: datagrams.map { _ in marks })
  }

  /// Sends datagrams by one call of the network, each with its marks.
  func send(
    _ flow: FlowID, _ datagrams: [(payload: [UInt8], to: Endpoint?, from: IPAddress?)], each marks: [PacketMarks]
  ) -> HostWrite {
    var list = FrameList(capacity: 256, byteCapacity: 8 << 20)
    var outgoing: [OutgoingDatagram] = []
    for (index, datagram) in datagrams.enumerated() {
      // In pieces, as a fragmented or a shared-memory frame would be.
      let appended = list.append(datagram.payload.span, port: .first, headerLength: 100, pieceLength: 40_000)
      precondition(appended)
      let slice = PayloadSlice(frame: index, offset: 0, count: datagram.payload.count)
      outgoing.append(
        OutgoingDatagram(payload: slice, destination: datagram.to, source: datagram.from, marks: marks[index]))
    }
    return sockets.sendDatagrams(outgoing.span, of: list.batch, on: flow)
  }

  /// Receives what waits.
  func receive(
    _ flow: FlowID, capacity: Int = 64
  ) -> (HostWrite, [(payload: [UInt8], entry: DatagramBatch.Entry)]) {
    var batch = DatagramBatch(capacity: capacity)
    let result = sockets.receiveDatagrams(flow, into: &batch)
    var datagrams: [(payload: [UInt8], entry: DatagramBatch.Entry)] = []
    for index in 0..<batch.count {
      let payload = batch.payload(index)
      datagrams.append((payload.indices.map { payload[$0] }, batch[index]))
    }
    return (result, datagrams)
  }
}

/// A socket of the world outside.
final class Peer {
  let socket: Socket

  init(_ socket: consuming Socket) { self.socket = socket }

  /// A listener.
  init(listeningOn local: Endpoint) throws {
    let socket = try Socket(.stream, for: .internet(local))
    try socket.bind(to: .internet(local))
    try socket.listen()
    self.socket = socket
  }

  /// A stream to `endpoint`, connected or about to be.
  init(connectingTo endpoint: Endpoint) throws {
    let socket = try Socket(.stream, for: .internet(endpoint))
    _ = try socket.connect(to: .internet(endpoint))
    self.socket = socket
  }

  /// A datagram socket on any port of `address`.
  init(datagramsOn address: IPAddress) throws {
    let local = SocketAddress.internet(Endpoint(address, port: 0))
    let socket = try Socket(.datagram, for: local)
    try socket.bind(to: local)
    self.socket = socket
  }

  func endpoint() throws -> Endpoint { try #require(try socket.localAddress().endpoint) }

  func accept() throws -> Peer {
    try wait(for: .readable)
    guard let accepted = try socket.accept() else { throw SystemError(0, "accept") }
    return Peer(accepted)
  }

  func wait(for events: Events) throws {
    let queue = try EventQueue()
    var buffer = EventBuffer(capacity: 1)
    try queue.registrar.add(socket.rawValue, for: events, data: 0)
    try queue.wait(into: &buffer, timeout: .seconds(5))
    try #require(buffer.count == 1, "no event")
  }

  func send(_ bytes: [UInt8]) throws {
    let sent = try socket.send(bytes.span)
    try #require(sent == bytes.count)
  }

  func send(_ bytes: [UInt8], to endpoint: Endpoint) throws {
    try socket.send(bytes.span, to: .internet(endpoint))
  }

  func finish() throws { try socket.shutDownWriting() }

  /// Receives what has arrived, at most `limit` bytes: nil where nothing has, empty at the end.
  func receive(_ limit: Int = 1 << 20) throws -> [UInt8]? {
    var buffer = [UInt8](repeating: 0, count: limit)
    var span = buffer.mutableSpan
    guard let count = try Socket.receive(into: &span, on: socket.rawValue) else { return nil }
    return Array(buffer.prefix(count))
  }

  /// Receives until the end of the stream.
  func receiveAll() throws -> [UInt8] {
    var all: [UInt8] = []
    while true {
      guard let bytes = try receive() else {
        try wait(for: .readable)
        continue
      }
      if bytes.isEmpty { return all }
      all += bytes
    }
  }

  /// Receives datagrams or bytes once something has arrived.
  func receiveNext() throws -> [UInt8] {
    try wait(for: .readable)
    return try #require(try receive())
  }
}

/// `count` bytes that differ.
func pattern(_ count: Int, _ seed: Int = 0) -> [UInt8] {
  (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ ($0 >> 8) &* 13 &+ seed) }
}

/// A UDP or TCP port of loopback that was free a moment ago.
func freePort(_ kind: Socket.Kind) throws -> UInt16 {
  let any = SocketAddress.internet(Endpoint(.any, port: 0))
  let socket = try Socket(kind, for: any)
  try socket.bind(to: any)
  return try #require(try socket.localAddress().endpoint).port
}

let bothModes: [PeekMode] = [.offset, .skip]
let loopback4 = Endpoint(.loopback, port: 0)
let loopback6 = Endpoint(IPAddress(IPv6Address.loopback), port: 0)
