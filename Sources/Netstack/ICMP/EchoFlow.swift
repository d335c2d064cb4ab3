import Primitives

/// The echo requests that a guest sends with one identifier, on one socket of the host (RFC 5508 section 3.1).
///
/// # Theory of operation
/// As with UDP, one identifier of a guest is one identifier outside, whomever it talks to: a sweep of a network takes
/// one socket. The host's socket puts an identifier of its own into what it sends, the guest's comes back into what it
/// gets; sequence numbers and data stay as they are. Replies come from addresses that the guest has asked. Only echo
/// is carried: no other query, and no message that the guest makes up as an error.
struct EchoFlow: DatagramFlow {
  /// The guest's address, with the identifier as its port.
  let guest: Endpoint
  var index: UInt32 = 0
  /// Whom the guest has last asked.
  var lastPeer: IPAddress
  /// Where the guest was found in the neighbor table.
  var neighbor = 0
  var deliveries = BatchLists<OutgoingDatagram>.List()
  /// Whether the flow waits in the work queue to go on reading.
  var isQueued = false
  var bytesFromGuest: UInt64 = 0
  var bytesToGuest: UInt64 = 0

  /// RFC 5508 REQ-2: not less than 60 seconds.
  static let idleTimeout = Interval.seconds(60)

  static func slot(at place: UInt32) -> FlowSlot { .echo(place) }

  init(guest: Endpoint, peer: IPAddress) {
    self.guest = guest
    lastPeer = peer
  }
}
