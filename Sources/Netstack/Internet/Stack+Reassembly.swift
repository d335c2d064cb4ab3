import BasicContainers
import Buffers
import Primitives
import Wire

extension Stack where Host: ~Copyable, Watcher: ~Copyable {
  /// RFC 791 section 3.2: a part of an IPv4 packet.
  mutating func receiveFragment<Sink: FrameSink & ~Copyable>(
    _ packet: IPv4Packet, _ context: PacketContext, of batch: borrowing FrameBatch, from hardware: MACAddress,
    at now: Instant, into sink: inout Sink
  ) {
    let isCutWrong = packet.moreFragments && context.byteCount % 8 != 0
    let end = packet.headerLength + packet.fragmentOffset + context.byteCount
    guard context.byteCount > 0, !isCutWrong, end <= Int(UInt16.max) else { return drop(.fragment, on: context.port) }
    let name = Fragment.Name(
      source: context.source, destination: context.destination, identification: UInt32(packet.identification),
      proto: packet.proto)
    let fragment = Fragment(
      name: name, port: context.port, proto: packet.proto,
      headers: PayloadSlice(frame: context.frame, offset: 0, count: context.offset),
      payload: PayloadSlice(frame: context.frame, offset: context.offset, count: context.byteCount),
      offset: packet.fragmentOffset, moreFollow: packet.moreFragments)
    keep(fragment, of: batch, from: hardware, at: now, into: &sink)
  }

  /// RFC 8200 section 4.5: a part of an IPv6 packet, whose fragment header is at `offset`; the field at `pointer` says
  /// so. Both count from the IPv6 header's first byte, as `context` does.
  mutating func receiveFragment<Sink: FrameSink & ~Copyable>(
    _ header: IPv6FragmentHeader, at offset: Int, pointer: Int, _ context: PacketContext,
    of batch: borrowing FrameBatch, from hardware: MACAddress, at now: Instant, into sink: inout Sink
  ) {
    let headerLength = EthernetHeader.length + offset + IPv6FragmentHeader.length
    let count = context.offset + context.byteCount - headerLength
    let extensions = offset - IPv6Header.length
    guard count > 0, headerLength <= PacketSlots.headroom else { return drop(.fragment, on: context.port) }
    var problem: (ICMPv6Code, pointer: Int)?
    if header.moreFragments && count % 8 != 0 {
      problem = (.erroneousField, 4)
    } else if extensions + header.offset + count > Int(UInt16.max) {
      problem = (.erroneousField, offset + 2)
    } else if header.offset == 0 && !reachesUpperLayer(header, at: offset, context, of: batch) {
      problem = (.incompleteHeaderChain, 0)
    }
    if let problem {
      drop(.fragment, on: context.port)
      let error = ICMPError.parameterProblem(problem.0, pointer: problem.pointer)
      return sendError(error, context, of: batch, at: now, into: &sink)
    }
    let name = Fragment.Name(
      source: context.source, destination: context.destination, identification: header.identification,
      proto: .fragmentHeader)
    let fragment = Fragment(
      name: name, port: context.port, proto: header.nextHeader,
      headers: PayloadSlice(frame: context.frame, offset: 0, count: headerLength), pointer: pointer,
      payload: PayloadSlice(frame: context.frame, offset: headerLength, count: count), offset: header.offset,
      moreFollow: header.moreFragments)
    keep(fragment, of: batch, from: hardware, at: now, into: &sink)
  }

  /// RFC 7112 section 5: whether the first part holds all headers up to that of the upper layer.
  private func reachesUpperLayer(
    _ header: IPv6FragmentHeader, at offset: Int, _ context: PacketContext, of batch: borrowing FrameBatch
  ) -> Bool {
    let frame = batch.header(context.frame)
    let end = min(context.offset + context.byteCount, frame.count)
    let bytes = frame.extracting(EthernetHeader.length..<end)
    var reader = HeaderChainReader(
      bytes, first: header.nextHeader, at: offset + IPv6FragmentHeader.length, pointer: offset,
      isGroup: context.isGroup)
    do throws(WireError) {
      guard case .upperLayer(_, let start, _) = try reader.read() else { return true }
      return start < bytes.count
    } catch {
      return false
    }
  }

  /// Adds a part; a packet that it completes is received at once.
  private mutating func keep<Sink: FrameSink & ~Copyable>(
    _ fragment: Fragment, of batch: borrowing FrameBatch, from hardware: MACAddress, at now: Instant,
    into sink: inout Sink
  ) {
    switch reassembler.insert(fragment, of: batch, at: now) {
    case .waiting: break
    case .refused: drop(.fragment, on: fragment.port)
    case .complete(let place):
      reassembler.finish(place)
      // What came before it goes first, and what it brings must go before its memory is used again.
      deliverTouched(of: batch, at: now, into: &sink)
      receiveWhole(fragment, from: hardware, at: now, into: &sink)
    }
  }

  /// Receives the packet that the reassembler has laid out.
  private mutating func receiveWhole<Sink: FrameSink & ~Copyable>(
    _ last: Fragment, from hardware: MACAddress, at now: Instant, into sink: inout Sink
  ) {
    let slots = reassembler.lend()
    receive(slots, last, from: hardware, at: now, into: &sink)
    reassembler.giveBack(slots)
  }

  /// The slots are an argument: a local variable that a batch borrows cannot be given back.
  private mutating func receive<Sink: FrameSink & ~Copyable>(
    _ slots: borrowing PacketSlots, _ last: Fragment, from hardware: MACAddress, at now: Instant,
    into sink: inout Sink
  ) {
    do throws(WireError) {
      switch last.name.source.family {
      case .ipv4: try receiveIPv4(0, of: slots.batch, from: hardware, at: now, into: &sink)
      case .ipv6: try receiveIPv6(0, of: slots.batch, from: hardware, at: now, into: &sink)
      }
    } catch {
      drop(.malformed, on: last.port)
    }
    deliverTouched(of: slots.batch, at: now, into: &sink)
  }

  /// Gives up the packets whose other parts do not come: their sender is told if the first part is there (RFC 792,
  /// RFC 8200 section 4.5).
  mutating func expireFragments<Sink: FrameSink & ~Copyable>(at now: Instant, into sink: inout Sink) {
    while let packet = reassembler.expire(at: now) {
      drop(.fragment, on: packet.port)
      guard packet.headerLength > 0, !packet.isSpoilt else { continue }
      let slots = reassembler.lend()
      tellOfTimeout(slots, packet, at: now, into: &sink)
      reassembler.giveBack(slots)
    }
  }

  private mutating func tellOfTimeout<Sink: FrameSink & ~Copyable>(
    _ slots: borrowing PacketSlots, _ packet: Reassembler.Packet, at now: Instant, into sink: inout Sink
  ) {
    let context = PacketContext(
      frame: 0, port: packet.port, neighbor: neighbors.find(packet.name.source) ?? 0, source: packet.name.source,
      destination: packet.name.destination, offset: packet.headerLength,
      byteCount: Int(slots.batch.descriptor(0).byteCount) - packet.headerLength, checksum: .unverified,
      proto: packet.proto, isGroup: isGroup(packet.name.destination), hopLimit: 0, trafficClass: 0,
      mayFragment: false)
    sendError(.reassemblyTimeExceeded, context, of: slots.batch, at: now, into: &sink)
  }
}
