import Primitives
import Wire

/// Who has asked.
struct DNSClient {
  /// The guest's end.
  let guest: Endpoint
  /// The address that it asked, and where the answer comes from.
  let resolver: Endpoint
  /// Where the guest was found in the neighbor table.
  let neighbor: Int
  /// The connection by which it asked, a place in the forwarder's `streams`; nil for UDP.
  var stream: UInt32?

  /// Whether it asked by TCP.
  var isStream: Bool { stream != nil }
}

/// A guest's message that waits for an answer, see `DNSForwarder`.
struct DNSQuery: DatagramFlow {
  let client: DNSClient
  /// The guest's identifier.
  let identifier: UInt16
  /// Bytes of the message.
  let byteCount: Int
  /// The longest answer that the guest takes, in bytes.
  let answerLimit: Int
  /// When it came.
  let begin: Instant

  /// The servers asked in this round, a bit for each.
  var asked: UInt16 = 0
  /// The servers that are not asked again.
  var failed: UInt16 = 0
  /// How often all servers are being asked.
  var round: UInt8 = 1
  /// The server asked last.
  var latest: UInt8 = 0
  /// The first of the query's exchanges.
  var exchanges: UInt32?
  /// Bytes of the answer that is kept for want of a better one.
  var answerByteCount = 0
  /// The exchange whose answer waits for room in the guest's connection.
  var waiting: UInt32?
  /// The next query of the same connection.
  var next: UInt32?

  var index: UInt32 = 0
  /// A query is forwarded at once, and not at the end of the batch.
  var deliveries = BatchLists<OutgoingDatagram>.List()

  static func slot(at place: UInt32) -> FlowSlot { DNSPlace.query(place).slot }

  init(_ request: DNSRequest, from client: DNSClient, at now: Instant) {
    self.client = client
    identifier = request.header.identifier
    byteCount = request.byteCount
    answerLimit = request.answerLimit
    begin = now
  }

  /// Forgets what was asked of whom.
  mutating func restart() { (asked, failed, round, answerByteCount) = (0, 0, 1, 0) }
}

/// A query at one of the servers.
struct DNSExchange {
  let query: UInt32
  let server: Int
  let identifier: UInt16
  /// When it was last sent.
  var sent: Instant
  /// The name of its socket.
  var flow = FlowID(index: 0, generation: 0)
  /// Whether its connection is still being made, where it is one.
  var isConnecting = false
  /// Whether the server has ended its half of that, behind what is there to read.
  var isReadClosed = false
  /// The next exchange of the same query.
  var next: UInt32?
}

/// Which of the resolver's tables an entry of the flow table stands for, and the place there.
enum DNSPlace {
  case query(UInt32)
  case exchange(UInt32)
  case stream(UInt32)

  private static var kindShift: UInt32 { 30 }

  init(rawValue: UInt32) {
    let place = rawValue & (1 << Self.kindShift - 1)
    switch rawValue >> Self.kindShift {
    case 0: self = .query(place)
    case 1: self = .exchange(place)
    default: self = .stream(place)
    }
  }

  /// What the flow table keeps.
  var slot: FlowSlot {
    switch self {
    case .query(let place): .dns(place)
    case .exchange(let place): .dns(1 << Self.kindShift | place)
    case .stream(let place): .dns(2 << Self.kindShift | place)
    }
  }
}
