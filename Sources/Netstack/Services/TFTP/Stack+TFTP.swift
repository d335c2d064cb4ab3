import BasicContainers
import Buffers
import Primitives
import Wire

/// The ports of TFTP (RFC 1350 section 4).
enum TFTPPort {
  static let server: UInt16 = 69
  /// Those that transfers have: the dynamic ports (RFC 6335 section 6).
  static let transfers: ClosedRange<UInt16> = 49_152...65_535
}

// Files for guests by TFTP: requests, and what guests say of transfers. Read only.
extension Stack where Host: ~Copyable, Watcher: ~Copyable {
  // MARK: Requests

  /// A datagram to the TFTP server's port, `server`.
  mutating func receiveTFTP<Sink: FrameSink & ~Copyable>(
    _ payload: PayloadSlice, from guest: Endpoint, to server: Endpoint, _ context: PacketContext,
    of batch: borrowing FrameBatch, at now: Instant, into sink: inout Sink
  ) throws(WireError) {
    guard !guest.address.isAny else { return drop(.badSource, on: context.port) }
    let client = TFTPClient(guest: guest, local: server, neighbor: context.neighbor)
    switch try copyTFTP(payload, of: batch).opcode {
    case .readRequest:
      do throws(WireError) {
        let read = try TFTPRequest(request.span.extracting(0..<payload.count))
        begin(read, client, at: now, into: &sink)
      } catch {
        drop(.malformed, on: context.port)
        refuse(client, .illegal, at: now, into: &sink)
      }
    case .writeRequest:
      drop(.forbiddenDestination, on: context.port)
      refuse(client, .readOnly, at: now, into: &sink)
    case .data, .acknowledgment, .optionAcknowledgment:
      drop(.noFlow, on: context.port)
      refuse(client, .unknownTransfer, at: now, into: &sink)
    // RFC 1350 section 7: errors are not answered.
    case .error: drop(.noFlow, on: context.port)
    default:
      drop(.malformed, on: context.port)
      refuse(client, .illegal, at: now, into: &sink)
    }
  }

  /// Copies a message to `request`, where it is not longer than any message to us is; returns its first four bytes.
  private mutating func copyTFTP(
    _ payload: PayloadSlice, of batch: borrowing FrameBatch
  ) throws(WireError) -> TFTPHeader {
    guard payload.count <= request.count else { throw .badTotalLength(payload.count, available: request.count) }
    var bytes = request.mutableSpan
    batch.copy(payload, to: &bytes)
    return try TFTPHeader(request.span.extracting(0..<payload.count))
  }

  /// Begins a transfer, or says why not.
  private mutating func begin<Sink: FrameSink & ~Copyable>(
    _ read: TFTPRequest, _ client: TFTPClient, at now: Instant, into sink: inout Sink
  ) {
    guard let mode = read.mode else { return refuse(client, .unsupportedMode, at: now, into: &sink) }
    guard !read.hasFaultyOptions else { return refuse(client, .faultyOptions, at: now, into: &sink) }
    let local = giveUpUnanswered(client)
    guard let (id, place) = insertTransfer(to: client, from: local, at: now, into: &sink) else {
      drop(.exhausted, on: neighbors[client.neighbor].port)
      return refuse(client, .tooMany, at: now, into: &sink)
    }
    switch openFile(id, named: read.fileName, at: now) {
    case .ready(let byteCount):
      let longest = longestBlock(for: client)
      transfers[place].begin(read.options, mode, fileSize: byteCount, longestBlock: longest)
      observer.opened(summary(of: transfers[place]))
      enqueueTransfer(id, place)
    case .failed(let error):
      transfers.remove(at: place, from: &flows, &timers)
      refuse(client, TFTPRefusal(error), at: now, into: &sink)
    }
  }

