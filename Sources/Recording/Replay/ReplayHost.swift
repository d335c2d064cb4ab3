import Buffers
import Netstack
import Primitives

/// A host that answers what a recording says.
struct ReplayHost: HostNetwork {
  let tape: ReplayTape

  /// Compares a call, and answers with the recorded value, or with `otherwise` where there is none.
  private func answer<Answer: RecordedValue>(_ call: RecordedCall, otherwise: Answer) -> Answer {
    tape.answer(call) { decoder throws(RecordingError) in try decoder.value(Answer.self) } ?? otherwise
  }

  private func count(_ call: RecordedCall) -> Int {
    tape.answer(call) { decoder throws(RecordingError) in
      let count = try decoder.signed()
      guard (0...Int64(Int32.max)).contains(count) else { throw .damaged }
      return Int(count)
    } ?? 0
  }

  // MARK: Opening and closing

  mutating func connect(_ flow: FlowID, to destination: Endpoint, marks: PacketMarks) -> HostOpen {
    answer(.connect(flow, to: destination, marks), otherwise: .failed(.refused))
  }

  mutating func connect(_ flow: FlowID, to service: HostService) -> HostOpen {
    answer(.connectService(flow, to: service), otherwise: .failed(.refused))
  }

  mutating func openPair(_ one: FlowID, _ other: FlowID) -> HostOpen {
    answer(.openPair(one, other), otherwise: .failed(.other(0)))
  }

  mutating func finishConnecting(_ flow: FlowID) -> HostOpen {
    answer(.finishConnecting(flow), otherwise: .failed(.refused))
  }

  mutating func listen(_ flow: FlowID, at place: ListeningPlace) -> HostOpen {
    answer(.listen(flow, at: place), otherwise: .failed(.forbidden))
  }

  mutating func accept(from listener: FlowID, as flow: FlowID) -> HostAccept {
    answer(.accept(from: listener, as: flow), otherwise: .wouldBlock)
  }

  mutating func openDatagrams(
    _ flow: FlowID, family: IPAddress.Family, destination: Endpoint?, preferredPort: UInt16
  ) -> HostOpen {
    answer(
      .openDatagrams(flow, family, destination: destination, preferredPort: preferredPort),
      otherwise: .failed(.other(0)))
  }

  mutating func openEcho(_ flow: FlowID, family: IPAddress.Family, identifier: UInt16) -> HostOpen {
    answer(.openEcho(flow, family, identifier: identifier), otherwise: .failed(.forbidden))
  }

  mutating func close(_ flow: FlowID, abortively: Bool) { tape.compare(.close(flow, abortively: abortively)) }

  // MARK: Streams

  mutating func receive(_ flow: FlowID, skipping: Int, into regions: inout ByteRegions) -> HostRead {
    read(
      .receiveStream(flow, skipping: skipping, byteCount: regions.byteCount), into: &regions, otherwise: .wouldBlock)
  }

  private func read(
    _ call: RecordedCall, into regions: inout ByteRegions, otherwise: HostRead
  ) -> HostRead {
    let room = regions.byteCount
    let found = tape.answer(call) { decoder throws(RecordingError) -> (HostRead, Range<Int>) in
      let result = try decoder.value(HostRead.self)
      guard case .bytes(let count) = result else { return (result, 0..<0) }
      guard count > 0, count <= room else { throw .damaged }
      return (result, try decoder.skip(count))
    }
    guard let (result, range) = found else { return otherwise }
    let bytes = tape.bytes
    if !range.isEmpty { _ = regions.write(bytes.span.extracting(range)) }
    return result
  }

  mutating func discard(_ flow: FlowID, count: Int) { tape.compare(.discard(flow, count: count)) }

  mutating func send(
    _ slices: Span<PayloadSlice>, of batch: borrowing FrameBatch, on flow: FlowID
  ) -> HostWrite {
    let call = RecordedCall.sending(slices, of: batch, on: flow, isRedacted: tape.isRedacted)
    guard case .send(_, let byteCount, _) = call else { preconditionFailure("not what was made") }
    return write(call, atMost: byteCount)
  }

