public import Buffers
import CLinux
import Glibc
import LinuxSystem
public import Netstack
import Primitives

extension KernelSockets {
  /// Reads what waits by as few calls as the batch allows.
  ///
  /// An error that an earlier datagram caused does not keep others from being read, or they would stay without
  /// another event: it is kept for `takeError`.
  public mutating func receiveDatagrams(_ flow: FlowID, into batch: inout DatagramBatch) -> HostWrite {
    let (socket, capacity) = (descriptor(flow), batch.capacity)
    let hasHeader = table[flow].kind == .rawEcho && table[flow].family == .ipv4
    var (total, failure, failures) = (0, Int32(0), 0)
    unsafe batch.fill { memory, commit in
      while total < capacity && failures < Self.errorsPassedOver {
        let wanted = min(capacity - total, MessageScratch.messageCapacity)
        unsafe scratch.prepareToReceive(wanted, into: memory, from: total, behindHeader: hasHeader)
        calls.datagramReceives += 1
        let received = scratch.receive(socket, count: wanted)
        if received < 0 {
          if errno == EINTR { continue }
          if errno == EAGAIN { break }
          failure = errno
          failures += 1
          continue
        }
        for index in 0..<received {
          var entry = scratch.received(index)
          if hasHeader { entry.byteCount = scratch.byteCountBehindHeader(index) }
          commit(entry, scratch.receivedSegmentSize(index))
        }
        total += received
        if received < wanted { break }
      }
    }
    if failure != 0 { keepError(failure, of: flow) }
    if total > 0 {
      witness?.receive(flow, batch)
      return .accepted(batch.count)
    }
    return failures < Self.errorsPassedOver ? .wouldBlock : .failed(HostError(number: failure))
  }

  /// How many pending errors one read passes over: a socket has one, and those queued behind it.
  private static var errorsPassedOver: Int { 8 }

  /// Sends datagrams by as few calls as lists and marks allow; stops at the first that is not taken.
  public mutating func sendDatagrams(
    _ datagrams: Span<OutgoingDatagram>, of batch: borrowing FrameBatch, on flow: FlowID
  ) -> HostWrite {
    let result = sendAll(datagrams, of: batch, on: flow)
    if let witness, case .accepted(let count) = result { witness.send(flow, count, of: datagrams, batch) }
    return result
  }

  private mutating func sendAll(
    _ datagrams: Span<OutgoingDatagram>, of batch: borrowing FrameBatch, on flow: FlowID
  ) -> HostWrite {
    var sent = 0
    while sent < datagrams.count {
      let end = endOfAlike(datagrams, from: sent)
      let result = sendAlike(datagrams.extracting(sent..<end), of: batch, on: flow)
      guard case .accepted(let count) = result else { return sent > 0 ? .accepted(sent) : result }
      sent += count
      guard sent == end else { break }
    }
    return .accepted(sent)
  }

  /// Up to where the datagrams from `first` on have the same marks and fit one call.
  private func endOfAlike(_ datagrams: Span<OutgoingDatagram>, from first: Int) -> Int {
    let marks = datagrams[first].marks
    let limit = min(first + Self.datagramsPerCall, datagrams.count)
    var end = first + 1
    // Not by `&&`: a span in its closure makes the optimizer of Swift 6.3 fail.
    while end < limit {
      guard datagrams[end].marks == marks else { break }
      end += 1
    }
    return end
  }

  /// Datagrams looked at for one call: more than fit one only where many are of one length.
  private static var datagramsPerCall: Int { 1024 }

  /// Sends datagrams with the same marks by one call.
  private mutating func sendAlike(
    _ datagrams: Span<OutgoingDatagram>, of batch: borrowing FrameBatch, on flow: FlowID
  ) -> HostWrite {
    let marks = datagrams[0].marks
    if marks != table[flow].marks, let error = change(marks, of: flow) { return .failed(error) }
    var listed = list(datagrams, of: batch, on: flow)
    while true {
      calls.datagramSends += 1
      let result = scratch.send(descriptor(flow), count: listed)
      if result > 0 { return .accepted(scratch.datagramCount(ofFirst: result)) }
      if result < 0 && errno == EINTR { continue }
      if errno == EAGAIN { return .wouldBlock }
      let error = errno
      guard scratch.datagramCount(ofFirst: 1) > 1, Self.isRefusalToCut(error) else {
        return .failed(HostError(number: error))
      }
      table[flow][.refusesSegments] = true
      listed = list(datagrams, of: batch, on: flow)
    }
  }