  /// Gives up a transfer to the port of a client that has not said anything of it: it may not have heard of it, or asks
  /// again because it was slow. The new one has its port, so that both are right.
  ///
  /// Any other goes on beside the new one: the request may be a copy that was late (RFC 1350 section 4), and a client
  /// ends by an error what it does not know.
  /// - Returns: the port of the new one, nil where it is to have one of its own.
  private mutating func giveUpUnanswered(_ client: TFTPClient) -> Endpoint? {
    guard let place = transfers.findUnanswered(client) else { return nil }
    let local = transfers[place].local
    forgetTransfer(place, .evicted)
    return local
  }

  private mutating func insertTransfer<Sink: FrameSink & ~Copyable>(
    to client: TFTPClient, from local: Endpoint?, at now: Instant, into sink: inout Sink
  ) -> (FlowID, UInt32)? {
    if !transfers.hasRoom(for: client.guest.address) {
      guard let place = transfers.dispensable(for: client.guest.address, at: now) else { return nil }
      if transfers[place].phase != .ended { refuse(transfers[place].client, .tooMany, at: now, into: &sink) }
      forgetTransfer(place, .evicted)
    }
    let local = local ?? Endpoint(client.local.address, port: unusedTransferPort(for: client))
    let transfer = TFTPTransfer(guest: client.guest, local: local, neighbor: client.neighbor, at: now)
    return transfers.insert(transfer, to: &flows)
  }

  /// RFC 1350 section 4: a port chosen by chance, so that none is that of a transfer just ended.
  private mutating func unusedTransferPort(for client: TFTPClient) -> UInt16 {
    while true {
      let offset = generator.next() % UInt64(TFTPPort.transfers.count)
      let local = Endpoint(client.local.address, port: TFTPPort.transfers.lowerBound + UInt16(offset))
      if flows.find(FlowKey(.udp, guest: client.guest, remote: local)) == nil { return local.port }
    }
  }

  private mutating func openFile(_ id: FlowID, named name: Range<Int>, at now: Instant) -> HostFileOpen {
    let opened = host.openFile(id, named: name, in: request)
    guard opened == .failed(.exhausted), makeRoomForSocket(sparing: id, at: now) else { return opened }
    return host.openFile(id, named: name, in: request)
  }

  /// The longest block that goes to a guest in one packet.
  private func longestBlock(for client: TFTPClient) -> Int {
    neighbors[client.neighbor].mtu - TFTPTransfer.overhead(in: client.guest.address.family)
  }

  // MARK: Transfers

  /// A datagram to the port of a transfer.
  mutating func receiveTransfer(
    _ payload: PayloadSlice, _ id: FlowID, _ place: UInt32, _ context: PacketContext, of batch: borrowing FrameBatch,
    at now: Instant
  ) throws(WireError) {
    let header = try copyTFTP(payload, of: batch)
    guard transfers[place].phase != .ended else { return drop(.noFlow, on: context.port) }
    transfers[place].neighbor = context.neighbor
    transfers[place].lastHeard = now
    switch header.opcode {
    case .acknowledgment:
      switch transfers[place].acknowledge(header.number) {
      case .none: break
      case .sendable: enqueueTransfer(id, place)
      case .complete: endTransfer(id, place, .finished, at: now)
      }
    case .error: endTransfer(id, place, .resetByGuest, at: now)
    default: drop(.malformed, on: context.port)
    }
  }

  /// RFC 1350 section 4: a datagram to the port of a transfer from another port of its guest is refused, and the
  /// transfer goes on. False where it is none.
  mutating func refuseStranger<Sink: FrameSink & ~Copyable>(
    from guest: Endpoint, to local: Endpoint, _ context: PacketContext, at now: Instant, into sink: inout Sink
  ) -> Bool {
    guard transfers.hasTransfer(to: guest.address, from: local) else { return false }
    drop(.noFlow, on: context.port)
    let client = TFTPClient(guest: guest, local: local, neighbor: context.neighbor)
    refuse(client, .unknownTransfer, at: now, into: &sink)
    return true
  }

  /// Puts a transfer into the queue of flows with work.
  mutating func enqueueTransfer(_ id: FlowID, _ place: UInt32) {
    guard !transfers[place].isQueued else { return }
    transfers[place].isQueued = true
    work.append(id)
  }

