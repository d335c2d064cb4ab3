public import Buffers
public import Netstack
public import Primitives

extension Recorded: HostNetwork where Base: HostNetwork & ~Copyable {
  // MARK: Opening and closing

  /// Connects, and tells of it.
  public mutating func connect(_ flow: FlowID, to destination: Endpoint, marks: PacketMarks) -> HostOpen {
    let result = base.connect(flow, to: destination, marks: marks)
    recorder?.note(.connect(flow, to: destination, marks), result)
    return result
  }

  /// Connects, and tells of it.
  public mutating func connect(_ flow: FlowID, to service: HostService) -> HostOpen {
    let result = base.connect(flow, to: service)
    recorder?.note(.connectService(flow, to: service), result)
    return result
  }

  /// Opens a pair, and tells of it.
  public mutating func openPair(_ one: FlowID, _ other: FlowID) -> HostOpen {
    let result = base.openPair(one, other)
    recorder?.note(.openPair(one, other), result)
    return result
  }

  /// Asks how far connecting is, and tells of it.
  public mutating func finishConnecting(_ flow: FlowID) -> HostOpen {
    let result = base.finishConnecting(flow)
    recorder?.note(.finishConnecting(flow), result)
    return result
  }

  /// Listens, and tells of it.
  public mutating func listen(_ flow: FlowID, at place: ListeningPlace) -> HostOpen {
    let result = base.listen(flow, at: place)
    recorder?.note(.listen(flow, at: place), result)
    return result
  }

  /// Accepts, and tells of it.
  public mutating func accept(from listener: FlowID, as flow: FlowID) -> HostAccept {
    let result = base.accept(from: listener, as: flow)
    recorder?.note(.accept(from: listener, as: flow), result)
    return result
  }

  /// Opens a socket for datagrams, and tells of it.
  public mutating func openDatagrams(
    _ flow: FlowID, family: IPAddress.Family, destination: Endpoint?, preferredPort: UInt16
  ) -> HostOpen {
    let result = base.openDatagrams(flow, family: family, destination: destination, preferredPort: preferredPort)
    recorder?.note(
      .openDatagrams(flow, family, destination: destination, preferredPort: preferredPort), result)
    return result
  }

  /// Opens a socket for echo, and tells of it.
  public mutating func openEcho(_ flow: FlowID, family: IPAddress.Family, identifier: UInt16) -> HostOpen {
    let result = base.openEcho(flow, family: family, identifier: identifier)
    recorder?.note(.openEcho(flow, family, identifier: identifier), result)
    return result
  }

  /// Closes, and tells of it.
  public mutating func close(_ flow: FlowID, abortively: Bool) {
    base.close(flow, abortively: abortively)
    recorder?.note(.close(flow, abortively: abortively))
  }

  // MARK: Streams

  /// Reads, and tells of it.
  public mutating func receive(_ flow: FlowID, skipping: Int, into regions: inout ByteRegions) -> HostRead {
    guard let recorder else { return base.receive(flow, skipping: skipping, into: &regions) }
    let room = regions.byteCount
    let result = base.receive(flow, skipping: skipping, into: &regions)
    recorder.note(.receiveStream(flow, skipping: skipping, byteCount: room), of: flow, result, from: regions)
    return result
  }

  /// Removes bytes, and tells of it.
  public mutating func discard(_ flow: FlowID, count: Int) {
    base.discard(flow, count: count)
    recorder?.note(.discard(flow, count: count))
  }

  /// Writes, and tells of it.
  public mutating func send(
    _ slices: Span<PayloadSlice>, of batch: borrowing FrameBatch, on flow: FlowID
  ) -> HostWrite {
    let result = base.send(slices, of: batch, on: flow)
    recorder?.note(.sending(slices, of: batch, on: flow, isRedacted: recorder?.isRedacting == true), result)
    return result
  }

  /// Asks for the room, and tells of it.
  public mutating func sendSpace(_ flow: FlowID) -> Int {
    let count = base.sendSpace(flow)
    recorder?.note(.sendSpace(flow), count: count)
    return count
  }

  /// Asks for an event, and tells of it.
  public mutating func requestWritable(_ flow: FlowID) {
    base.requestWritable(flow)
    recorder?.note(.requestWritable(flow))
  }

