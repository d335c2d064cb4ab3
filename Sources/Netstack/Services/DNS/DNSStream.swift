import Primitives

/// A guest's connection to the virtual resolver (RFC 7766).
///
/// The guest's TCP connection ends as all others do, on a stream of the host's; of that stream the resolver has the
/// other end. So there are no buffers here either: queries wait in the stream until they are taken, and answers of
/// servers wait in the sockets that they came by until the guest's stream has room for all of one.
///
/// Several queries are under way at once, and are answered as their answers come (RFC 7766 section 6.2.1.1).
struct DNSStream: DatagramFlow {
  var client: DNSClient
  /// The first of its queries that wait for an answer.
  var queries: UInt32?
  var queryCount = 0
  /// The guest has ended its half, behind what is there to read.
  var isReadClosed = false
  /// All that the guest has asked was read: with the last answer the connection ends.
  var isFinished = false
  /// Whether it waits in the work queue.
  var isQueued = false
  /// The memory of the empty stream towards the guest, in bytes.
  var room = 0

  var index: UInt32 = 0
  /// Queries come by a stream, not with the batch.
  var deliveries = BatchLists<OutgoingDatagram>.List()

  static func slot(at place: UInt32) -> FlowSlot { DNSPlace.stream(place).slot }

  /// Connections at once.
  static var capacity: Int { 128 }
  /// Queries of one connection at once; more wait in the stream.
  static var maximumQueries: Int { 16 }
  /// How long a connection on which nothing goes either way is kept (RFC 7766 section 6.2.3).
  static var idleTime: Interval { .seconds(30) }
  /// Memory of the stream that answers of servers leave to answers of our own, which cannot wait, in bytes.
  private static var reserve: Int { 64 * 1024 }

  init(_ client: DNSClient) { self.client = client }

  /// The free memory that the stream has to have before `byteCount` bytes go to it. Never more than what there is when
  /// the host reports that there is room again, or that would be waited for in vain.
  func neededRoom(for byteCount: Int) -> Int { min(byteCount + Self.reserve, room / 4) }
}
