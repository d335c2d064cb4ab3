public import Buffers
import LinuxSystem
public import Netstack
public import Primitives

/// Is told what passes the sockets of a `KernelSockets`, as it passes, for whoever wants to show the host's side of flows.
/// Called on the thread of the sockets; costs nothing where there is none.
public protocol HostWitness: AnyObject {
  /// A stream begins: to `remote`, or, where it is inbound, from there.
  func beginStream(_ flow: FlowID, local: Endpoint, remote: Endpoint, isInbound: Bool)
  /// An attempt to connect has succeeded.
  func connect(_ flow: FlowID)
  /// The stream has failed, or an attempt to connect.
  func fail(_ flow: FlowID)
  /// The first `count` bytes of `slices` were written.
  func send(_ flow: FlowID, _ count: Int, of slices: Span<PayloadSlice>, _ batch: borrowing FrameBatch)
  /// So many bytes were read into `regions`, without being removed, from `skipping` bytes behind the first unread one on.
  func receive(_ flow: FlowID, _ count: Int, skipping: Int, _ regions: inout ByteRegions)
  /// So many bytes that were read before were removed.
  func discard(_ flow: FlowID, _ count: Int)
  /// Nothing more will be written.
  func finishWriting(_ flow: FlowID)
  /// Nothing more will come.
  func endOfStream(_ flow: FlowID)
  /// A socket for datagrams is open; `remote` is nil where each has its own.
  func beginDatagrams(_ flow: FlowID, local: Endpoint, remote: Endpoint?)
  /// A socket for echo is open, whose identifier on the outside is this.
  func beginEcho(_ flow: FlowID, identifier: UInt16)
  /// The first `count` of `datagrams` were sent.
  func send(_ flow: FlowID, _ count: Int, of datagrams: Span<OutgoingDatagram>, _ batch: borrowing FrameBatch)
  /// Datagrams were received.
  func receive(_ flow: FlowID, _ datagrams: borrowing DatagramBatch)
  /// The socket is closed, a stream cleanly or by a reset.
  func close(_ flow: FlowID, abortively: Bool)
}

extension KernelSockets {
  /// The host's end of a flow's socket; nowhere where it is not bound to any.
  func localEndpoint(of flow: FlowID) -> Endpoint {
    do throws(SystemError) {
      if let endpoint = try Socket.localAddress(of: descriptor(flow)).endpoint { return endpoint }
    } catch {
      // A socket that has failed meanwhile, which is told by itself.
    }
    return Endpoint(.any(table[flow].family), port: 0)
  }
}
