import BasicContainers
import Buffers

// The stack's own arrays, borrowed whole: a span of one, made where the host is modified, counts as an overlapping
// access to the stack.
extension HostNetwork where Self: ~Copyable {
  /// Writes the bytes of `slices`, which lie in `batch`.
  mutating func send(
    _ slices: borrowing UniqueArray<PayloadSlice>, of batch: borrowing FrameBatch, on flow: FlowID
  ) -> HostWrite {
    send(slices.span, of: batch, on: flow)
  }

  /// Writes the bytes of `slices`, which lie in `pool`.
  mutating func send(
    _ slices: borrowing UniqueArray<PayloadSlice>, of pool: borrowing ReassemblyPool, on flow: FlowID
  ) -> HostWrite {
    send(slices.span, of: pool.batch, on: flow)
  }

  /// Reads without removing, from the first unread byte on, into the start of `buffer`.
  mutating func receive(_ flow: FlowID, into buffer: inout StreamBuffer) -> HostRead {
    var regions = buffer.regions()
    return receive(flow, skipping: 0, into: &regions)
  }

  /// Writes the bytes of `slices`, which lie in `buffer`.
  mutating func send(
    _ slices: borrowing UniqueArray<PayloadSlice>, of buffer: borrowing StreamBuffer, on flow: FlowID
  ) -> HostWrite {
    send(slices.span, of: buffer.batch, on: flow)
  }

  /// Writes the bytes of `slices`, which lie in `blocks`.
  mutating func send(
    _ slices: borrowing UniqueArray<PayloadSlice>, of blocks: borrowing BlockPool, on flow: FlowID
  ) -> HostWrite {
    send(slices.span, of: blocks.batch, on: flow)
  }

  /// Sends `datagrams` from the one at `first` on.
  mutating func sendDatagrams(
    _ datagrams: borrowing UniqueArray<OutgoingDatagram>, from first: Int, of batch: borrowing FrameBatch,
    on flow: FlowID
  ) -> HostWrite {
    sendDatagrams(datagrams.span.extracting(droppingFirst: first), of: batch, on: flow)
  }

  /// Sends `datagrams`, which lie in `blocks`.
  mutating func sendDatagrams(
    _ datagrams: borrowing UniqueArray<OutgoingDatagram>, of blocks: borrowing BlockPool, on flow: FlowID
  ) -> HostWrite {
    sendDatagrams(datagrams.span, of: blocks.batch, on: flow)
  }

  /// Takes the oldest failure of a flow; what is known of its packet goes to the start of `quote`.
  mutating func takeError(_ flow: FlowID, quote: inout UniqueArray<UInt8>) -> HostFailure? {
    var bytes = quote.mutableSpan
    return takeError(flow, quote: &bytes)
  }

  /// Opens the file whose name lies in `range` of `message`.
  mutating func openFile(
    _ flow: FlowID, named range: Range<Int>, in message: borrowing UniqueArray<UInt8>
  ) -> HostFileOpen {
    openFile(flow, named: message.span.extracting(range))
  }
}