  /// Whether an error may mean that the interface does not sum or cut, or that the parts do not fit it (udp(7)): one
  /// after the other the datagrams may go all the same, and each has its own error if not.
  private static func isRefusalToCut(_ error: Int32) -> Bool {
    error == EINVAL || error == EIO || error == EMSGSIZE || error == EOPNOTSUPP || error == ENOPROTOOPT
  }

  private mutating func change(_ marks: PacketMarks, of flow: FlowID) -> HostError? {
    do throws(SystemError) {
      try apply(marks, to: flow)
      return nil
    } catch {
      return HostError(error)
    }
  }

  private mutating func list(
    _ datagrams: Span<OutgoingDatagram>, of batch: borrowing FrameBatch, on flow: FlowID
  ) -> Int {
    let state = table[flow]
    guard state.kind == .rawEcho else {
      let isUDP = state.kind == .datagrams || state.kind == .datagramListener
      return scratch.list(datagrams, of: batch, together: isUDP && !state[.refusesSegments])
    }
    return scratch.listEchoes(datagrams, of: batch, state.identifier, state.family)
  }
}

// MARK: Messages

extension MessageScratch {
  /// Lets the first `count` messages take datagrams into the places of `memory` from the one at `first` on.
  @unsafe
  func prepareToReceive(
    _ count: Int, into memory: UnsafeMutableRawBufferPointer, from first: Int, behindHeader: Bool
  ) {
    guard let base = memory.baseAddress else { return }
    for index in 0..<count {
      // SAFETY: each datagram has its part of the memory, `datagramCapacity` bytes long.
      let start = unsafe base + (first + index) * DatagramBatch.datagramCapacity
      let region = unsafe MemoryRegion(base: start, count: DatagramBatch.datagramCapacity)
      if behindHeader {
        unsafe prepareToReceiveHeader(index, before: region)
      } else {
        unsafe regions[index] = unsafe region
        setRegions(index..<(index + 1), of: index)
      }
      prepareToReceive(index)
    }
  }

  /// Gives message `index` a part of the list of pieces.
  func setRegions(_ range: Range<Int>, of index: Int) {
    // SAFETY: the list lives as long as the messages; `MemoryRegion` has the layout of `iovec`.
    guard let base = unsafe regions.baseAddress else { return }
    unsafe messages[index].header.msg_iov = UnsafeMutableRawPointer(base + range.lowerBound)
      .assumingMemoryBound(to: iovec.self)
    unsafe messages[index].header.msg_iovlen = range.count
  }

  /// Lets message `index` take an address and control data.
  private func prepareToReceive(_ index: Int) {
    // SAFETY: every message has an address and control data of its own.
    guard let addresses = unsafe addresses.baseAddress else { return }
    unsafe messages[index].header.msg_name = UnsafeMutableRawPointer(addresses + index)
    unsafe messages[index].header.msg_namelen = UInt32(MemoryLayout<sockaddr_storage>.size)
    unsafe messages[index].header.msg_control = control(index)
    unsafe messages[index].header.msg_controllen = Self.controlStride
    unsafe messages[index].header.msg_flags = 0
  }

  func receive(_ socket: Int32, count: Int) -> Int {
    // SAFETY: the first `count` messages were prepared.
    unsafe Int(clinux_receive_messages(socket, messages.baseAddress, UInt32(count)))
  }

  func send(_ socket: Int32, count: Int) -> Int {
    // SAFETY: as above.
    unsafe Int(clinux_send_messages(socket, messages.baseAddress, UInt32(count)))
  }

