import BasicContainers
import Buffers
import Primitives
import Wire

extension TFTPTransfer {
  /// Bytes of headers before the content of a block, from the IP header's first.
  static func overhead(in family: IPAddress.Family) -> Int {
    PacketHeader.internetLength(family) + UDPHeader.length + TFTPHeader.length
  }
}

// What the TFTP server sends: blocks, read from the file straight into a link's slots, and short messages.
extension Stack where Host: ~Copyable, Watcher: ~Copyable {
  /// How an attempt to send has gone.
  private enum Attempt {
    /// It was sent.
    case sent
    /// The link had no room.
    case noRoom
    /// The transfer is over.
    case ended
  }

  /// Sends what a transfer has to send, as far as its link has room.
  mutating func serviceTransfer<Sink: FrameSink & ~Copyable>(
    _ id: FlowID, _ place: UInt32, at now: Instant, into sink: inout Sink
  ) {
    transfers[place].isQueued = false
    guard transfers[place].phase != .ended else { return }
    timers.set(now + transfers[place].timeout, for: id.index)
    let guest = transfers[place].guest.address
    guard let path = path(to: guest, hint: transfers[place].neighbor, at: now, into: &sink) else {
      return awaitNeighbor(id)
    }
    transfers[place].neighbor = path.neighbor
    guard path.mtu >= TFTPTransfer.overhead(in: guest.family) + transfers[place].blockSize else {
      // The guest takes no longer what was agreed on: another system has its address.
      return endTransfer(id, place, .evicted, at: now)
    }
    if transfers[place].phase == .offering {
      return offerOptions(id, place, path, into: &sink)
    }
    while transfers[place].sendableBlocks > 0 {
      let attempt =
        transfers[place].mode == .octet
        ? sendBlocks(id, place, path, at: now, into: &sink) : sendText(id, place, path, at: now, into: &sink)
      switch attempt {
      case .sent: continue
      case .noRoom: return holdTransfer(id, place)
      case .ended: return
      }
    }
  }

  /// Lets a transfer wait until its link has room.
  private mutating func holdTransfer(_ id: FlowID, _ place: UInt32) {
    transfers[place].isQueued = true
    work.hold(id)
  }

  // MARK: Messages

  /// RFC 2347: says which options hold.
  private mutating func offerOptions<Sink: FrameSink & ~Copyable>(
    _ id: FlowID, _ place: UInt32, _ path: GuestPath, into sink: inout Sink
  ) {
    let (options, local, guest) = (transfers[place].agreed, transfers[place].local, transfers[place].guest)
    var bytes = message.mutableSpan
    let count = options.writeAcknowledgment(to: &bytes)
    if !sendMessage(count, from: local, to: guest, by: path, into: &sink) { holdTransfer(id, place) }
  }

  /// Answers with an error; one that finds no room is lost, as it may be on the way.
  mutating func refuse<Sink: FrameSink & ~Copyable>(
    _ client: TFTPClient, _ refusal: TFTPRefusal, at now: Instant, into sink: inout Sink
  ) {
    guard let path = path(to: client.guest.address, hint: client.neighbor, at: now, into: &sink) else {
      return drop(.unresolvedNeighbor, on: .first)
    }
    var bytes = message.mutableSpan
    let count = TFTPHeader.writeError(refusal.code, refusal.text, to: &bytes)
    if !sendMessage(count, from: client.local, to: client.guest, by: path, into: &sink) {
      drop(.linkFull, on: path.port)
    }
  }

  // MARK: Blocks

  /// Reads a run of blocks, as many as may be sent, and sends them.
  private mutating func sendBlocks<Sink: FrameSink & ~Copyable>(
    _ id: FlowID, _ place: UInt32, _ path: GuestPath, at now: Instant, into sink: inout Sink
  ) -> Attempt {
    let (size, wanted) = (transfers[place].blockSize, transfers[place].sendableBlocks)
    guard let run = reserve(slots(for: place, path, count: wanted), in: &sink) else { return .noRoom }
    let blocks = min(wanted, run.count)
    let byteCount = transfers[place].byteCount(ofBlocks: blocks)
    var regions = sink.payload(of: run)
    if byteCount > 0 {
      regions.truncate(toByteCount: byteCount)
      let read = host.readFile(id, at: transfers[place].offset, into: &regions)
      guard read == .bytes(byteCount) else {
        sink.cancel(run)
        return abort(id, place, after: read, at: now, into: &sink)
      }
    }
    sumPayloads(of: regions, size: size, byteCount: byteCount)
    // RFC 1350 section 6: a file that fills its last block ends with an empty one.
    if sums.count < blocks { sums.append(0) }
    let last = byteCount - (blocks - 1) * size
    commitBlocks(place, path, run, count: blocks, last: last, into: &sink)
    transfers[place].send(blocks: blocks)
    return .sent
  }

