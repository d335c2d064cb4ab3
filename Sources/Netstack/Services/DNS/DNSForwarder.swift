import BasicContainers
import Buffers
import Primitives
import Wire

/// The virtual resolver: it knows a few names itself, and asks the host's name servers for all others.
///
/// # Theory of operation
/// - A **query** is a guest's message that waits for an answer. It goes on as it is, but for its identifier, and its
///   answer comes back as it is, but for its identifier: types, options and case that nobody here knows go through
///   unchanged. A query that comes again while it waits is not asked again.
/// - An **exchange** is a query at one of the servers, on a socket of its own: the port, which the host chooses, and the
///   identifier are new for each, and the socket hears nobody but its server (RFC 5452 sections 9.1 and 9.2). An answer
///   counts if it has the identifier, the operation and the question of the exchange.
/// - A **stream** is a guest's connection, see `DNSStream`. A query that came by TCP goes on by TCP, on a connection of
///   its own.
/// - The servers are asked in their order, the next one when a second has passed, or as soon as one refuses or reports a
///   failure; earlier exchanges are still listened to. Once all were asked they are asked again, at longer intervals. A
///   server that was silent, or not to be reached, is asked last for a while.
/// - A guest has an answer after five seconds: the best that a server gave, or SERVFAIL.
///
/// Everything is bounded: queries, and by them exchanges, by `capacity`, a query by `longestQuery`, streams and their
/// queries as `DNSStream` says. Where the table is full, the oldest query makes room, one of the same guest's first.
/// There is no cache: the host's servers have one.
///
/// The stack does what needs a socket or a frame, `Stack+DNS*.swift`; this is the state, and what can be decided by it.
struct DNSForwarder: ~Copyable {
  /// Queries that wait at once.
  static var capacity: Int { 1024 }
  /// The longest query in bytes. Answers may be as long as a message can be.
  static var longestQuery: Int { 4094 }
  /// How long a guest waits for an answer at most.
  static var patience: Interval { .seconds(5) }
  /// How long a server is waited for before the next one is asked, in the first round.
  static var attemptTime: Interval { .seconds(1) }
  /// Bytes of a message's length, which stands before it in a stream (RFC 1035 section 4.2.2).
  static var prefixLength: Int { 2 }
  /// The longest message of a stream, with its length before it, in bytes.
  static var longestArrival: Int { prefixLength + Int(UInt16.max) }

  var servers = DNSServers()
  var queries = DatagramFlows<DNSQuery>(capacity: DNSForwarder.capacity)
  var exchanges = Slab<DNSExchange>(capacity: DNSForwarder.capacity * DNSServers.capacity)
  var streams = DatagramFlows<DNSStream>(capacity: DNSStream.capacity)
  var names: LocalNames
  var statistics = DNSStatistics()
  private let isRestricted: Bool

  /// A block for each query: its length as a stream has it before a message, the message, and behind that the best
  /// answer of those that one would not give to a guest. One more for what is written to a stream.
  var blocks = BlockPool(count: DNSForwarder.capacity + 1, blockSize: DNSForwarder.blockSize)
  private static var blockSize: Int { prefixLength + longestQuery }
  static var replyBlock: Int { capacity }
  /// The message that is being looked at.
  var inquiry = UniqueArray<UInt8>(repeating: 0, count: DNSForwarder.longestQuery)
  /// The message that is being written.
  var reply = UniqueArray<UInt8>(repeating: 0, count: DNSForwarder.longestQuery)

  init(settings: NetworkSettings) {
    names = LocalNames(settings: settings)
    isRestricted = settings.isRestricted
  }

  // MARK: Queries from guests

  /// What becomes of a message from a guest.
  enum Judgement {
    case drop(DropReason)
    /// It is answered by the first bytes of `reply`.
    case answer(byteCount: Int)
    /// The servers are asked.
    case forward(DNSRequest)
  }

  /// Takes a copy of what may be a query; of a longer one only as much as there is room for.
  mutating func copy(_ payload: PayloadSlice, of batch: borrowing FrameBatch) {
    var part = payload
    part.count = min(payload.count, Self.longestQuery)
    var bytes = inquiry.mutableSpan
    batch.copy(part, to: &bytes)
  }

