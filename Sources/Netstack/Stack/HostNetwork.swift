public import Buffers
public import Primitives

/// Why the host refused an operation or ended a flow.
public enum HostError: Error, Hashable, Sendable {
  /// Nobody listens there (ECONNREFUSED).
  case refused
  /// The peer reset the connection (ECONNRESET, EPIPE).
  case reset
  /// No way to the host (EHOSTUNREACH, EHOSTDOWN).
  case hostUnreachable
  /// No way to the network (ENETUNREACH, EADDRNOTAVAIL for a family without addresses).
  case networkUnreachable
  /// No answer (ETIMEDOUT).
  case timedOut
  /// The local address or port is taken (EADDRINUSE).
  case addressInUse
  /// The local address is not ours (EADDRNOTAVAIL on a listener).
  case addressUnavailable
  /// The host's policy forbids it (EACCES, EPERM).
  case forbidden
  /// No descriptors, buffers or memory left (EMFILE, ENFILE, ENOBUFS, ENOMEM).
  case exhausted
  /// What has the name of a local place is no socket (ENOTSOCK).
  case notASocket
  /// The datagram is too long for the path (EMSGSIZE).
  case messageTooLong
  /// Any other error number of the host.
  case other(Int32)
}

/// How far an attempt to open something has come.
public enum HostOpen: Hashable, Sendable {
  /// It is open.
  case ready
  /// It is under way; a writable or failed event will tell.
  case inProgress
  /// It failed; nothing is held for the flow.
  case failed(HostError)
}

/// What came of reading from a stream.
public enum HostRead: Hashable, Sendable {
  /// So many bytes, at least one.
  case bytes(Int)
  /// Nothing now.
  case wouldBlock
  /// The peer has finished and everything was read.
  case endOfStream
  /// The connection has failed. Reported once; bytes received before it were delivered first.
  case failed(HostError)
}

/// What came of writing to a stream, or sending datagrams.
public enum HostWrite: Hashable, Sendable {
  /// So many bytes (of a stream) or datagrams were taken, perhaps fewer than were offered.
  case accepted(Int)
  /// Nothing was taken now.
  case wouldBlock
  /// The flow has failed.
  case failed(HostError)
}

/// What came of accepting a connection on a listener.
public enum HostAccept: Hashable, Sendable {
  /// A connection from `peer`, made to the host's address `local`.
  case accepted(peer: Endpoint, local: Endpoint)
  /// A connection of a client without an endpoint, made to a local place.
  case acceptedLocal
  /// No connection waits.
  case wouldBlock
  /// A connection was refused or lost (for want of descriptors, say); others may wait.
  case failed(HostError)
}

/// Which transport a socket speaks.
public enum Transport: UInt8, Hashable, Sendable {
  case tcp = 6
  case udp = 17
}

/// One datagram to send on a flow.
public struct OutgoingDatagram: Hashable, Sendable {
  /// The payload in the batch; `count` may be 0. On an echo flow it is the whole ICMP message, its header included.
  public var payload: PayloadSlice
  /// Where to; nil on a connected flow.
  public var destination: Endpoint?
  /// The local address to send from, where one matters (a reply must come from the address that was asked).
  public var source: IPAddress?
  /// How it is to be marked on its way.
  public var marks: PacketMarks

  /// Makes a datagram of its parts.
  public init(
    payload: PayloadSlice, destination: Endpoint? = nil, source: IPAddress? = nil, marks: PacketMarks = PacketMarks()
  ) {
    self.payload = payload
    self.destination = destination
    self.source = source
    self.marks = marks
  }
}

/// The host's network as the core uses it: non-blocking sockets, each named by the flow it belongs to.
///
/// The host reports readiness to `Stack.hostReady`, edge-triggered: once for each change. Calls for a flow that is
/// not open are errors of the core. Everything the core learns of the outside world comes through here, so that it
/// can be simulated, recorded and replayed.
public protocol HostNetwork: ~Copyable {
  // MARK: Opening and closing

  /// Starts to connect a stream to `destination`. The hop limit of `marks` holds until it is connected, the DSCP for
  /// good; fragmentation is a stream's own business.
  mutating func connect(_ flow: FlowID, to destination: Endpoint, marks: PacketMarks) -> HostOpen

  /// Opens a stream to something of the host's that is no endpoint: a connection to a UNIX socket, or the standard
  /// input and output of a command that is started for it. Never in progress.
  mutating func connect(_ flow: FlowID, to service: HostService) -> HostOpen

  /// Opens a stream between two flows: what is written to one is there to read at the other. Never in progress; where
  /// it fails nothing is held for either.
  mutating func openPair(_ one: FlowID, _ other: FlowID) -> HostOpen

  /// After an event on a flow that is connecting: how far it is. What ICMP said of a failure is to be taken by
  /// `takeError` before.
  mutating func finishConnecting(_ flow: FlowID) -> HostOpen