  /// The deadline of a transfer has passed.
  mutating func timerFiredTransfer<Sink: FrameSink & ~Copyable>(
    _ id: FlowID, _ place: UInt32, at now: Instant, into sink: inout Sink
  ) {
    guard transfers[place].phase != .ended else { return forgetTransfer(place, .finished) }
    // Where the link had no room, nothing is under way that could be lost.
    guard transfers[place].isQueued || transfers[place].passSilence() else {
      return abortTransfer(id, place, .silence, .timedOut, at: now, into: &sink)
    }
    timers.set(now + transfers[place].timeout, for: id.index)
    enqueueTransfer(id, place)
  }

  /// Ends a transfer with an error (RFC 1350 section 7), which is lost where there is no room for it.
  mutating func abortTransfer<Sink: FrameSink & ~Copyable>(
    _ id: FlowID, _ place: UInt32, _ refusal: TFTPRefusal, _ end: FlowEnd, at now: Instant, into sink: inout Sink
  ) {
    endTransfer(id, place, end, at: now)
    refuse(transfers[place].client, refusal, at: now, into: &sink)
  }

  /// Ends a transfer, and keeps its port for a while.
  mutating func endTransfer(_ id: FlowID, _ place: UInt32, _ end: FlowEnd, at now: Instant) {
    observer.closed(summary(of: transfers[place]), end: end)
    host.close(id, abortively: false)
    transfers[place].phase = .ended
    timers.set(now + TFTPTransfer.lingerTime, for: id.index)
  }

  /// Forgets a transfer, which this ends if it has not ended.
  mutating func forgetTransfer(_ place: UInt32, _ end: FlowEnd) {
    if transfers[place].phase != .ended {
      observer.closed(summary(of: transfers[place]), end: end)
      host.close(transfers[place].id, abortively: false)
    }
    transfers.remove(at: place, from: &flows, &timers)
  }

  func summary(of transfer: TFTPTransfer) -> FlowSummary {
    FlowSummary(
      id: transfer.id, transport: .udp, guest: transfer.guest, remote: transfer.local, host: transfer.local,
      isInbound: false, state: transfer.phase == .ended ? .timeWait : .tftp, bytesFromGuest: 0,
      bytesToGuest: transfer.bytesToGuest)
  }
}

/// Who speaks to the TFTP server.
struct TFTPClient {
  let guest: Endpoint
  /// The end that it speaks to.
  let local: Endpoint
  /// Its place in the neighbor table.
  let neighbor: Int
}

/// Why a guest does not get a file, in libslirp's words where it has them.
struct TFTPRefusal {
  let code: TFTPErrorCode
  let text: String

  private init(_ code: TFTPErrorCode, _ text: String) {
    self.code = code
    self.text = text
  }

  static let illegal = TFTPRefusal(.illegalOperation, "Illegal TFTP operation")
  static let unsupportedMode = TFTPRefusal(.illegalOperation, "Unsupported transfer mode")
  static let readOnly = TFTPRefusal(.accessViolation, "Files are read only")
  static let unknownTransfer = TFTPRefusal(.unknownTransfer, "Unknown transfer ID")
  static let faultyOptions = TFTPRefusal(.optionsRefused, "An option is given twice, or without a value")
  static let tooMany = TFTPRefusal(.undefined, "Too many transfers")
  static let silence = TFTPRefusal(.undefined, "No acknowledgment has come")
  static let unreadable = TFTPRefusal(.undefined, "The file cannot be read")
  static let shorter = TFTPRefusal(.undefined, "The file has become shorter")

  /// What a failure to open a file means to a guest.
  init(_ error: HostFileError) {
    switch error {
    case .notFound: self.init(.fileNotFound, "File not found")
    case .forbidden: self.init(.accessViolation, "Access violation")
    case .exhausted, .other: self.init(.undefined, "The file cannot be opened")
    }
  }
}
