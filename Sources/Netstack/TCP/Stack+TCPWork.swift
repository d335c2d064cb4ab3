import BasicContainers
import Buffers
import Primitives
import Wire

extension Stack where Host: ~Copyable, Watcher: ~Copyable {
  // MARK: Guest to host

  /// Writes what a batch brought for a connection, all of it by one call.
  mutating func deliverPayloads(_ id: FlowID, _ slot: UInt32, of batch: borrowing FrameBatch, at now: Instant) {
    guard !tcp[slot].deliveries.isEmpty else { return }
    slices.removeAll(keepingCapacity: true)
    payloads.move(&tcp[slot].deliveries, to: &slices)
    let offered = tcp[slot].pendingByteCount
    tcp[slot].pendingByteCount = 0
    guard !tcp[slot].isWriteFailed else { return }
    let result = host.send(slices, of: batch, on: id)
    let taken = account(result, id, slot, at: now)
    if taken < offered && !tcp[slot].isWriteFailed {
      keepRest(behind: taken, slot, of: batch)
      host.requestWritable(id)
    }
    enqueue(id, slot)
  }

  /// Draws the consequences of a write to the host and returns how many bytes it took.
  private mutating func account(_ result: HostWrite, _ id: FlowID, _ slot: UInt32, at now: Instant) -> Int {
    switch result {
    case .accepted(let count):
      tcp[slot].delivered(count, at: now)
      return count
    case .wouldBlock:
      return 0
    case .failed:
      // What came from the host before is still to be read; its end will say what has happened.
      tcp[slot].isWriteFailed = true
      tcp[slot].isReadable = true
      if tcp[slot].hostEnd == .finished { tcp[slot].hostEnd = .failed }
      tcp[slot].work.insert(.pump)
      return 0
    }
  }

  /// Keeps in the pool what the host's socket did not take. The window was already given to the guest for it.
  private mutating func keepRest(behind taken: Int, _ slot: UInt32, of batch: borrowing FrameBatch) {
    var skip = taken
    var sequence = tcp[slot].receiveNext
    for place in 0..<slices.count {
      var slice = slices[place]
      let part = min(skip, slice.count)
      skip -= part
      slice.offset += part
      slice.count -= part
      guard slice.count > 0 else { continue }
      guard pool.insert(slice, of: batch, at: sequence, into: &tcp[slot].reassembly) else { return }
      sequence += slice.count
    }
  }

  /// Writes what the pool holds next in order, and passes on the guest's FIN when its turn has come.
  private mutating func deliverKept(_ id: FlowID, _ slot: UInt32, at now: Instant) {
    if !tcp[slot].reassembly.isEmpty && tcp[slot].canReceive && !tcp[slot].isWriteFailed {
      slices.removeAll(keepingCapacity: true)
      let offered = pool.gather(from: tcp[slot].receiveNext, in: tcp[slot].reassembly, to: &slices)
      if offered > 0 {
        let result = host.send(slices, of: pool, on: id)
        let taken = account(result, id, slot, at: now)
        if taken < offered && !tcp[slot].isWriteFailed { host.requestWritable(id) }
        pool.release(upTo: tcp[slot].receiveNext, in: &tcp[slot].reassembly)
      }
    }
    if tcp[slot].isFinishDue {
      if !tcp[slot].isWriteFailed { host.finishWriting(id) }
      tcp[slot].finishReceived(at: now)
    }
  }

  /// Sets the window by the room in the host's socket; returns whether the guest should be told unasked.
  private mutating func updateWindow(_ id: FlowID, _ slot: UInt32, isWritable: Bool) -> Bool {
    let isOpening = tcp[slot].state == .synReceived
    guard (tcp[slot].canReceive || isOpening) && !tcp[slot].isWriteFailed else { return false }
    let space = host.sendSpace(id)
    let gained = tcp[slot].openWindow(space: space, isWritable: isWritable)
    // The event also makes the kernel grow the buffer. It comes at once where the kernel finds that there is room, so
    // only new data, or a window that is still closed, asks for another.
    let window = tcp[slot].receiveEdge - tcp[slot].receiveNext
    let isLow = min(space, window) < 2 * tcp[slot].segmentSize
    if window == 0 || (isLow && tcp[slot].work.contains(.acknowledge)) { host.requestWritable(id) }
    // The SYN-ACK says it in any case.
    return gained && !isOpening
  }

  // MARK: The work of a connection

