import Buffers
import Primitives

/// One port of the network.
struct PortState {
  /// Whether a link has a peer here.
  var isAttached = false
  /// What the link does for frames.
  var offloads: LinkOffloads = []
  /// Whether the link had no room when it was last asked; cleared when it says that it has.
  var isBlocked = false
  /// When the flows of a lost peer are given up.
  var expiry = Instant.never
}

extension PortState {
  /// How long the flows of a link whose peer is gone are kept for the next one.
  static let lossTimeout = Interval.seconds(60)
}
