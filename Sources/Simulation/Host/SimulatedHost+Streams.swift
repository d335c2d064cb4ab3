public import Buffers
public import Netstack
public import Primitives

/// Stream sockets as the core uses them, by the findings on Linux's: peeking, edge-triggered events, errors once.
extension SimulatedHost {
  /// Starts to connect a stream.
  public mutating func connect(_ flow: FlowID, to destination: Endpoint, marks: PacketMarks) -> HostOpen {
    var service = services[destination] ?? defaultService
    let failure = paths[destination.address]?.failure(of: marks, length: 0, to: destination)
    // Linux ends an attempt at the first error that the network reports.
    if let failure { service.answer = .failsAfter(failure.error, .zero) }
    let result = connect(flow, to: destination, service)
    if let index = connections.indices.last, connections[index].flow == flow {
      connections[index].marks = marks
      connections[index].failure = failure
    }
    return result
  }

  /// Opens a stream to one of the host's own services.
  public mutating func connect(_ flow: FlowID, to service: HostService) -> HostOpen {
    guard let behind = hostServices[service.number] else { return .failed(.refused) }
    let result = connect(flow, to: Endpoint(.any(.ipv4), port: 0), behind)
    if result == .ready { connections[connections.count - 1].hostService = service }
    if result == .inProgress { misuse("a service that takes its time to answer", of: flow) }
    return result
  }

  /// Opens a stream between two flows: each is the other's peer, which reads as far as its receive buffer has room.
  public mutating func openPair(_ one: FlowID, _ other: FlowID) -> HostOpen {
    let first = connections.count
    for (flow, place) in [(one, first), (other, first + 1)] {
      guard open(flow, .stream(place)) else {
        if place > first { forget(one) }
        return .failed(.exhausted)
      }
    }
    for (flow, partner) in [(one, first + 1), (other, first)] {
      let nowhere = Endpoint(.any(.ipv4), port: 0)
      connections.append(Connection(flow: flow, remote: nowhere, state: .open, service: RemoteService()))
      connections[connections.count - 1].partner = partner
      wake(flow)
    }
    return .ready
  }

  private mutating func connect(_ flow: FlowID, to destination: Endpoint, _ service: RemoteService) -> HostOpen {
    calls.connects += 1
    let state: Connection.State
    let result: HostOpen
    switch service.answer {
    case .accepts: (state, result) = (.open, .ready)
    case .fails(let error): return .failed(error)
    case .acceptsAfter(let delay): (state, result) = (.connecting(due: now + delay, failure: nil), .inProgress)
    case .failsAfter(let error, let delay):
      (state, result) = (.connecting(due: now + delay, failure: error), .inProgress)
    case .isSilent: (state, result) = (.connecting(due: .never, failure: nil), .inProgress)
    }
    guard open(flow, .stream(connections.count)) else { return .failed(.exhausted) }
    connections.append(Connection(flow: flow, remote: destination, state: state, service: service))
    if result == .ready { wake(flow) }
    return result
  }

  /// After an event on a flow that is connecting: how far it is.
  public mutating func finishConnecting(_ flow: FlowID) -> HostOpen {
    guard let index = stream(flow, for: "finishConnecting") else { return .failed(.other(9)) }
    switch connections[index].state {
    case .connecting: return .inProgress
    case .open: return .ready
    case .failed:
      connections[index].flow = nil
      forget(flow)
      return .failed(connections[index].pendingError ?? .reset)
    }
  }

  /// Accepts the next connection of a listener.
  public mutating func accept(from listener: FlowID, as flow: FlowID) -> HostAccept {
    guard case .listener(let index)? = socket(listener)?.kind else {
      misuse("accept on a listener that is not open", of: listener)
      return .wouldBlock
    }
    guard !listeners[index].waiting.isEmpty else { return .wouldBlock }
    let entry = listeners[index].waiting.removeFirst()
    guard open(flow, .stream(entry.connection)) else {
      connections[entry.connection].peerSawReset = true
      return .failed(.exhausted)
    }
    connections[entry.connection].flow = flow
    // A new descriptor in an epoll set reports what it is ready for.
    wake(flow)
    return entry.result
  }

  /// Reads without removing.
  public mutating func receive(_ flow: FlowID, skipping: Int, into regions: inout ByteRegions) -> HostRead {
    calls.receives += 1
    calls.offeredRegions += regions.count
    guard let index = stream(flow, for: "receive") else { return .wouldBlock }
    if case .connecting = connections[index].state { misuse("receive while connecting", of: flow) }
    let available = connections[index].receiveBuffer.count
    guard skipping >= 0 && skipping <= connections[index].seenCount else {
      misuse("receive skips \(skipping) bytes, \(connections[index].seenCount) were read", of: flow)
      return .wouldBlock
    }
    guard regions.byteCount > 0 else {
      misuse("receive into no memory", of: flow)
      return .wouldBlock
    }
    guard available > skipping else { return endOfQueue(index) }
    let end = min(available, skipping + regions.byteCount)
    var writer = RegionWriter()
    connections[index].receiveBuffer.forEachSpan(in: skipping..<end) { writer.write($0, to: &regions) }
    connections[index].seenCount = max(connections[index].seenCount, end)
    calls.receivedBytes += end - skipping
    return .bytes(end - skipping)
  }

  /// At the end of the queued bytes: a failure once, then what looks like a clean end, as on Linux.
  private mutating func endOfQueue(_ index: Int) -> HostRead {
    if let error = connections[index].pendingError {
      connections[index].pendingError = nil
      return .failed(error)
    }
    if connections[index].state == .failed || connections[index].isReadClosed { return .endOfStream }
    return .wouldBlock
  }

