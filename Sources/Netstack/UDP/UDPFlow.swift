import Primitives

/// A guest's UDP traffic on one socket of the host.
///
/// # Theory of operation
/// - A **mapping** is open to the world: one unconnected socket for one address and port of a guest, whomever it talks
///   to, so that all peers see the same source (RFC 4787 REQ-1, endpoint-independent mapping). Datagrams come back
///   from addresses that the guest has spoken to, or as `NetworkSettings.udpFiltering` says (REQ-8; `PeerFilter`).
/// - A **connected** flow is for destinations that stand for something else: the host's loopback.
///   Its socket is connected, so that nobody else can answer, and refusals are heard.
/// - A **forwarded** flow is one client of a port forward. It has no socket of its own: it speaks through the
///   forward's listener.
///
/// Flows end when nothing was said for a while (REQ-5); traffic in either direction keeps them (REQ-6). Where there
/// are too many, or the host has no more sockets, the one unused for longest makes room.
struct UDPFlow: DatagramFlow {
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
  var index: UInt32 = 0
  /// Whom a mapping has last sent to: it may always answer, however many the others are.
  var lastPeer: Endpoint
  /// Whether all that goes to `lastPeer` goes through the mapping: the policy has nothing against it, and no forward
  /// leads there. Then nobody needs to be asked again for each datagram.
  var isPeerSettled = false
  /// Where the guest was found in the neighbor table.
  var neighbor = 0
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

  /// Whether what its guest sends to `remote` is known to be the mapping's.
  func isSettled(for remote: Endpoint) -> Bool { isPeerSettled && lastPeer == remote }

  /// Whether it has a socket of its own.
  var ownsSocket: Bool {
    switch kind {
    case .mapping, .connected: true
    case .forwarded: false
    }
  }

  /// RFC 4787 REQ-5: five minutes are recommended.
  static let idleTimeout = Interval.seconds(300)

  static func slot(at place: UInt32) -> FlowSlot { .udp(place) }

  init(_ kind: Kind, guest: Endpoint, remote: Endpoint, host: Endpoint) {
    self.kind = kind
    self.guest = guest
    self.remote = remote
    self.host = host
    lastPeer = remote
  }
}