  /// Decides on the message in `inquiry`, which is, or was, `byteCount` bytes long.
  mutating func judge(
    byteCount: Int, isStream: Bool, _ dhcp: borrowing DHCPServer, _ dhcpv6: borrowing DHCPv6Server, at now: Instant
  ) -> Judgement {
    guard byteCount >= DNSHeader.length else { return .drop(.malformed) }
    var request = DNSRequest(inquiry, byteCount: min(byteCount, Self.longestQuery), isStream: isStream)
    // An answer to an answer would go round for ever.
    guard !request.header.flags.isResponse else { return .drop(.ignoredRequest) }
    statistics.queries += 1
    switch request.header.flags.opcode {
    case .query, .notify, .update: break
    // Whatever else there may be is a matter of two ends (RFC 8490 section 5.1) or obsolete (RFC 3425).
    default: return refuse(request, .notImplemented)
    }
    guard byteCount <= Self.longestQuery else { return refuse(request, .refused) }
    guard request.read(inquiry), let question = request.question else { return refuse(request, .formatError) }
    if request.header.flags.opcode == .query {
      if let count = names.answer(request, question, inquiry, dhcp, dhcpv6, at: now, into: &reply) {
        statistics.localAnswers += 1
        return .answer(byteCount: count)
      }
      // A transfer is many messages in answer to one.
      let isTransfer = question.type == .transfer || question.type == .incrementalTransfer && isStream
      guard !isTransfer else { return refuse(request, .refused) }
    }
    guard !isRestricted else { return refuse(request, .refused) }
    guard !servers.isEmpty else {
      statistics.failures += 1
      return refuse(request, .serverFailure)
    }
    return .forward(request)
  }

  private mutating func refuse(_ request: DNSRequest, _ code: DNSResponseCode) -> Judgement {
    .answer(byteCount: request.writeAnswer(code, inquiry, into: &reply))
  }

  /// Keeps the message in `inquiry` as that of the query at `place`.
  mutating func keep(_ byteCount: Int, for place: UInt32) {
    blocks.store(UInt16(byteCount), to: Int(place), at: 0)
    blocks.copy(inquiry, byteCount, to: Int(place), at: Self.prefixLength)
  }

  /// Whether the message in `inquiry` is that of the query at `place` once more, but for the identifier: in what is kept
  /// that is an exchange's.
  func isRepetition(_ place: UInt32, byteCount: Int) -> Bool {
    guard queries[place].byteCount == byteCount else { return false }
    let (known, asked) = (blocks.bytes(Int(place)), inquiry.span)
    for index in 2..<byteCount where known[Self.prefixLength + index] != asked[index] { return false }
    return true
  }

  // MARK: Exchanges

  /// The exchange of a query at a server, where there is one.
  func exchange(of place: UInt32, at server: Int) -> UInt32? {
    var next = queries[place].exchanges
    while let exchange = next {
      if exchanges[exchange].server == server { return exchange }
      next = exchanges[exchange].next
    }
    return nil
  }

  /// Puts the identifier of an exchange into its query's message.
  mutating func identify(_ exchange: UInt32) {
    let (place, identifier) = (exchanges[exchange].query, exchanges[exchange].identifier)
    blocks.store(identifier, to: Int(place), at: Self.prefixLength)
  }

  /// Takes an exchange out of its query's list.
  mutating func unlink(_ exchange: UInt32) {
    let (query, next) = (exchanges[exchange].query, exchanges[exchange].next)
    guard var previous = queries[query].exchanges, previous != exchange else {
      queries[query].exchanges = next
      return
    }
    while let other = exchanges[previous].next, other != exchange { previous = other }
    exchanges[previous].next = next
  }

  /// The server to ask next, nil where none is left; with `repeats` those that were asked before are asked again.
  mutating func nextServer(for place: UInt32, repeats: Bool, at now: Instant) -> Int? {
    let possible = servers.all & ~queries[place].failed
    guard possible != 0 else { return nil }
    if possible & ~queries[place].asked == 0 {
      guard repeats else { return nil }
      queries[place].asked = 0
      queries[place].round += 1
    }
    let server = servers.first(of: possible & ~queries[place].asked, at: now)
    queries[place].asked |= 1 << UInt16(server)
    queries[place].latest = UInt8(server)
    return server
  }

  /// When a query that has just been asked is looked at again.
  func nextStep(of place: UInt32, at now: Instant) -> Instant {
    min(now + Self.attemptTime * Int64(queries[place].round), queries[place].begin + Self.patience)
  }

  // MARK: Answers

  /// What an answer is worth.
  enum Verdict {
    /// It belongs to nothing that was asked.
    case stray
    /// It is for the guest.
    case good
    /// It is for the guest only if no other server has a better one.
    case poor
  }

  /// Judges what has come for an exchange (RFC 5452 section 9.1).
  func judge(_ answer: Span<UInt8>, for exchange: UInt32) -> Verdict {
    let known = blocks.bytes(Int(exchanges[exchange].query)).extracting(droppingFirst: Self.prefixLength)
    do throws(WireError) {
      let (message, query) = (try DNSMessage(answer), try DNSMessage(known))
      let flags = message.header.flags
      guard flags.isResponse, message.header.identifier == exchanges[exchange].identifier,
        flags.opcode == query.header.flags.opcode
      else { return .stray }
      let isPoor = flags.responseCode == .serverFailure || flags.responseCode == .refused
      guard let question = try message.question() else {
        // Servers that cannot read a query do not repeat it (RFC 2136 section 3.8 allows it as well); there is nothing in
        // such an answer to be deceived by.
        guard flags.responseCode != .noError, flags.responseCode != .nameError else { return .stray }
        return isPoor ? .poor : .good
      }
      guard question == (try query.question()),
        DNSName.isSame(answer.extracting(question.nameRange), known.extracting(question.nameRange))
      else { return .stray }
      return isPoor ? .poor : .good
    } catch {
      return .stray
    }
  }

