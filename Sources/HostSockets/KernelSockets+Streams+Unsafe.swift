public import Buffers
import CLinux
import Glibc
import LinuxSystem
public import Netstack

extension KernelSockets {
  /// Reads without removing, by one scatter read.
  public mutating func receive(_ flow: FlowID, skipping: Int, into regions: inout ByteRegions) -> HostRead {
    let count = usesPeekOffset ? peek(flow, at: skipping, into: &regions) : skim(flow, skipping, into: &regions)
    if count > 0 {
      witness?.receive(flow, count, skipping: skipping, &regions)
      return .bytes(count)
    }
    if count < 0 {
      if errno == EAGAIN { return .wouldBlock }
      keepError(errno, of: flow)
    }
    let error = table[flow].error
    if count == 0 && error == 0 { table[flow][.hasEnded] = true }
    if error != 0 { witness?.fail(flow) } else { witness?.endOfStream(flow) }
    // The kernel lets a failed stream look like one that has ended.
    return error != 0 ? .failed(HostError(number: error)) : .endOfStream
  }

  /// Peeks at the offset that the kernel keeps, which moves with each peek and back with each removal.
  private mutating func peek(_ flow: FlowID, at offset: Int, into regions: inout ByteRegions) -> Int {
    let socket = descriptor(flow)
    if Int(table[flow].peekOffset) != offset {
      calls.peekOffsets += 1
      var value = Int32(offset)
      // SAFETY: the option's value is one integer.
      guard unsafe setsockopt(socket, SOL_SOCKET, SO_PEEK_OFF, &value, 4) == 0 else { return -1 }
      table[flow].peekOffset = value
    }
    calls.receives += 1
    let count = unsafe regions.withUnsafeRegions { list in
      unsafe Self.receive(socket, list.baseAddress, list.count)
    }
    if count > 0 { table[flow].peekOffset += Int32(count) }
    return count
  }

  /// Reads the bytes to skip as well, to where nobody looks.
  /// - Returns: the number of bytes behind them.
  private mutating func skim(_ flow: FlowID, _ skipping: Int, into regions: inout ByteRegions) -> Int {
    let socket = descriptor(flow)
    calls.receives += 1
    let (list, ignored) = unsafe (scratch.regions, scratch.ignored)
    var length = 0
    var left = skipping
    while left > 0 && length < MessageScratch.regionCapacity {
      // SAFETY: the scratch memory is written by the kernel only; that its runs are the same memory does no harm.
      guard let base = ignored.baseAddress else { break }
      let part = min(left, ignored.count)
      unsafe list[length] = MemoryRegion(base: base, count: part)
      length += 1
      left -= part
    }
    guard left == 0 else {
      errno = EAGAIN
      return -1
    }
    let count = unsafe regions.withUnsafeRegions { wanted in
      for index in 0..<min(wanted.count, MessageScratch.regionCapacity - length) {
        unsafe list[length] = unsafe wanted[index]
        length += 1
      }
      return unsafe Self.receive(socket, list.baseAddress, length)
    }
    guard count >= 0 && count <= skipping && skipping > 0 else { return max(count - skipping, min(count, 0)) }
    // All that there is was skipped: whether that is for now or for good. The order of the questions counts: where
    // the end was seen first, the number of unread bytes is final.
    let isReadClosed = Self.isReadClosed(socket)
    let unread = clinux_unread_count(socket)
    if unread <= skipping { return endOfSkimmed(flow, socket, isReadClosed: isReadClosed) }
    // More has come just now, or a read from the front does not pass the mark of an urgent byte.
    calls.receives += 1
    let again = unsafe Self.receive(socket, list.baseAddress, length)
    if again > skipping { return again - skipping }
    table[flow][.stoppedAtMark] = true
    errno = EAGAIN
    return -1
  }

  private static func isReadClosed(_ socket: Int32) -> Bool {
    var state = pollfd(fd: socket, events: clinux_poll_read_closed(), revents: 0)
    // SAFETY: one structure.
    return unsafe poll(&state, 1, 0) == 1
  }

  /// What it means that all there is was skipped.
  /// - Returns: 0 at the end or after an error, -1 with EAGAIN in `errno` otherwise.
  private mutating func endOfSkimmed(_ flow: FlowID, _ socket: Int32, isReadClosed: Bool) -> Int {
    // An error comes with the end, never without it, and asking for it takes it.
    guard isReadClosed else {
      errno = EAGAIN
      return -1
    }
    do throws(SystemError) {
      let error = try SocketOption.pendingError.value(on: socket)
      if error != 0 { keepError(error, of: flow) }
    } catch {
      keepError(error.number, of: flow)
    }
    return 0
  }

  private static func receive(_ socket: Int32, _ list: UnsafeMutablePointer<MemoryRegion>?, _ count: Int) -> Int {
    var message = unsafe msghdr()
    // SAFETY: `MemoryRegion` has the layout of `iovec`, and the list lives through the call.
    unsafe message.msg_iov = UnsafeMutableRawPointer(list)?.assumingMemoryBound(to: iovec.self)
    unsafe message.msg_iovlen = count
    while true {
      let received = unsafe recvmsg(socket, &message, CLINUX_MSG_PEEK | CLINUX_MSG_DONTWAIT)
      if received >= 0 || errno != EINTR { return received }
    }
  }

  /// Removes bytes from the front of the stream.
  public mutating func discard(_ flow: FlowID, count: Int) {
    let removed = remove(flow, count)
    witness?.discard(flow, removed)
    table[flow].peekOffset = max(0, table[flow].peekOffset - Int32(removed))
    if table[flow][.stoppedAtMark] {
      // The front has moved, perhaps to the mark: renewed interest tells of what waits there.
      table[flow][.stoppedAtMark] = false
      renewInterest(flow)
    }
  }

