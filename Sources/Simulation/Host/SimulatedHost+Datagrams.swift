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

/// A datagram that the core has sent.
public struct SentDatagram: Hashable, Sendable {
  /// The flow whose socket it left by.
  public var flow: FlowID
  /// The socket's address and port.
  public var local: Endpoint
  /// The source address that the core asked for.
  public var source: IPAddress?
  /// Where it went.
  public var destination: Endpoint
  /// What it carried.
  public var payload: [UInt8]
}

/// A datagram socket of the core's.
struct DatagramSocket {
  let flow: FlowID
  let local: Endpoint
  var peer: Endpoint?
  var isOpen = true
  var waiting: [(payload: [UInt8], source: Endpoint, destination: IPAddress?)] = []
  var pendingError: HostError?
  /// Datagrams that the socket takes yet; nil for no limit.
  var sendQuota: Int?

  init(flow: FlowID, local: Endpoint, peer: Endpoint? = nil) {
    self.flow = flow
    self.local = local
    self.peer = peer
  }

  var readiness: HostReadiness {
    var readiness: HostReadiness = sendQuota == 0 ? [] : .writable
    if !waiting.isEmpty { readiness.insert(.readable) }
    if pendingError != nil { readiness.insert([.failed, .readable]) }
    return readiness
  }
}

extension SimulatedHost {
  /// The most datagrams that wait in a socket; more are lost.
  private static var datagramQueueLimit: Int { 256 }

  /// Opens a datagram socket.
  public mutating func openDatagrams(
    _ flow: FlowID, family: IPAddress.Family, destination: Endpoint?, preferredPort: UInt16
  ) -> HostOpen {
    var port = preferredPort
    while port == 0 || isTaken(port) {
      port = nextEphemeralPort
      nextEphemeralPort += 1
    }
    let local = Endpoint(family == .ipv4 ? IPAddress(IPv4Address.any) : IPAddress(IPv6Address.any), port: port)
    guard open(flow, .datagrams(datagramSockets.count)) else { return .failed(.exhausted) }
    datagramSockets.append(DatagramSocket(flow: flow, local: local, peer: destination))
    return .ready
  }

  private func isTaken(_ port: UInt16) -> Bool { datagramSockets.contains { $0.isOpen && $0.local.port == port } }

  /// Sends datagrams in order.
  public mutating func sendDatagrams(
    _ datagrams: Span<OutgoingDatagram>, of batch: borrowing FrameBatch, on flow: FlowID
  ) -> HostWrite {
    calls.datagramSends += 1
    guard let socket = datagramSocket(flow, for: "sendDatagrams") else { return .wouldBlock }
    if let error = takeError(flow) { return .failed(error) }
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
      send(datagrams[index], of: batch, to: destination, by: socket)
      taken += 1
    }
    calls.sentDatagrams += taken
    return taken > 0 ? .accepted(taken) : .wouldBlock
  }

  private mutating func send(
    _ datagram: OutgoingDatagram, of batch: borrowing FrameBatch, to destination: Endpoint, by socket: Int
  ) {
    if let quota = datagramSockets[socket].sendQuota { datagramSockets[socket].sendQuota = quota - 1 }
    let flow = datagramSockets[socket].flow
    let service = datagramServices[destination]
    guard keepsDatagrams || service != nil else { return }
    var payload: [UInt8] = []
    if datagram.payload.count > 0 {
      batch.forEachSpan(of: datagram.payload) { span in for index in span.indices { payload.append(span[index]) } }
    }
    if keepsDatagrams {
      sentDatagrams.append(
        SentDatagram(
          flow: flow, local: datagramSockets[socket].local, source: datagram.source, destination: destination,
          payload: payload))
    }
    switch service {
    case .echoes?: deliver(payload, from: destination, to: flow)
    case .answers(let answer)?: deliver(answer, from: destination, to: flow)
    case .fails(let error)?: fail(flow, error)
    case nil: break
    }
  }

  /// Reads the datagrams that wait.
  public mutating func receiveDatagrams(_ flow: FlowID, into batch: inout DatagramBatch) -> HostWrite {
    calls.datagramReceives += 1
    batch.removeAll()
    guard let socket = datagramSocket(flow, for: "receiveDatagrams") else { return .wouldBlock }
    if let error = takeError(flow) { return .failed(error) }
    var taken = 0
    for datagram in datagramSockets[socket].waiting {
      guard batch.append(datagram.payload.span, from: datagram.source, to: datagram.destination) else { break }
      taken += 1
    }
    datagramSockets[socket].waiting.removeFirst(taken)
    return taken > 0 ? .accepted(taken) : .wouldBlock
  }

  /// Takes the pending error of a datagram flow.
  public mutating func takeError(_ flow: FlowID) -> HostError? {
    guard let socket = datagramSocket(flow, for: "takeError") else { return nil }
    defer { datagramSockets[socket].pendingError = nil }
    return datagramSockets[socket].pendingError
  }

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

  /// Gives the socket of `flow` a pending error.
  public mutating func fail(_ flow: FlowID, _ error: HostError) {
    guard case .datagrams(let index)? = socket(flow)?.kind else { return }
    datagramSockets[index].pendingError = error
    wake(flow)
  }

  /// Lets the socket of `flow` take so many more datagrams, nil for any number.
  public mutating func limitDatagrams(of flow: FlowID, to quota: Int?) {
    guard case .datagrams(let index)? = socket(flow)?.kind else { return }
    datagramSockets[index].sendQuota = quota
  }

  /// The flow of the datagram socket on `port`.
  public func datagramFlow(onPort port: UInt16) -> FlowID? {
    datagramSockets.first { $0.isOpen && $0.local.port == port }?.flow
  }

  private mutating func datagramSocket(_ flow: FlowID, for purpose: String) -> Int? {
    if case .datagrams(let index)? = socket(flow)?.kind { return index }
    misuse("\(purpose) of a datagram socket that is not open", of: flow)
    return nil
  }
}
