public import Buffers
public import Netstack
public import Primitives

/// What a datagram endpoint of the simulated world does.
public enum DatagramService: Hashable, Sendable {
  /// Sends each datagram back.
  case echoes
  /// Answers each datagram with this one.
  case answers([UInt8])
  /// The sender's next call or event tells of a failure (as an ICMP error makes it).
  case fails(HostError)
}

/// A datagram, or the ICMP message of an echo, that the core has sent.
public struct SentDatagram: Hashable, Sendable {
  /// The flow whose socket it left by.
  public var flow: FlowID
  /// The socket's address and port, or identifier.
  public var local: Endpoint
  /// The source address that the core asked for.
  public var source: IPAddress?
  /// Where it went.
  public var destination: Endpoint
  /// What it carried.
  public var payload: [UInt8]
  /// How it was marked.
  public var marks: PacketMarks
}

/// A datagram socket of the core's, or one for echo.
struct DatagramSocket {
  let flow: FlowID
  /// An echo socket has its identifier as its port.
  let local: Endpoint
  var peer: Endpoint?
  var isEcho = false
  var isOpen = true
  var waiting: [(payload: [UInt8], source: Endpoint, destination: IPAddress?)] = []
  /// The error queue.
  var failures: [(failure: HostFailure, quote: [UInt8])] = []
  /// What the next call fails with; taking the last failure takes this as well.
  var pendingError: HostError?
  /// Datagrams that the socket takes yet; nil for no limit.
  var sendQuota: Int?

  init(flow: FlowID, local: Endpoint, peer: Endpoint? = nil, isEcho: Bool = false) {
    self.flow = flow
    self.local = local
    self.peer = peer
    self.isEcho = isEcho
  }

  var readiness: HostReadiness {
    var readiness: HostReadiness = sendQuota == 0 ? [] : .writable
    if !waiting.isEmpty { readiness.insert(.readable) }
    if pendingError != nil || !failures.isEmpty { readiness.insert(.failed) }
    return readiness
  }

  /// What `takeError` takes.
  mutating func takeFailure() -> (failure: HostFailure, quote: [UInt8])? {
    guard !failures.isEmpty else {
      defer { pendingError = nil }
      return pendingError.map { (HostFailure($0), []) }
    }
    let first = failures.removeFirst()
    pendingError = failures.first?.failure.error
    return first
  }
}

extension SimulatedHost {
  /// The most datagrams that wait in a socket; more are lost.
  private static var datagramQueueLimit: Int { 256 }

  /// Opens a datagram socket.
  public mutating func openDatagrams(
    _ flow: FlowID, family: IPAddress.Family, destination: Endpoint?, preferredPort: UInt16
  ) -> HostOpen {
    openDatagrams(flow, family, peer: destination, preferredPort, isEcho: false)
  }

  /// Opens a socket for echo, with the identifier as its port.
  public mutating func openEcho(_ flow: FlowID, family: IPAddress.Family, identifier: UInt16) -> HostOpen {
    guard offersEcho else { return .failed(.forbidden) }
    return openDatagrams(flow, family, peer: nil, identifier, isEcho: true)
  }

  private mutating func openDatagrams(
    _ flow: FlowID, _ family: IPAddress.Family, peer: Endpoint?, _ preferredPort: UInt16, isEcho: Bool
  ) -> HostOpen {
    var local = Endpoint(.any(family), port: preferredPort)
    while local.port == 0 || (!isEcho && local.port < 1024) || isTaken(local, isEcho: isEcho) {
      local.port = nextEphemeralPort
      nextEphemeralPort += 1
    }
    guard open(flow, .datagrams(datagramSockets.count)) else { return .failed(.exhausted) }
    datagramSockets.append(DatagramSocket(flow: flow, local: local, peer: peer, isEcho: isEcho))
    return .ready
  }

  /// Whether a socket has the port, at the same address or with one of the two at every address of the family.
  func isTaken(_ local: Endpoint, isEcho: Bool) -> Bool {
    datagramSockets.contains {
      guard $0.isOpen, $0.isEcho == isEcho, $0.local.port == local.port else { return false }
      guard $0.local.address.family == local.address.family else { return false }
      return $0.local.address == local.address || $0.local.address.isAny || local.address.isAny
    }
  }