  /// Asks what is on its way, and tells of it.
  public mutating func unacknowledgedByteCount(_ flow: FlowID) -> Int {
    let count = base.unacknowledgedByteCount(flow)
    recorder?.note(.unacknowledged(flow), count: count)
    return count
  }

  /// Ends a stream, and tells of it.
  public mutating func finishWriting(_ flow: FlowID) {
    base.finishWriting(flow)
    recorder?.note(.finishWriting(flow))
  }

  // MARK: Datagrams

  /// Reads datagrams, and tells of it.
  public mutating func receiveDatagrams(_ flow: FlowID, into batch: inout DatagramBatch) -> HostWrite {
    let result = base.receiveDatagrams(flow, into: &batch)
    recorder?.note(.receiveDatagrams(flow), of: flow, result, from: batch)
    return result
  }

  /// Sends datagrams, and tells of it.
  public mutating func sendDatagrams(
    _ datagrams: Span<OutgoingDatagram>, of batch: borrowing FrameBatch, on flow: FlowID
  ) -> HostWrite {
    let result = base.sendDatagrams(datagrams, of: batch, on: flow)
    recorder?.note(.sending(datagrams, of: batch, on: flow, isRedacted: recorder?.isRedacting == true), result)
    return result
  }

  /// Takes a failure, and tells of it.
  public mutating func takeError(_ flow: FlowID, quote: inout MutableSpan<UInt8>) -> HostFailure? {
    let failure = base.takeError(flow, quote: &quote)
    recorder?.note(.takeError(flow, quoteCapacity: quote.count), of: flow, failure, quote: quote.span)
    return failure
  }

  // MARK: Files

  /// Opens a file, and tells of it.
  public mutating func openFile(_ flow: FlowID, named name: Span<UInt8>) -> HostFileOpen {
    let result = base.openFile(flow, named: name)
    recorder?.note(.opening(flow, name), result)
    return result
  }

  /// Reads a file, and tells of it.
  public mutating func readFile(_ flow: FlowID, at offset: UInt64, into regions: inout ByteRegions) -> HostRead {
    guard let recorder else { return base.readFile(flow, at: offset, into: &regions) }
    let room = regions.byteCount
    let result = base.readFile(flow, at: offset, into: &regions)
    recorder.note(.readFile(flow, at: offset, byteCount: room), of: flow, result, from: regions)
    return result
  }
}

extension RecordedCall {
  /// A write to a stream. What is redacted has no fingerprint.
  static func sending(
    _ slices: Span<PayloadSlice>, of batch: borrowing FrameBatch, on flow: FlowID, isRedacted: Bool
  ) -> RecordedCall {
    var digest = RecordDigest()
    var byteCount = 0
    for index in slices.indices {
      byteCount += slices[index].count
      if !isRedacted { batch.forEachSpan(of: slices[index]) { digest.add($0) } }
    }
    return .send(flow, byteCount: byteCount, digest: digest.value)
  }

  /// Datagrams that are sent. The fingerprint is of where they go, and of what is not redacted.
  static func sending(
    _ datagrams: Span<OutgoingDatagram>, of batch: borrowing FrameBatch, on flow: FlowID, isRedacted: Bool
  ) -> RecordedCall {
    var digest = RecordDigest()
    var byteCount = 0
    for index in datagrams.indices {
      let datagram = datagrams[index]
      byteCount += datagram.payload.count
      digest.add(datagram.destination)
      digest.add(datagram.source.map { Endpoint($0, port: 0) })
      let marks = datagram.marks
      digest.add(UInt64(marks.hopLimit) << 16 | UInt64(marks.dscp) << 8 | (marks.mayFragment ? 1 : 0))
      digest.add(UInt64(datagram.payload.count))
      if !isRedacted { batch.forEachSpan(of: datagram.payload) { digest.add($0) } }
    }
    return .sendDatagrams(flow, count: datagrams.count, byteCount: byteCount, digest: digest.value)
  }

  /// A file that is opened.
  static func opening(_ flow: FlowID, _ name: Span<UInt8>) -> RecordedCall {
    .openFile(flow, named: name.indices.map { name[$0] })
  }
}

extension RecordDigest {
  /// Adds an endpoint, or that there is none.
  fileprivate mutating func add(_ endpoint: Endpoint?) {
    guard let endpoint else { return add(UInt64.max) }
    add(endpoint.address.mapped.high)
    add(endpoint.address.mapped.low)
    add(UInt64(endpoint.port))
  }
}
