import Primitives

/// A guest's UDP traffic on one socket of the host.
///
/// # Theory of operation
/// - A **mapping** is open to the world: one unconnected socket for one address and port of a guest, whomever it talks
///   to, so that all peers see the same source (RFC 4787 REQ-1, endpoint-independent mapping). Datagrams come back
///   from addresses that the guest has spoken to (REQ-8, address-dependent filtering; see `PeerFilter`).
/// - A **connected** flow is for destinations that stand for something else: the resolver, and the host's loopback.
///   Its socket is connected, so that nobody else can answer, and refusals are heard.
/// - A **forwarded** flow is one client of a port forward. It has no socket of its own: it speaks through the
///   forward's listener.
///
/// Flows end when nothing was said for a while (REQ-5); traffic in either direction keeps them.
struct UDPFlow {
  enum Kind: Hashable {
    case mapping
    case connected
    /// `client` is the client's true endpoint; `local` is the host's address that it asked.
    case forwarded(listener: FlowID, client: Endpoint, local: IPAddress?)
  }

  let kind: Kind
  let guest: Endpoint
  /// The other end as the guest sees it; unspecified for a mapping.
  let remote: Endpoint
  /// The other end as the host sees it.
  let host: Endpoint
  /// How long the flow lives without traffic.
  let timeout: Interval
  /// Where the guest was found in the neighbor table.
  var neighbor = 0
  /// Datagrams of the current batch, as a list in the stack's `datagrams`.
  var deliveries = BatchLists<OutgoingDatagram>.List()
  /// Whether the flow waits in the work queue to go on reading.
  var isQueued = false
  var bytesFromGuest: UInt64 = 0
  var bytesToGuest: UInt64 = 0

  /// Whether the guest's packets go where they say, and not to something of the host's that an address of ours
  /// stands for.
  var isDirect: Bool {
    switch kind {
    case .mapping: true
    case .connected: false
    case .forwarded(_, let client, _): client.address == remote.address
    }
  }

  /// RFC 4787 REQ-5: five minutes are recommended.
  static let idleTimeout = Interval.seconds(300)
  /// A query to a resolver is answered at once or not at all.
  static let resolverTimeout = Interval.seconds(10)
  /// The port of DNS.
  static let resolverPort: UInt16 = 53

  init(_ kind: Kind, guest: Endpoint, remote: Endpoint, host: Endpoint) {
    self.kind = kind
    self.guest = guest
    self.remote = remote
    self.host = host
    timeout = kind == .connected && remote.port == Self.resolverPort ? Self.resolverTimeout : Self.idleTimeout
  }
}

/// What the failures were that a socket had to tell.
struct ToldFailures {
  /// How many.
  var count = 0
  /// Set where the host itself does not take packets as long as the one it was given.
  var tooBig: NetworkReport?

  var isEmpty: Bool { count == 0 }

  /// Failures that are told in one go; more come with the next event.
  static var limit: Int { 64 }
}

/// How sending one datagram has gone so far.
///
/// A socket gives back the pending error of an earlier datagram instead of taking a new one, and has others queued
/// behind it, so that a failure says nothing as such: only a datagram that fails when all of them were told has failed
/// itself. The host's own limit is told beside the failure that it makes.
struct SendAttempts {
  private var failures = 0
  private var wasSilent = false

  /// Whether sending has failed for good, given what the socket had to tell after this failure.
  mutating func isOver(_ told: ToldFailures) -> Bool {
    failures += 1
    guard told.tooBig == nil, failures < Self.limit else { return true }
    guard told.isEmpty else { return false }
    defer { wasSilent = true }
    return wasSilent
  }

  /// Somebody may send us errors faster than we read them.
  private static var limit: Int { 8 }
}