  /// Sends datagrams in order.
  public mutating func sendDatagrams(
    _ datagrams: Span<OutgoingDatagram>, of batch: borrowing FrameBatch, on flow: FlowID
  ) -> HostWrite {
    calls.datagramSends += 1
    guard let socket = datagramSocket(flow, for: "sendDatagrams") else { return .wouldBlock }
    if let error = datagramSockets[socket].pendingError {
      datagramSockets[socket].pendingError = nil
      return .failed(error)
    }
    guard !datagrams.isEmpty else {
      misuse("sendDatagrams of nothing", of: flow)
      return .accepted(0)
    }
    var taken = 0
    for index in datagrams.indices {
      guard let destination = datagrams[index].destination ?? datagramSockets[socket].peer else {
        misuse("a datagram without a destination on a socket without a peer", of: flow)
        continue
      }
      if datagramSockets[socket].sendQuota == 0 { break }
      guard fitsFirstLink(datagrams[index], destination, socket) else {
        calls.sentDatagrams += taken
        return taken > 0 ? .accepted(taken) : .failed(.messageTooLong)
      }
      send(datagrams[index], of: batch, to: destination, by: socket)
      taken += 1
    }
    calls.sentDatagrams += taken
    return taken > 0 ? .accepted(taken) : .wouldBlock
  }

  /// Linux tells of a packet that its own interface does not take at once, and in the error queue too, there without
  /// the port.
  private mutating func fitsFirstLink(_ datagram: OutgoingDatagram, _ destination: Endpoint, _ socket: Int) -> Bool {
    let length = packetLength(datagram.payload.count, destination, isEcho: datagramSockets[socket].isEcho)
    guard !datagram.marks.mayFragment && length > interfaceMTU else { return true }
    let failure = HostFailure(
      .messageTooLong, report: .tooBig(mtu: interfaceMTU), destination: Endpoint(destination.address, port: 0))
    datagramSockets[socket].failures.append((failure, []))
    return false
  }

  private func packetLength(_ payload: Int, _ destination: Endpoint, isEcho: Bool) -> Int {
    payload + (destination.address.family == .ipv4 ? 20 : 40) + (isEcho ? 0 : 8)
  }

  private mutating func send(
    _ datagram: OutgoingDatagram, of batch: borrowing FrameBatch, to destination: Endpoint, by socket: Int
  ) {
    if let quota = datagramSockets[socket].sendQuota { datagramSockets[socket].sendQuota = quota - 1 }
    writeWatcher?(datagramSockets[socket].flow, datagram.payload.count)
    guard keepsDatagrams || isKnown(destination) else { return }
    var payload: [UInt8] = []
    if datagram.payload.count > 0 {
      batch.forEachSpan(of: datagram.payload) { span in for index in span.indices { payload.append(span[index]) } }
    }
    let local = datagramSockets[socket].local
    if datagramSockets[socket].isEcho { rename(&payload, local.port, destination.address.family) }
    let sent = SentDatagram(
      flow: datagramSockets[socket].flow, local: local, source: datagram.source, destination: destination,
      payload: payload, marks: datagram.marks)
    let length = packetLength(payload.count, destination, isEcho: datagramSockets[socket].isEcho)
    if keepsDatagrams {
      if datagramSockets[socket].isEcho { sentEchoes.append(sent) } else { sentDatagrams.append(sent) }
    }
    if let failure = paths[destination.address]?.failure(of: datagram.marks, length: length, to: destination) {
      return fail(sent.flow, failure, quote: payload)
    }
    if datagramSockets[socket].isEcho { answerEcho(sent) } else { answer(sent) }
  }

  private func isKnown(_ destination: Endpoint) -> Bool {
    datagramServices[destination] != nil || paths[destination.address] != nil
      || echoResponders.contains(destination.address) || hostAddresses.contains(destination.address)
  }

  private mutating func answer(_ sent: SentDatagram) {
    switch datagramServices[sent.destination] {
    case .echoes?: deliver(sent.payload, from: sent.destination, to: sent.flow)
    case .answers(let answer)?: deliver(answer, from: sent.destination, to: sent.flow)
    case .fails(let error)?: fail(sent.flow, HostFailure(error, destination: sent.destination), quote: sent.payload)
    case nil: loopBack(sent)
    }
  }

  /// What goes to an address of the host itself comes to whoever listens there, from the same address.
  private mutating func loopBack(_ sent: SentDatagram) {
    let address = sent.destination.address
    guard hostAddresses.contains(address) else { return }
    let listener = datagramSockets.first {
      $0.isOpen && !$0.isEcho && $0.local.port == sent.destination.port && $0.local.address.family == address.family
    }
    guard let listener else { return }
    deliver(sent.payload, from: Endpoint(address, port: sent.local.port), to: listener.flow, sentTo: address)
  }

