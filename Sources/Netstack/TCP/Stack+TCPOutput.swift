import BasicContainers
import Buffers
import Primitives
import Wire

extension Stack where Host: ~Copyable, Watcher: ~Copyable {
  /// Sends a SYN or a SYN-ACK, as the connection's state asks for.
  /// - Returns: false where the link had no room.
  mutating func sendSynchronize<Sink: FrameSink & ~Copyable>(
    _ slot: UInt32, _ path: GuestPath, at now: Instant, into sink: inout Sink
  ) -> Bool {
    let headers = PacketHeader.internetLength(tcp[slot].guest.address.family) + TCPHeader.minimumLength
    // RFC 7323 section 2.2, RFC 2018 section 2: in a SYN-ACK only what the SYN had.
    var options = tcp[slot].options(at: now)
    options.mss = UInt16(clamping: settings.mtu - headers)
    options.isSACKPermitted = tcp[slot].agreed.contains(.selectiveAcknowledgments)
    if tcp[slot].receiveScale > 0 { options.windowScale = tcp[slot].receiveScale }
    let isAnswer = tcp[slot].state == .synReceived
    let header = TCPHeader(
      sourcePort: tcp[slot].remote.port, destinationPort: tcp[slot].guest.port,
      sequenceNumber: tcp[slot].initialSend,
      acknowledgmentNumber: isAnswer ? tcp[slot].receiveNext : SequenceNumber(0),
      flags: isAnswer ? [.syn, .ack] : .syn, window: synchronizeWindow(slot), options: options)
    guard sendControl(header, slot, path, into: &sink) else { return false }
    tcp[slot].synchronizeSent(at: now)
    return true
  }

  /// RFC 7323 section 2.2: the window of a SYN is never scaled.
  private func synchronizeWindow(_ slot: UInt32) -> UInt16 {
    guard tcp[slot].state == .synReceived else { return .max }
    return UInt16(clamping: tcp[slot].receiveEdge - tcp[slot].receiveNext)
  }

  /// Sends a segment without payload; false where the link had no room.
  mutating func sendControl<Sink: FrameSink & ~Copyable>(
    _ slot: UInt32, _ path: GuestPath, _ flags: TCPFlags, sequence: SequenceNumber, at now: Instant,
    into sink: inout Sink
  ) -> Bool {
    sendControl(tcpHeader(slot, flags, sequence: sequence, at: now), slot, path, into: &sink)
  }

  /// Sends the acknowledgments that a connection owes: one, or one for each segment that came out of order; false
  /// where the link had no room.
  mutating func sendAcknowledgments<Sink: FrameSink & ~Copyable>(
    _ slot: UInt32, _ path: GuestPath, at now: Instant, into sink: inout Sink
  ) -> Bool {
    // Where the acknowledgment number moves, the first is no duplicate and more would ask for what is there.
    let isMoving = tcp[slot].receiveNext != tcp[slot].lastAcknowledgment
    var count = isMoving ? 1 : max(1, Int(tcp[slot].duplicatesOwed))
    // SND.NXT may have gone back after a timeout; what the guest expects has not.
    var header = tcpHeader(slot, .ack, sequence: tcp[slot].sendMaximum, at: now)
    // RFC 2018 section 4: in all acknowledgments as long as something lies beyond RCV.NXT.
    if tcp[slot].agreed.contains(.selectiveAcknowledgments) && !tcp[slot].reassembly.isEmpty {
      header.options.sackBlocks = pool.blocks(behind: tcp[slot].receiveNext, in: tcp[slot].reassembly)
    }
    while count > 0 {
      guard sendControl(header, slot, path, into: &sink) else { return false }
      tcp[slot].duplicatesOwed = UInt8(clamping: count - 1)
      count -= 1
    }
    return true
  }

  /// RFC 9293 section 3.8.4: an empty segment at a number that was acknowledged before, which asks for an answer.
  mutating func askWhetherAlive<Sink: FrameSink & ~Copyable>(
    _ slot: UInt32, at now: Instant, into sink: inout Sink
  ) {
    guard let path = path(to: tcp[slot].guest.address, hint: tcp[slot].neighbor, at: now, into: &sink) else { return }
    // Without room the next probe will do.
    _ = sendControl(slot, path, .ack, sequence: tcp[slot].sendMaximum + -1, at: now, into: &sink)
  }

  private mutating func sendControl<Sink: FrameSink & ~Copyable>(
    _ header: TCPHeader, _ slot: UInt32, _ path: GuestPath, into sink: inout Sink
  ) -> Bool {
    sendControl(header, from: tcp[slot].remote.address, to: tcp[slot].guest.address, path, into: &sink)
  }