  /// Does what waits for a connection, as far as its link has room.
  mutating func serviceTCP<Sink: FrameSink & ~Copyable>(
    _ id: FlowID, _ slot: UInt32, at now: Instant, into sink: inout Sink
  ) {
    if takeWork(.deliver, slot) { deliverKept(id, slot, at: now) }
    let wantsUpdate = takeWork(.updateWindow, slot)
    if wantsUpdate || (tcp[slot].work.contains(.acknowledge) && tcp[slot].isWindowStale) {
      if updateWindow(id, slot, isWritable: wantsUpdate) { tcp[slot].work.insert(.acknowledge) }
    }
    if tcp[slot].isDiscardDue {
      host.discard(id, count: tcp[slot].discardByteCount)
      tcp[slot].discardByteCount = 0
    }
    closeHostWhenDone(id, slot)
    guard let path = path(to: tcp[slot].guest.address, hint: tcp[slot].neighbor, at: now, into: &sink) else {
      return waitForNeighbor(id, slot, at: now)
    }
    tcp[slot].neighbor = path.neighbor
    if send(id, slot, path, at: now, into: &sink) == .ended { return }
    timers.set(tcp[slot].nextDeadline, for: id.index)
  }

  private mutating func takeWork(_ part: TCPConnection.Work, _ slot: UInt32) -> Bool {
    tcp[slot].work.remove(part) != nil
  }

  /// Once both halves are done and nothing needs to be sent again, the socket is of no more use.
  private mutating func closeHostWhenDone(_ id: FlowID, _ slot: UInt32) {
    guard tcp[slot].state == .timeWait && !tcp[slot].isHostClosed else { return }
    observer.closed(summary(of: tcp[slot], id), end: .finished)
    tcp[slot].isHostClosed = true
    host.close(id, abortively: false)
    timeWaitBegan(id)
  }

  /// The guest's hardware address is asked for; the flow goes on when it is known, or when its timer fires.
  private mutating func waitForNeighbor(_ id: FlowID, _ slot: UInt32, at now: Instant) {
    awaitNeighbor(id)
    if tcp[slot].timer == .none { tcp[slot].startRetransmissionTimer(at: now) }
    timers.set(tcp[slot].nextDeadline, for: id.index)
  }

  /// How far sending for a connection has come.
  private enum Progress {
    case done
    /// The connection is gone.
    case ended
  }

  /// Sends what a connection has to send: handshake, lost segment, data, FIN, acknowledgment.
  private mutating func send<Sink: FrameSink & ~Copyable>(
    _ id: FlowID, _ slot: UInt32, _ path: GuestPath, at now: Instant, into sink: inout Sink
  ) -> Progress {
    var hasRoom = true
    let sentBefore = tcp[slot].bytesToGuest
    if tcp[slot].work.contains(.synchronize) {
      hasRoom = sendSynchronize(slot, path, at: now, into: &sink)
      if hasRoom { tcp[slot].work.remove(.synchronize) }
    }
    if hasRoom && tcp[slot].work.contains(.retransmit) {
      hasRoom = sendAgain(tcp[slot].firstSegment(), id, slot, path, at: now, into: &sink)
      if hasRoom { tcp[slot].work.remove(.retransmit) }
    }
    if hasRoom && tcp[slot].work.contains(.pump) {
      hasRoom = pump(id, slot, path, at: now, into: &sink)
    }
    if hasRoom && tcp[slot].work.contains(.probeLoss) {
      hasRoom = sendAgain(tcp[slot].lastSegment(), id, slot, path, at: now, into: &sink)
      if hasRoom { tcp[slot].work.remove(.probeLoss) }
    }
    if tcp[slot].isResetDue && tcp[slot].isSynchronized {
      sendReset(id, slot, at: now, into: &sink)
      endTCP(id, slot, .failed(.reset), abortively: true)
      return .ended
    }
    if hasRoom && tcp[slot].work.contains(.acknowledge) && tcp[slot].mayAcknowledge {
      hasRoom = sendAcknowledgments(slot, path, at: now, into: &sink)
      if hasRoom { tcp[slot].work.remove(.acknowledge) }
    }
    requeue(id, slot, hasRoom: hasRoom, hasSent: tcp[slot].bytesToGuest > sentBefore)
    return .done
  }

  private mutating func requeue(_ id: FlowID, _ slot: UInt32, hasRoom: Bool, hasSent: Bool) {
    guard !tcp[slot].work.isEmpty && !tcp[slot].isQueued else { return }
    guard hasRoom else {
      tcp[slot].isQueued = true
      return work.hold(id, isSated: hasSent)
    }
    // What only the handshake's end makes possible is not worth another round before it.
    guard tcp[slot].isSynchronized && tcp[slot].work.contains(.pump) else { return }
    tcp[slot].isQueued = true
    work.postpone(id)
  }