  private func write(_ call: RecordedCall, atMost limit: Int) -> HostWrite {
    tape.answer(call) { decoder throws(RecordingError) in
      let result = try decoder.value(HostWrite.self)
      if case .accepted(let count) = result, count > limit { throw .damaged }
      return result
    } ?? .wouldBlock
  }

  mutating func sendSpace(_ flow: FlowID) -> Int { count(.sendSpace(flow)) }

  mutating func requestWritable(_ flow: FlowID) { tape.compare(.requestWritable(flow)) }

  mutating func unacknowledgedByteCount(_ flow: FlowID) -> Int { count(.unacknowledged(flow)) }

  mutating func finishWriting(_ flow: FlowID) { tape.compare(.finishWriting(flow)) }

  // MARK: Datagrams

  mutating func receiveDatagrams(_ flow: FlowID, into batch: inout DatagramBatch) -> HostWrite {
    batch.removeAll()
    let found = tape.answer(.receiveDatagrams(flow)) { decoder throws(RecordingError) -> (HostWrite, [Message]) in
      let result = try decoder.value(HostWrite.self)
      guard case .accepted = result else { return (result, []) }
      return (result, try decoder.value())
    }
    guard let (result, messages) = found else { return .wouldBlock }
    guard case .accepted(let count) = result else { return result }
    let bytes = tape.bytes
    for message in messages {
      let fits = batch.append(
        bytes.span.extracting(message.range), from: message.source, to: message.destination,
        segmentSize: message.segmentSize)
      guard fits else { return giveUp(on: &batch) }
    }
    return batch.count == count && count > 0 ? result : giveUp(on: &batch)
  }

  private func giveUp(on batch: inout DatagramBatch) -> HostWrite {
    tape.giveUp(.damaged)
    batch.removeAll()
    return .wouldBlock
  }

  /// A message of datagrams, whose bytes are left where they are.
  private struct Message: RecordedValue {
    let source: Endpoint
    let destination: IPAddress?
    let segmentSize: Int
    let range: Range<Int>

    init(from decoder: inout RecordDecoder) throws(RecordingError) {
      source = try decoder.value()
      destination = try decoder.value()
      segmentSize = try decoder.count(atMost: DatagramBatch.datagramCapacity)
      range = try decoder.skip(try decoder.count(atMost: DatagramBatch.datagramCapacity))
    }

    func encode(to encoder: inout RecordEncoder) { preconditionFailure("only ever read") }
  }

  mutating func sendDatagrams(
    _ datagrams: Span<OutgoingDatagram>, of batch: borrowing FrameBatch, on flow: FlowID
  ) -> HostWrite {
    write(
      .sending(datagrams, of: batch, on: flow, isRedacted: tape.isRedacted), atMost: datagrams.count)
  }

  mutating func takeError(_ flow: FlowID, quote: inout MutableSpan<UInt8>) -> HostFailure? {
    let room = quote.count
    let found = tape.answer(.takeError(flow, quoteCapacity: room)) { decoder throws(RecordingError) in
      let failure = try decoder.value(HostFailure?.self)
      guard (failure?.quoteLength ?? 0) <= room else { throw .damaged }
      return (failure, try decoder.skip(failure?.quoteLength ?? 0))
    }
    guard let (failure, range) = found else { return nil }
    let bytes = tape.bytes
    quote.copy(bytes.span.extracting(range))
    return failure
  }

  // MARK: Files

  mutating func openFile(_ flow: FlowID, named name: Span<UInt8>) -> HostFileOpen {
    answer(.opening(flow, name), otherwise: .failed(.notFound))
  }

  mutating func readFile(_ flow: FlowID, at offset: UInt64, into regions: inout ByteRegions) -> HostRead {
    read(.readFile(flow, at: offset, byteCount: regions.byteCount), into: &regions, otherwise: .endOfStream)
  }
}