  /// Keeps an answer of no use until there is a better one: of several the first SERVFAIL, which says more of the
  /// name than a REFUSED does.
  mutating func keep(_ answer: Span<UInt8>, for place: UInt32) {
    let (start, kept) = (Self.prefixLength + queries[place].byteCount, queries[place].answerByteCount)
    guard start + answer.count <= Self.blockSize else { return }
    let failure = UInt8(DNSResponseCode.serverFailure.rawValue)
    if kept > 0 {
      let keptCode = blocks.bytes(Int(place))[start + 3] & 0x0f
      guard keptCode != failure, answer[3] & 0x0f == failure else { return }
    }
    queries[place].answerByteCount = answer.count
    blocks.copy(answer, to: Int(place), at: start)
  }

  /// Writes what the guest of a query gets where no server has had a good answer, and returns its length.
  mutating func writeFailure(of place: UInt32) -> Int {
    let query = queries[place]
    let start = Self.prefixLength + query.byteCount
    if query.answerByteCount > 0 && query.answerByteCount <= query.answerLimit {
      blocks.copy(Int(place), start..<(start + query.answerByteCount), as: query.identifier, to: &reply)
      return query.answerByteCount
    }
    blocks.copy(Int(place), Self.prefixLength..<start, as: query.identifier, to: &inquiry)
    var request = DNSRequest(inquiry, byteCount: query.byteCount, isStream: query.client.isStream)
    guard request.read(inquiry) else { preconditionFailure("a query that was read cannot be read again") }
    return request.writeAnswer(.serverFailure, inquiry, into: &reply)
  }

  /// Writes an answer that is longer than its guest takes without its records, so that the guest asks by TCP (RFC 6891
  /// section 6.2.5, RFC 2181 section 9), and returns its length.
  mutating func writeTruncated(_ answer: Span<UInt8>, for place: UInt32) throws(WireError) -> Int {
    let message = try DNSMessage(answer)
    let question = try message.question()
    var header = DNSHeader(identifier: queries[place].identifier, flags: message.header.flags, questionCount: 0)
    header.flags.isTruncated = true
    var bytes = reply.mutableSpan
    return DNSMessageWriter(
      header, question: question, of: answer, edns: try message.edns(behind: question), into: &bytes
    ).finish()
  }
}

// Spans of two of the forwarder's own stores at once would count as overlapping accesses to it.
extension BlockPool {
  /// Copies the first bytes of `source` into a block, from its byte `offset` on.
  mutating func copy(_ source: borrowing UniqueArray<UInt8>, _ count: Int, to block: Int, at offset: Int) {
    copy(source.span.extracting(0..<count), to: block, at: offset)
  }

  /// Copies a message from a block to the start of `target`, with its guest's identifier.
  fileprivate borrowing func copy(
    _ block: Int, _ range: Range<Int>, as identifier: UInt16, to target: inout UniqueArray<UInt8>
  ) {
    var bytes = target.mutableSpan
    bytes.copy(self.bytes(block).extracting(range))
    bytes.storeBigEndian(identifier, at: 0)
  }
}

// What is read from datagrams.
extension DNSForwarder {
  /// Puts the first bytes of `reply` into `inbox`, from which datagrams are sent.
  borrowing func putReply(_ byteCount: Int, into inbox: inout DatagramBatch) {
    inbox.removeAll()
    let isTaken = inbox.append(
      reply.span.extracting(0..<byteCount), from: Endpoint(.any(.ipv4), port: 0))
    precondition(isTaken, "an empty batch takes one datagram")
  }

  /// As `judge`, of a datagram of `inbox`.
  borrowing func judge(_ inbox: borrowing DatagramBatch, _ datagram: Int, for exchange: UInt32) -> Verdict {
    judge(inbox.payload(datagram), for: exchange)
  }

  /// As `keep`, of a datagram of `inbox`.
  mutating func keep(_ inbox: borrowing DatagramBatch, _ datagram: Int, for place: UInt32) {
    keep(inbox.payload(datagram), for: place)
  }

  /// As `writeTruncated`, of a datagram of `inbox`.
  mutating func writeTruncated(
    _ inbox: borrowing DatagramBatch, _ datagram: Int, for place: UInt32
  ) throws(WireError) -> Int {
    try writeTruncated(inbox.payload(datagram), for: place)
  }
}