  // MARK: Host to guest

  /// Reads from the host and sends to the guest, as far as windows, quantum and link allow.
  /// - Returns: false where the link had no room.
  private mutating func pump<Sink: FrameSink & ~Copyable>(
    _ id: FlowID, _ slot: UInt32, _ path: GuestPath, at now: Instant, into sink: inout Sink
  ) -> Bool {
    tcp[slot].work.remove(.pump)
    var rest = Self.quantum
    sending: while let permit = tcp[slot].permit(at: now, scoreboard) {
      guard rest > 0 else {
        tcp[slot].work.insert(.pump)
        return true
      }
      switch sendData(id, slot, path, permit, limit: rest, at: now, into: &sink) {
      case .sent(let count): rest -= count
      case .nothing: break sending
      case .noRoom:
        tcp[slot].work.insert(.pump)
        return false
      }
    }
    guard tcp[slot].isFinishSendable else { return true }
    let finish = tcp[slot].sendNext
    guard sendControl(slot, path, [.fin, .ack], sequence: finish, at: now, into: &sink) else {
      tcp[slot].work.insert(.pump)
      return false
    }
    tcp[slot].finishSent(at: now)
    return true
  }

  /// Bytes that a flow may send before the others have their turn, and then what is left of the last slot.
  private static var quantum: Int { 256 * 1024 }

  private enum Sent {
    case sent(Int)
    /// The host had nothing, or no more.
    case nothing
    /// The link had no room.
    case noRoom
  }

  /// Reads one run of segments from the host into slots, as many as hold `limit` bytes at most, and sends them.
  private mutating func sendData<Sink: FrameSink & ~Copyable>(
    _ id: FlowID, _ slot: UInt32, _ path: GuestPath, _ permit: TCPPermit, limit: Int = quantum, at now: Instant,
    into sink: inout Sink
  ) -> Sent {
    let family = tcp[slot].guest.address.family
    let headers = PacketHeader.internetLength(family) + TCPHeader.minimumLength + tcp[slot].optionLength
    let size = min(tcp[slot].segmentSize, path.mtu - headers, permit.byteCount)
    let length = slotLength(size, of: permit.byteCount, behind: headers, by: path, family)
    let wanted = min(permit.byteCount, limit)
    let request = SlotRequest(
      port: path.port, maximumSlots: min((wanted + length - 1) / length, Int(tcp[slot].readLimit)),
      headerLength: EthernetHeader.length + headers, payloadLength: length)
    guard let run = reserve(request, in: &sink) else { return .noRoom }
    let offered = min(permit.byteCount, run.count * length)
    var regions = sink.payload(of: run)
    regions.truncate(toByteCount: offered)
    let skipping = permit.sequence - tcp[slot].sendUnacknowledged + tcp[slot].discardByteCount
    switch host.receive(id, skipping: skipping, into: &regions) {
    case .bytes(let count) where permit.isSilly && count == offered:
      tcp[slot].sillyWindowFound(at: now)
    case .bytes(let count):
      tcp[slot].adaptReadLimit(toSlots: (count + length - 1) / length, isFull: count == offered)
      if !path.offloads.contains(.checksum) { sumPayloads(of: regions, size: length, byteCount: count) }
      // Everything there was: more, or the end, is announced by a new event, unless the end was announced already.
      if count < offered && !tcp[slot].isReadClosed { tcp[slot].isReadable = false }
      sendSegments(
        slot, path, run, permit.sequence, size: size, byteCount: count, isLast: count < offered, at: now, into: &sink)
      return .sent(count)
    case .wouldBlock:
      tcp[slot].isReadable = false
      // Nothing where bytes in flight should be cannot be sent again; the timer looks once more.
      tcp[slot].sendNext = tcp[slot].sendMaximum
    case .endOfStream:
      tcp[slot].isReadable = false
      tcp[slot].hostFinished()
    case .failed:
      tcp[slot].isReadable = false
      tcp[slot].hostEnd = .failed
    }
    sink.cancel(run)
    return .nothing
  }

  /// Bytes of payload in each slot: a segment of `size` bytes, or as many of them as a packet holds and `total` bytes
  /// come to where the link cuts them apart.
  @inline(__always)
  private func slotLength(
    _ size: Int, of total: Int, behind headers: Int, by path: GuestPath, _ family: IPAddress.Family
  ) -> Int {
    guard path.segmentsTCP(family) else { return size }
    return max(1, min((Self.longestPacket - headers) / size, (total + size - 1) / size)) * size
  }

