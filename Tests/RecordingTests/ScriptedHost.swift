import Buffers
import Netstack
import Primitives

@testable import Recording

/// A host that returns what it is told to, whatever it is asked.
struct ScriptedHost: HostNetwork {
  struct Message {
    var bytes: [UInt8]
    var source: Endpoint
    var segmentSize: Int
  }

  var open = HostOpen.ready
  var accept = HostAccept.wouldBlock
  var count = 0
  var read = HostRead.wouldBlock
  var write = HostWrite.wouldBlock
  var messages: [Message] = []
  var failure: HostFailure?
  var fileOpen = HostFileOpen.failed(.notFound)

  mutating func connect(_ flow: FlowID, to destination: Endpoint, marks: PacketMarks) -> HostOpen { open }
  mutating func connect(_ flow: FlowID, to service: HostService) -> HostOpen { open }
  mutating func openPair(_ one: FlowID, _ other: FlowID) -> HostOpen { open }
  mutating func finishConnecting(_ flow: FlowID) -> HostOpen { open }
  mutating func listen(_ flow: FlowID, at place: ListeningPlace) -> HostOpen { open }
  mutating func accept(from listener: FlowID, as flow: FlowID) -> HostAccept { accept }
  mutating func openDatagrams(
    _ flow: FlowID, family: IPAddress.Family, destination: Endpoint?, preferredPort: UInt16
  ) -> HostOpen { open }
  mutating func openEcho(_ flow: FlowID, family: IPAddress.Family, identifier: UInt16) -> HostOpen { open }
  mutating func close(_ flow: FlowID, abortively: Bool) {}

  mutating func receive(_ flow: FlowID, skipping: Int, into regions: inout ByteRegions) -> HostRead {
    fill(&regions, from: skipping)
  }

  mutating func readFile(_ flow: FlowID, at offset: UInt64, into regions: inout ByteRegions) -> HostRead {
    fill(&regions, from: Int(offset % 251))
  }

  private func fill(_ regions: inout ByteRegions, from start: Int) -> HostRead {
    if case .bytes(let count) = read {
      let bytes = (0..<count).map { UInt8(truncatingIfNeeded: ($0 + start) % 251) }
      _ = regions.write(bytes.span)
    }
    return read
  }

  mutating func discard(_ flow: FlowID, count: Int) {}
  mutating func send(
    _ slices: Span<PayloadSlice>, of batch: borrowing FrameBatch, on flow: FlowID
  ) -> HostWrite { write }
  mutating func sendSpace(_ flow: FlowID) -> Int { count }
  mutating func requestWritable(_ flow: FlowID) {}
  mutating func unacknowledgedByteCount(_ flow: FlowID) -> Int { count }
  mutating func finishWriting(_ flow: FlowID) {}

  mutating func receiveDatagrams(_ flow: FlowID, into batch: inout DatagramBatch) -> HostWrite {
    batch.removeAll()
    for message in messages {
      _ = batch.append(message.bytes.span, from: message.source, segmentSize: message.segmentSize)
    }
    return batch.count > 0 ? .accepted(batch.count) : .wouldBlock
  }

  mutating func sendDatagrams(
    _ datagrams: Span<OutgoingDatagram>, of batch: borrowing FrameBatch, on flow: FlowID
  ) -> HostWrite { write }

  mutating func takeError(_ flow: FlowID, quote: inout MutableSpan<UInt8>) -> HostFailure? {
    guard let failure else { return nil }
    for index in 0..<failure.quoteLength { quote[index] = UInt8(index + 1) }
    return failure
  }

  mutating func openFile(_ flow: FlowID, named name: Span<UInt8>) -> HostFileOpen { fileOpen }
}