  private mutating func sendControl<Sink: FrameSink & ~Copyable>(
    _ header: TCPHeader, from source: IPAddress, to guest: IPAddress, _ path: GuestPath, into sink: inout Sink
  ) -> Bool {
    let ip = packetHeader(path, from: source, to: guest, .tcp, payloadLength: header.headerLength)
    let length = ip.length + header.headerLength
    let request = SlotRequest(port: path.port, headerLength: length, payloadLength: 0)
    guard let run = reserve(request, in: &sink) else { return false }
    let checksum = checksumState(by: path, ip)
    var bytes = sink.header(0, of: run)
    ip.write(header, payloadSum: checksum == .unverified ? 0 : nil, to: &bytes)
    commit(run, on: path.port, headerLength: length, checksum: checksum, into: &sink)
    return true
  }

  // MARK: Resets

  /// RFC 9293 section 3.10.7.1: a reset for a segment that belongs to no connection.
  mutating func sendReset<Sink: FrameSink & ~Copyable>(
    to arrival: TCPArrival, _ context: PacketContext, at now: Instant, into sink: inout Sink
  ) {
    var header = TCPHeader(
      sourcePort: arrival.destinationPort, destinationPort: arrival.sourcePort, sequenceNumber: SequenceNumber(0),
      flags: .rst, window: 0)
    if arrival.flags.contains(.ack) {
      header.sequenceNumber = arrival.acknowledgment
    } else {
      header.acknowledgmentNumber = arrival.sequence + arrival.length
      header.flags.insert(.ack)
    }
    guard let path = path(to: context.source, hint: context.neighbor, at: now, into: &sink) else { return }
    if !sendControl(header, from: context.destination, to: context.source, path, into: &sink) {
      drop(.linkFull, on: path.port)
    }
  }

  /// Resets a connection towards the guest, at exactly the sequence number that it expects.
  mutating func sendReset<Sink: FrameSink & ~Copyable>(
    _ id: FlowID, _ slot: UInt32, at now: Instant, into sink: inout Sink
  ) {
    var header = tcpHeader(slot, [.rst, .ack], sequence: tcp[slot].sendMaximum, at: now)
    header.window = 0
    switch tcp[slot].state {
    // Before the handshake's end nothing is agreed on.
    case .connecting:
      header.sequenceNumber = SequenceNumber(0)
      header.options = TCPOptions()
    case .synSent:
      header.flags = .rst
      header.options = TCPOptions()
    default: break
    }
    guard let path = path(to: tcp[slot].guest.address, hint: tcp[slot].neighbor, at: now, into: &sink) else { return }
    if !sendControl(header, slot, path, into: &sink) { drop(.linkFull, on: path.port) }
  }

  // MARK: Headers

  /// The header of a segment of a connection, without checksum.
  mutating func tcpHeader(
    _ slot: UInt32, _ flags: TCPFlags, sequence: SequenceNumber, at now: Instant
  ) -> TCPHeader {
    TCPHeader(
      sourcePort: tcp[slot].remote.port, destinationPort: tcp[slot].guest.port, sequenceNumber: sequence,
      acknowledgmentNumber: tcp[slot].receiveNext, flags: flags, window: tcp[slot].advertiseWindow(),
      options: tcp[slot].options(at: now))
  }
}

extension Stack where Host: ~Copyable, Watcher: ~Copyable {
  /// Who completes the checksum of a segment that goes by `path` behind the headers `ip`.
  @inline(__always)
  func checksumState(by path: GuestPath, _ ip: PacketHeader) -> ChecksumState {
    guard path.offloads.contains(.checksum) else { return .unverified }
    return .partial(start: UInt16(ip.length), offset: UInt16(TCPHeader.checksumOffset))
  }
}

extension PacketHeader {
  /// Writes the headers of a segment in a packet; `payloadSum` is the folded sum of what follows them, nil where the
  /// link completes the checksum, which begins with the pseudo-header's sum.
  func write(_ header: TCPHeader, payloadSum: UInt16?, to bytes: inout MutableSpan<UInt8>) {
    write(to: &bytes)
    header.write(to: &bytes, at: length)
    var sum = InternetChecksum()
    sum.addPseudoHeader(source: source, destination: destination, proto: .tcp, length: payloadLength)
    guard let payloadSum else { return bytes.storeBigEndian(sum.folded, at: length + TCPHeader.checksumOffset) }
    sum.add(bytes.span.extracting(length..<(length + header.headerLength)))
    sum.add(payloadSum)
    bytes.storeBigEndian(sum.checksum, at: length + TCPHeader.checksumOffset)
  }
}

extension TCPHeader {
  /// Where the checksum field lies, counted from the start of the header.
  fileprivate static var checksumOffset: Int { 16 }
}