  /// RFC 791 section 3.1, in bytes; for IPv6 Linux takes no more either.
  private static var longestPacket: Int { 65_535 }

  /// Writes the headers of a run whose payload is in place, in segments of `size` bytes, and commits it.
  private mutating func sendSegments<Sink: FrameSink & ~Copyable>(
    _ slot: UInt32, _ path: GuestPath, _ run: consuming SlotRun, _ sequence: SequenceNumber, size: Int,
    byteCount: Int, isLast: Bool, at now: Instant, into sink: inout Sink
  ) {
    let capacity = run.payloadLength
    let count = (byteCount + capacity - 1) / capacity
    let last = byteCount - (count - 1) * capacity
    let headerLength = run.headerLength
    var header = tcpHeader(slot, .ack, sequence: sequence, at: now)
    var ip = packetHeader(
      path, from: tcp[slot].remote.address, to: tcp[slot].guest.address, .tcp,
      payloadLength: header.headerLength + capacity)
    let checksum = checksumState(by: path, ip)
    // The FIN is known when its segment is sent again: then it comes with the data before it.
    let finishes = tcp[slot].finishSequence == sequence + byteCount
    for segment in 0..<count {
      let length = segment == count - 1 ? last : capacity
      if segment == count - 1 && (isLast || finishes) { header.flags.insert(finishes ? [.psh, .fin] : .psh) }
      ip.payloadLength = header.headerLength + length
      var bytes = sink.header(segment, of: run)
      ip.write(header, payloadSum: checksum == .unverified ? sums[segment] : nil, to: &bytes)
      header.sequenceNumber += length
    }
    let kind: Segmentation.Kind = tcp[slot].guest.address.family == .ipv4 ? .tcp4 : .tcp6
    let descriptor = FrameDescriptor(
      port: path.port, headerLength: headerLength, byteCount: headerLength + capacity, checksum: checksum,
      segmentation: capacity > size ? Segmentation(kind: kind, size: UInt16(size)) : nil)
    sink.commit(run, slots: count, lastPayload: last, as: descriptor)
    counters.framesToGuest += UInt64(count)
    tcp[slot].sent(byteCount, at: sequence, finishes: finishes, now: now)
    // Data carries the acknowledgment, but not what is beyond it.
    if tcp[slot].reassembly.isEmpty { tcp[slot].work.remove(.acknowledge) }
  }

  /// The sums of the first `byteCount` bytes of a run's payload, of each segment for itself, to `sums`.
  mutating func sumPayloads(of regions: borrowing ByteRegions, size: Int, byteCount: Int) {
    sums.removeAll(keepingCapacity: true)
    for first in stride(from: 0, to: byteCount, by: size) {
      var sum = InternetChecksum()
      sum.add(regions.bytes(first / size).extracting(0..<min(size, byteCount - first)))
      sums.append(sum.folded)
    }
  }

  /// Sends one segment again, which is taken for lost: `permit`, or our FIN where there is no payload before it.
  private mutating func sendAgain<Sink: FrameSink & ~Copyable>(
    _ permit: TCPPermit?, _ id: FlowID, _ slot: UInt32, _ path: GuestPath, at now: Instant, into sink: inout Sink
  ) -> Bool {
    guard tcp[slot].sendUnacknowledged < tcp[slot].sendMaximum else { return true }
    if let permit {
      if case .noRoom = sendData(id, slot, path, permit, at: now, into: &sink) { return false }
      return true
    }
    guard let finish = tcp[slot].finishSequence else { return true }
    return sendControl(slot, path, [.fin, .ack], sequence: finish, at: now, into: &sink)
  }

  /// RFC 9293 section 3.8.6.1: sends one byte into a closed window.
  mutating func probe<Sink: FrameSink & ~Copyable>(
    _ id: FlowID, _ slot: UInt32, at now: Instant, into sink: inout Sink
  ) {
    guard let path = path(to: tcp[slot].guest.address, hint: tcp[slot].neighbor, at: now, into: &sink) else { return }
    let deadline = (tcp[slot].timer, tcp[slot].deadline)
    tcp[slot].sendNext = tcp[slot].sendUnacknowledged
    let permit = TCPPermit(sequence: tcp[slot].sendUnacknowledged, byteCount: 1)
    if case .nothing = sendData(id, slot, path, permit, at: now, into: &sink) {
      // Nothing waits for the window, but perhaps the end of the stream does.
      tcp[slot].startKeepAliveTimer(at: now)
      tcp[slot].work.insert(.pump)
      return
    }
    (tcp[slot].timer, tcp[slot].deadline) = deadline
    tcp[slot].timedSequence = nil
  }
}