  /// Whether nothing unread is left: the end was seen, and what lay before it was removed.
  func isKnownEmpty(_ flow: FlowID) -> Bool {
    usesPeekOffset && table[flow][.hasEnded] && table[flow].peekOffset == 0
  }

  /// Removes everything unread, or closing would reset the connection.
  mutating func discardUnread(_ flow: FlowID) {
    for _ in 0..<Self.discardRounds where remove(flow, Self.discardStep) == 0 { return }
  }

  /// More than a receive buffer ever holds (tcp_rmem's greatest default is 32 MiB here).
  private static var discardStep: Int { 1 << 30 }
  /// A peer that sends faster than we discard is not waited for.
  private static var discardRounds: Int { 16 }

  /// Removes up to `count` bytes and returns how many there were.
  private mutating func remove(_ flow: FlowID, _ count: Int) -> Int {
    let (socket, isTCP) = (descriptor(flow), table[flow].kind == .stream)
    calls.discards += 1
    var removed = 0
    while removed < count {
      let left = count - removed
      // SAFETY: with MSG_TRUNC a TCP socket drops the bytes and writes none. Other streams have no such thing: theirs
      // are written to where nobody looks, as many as fit there.
      let result =
        unsafe isTCP
        ? recv(socket, nil, left, CLINUX_MSG_TRUNC | CLINUX_MSG_DONTWAIT)
        : recv(socket, scratch.ignored.baseAddress, min(left, scratch.ignored.count), CLINUX_MSG_DONTWAIT)
      if result < 0 && errno == EINTR { continue }
      guard result > 0 else { break }
      removed += result
      guard removed < count && count != Self.discardStep else { break }
    }
    return removed
  }

  /// Writes by one call, or several where there are more pieces than one call takes.
  public mutating func send(
    _ slices: Span<PayloadSlice>, of batch: borrowing FrameBatch, on flow: FlowID
  ) -> HostWrite {
    let result = write(slices, of: batch, on: flow)
    if let witness {
      switch result {
      case .accepted(let count): witness.send(flow, count, of: slices, batch)
      case .failed: witness.fail(flow)
      case .wouldBlock: break
      }
    }
    return result
  }

  private mutating func write(
    _ slices: Span<PayloadSlice>, of batch: borrowing FrameBatch, on flow: FlowID
  ) -> HostWrite {
    let socket = descriptor(flow)
    var sent = 0
    var first = 0
    while first < slices.count {
      let last = min(first + MessageScratch.slicesPerCall, slices.count)
      let part = slices.extracting(first..<last)
      let list = unsafe scratch.regions
      let length = unsafe batch.appendRegions(of: part, to: list, from: 0)
      calls.sends += 1
      let result = unsafe Self.send(socket, list.baseAddress, length)
      guard result >= 0 else {
        if sent > 0 { return .accepted(sent) }
        if errno == EAGAIN { return .wouldBlock }
        keepError(errno, of: flow)
        return .failed(HostError(number: table[flow].error))
      }
      sent += result
      var offered = 0
      for index in part.indices { offered += part[index].count }
      guard result == offered else { break }
      first = last
    }
    return .accepted(sent)
  }

  private static func send(_ socket: Int32, _ list: UnsafeMutablePointer<MemoryRegion>?, _ count: Int) -> Int {
    var message = unsafe msghdr()
    // SAFETY: as for reading; the kernel only reads the memory.
    unsafe message.msg_iov = UnsafeMutableRawPointer(list)?.assumingMemoryBound(to: iovec.self)
    unsafe message.msg_iovlen = count
    while true {
      let result = unsafe sendmsg(socket, &message, CLINUX_MSG_NOSIGNAL | CLINUX_MSG_DONTWAIT)
      if result >= 0 || errno != EINTR { return result }
    }
  }

  /// Free space in the send buffer.
  public mutating func sendSpace(_ flow: FlowID) -> Int {
    calls.spaceQueries += 1
    let (socket, isTCP) = (descriptor(flow), table[flow].kind == .stream)
    var space: Int64 = 0
    // SAFETY: one integer. A socket that cannot be asked has failed and takes nothing.
    let result = unsafe isTCP ? clinux_send_space(socket, &space) : clinux_local_send_space(socket, &space)
    return result == 0 ? Int(space) : 0
  }

  /// Renews the interest in writing, which reports at once if there is room.
  public mutating func requestWritable(_ flow: FlowID) {
    table[flow][.awaitsWritable] = true
    renewInterest(flow)
  }

  /// Has everything that holds of a flow's socket told again.
  private mutating func renewInterest(_ flow: FlowID) {
    calls.rearmings += 1
    do throws(SystemError) {
      try registrar.modify(descriptor(flow), for: Self.interest, data: flow.rawValue)
    } catch {
      preconditionFailure("a registered socket is not in the event queue: \(error)")
    }
  }

  /// Bytes that the peer has not acknowledged; none on a connection that is gone.
  public mutating func unacknowledgedByteCount(_ flow: FlowID) -> Int {
    // What a UNIX socket has taken is in its peer's queue already, and stays there.
    guard table[flow].kind == .stream else { return 0 }
    var count: Int32 = 0
    // SAFETY: one integer.
    return unsafe clinux_unsent_count(descriptor(flow), &count) == 0 ? Int(count) : 0
  }

  /// Ends the stream towards the peer. One that is gone already needs no end; reading tells of it.
  public mutating func finishWriting(_ flow: FlowID) {
    witness?.finishWriting(flow)
    _ = shutdown(descriptor(flow), Int32(SHUT_WR))
  }

  /// Keeps the first error that a stream reports.
  mutating func keepError(_ number: Int32, of flow: FlowID) {
    if table[flow].error == 0 { table[flow].error = number }
  }
}
