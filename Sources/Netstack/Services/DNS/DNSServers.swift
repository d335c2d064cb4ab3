public import Primitives

/// The servers that the virtual resolver asks, best first, and what they are like.
struct DNSServers {
  /// Servers that are asked at most; others of a list are left out.
  static var capacity: Int { 8 }
  /// How long a server that was silent is asked after all others.
  static var restTime: Interval { .seconds(30) }

  private(set) var list: [DNSServerSummary] = []
  private var rests: [Instant] = []

  var isEmpty: Bool { list.isEmpty }
  /// A bit for each.
  var all: UInt16 { 1 << UInt16(list.count) - 1 }

  subscript(server: Int) -> Endpoint { list[server].endpoint }

  /// Asks others from now on; what is known of those that stay is kept.
  /// - Returns: whether anything has changed.
  mutating func replace(by endpoints: [Endpoint]) -> Bool {
    let endpoints = endpoints.prefix(Self.capacity)
    guard endpoints.elementsEqual(list.map(\.endpoint)) == false else { return false }
    let known = list
    list = endpoints.map { endpoint in
      known.first { $0.endpoint == endpoint } ?? DNSServerSummary(endpoint: endpoint)
    }
    // Another list, another network perhaps: everybody has a new chance.
    rests = endpoints.map { _ in .zero }
    return true
  }

  /// The first server of a set, one that rests only where all of them do.
  /// - Precondition: the set is not empty.
  func first(of set: UInt16, at now: Instant) -> Int {
    for server in list.indices where set & 1 << UInt16(server) != 0 && rests[server] <= now { return server }
    return set.trailingZeroBitCount
  }

  mutating func asked(_ server: Int) { list[server].asked += 1 }

  /// A server has answered, whatever it said.
  mutating func answered(_ server: Int, after roundTrip: Interval) {
    list[server].answered += 1
    list[server].roundTrip = roundTrip
    rests[server] = .zero
  }

  /// A server has not answered in time, or is not to be reached.
  mutating func failed(_ server: Int, at now: Instant) {
    list[server].failed += 1
    rests[server] = now + Self.restTime
  }
}

/// A server that the virtual resolver asks, as people want to see it.
public struct DNSServerSummary: Hashable, Sendable {
  /// Where it is.
  public var endpoint: Endpoint
  /// How often it was asked.
  public var asked: UInt64 = 0
  /// How often it has answered, whatever it said.
  public var answered: UInt64 = 0
  /// How often it did not answer in time, or was not to be reached.
  public var failed: UInt64 = 0
  /// How long its latest answer took, nil where there was none.
  public var roundTrip: Interval?

  /// Makes a server that was never asked.
  public init(endpoint: Endpoint) { self.endpoint = endpoint }
}

/// What the virtual resolver has done.
public struct DNSStatistics: Hashable, Sendable {
  /// Queries that came.
  public internal(set) var queries: UInt64 = 0
  /// Queries that came again while the first was under way.
  public internal(set) var repetitions: UInt64 = 0
  /// Queries answered without asking anybody.
  public internal(set) var localAnswers: UInt64 = 0
  /// Answers of servers that went to guests.
  public internal(set) var forwardedAnswers: UInt64 = 0
  /// Queries for which no server had a good answer.
  public internal(set) var failures: UInt64 = 0
}
