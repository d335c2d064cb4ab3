import Buffers
import Netstack
import Primitives

/// A host with as many sockets as are asked for and no memory of any: every call takes the same time, however many
/// there are. All connect at once and take all that is sent; what there is to read is whatever was put in last.
struct QuietHost: HostNetwork, ~Copyable {
  /// The flow that was opened last.
  private(set) var latest: FlowID?
  /// Bytes to read from the one stream that is not idle.
  var unreadByteCount = 0
  /// Datagrams to read from the one socket that is not idle, each of `datagram`, and from whom.
  var datagramCount = 0
  var peer = Endpoint(.any(.ipv4), port: 0)
  private let datagram = [UInt8](repeating: 0x5a, count: 100)

  mutating func connect(_ flow: FlowID, to destination: Endpoint, marks: PacketMarks) -> HostOpen { open(flow) }

  mutating func connect(_ flow: FlowID, to service: HostService) -> HostOpen { open(flow) }

  mutating func openPair(_ one: FlowID, _ other: FlowID) -> HostOpen { open(one) }

  mutating func openDatagrams(
    _ flow: FlowID, family: IPAddress.Family, destination: Endpoint?, preferredPort: UInt16
  ) -> HostOpen { open(flow) }

  mutating func openEcho(_ flow: FlowID, family: IPAddress.Family, identifier: UInt16) -> HostOpen { open(flow) }

  private mutating func open(_ flow: FlowID) -> HostOpen {
    latest = flow
    return .ready
  }

  func finishConnecting(_ flow: FlowID) -> HostOpen { .ready }
  func listen(_ flow: FlowID, at place: ListeningPlace) -> HostOpen { .ready }
  func accept(from listener: FlowID, as flow: FlowID) -> HostAccept { .wouldBlock }
  func close(_ flow: FlowID, abortively: Bool) {}

  func receive(_ flow: FlowID, skipping: Int, into regions: inout ByteRegions) -> HostRead {
    unreadByteCount > skipping ? .bytes(min(regions.byteCount, unreadByteCount - skipping)) : .wouldBlock
  }

  mutating func discard(_ flow: FlowID, count: Int) { unreadByteCount -= count }

  func send(_ slices: Span<PayloadSlice>, of batch: borrowing FrameBatch, on flow: FlowID) -> HostWrite {
    var count = 0
    for place in slices.indices { count += slices[place].count }
    return .accepted(count)
  }

  func sendSpace(_ flow: FlowID) -> Int { 1 << 20 }
  func requestWritable(_ flow: FlowID) {}
  func unacknowledgedByteCount(_ flow: FlowID) -> Int { 0 }
  func finishWriting(_ flow: FlowID) {}

  mutating func receiveDatagrams(_ flow: FlowID, into batch: inout DatagramBatch) -> HostWrite {
    batch.removeAll()
    guard datagramCount > 0 else { return .wouldBlock }
    var count = 0
    while count < datagramCount, batch.append(datagram.span, from: peer) { count += 1 }
    datagramCount -= count
    return .accepted(count)
  }

  func sendDatagrams(
    _ datagrams: Span<OutgoingDatagram>, of batch: borrowing FrameBatch, on flow: FlowID
  ) -> HostWrite { .accepted(datagrams.count) }

  func takeError(_ flow: FlowID, quote: inout MutableSpan<UInt8>) -> HostFailure? { nil }

  func openFile(_ flow: FlowID, named name: Span<UInt8>) -> HostFileOpen { .failed(.notFound) }
  func readFile(_ flow: FlowID, at offset: UInt64, into regions: inout ByteRegions) -> HostRead { .endOfStream }
}