  /// Removes bytes that were read.
  public mutating func discard(_ flow: FlowID, count: Int) {
    calls.discards += 1
    guard let index = stream(flow, for: "discard") else { return }
    guard count > 0 && count <= connections[index].seenCount else {
      return misuse("discard of \(count) bytes, \(connections[index].seenCount) were read", of: flow)
    }
    connections[index].receiveBuffer.removeFirst(count)
    connections[index].seenCount -= count
    fillReceiveBuffer(index)
  }

  /// Writes the bytes of `slices`, as far as the send buffer takes them.
  public mutating func send(
    _ slices: Span<PayloadSlice>, of batch: borrowing FrameBatch, on flow: FlowID
  ) -> HostWrite {
    calls.sends += 1
    guard let index = stream(flow, for: "send") else { return .wouldBlock }
    if connections[index].isWritingFinished { misuse("send after finishWriting", of: flow) }
    switch connections[index].state {
    case .connecting:
      misuse("send while connecting", of: flow)
      return .wouldBlock
    case .failed:
      defer { connections[index].pendingError = nil }
      return .failed(connections[index].pendingError ?? .reset)
    case .open:
      guard !connections[index].isPartnerGone else { return .failed(.reset) }
    }
    var room = connections[index].sendRoom
    var offered = 0
    var taken = 0
    for place in slices.indices {
      offered += slices[place].count
      guard room > 0 else { continue }
      var slice = slices[place]
      slice.count = min(slice.count, room)
      batch.forEachSpan(of: slice) { connections[index].sendBuffer.append($0) }
      room -= slice.count
      taken += slice.count
      calls.sentSlices += 1
    }
    guard offered > 0 else {
      misuse("send of nothing", of: flow)
      return .accepted(0)
    }
    calls.sentBytes += taken
    if taken > 0 { writeWatcher?(flow, taken) }
    if taken < offered { connections[index].wantsWritable = true }
    if connections[index].service.readsAtOnce { peerReads(ConnectionID(index: index)) }
    return taken > 0 ? .accepted(taken) : .wouldBlock
  }

  /// Free space in the send buffer.
  public mutating func sendSpace(_ flow: FlowID) -> Int {
    guard let index = stream(flow, for: "sendSpace") else { return 0 }
    return max(0, connections[index].service.sendBufferSize - connections[index].queuedMemory)
  }

  /// Asks for a writable event: at once if there is room, as EPOLL_CTL_MOD does, else when there is.
  public mutating func requestWritable(_ flow: FlowID) {
    calls.writableRequests += 1
    guard let index = stream(flow, for: "requestWritable") else { return }
    if connections[index].isWritable || connections[index].state == .failed {
      wake(flow)
    } else {
      connections[index].wantsWritable = true
    }
  }

  /// Bytes written that the peer does not have.
  public mutating func unacknowledgedByteCount(_ flow: FlowID) -> Int {
    guard let index = stream(flow, for: "unacknowledgedByteCount") else { return 0 }
    return connections[index].sendBuffer.count
  }

  /// Ends the stream towards the peer, behind what was written.
  public mutating func finishWriting(_ flow: FlowID) {
    guard let index = stream(flow, for: "finishWriting") else { return }
    if connections[index].isWritingFinished { misuse("finishWriting twice", of: flow) }
    if case .connecting = connections[index].state { misuse("finishWriting while connecting", of: flow) }
    connections[index].isWritingFinished = true
    if connections[index].service.readsAtOnce { peerReads(ConnectionID(index: index)) }
    if connections[index].isReadClosed { wake(flow) }
  }

  /// What close does to a stream: cleanly it delivers what was written, abortively the peer is reset.
  mutating func closeStream(_ index: Int, abortively: Bool) {
    connections[index].flow = nil
    if let partner = connections[index].partner { tell(partner, ofEndOf: index, abortively: abortively) }
    connections[index].receiveBuffer.removeFirst(connections[index].receiveBuffer.count)
    connections[index].outbox.removeFirst(connections[index].outbox.count)
    guard connections[index].state == .open else { return }
    if abortively {
      connections[index].sendBuffer.removeFirst(connections[index].sendBuffer.count)
      connections[index].peerSawReset = true
      connections[index].state = .failed
    } else {
      connections[index].isWritingFinished = true
      if connections[index].service.readsAtOnce { peerReads(ConnectionID(index: index)) }
    }
  }
}

extension SimulatedHost {
  /// What the end of one socket is to the other of a pair: no reset, but for what was left unread.
  private mutating func tell(_ partner: Int, ofEndOf index: Int, abortively: Bool) {
    connections[partner].isPartnerGone = true
    if abortively && connections[index].receiveBuffer.count > 0 { connections[partner].pendingError = .reset }
    if abortively && !connections[partner].peerFinishes { peerFinishes(ConnectionID(index: partner)) }
    wake(connections[partner].flow)
  }
}

/// Fills the runs of a `ByteRegions` one after another from several pieces.
struct RegionWriter {
  private var region = 0
  private var offset = 0

  mutating func write(_ bytes: Span<UInt8>, to regions: inout ByteRegions) {
    var done = 0
    while done < bytes.count && region < regions.count {
      var target = regions[region]
      let part = min(bytes.count - done, target.count - offset)
      target.copy(bytes.extracting(done..<(done + part)), at: offset)
      done += part
      offset += part
      if offset == target.count {
        region += 1
        offset = 0
      }
    }
  }
}