  // MARK: Echo

  /// The kernel puts the socket's identifier into a request, and over IPv4 the checksum right.
  private func rename(_ message: inout [UInt8], _ identifier: UInt16, _ family: IPAddress.Family) {
    (message[4], message[5]) = (UInt8(identifier >> 8), UInt8(identifier & 0xff))
    (message[2], message[3]) = (0, 0)
    let sum = family == .ipv4 ? plainChecksum(message) : 0xbad6
    (message[2], message[3]) = (UInt8(sum >> 8), UInt8(sum & 0xff))
  }

  private mutating func answerEcho(_ sent: SentDatagram) {
    guard echoResponders.contains(sent.destination.address) else { return }
    var reply = sent.payload
    reply[0] = sent.destination.address.family == .ipv4 ? 0 : 129
    deliver(reply, from: sent.destination, to: sent.flow)
  }

  // MARK: Receiving

  /// Reads the datagrams that wait.
  public mutating func receiveDatagrams(_ flow: FlowID, into batch: inout DatagramBatch) -> HostWrite {
    calls.datagramReceives += 1
    batch.removeAll()
    guard let socket = datagramSocket(flow, for: "receiveDatagrams") else { return .wouldBlock }
    var taken = 0
    for datagram in datagramSockets[socket].waiting {
      guard batch.append(datagram.payload.span, from: datagram.source, to: datagram.destination) else { break }
      taken += 1
    }
    datagramSockets[socket].waiting.removeFirst(taken)
    return taken > 0 ? .accepted(taken) : .wouldBlock
  }

  /// Takes the oldest failure of a flow of datagrams, or of a stream that is connecting.
  public mutating func takeError(_ flow: FlowID, quote: inout MutableSpan<UInt8>) -> HostFailure? {
    if case .stream(let index)? = socket(flow)?.kind {
      defer { connections[index].failure = nil }
      return connections[index].failure
    }
    if case .listener? = socket(flow)?.kind { return nil }
    guard let socket = datagramSocket(flow, for: "takeError") else { return nil }
    guard let (taken, bytes) = datagramSockets[socket].takeFailure() else { return nil }
    var failure = taken
    let family = datagramSockets[socket].local.address.family
    failure.quoteLength = min(bytes.count, Self.quoteLimit(family), quote.count)
    for index in 0..<failure.quoteLength { quote[index] = bytes[index] }
    return failure
  }

  /// As much of what a packet carries as a router quotes (RFC 1812 section 4.3.2.3, RFC 4443 section 2.4 (c)).
  private static func quoteLimit(_ family: IPAddress.Family) -> Int { family == .ipv4 ? 520 : 1184 }

  // MARK: The world

  /// Puts a datagram into the socket of `flow`, as if it came from `source`; a connected socket takes its peer's only.
  public mutating func deliver(
    _ payload: [UInt8], from source: Endpoint, to flow: FlowID, sentTo destination: IPAddress? = nil
  ) {
    guard case .datagrams(let index)? = socket(flow)?.kind else { return }
    let peer = datagramSockets[index].peer
    guard peer == nil || peer == source, datagramSockets[index].waiting.count < Self.datagramQueueLimit else { return }
    datagramSockets[index].waiting.append((payload, source, destination))
    wake(flow)
  }

  /// Gives the socket of `flow` a failure to report, about a packet that carried `quote`.
  public mutating func fail(_ flow: FlowID, _ failure: HostFailure, quote: [UInt8] = []) {
    guard case .datagrams(let index)? = socket(flow)?.kind else { return }
    datagramSockets[index].failures.append((failure, quote))
    datagramSockets[index].pendingError = failure.error
    wake(flow)
  }

  /// Lets the socket of `flow` take so many more datagrams, nil for any number.
  public mutating func limitDatagrams(of flow: FlowID, to quota: Int?) {
    guard case .datagrams(let index)? = socket(flow)?.kind else { return }
    datagramSockets[index].sendQuota = quota
  }

  /// The flow of the datagram socket on `port`.
  public func datagramFlow(onPort port: UInt16) -> FlowID? {
    datagramSockets.first { $0.isOpen && !$0.isEcho && $0.local.port == port }?.flow
  }

  private mutating func datagramSocket(_ flow: FlowID, for purpose: String) -> Int? {
    if case .datagrams(let index)? = socket(flow)?.kind { return index }
    misuse("\(purpose) of a datagram socket that is not open", of: flow)
    return nil
  }
}