  /// Reads one block of text, turns it into netascii in its slot, and sends it.
  private mutating func sendText<Sink: FrameSink & ~Copyable>(
    _ id: FlowID, _ place: UInt32, _ path: GuestPath, at now: Instant, into sink: inout Sink
  ) -> Attempt {
    let size = transfers[place].blockSize
    guard let run = reserve(slots(for: place, path, count: 1), in: &sink) else { return .noRoom }
    var position = transfers[place].position
    let room = size - (position.pending == nil ? 0 : 1)
    let byteCount = Int(min(UInt64(room), transfers[place].fileSize - position.offset))
    if byteCount > 0 {
      var regions = sink.payload(of: run)
      regions.truncate(toByteCount: byteCount)
      let read = host.readFile(id, at: position.offset, into: &regions)
      guard read == .bytes(byteCount) else {
        sink.cancel(run)
        return abort(id, place, after: read, at: now, into: &sink)
      }
    }
    var regions = sink.payload(of: run)
    var block = regions[0]
    let length = position.encode(&block, count: byteCount)
    sums.removeAll(keepingCapacity: true)
    if length > 0 { sumPayloads(of: regions, size: size, byteCount: length) } else { sums.append(0) }
    commitBlocks(place, path, run, count: 1, last: length, into: &sink)
    transfers[place].send(netasciiTo: position, isLast: length < size)
    return .sent
  }

  /// Ends a transfer of whose file less was read than there was, or nothing.
  private mutating func abort<Sink: FrameSink & ~Copyable>(
    _ id: FlowID, _ place: UInt32, after read: HostRead, at now: Instant, into sink: inout Sink
  ) -> Attempt {
    if case .failed(let error) = read {
      abortTransfer(id, place, .unreadable, .failed(error), at: now, into: &sink)
    } else {
      abortTransfer(id, place, .shorter, .failed(.other(0)), at: now, into: &sink)
    }
    return .ended
  }

  @inline(__always)
  private func slots(for place: UInt32, _ path: GuestPath, count: Int) -> SlotRequest {
    let headers = EthernetHeader.length + TFTPTransfer.overhead(in: transfers[place].guest.address.family)
    return SlotRequest(
      port: path.port, maximumSlots: count, headerLength: headers, payloadLength: transfers[place].blockSize)
  }

  /// Writes the headers of a run of blocks whose content is in place and summed up in `sums`, and commits it.
  private mutating func commitBlocks<Sink: FrameSink & ~Copyable>(
    _ place: UInt32, _ path: GuestPath, _ run: consuming SlotRun, count: Int, last: Int, into sink: inout Sink
  ) {
    let (size, headerLength) = (run.payloadLength, run.headerLength)
    let (local, guest) = (transfers[place].local, transfers[place].guest)
    let header = UDPHeader.length + TFTPHeader.length
    var ip = packetHeader(path, from: local.address, to: guest.address, .udp, payloadLength: header + size)
    var udp = UDPHeader(sourcePort: local.port, destinationPort: guest.port, length: header + size)
    for block in 0..<count {
      let number = UInt16(truncatingIfNeeded: transfers[place].sent + 1 + UInt64(block))
      let data = TFTPHeader(.data, number: number)
      udp.length = header + (block == count - 1 ? last : size)
      ip.payloadLength = udp.length
      var sum = InternetChecksum()
      sum.addPseudoHeader(source: local.address, destination: guest.address, proto: .udp, length: udp.length)
      udp.checksum = 0
      sum.add(udp.bits)
      sum.add(data.bits)
      sum.add(sums[block])
      udp.checksum = sum.nonzeroChecksum
      var bytes = sink.header(block, of: run)
      ip.write(to: &bytes)
      udp.write(to: &bytes, at: ip.length)
      data.write(to: &bytes, at: ip.length + UDPHeader.length)
    }
    let descriptor = FrameDescriptor(port: path.port, headerLength: headerLength, byteCount: headerLength + size)
    sink.commit(run, slots: count, lastPayload: last, as: descriptor)
    counters.framesToGuest += UInt64(count)
    transfers[place].bytesToGuest += UInt64((count - 1) * size + last)
  }
}
