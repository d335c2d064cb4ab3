public import Netstack
public import Primitives

/// What a stream endpoint of the simulated world does with those who connect to it.
public struct RemoteService: Hashable, Sendable {
  /// How an attempt to connect ends.
  public enum Answer: Hashable, Sendable {
    /// It is there at once.
    case accepts
    /// It is there after so long; until then the attempt is in progress.
    case acceptsAfter(Interval)
    /// The attempt fails in the call itself.
    case fails(HostError)
    /// The attempt fails after so long.
    case failsAfter(HostError, Interval)
    /// Nobody ever answers.
    case isSilent
  }

  /// How an attempt to connect ends.
  public var answer: Answer
  /// Whether the peer reads all that comes at once; else it reads when the test says so.
  public var readsAtOnce: Bool
  /// Whether the peer sends back what it reads.
  public var echoes: Bool
  /// Whether what the peer reads is kept for the test to look at.
  public var keepsBytes = true
  /// Bytes that the host's socket takes before the peer has read them.
  public var sendBufferSize = 256 * 1024
  /// Bytes that the host's socket holds for the core.
  public var receiveBufferSize = 256 * 1024
  /// Memory that each byte in the send buffer takes, in percent: real kernels charge more than the payload.
  public var memoryPercent = 100

  /// Makes a service; by default one that accepts, reads everything and says nothing of its own.
  public init(_ answer: Answer = .accepts, readsAtOnce: Bool = true, echoes: Bool = false) {
    self.answer = answer
    self.readsAtOnce = readsAtOnce
    self.echoes = echoes
  }
}

/// A connection of the simulated world, as tests name it; it outlives the core's flow.
public struct ConnectionID: Hashable, Sendable {
  let index: Int
}

/// How often the core has called, to tell one system call from many.
public struct HostCalls: Hashable, Sendable {
  /// Attempts to connect.
  public var connects = 0
  /// Writes to streams.
  public var sends = 0
  /// Pieces written to streams.
  public var sentSlices = 0
  /// Bytes taken by streams.
  public var sentBytes = 0
  /// Reads from streams.
  public var receives = 0
  /// Runs of memory offered for those reads.
  public var offeredRegions = 0
  /// Bytes read from streams, repetitions included.
  public var receivedBytes = 0
  /// Removals from streams.
  public var discards = 0
  /// Requests for a writable event.
  public var writableRequests = 0
  /// Sends of datagrams.
  public var datagramSends = 0
  /// Datagrams taken.
  public var sentDatagrams = 0
  /// Reads of datagrams.
  public var datagramReceives = 0
  /// Reads of files.
  public var fileReads = 0

  /// Makes counters at zero.
  public init() {}
}

/// A stream between a socket of the core's and a peer of the simulated world.
struct Connection {
  enum State: Hashable {
    /// The attempt ends at `due`, well if `failure` is nil.
    case connecting(due: Instant, failure: HostError?)
    case open
    /// Failed or reset; `failure` is what the socket has still to report.
    case failed
  }

  var flow: FlowID?
  /// The peer's end for a connection that the core made, the listener's for one that it accepted.
  let remote: Endpoint
  /// Which of the host's services the connection is to; `remote` means nothing then.
  var hostService: HostService?
  /// The other end, where that is a socket of the core's, too; `remote` means nothing then.
  var partner: Int?
  /// That end is closed.
  var isPartnerGone = false
  var state: State
  var service: RemoteService

  // Towards the peer
  /// Taken by the socket, not yet by the peer.
  var sendBuffer: ByteQueue
  /// Read by the peer.
  var delivered: [UInt8] = []
  var deliveredCount = 0
  /// The core has ended its half.
  var isWritingFinished = false
  /// The peer has seen the end of that half.
  var peerSawEnd = false
  /// The peer has seen a reset.
  var peerSawReset = false
  /// Writable must be reported once there is room (SOCK_NOSPACE).
  var wantsWritable = false

  // From the peer
  /// Written by the peer, not yet in the socket for want of room.
  var outbox = ByteQueue(capacity: 64)
  /// In the socket, not yet removed by the core.
  var receiveBuffer: ByteQueue
  /// Bytes of the receive buffer that the core has seen.
  var seenCount = 0
  /// The peer ends its half behind the outbox.
  var peerFinishes = false
  /// A failure that the socket has not reported yet.
  var pendingError: HostError?
  /// What the network said while the connection was being made.
  var failure: HostFailure?
  /// How the first packet was marked.
  var marks = PacketMarks()

  init(flow: FlowID?, remote: Endpoint, state: State, service: RemoteService) {
    self.flow = flow
    self.remote = remote
    self.state = state
    self.service = service
    sendBuffer = ByteQueue(capacity: min(service.sendBufferSize, 1 << 16))
    receiveBuffer = ByteQueue(capacity: min(service.receiveBufferSize, 1 << 16))
  }

  /// The end of the peer's stream is in the socket.
  var isReadClosed: Bool { peerFinishes && outbox.count == 0 }

  /// Bytes of memory that the send buffer takes.
  var queuedMemory: Int { sendBuffer.count * service.memoryPercent / 100 }

  /// Bytes that the socket takes now.
  var sendRoom: Int { max(0, service.sendBufferSize - queuedMemory) * 100 / service.memoryPercent }

  /// Linux calls a socket writable when at least a third of its buffer is free (sk_stream_is_writeable).
  var isWritable: Bool { service.sendBufferSize - queuedMemory >= queuedMemory / 2 && sendRoom > 0 }

  /// What epoll would report now.
  var readiness: HostReadiness {
    var readiness: HostReadiness = []
    switch state {
    case .connecting:
      return []
    case .failed:
      // A dead socket is readable and writable: both calls return at once.
      return [.readable, .writable, .readClosed, .failed]
    case .open:
      if receiveBuffer.count > 0 || isReadClosed { readiness.insert(.readable) }
      if isWritable { readiness.insert(.writable) }
      if isReadClosed { readiness.insert(.readClosed) }
      if isPartnerGone { return readiness.union(.hungUp) }
      // EPOLLHUP: both halves have ended.
      if isReadClosed && isWritingFinished { readiness.insert(.failed) }
      return readiness
    }
  }
}