  /// Starts to listen on the host for a forward (a stream's listener, or a bound datagram socket). Never in progress.
  mutating func listen(_ flow: FlowID, at place: ListeningPlace) -> HostOpen

  /// Accepts the next connection of `listener` as `flow`.
  mutating func accept(from listener: FlowID, as flow: FlowID) -> HostAccept

  /// Opens a datagram socket: connected where `destination` is given, else bound to `preferredPort` of the family's
  /// unspecified address if that port is free, or to any.
  mutating func openDatagrams(
    _ flow: FlowID, family: IPAddress.Family, destination: Endpoint?, preferredPort: UInt16
  ) -> HostOpen

  /// Opens a socket for ICMP echo requests and their replies, which carries `identifier` to the outside where that is
  /// free. Forbidden where the host has neither kind of socket for it.
  ///
  /// Requests and replies pass `sendDatagrams` and `receiveDatagrams` as whole ICMP messages. The identifier in a
  /// request is replaced by the socket's; the one in a reply, and its checksum, mean nothing.
  mutating func openEcho(_ flow: FlowID, family: IPAddress.Family, identifier: UInt16) -> HostOpen

  /// Closes the flow's socket and forgets the flow. A stream is closed cleanly (what was written is delivered, what
  /// was not read is discarded) or, abortively, reset.
  mutating func close(_ flow: FlowID, abortively: Bool)

  // MARK: Streams

  /// Reads without removing: the bytes that come `skipping` bytes after the first unread one.
  mutating func receive(_ flow: FlowID, skipping: Int, into regions: inout ByteRegions) -> HostRead

  /// Removes `count` bytes, all read before, from the front.
  mutating func discard(_ flow: FlowID, count: Int)

  /// Writes the bytes of `slices`, in order, as far as the host takes them.
  mutating func send(_ slices: Span<PayloadSlice>, of batch: borrowing FrameBatch, on flow: FlowID) -> HostWrite

  /// Free space in the socket's send buffer, in bytes of memory: its size less what is queued; 0 or more.
  mutating func sendSpace(_ flow: FlowID) -> Int

  /// Asks for a writable event as soon as there is room to write.
  mutating func requestWritable(_ flow: FlowID)

  /// Bytes written that the host's peer has not acknowledged.
  mutating func unacknowledgedByteCount(_ flow: FlowID) -> Int

  /// Ends the stream towards the host's peer, behind what was written.
  mutating func finishWriting(_ flow: FlowID)

  // MARK: Datagrams

  /// Reads the datagrams that wait, at most as many as fit `batch`, which is emptied first. `accepted(0)` is never
  /// returned.
  mutating func receiveDatagrams(_ flow: FlowID, into batch: inout DatagramBatch) -> HostWrite

  /// Sends datagrams in order, as far as the host takes them.
  ///
  /// A failure may be the echo of an earlier datagram: once `takeError` has no more of them, a second attempt tells.
  mutating func sendDatagrams(
    _ datagrams: Span<OutgoingDatagram>, of batch: borrowing FrameBatch, on flow: FlowID
  ) -> HostWrite

  /// Takes the oldest failure that waits at a flow of datagrams, of echo or of a stream that is connecting; nil where
  /// there is none. As many bytes of the offending packet as are known go to `quote`; see `HostFailure`.
  mutating func takeError(_ flow: FlowID, quote: inout MutableSpan<UInt8>) -> HostFailure?

  // MARK: Files

  /// Opens a regular file to read, one of those that are served to guests. `name` is a path as a guest gave it, of any
  /// bytes but zero; one that begins with a slash begins at the root of what is served.
  mutating func openFile(_ flow: FlowID, named name: Span<UInt8>) -> HostFileOpen

  /// Reads the bytes from `offset` on: fewer than there is room for only where the file ends, or failed, behind them.
  /// Never `wouldBlock`.
  mutating func readFile(_ flow: FlowID, at offset: UInt64, into regions: inout ByteRegions) -> HostRead
}

/// What the host reports of a flow. Edge-triggered: a change, not a state.
public struct HostReadiness: OptionSet, Hashable, Sendable {
  /// The bits.
  public let rawValue: UInt8

  /// Makes a set of its bits.
  public init(rawValue: UInt8) { self.rawValue = rawValue }

  /// There is something to read or to accept.
  public static let readable = HostReadiness(rawValue: 1)
  /// There is room to write, or connecting has ended.
  public static let writable = HostReadiness(rawValue: 2)
  /// The peer has finished sending (EPOLLRDHUP).
  public static let readClosed = HostReadiness(rawValue: 4)
  /// The socket has failed, or has a pending error (EPOLLERR, EPOLLHUP).
  public static let failed = HostReadiness(rawValue: 8)
  /// The other end of a pair is closed: nobody will read what is written (EPOLLHUP of a UNIX socket).
  public static let hungUp = HostReadiness(rawValue: 16)
}