  /// What is known of received message `index`.
  func received(_ index: Int) -> DatagramBatch.Entry {
    var scope: UInt32 = 0
    var (high, low): (UInt64, UInt64) = (0, 0)
    // SAFETY: the kernel has written the address and the control data.
    let hasDestination = unsafe clinux_message_destination(&messages[index].header, &high, &low) != 0
    let source = unsafe SocketAddress.endpoint(unsafe: &addresses[index], scope: &scope)
    return DatagramBatch.Entry(
      byteCount: unsafe Int(messages[index].length), source: source ?? Endpoint(.any(.ipv4), port: 0),
      destination: hasDestination ? IPAddress(IPv6Address(high: high, low: low)) : nil)
  }

  /// The size of the datagrams in received message `index`, 0 where it is one.
  func receivedSegmentSize(_ index: Int) -> Int {
    // SAFETY: the kernel has written the control data.
    unsafe Int(clinux_message_segment_size(&messages[index].header))
  }

  /// How many datagrams the first `count` messages stand for.
  func datagramCount(ofFirst count: Int) -> Int {
    var total = 0
    for index in 0..<count { unsafe total += datagramCounts[index] }
    return total
  }

  /// Prepares messages for `datagrams`, those of one length to one place `together` in one, and returns how many
  /// messages there are; there may be room for fewer than all datagrams.
  func list(_ datagrams: Span<OutgoingDatagram>, of batch: borrowing FrameBatch, together: Bool) -> Int {
    var (used, message, next) = (0, 0, 0)
    while next < datagrams.count && message < Self.messageCapacity {
      let room = Self.regionCapacity - used
      let end = endOfMessage(datagrams, from: next, of: batch, together: together, pieces: room)
      guard end > next || message == 0 else { break }
      let start = used
      let taken = next..<max(end, next + 1)
      for index in taken { used = append(datagrams[index].payload, of: batch, from: used) }
      setRegions(start..<used, of: message)
      setAddresses(of: message, datagrams[next])
      if taken.count > 1 { setSegmentSize(of: message, datagrams[next].payload.count) }
      unsafe datagramCounts[message] = taken.count
      next = taken.upperBound
      message += 1
    }
    return message
  }

  /// Up to where the datagrams from `first` on fit one message of `pieces` pieces of memory: one, or a train to one
  /// place from one.
  private func endOfMessage(
    _ datagrams: Span<OutgoingDatagram>, from first: Int, of batch: borrowing FrameBatch, together: Bool, pieces: Int
  ) -> Int {
    let model = datagrams[first]
    var left = pieces - batch.pieceCount(model.payload.frame) - 1
    guard left >= 0 else { return first }
    guard together else { return first + 1 }
    var train = DatagramTrain(model.payload.count)
    while first + train.count < datagrams.count {
      let next = datagrams[first + train.count]
      left -= batch.pieceCount(next.payload.frame) + 1
      guard left >= 0, next.destination == model.destination, next.source == model.source,
        train.append(next.payload.count)
      else { break }
    }
    return first + train.count
  }

  private func setSegmentSize(of index: Int, _ size: Int) {
    // SAFETY: every message has control data of its own.
    unsafe clinux_message_set_segment_size(&messages[index].header, control(index), UInt16(size))
  }

  func append(_ slice: PayloadSlice, of batch: borrowing FrameBatch, from start: Int) -> Int {
    let one = CollectionOfOne(slice)
    return unsafe batch.appendRegions(of: one.span, to: regions, from: start)
  }

  func setAddresses(of index: Int, _ datagram: OutgoingDatagram) {
    unsafe messages[index].header.msg_name = nil
    unsafe messages[index].header.msg_namelen = 0
    unsafe messages[index].header.msg_control = nil
    unsafe messages[index].header.msg_controllen = 0
    // SAFETY: every message has an address and control data of its own.
    if let destination = datagram.destination, let addresses = unsafe addresses.baseAddress {
      unsafe messages[index].header.msg_name = UnsafeMutableRawPointer(addresses + index)
      unsafe messages[index].header.msg_namelen = SocketAddress.encode(destination, unsafe: addresses + index)
    }
    if let source = datagram.source {
      let isIPv4: Int32 = source.family == .ipv4 ? 1 : 0
      unsafe clinux_message_set_source(
        &messages[index].header, control(index), isIPv4, source.mapped.high, source.mapped.low)
    }
  }
}
