import BasicContainers
import Primitives

/// Whom each mapping has spoken to (RFC 4787 section 5), beside its last peer.
///
/// A table of fixed size for all mappings, four places to a set: a guest that speaks to very many hosts pushes out
/// what was spoken to longest ago, and takes no memory from others. An entry is a keyed hash of flow and peer; a
/// stranger is let in by chance once in 2^48 datagrams.
struct PeerFilter: ~Copyable {
  private static var setCount: Int { 8192 }
  private static var ways: Int { 4 }

  private var tags = UniqueArray<UInt64>(repeating: 0, count: PeerFilter.setCount * PeerFilter.ways)
  private let hash: SipHash
  private let tellsPorts: Bool
  private var nextWay: UInt8 = 0

  /// Makes a filter that tells peers apart by their ports, or by their addresses alone.
  init(secret: UInt64, tellsPorts: Bool) {
    hash = SipHash(key: secret, ~secret)
    self.tellsPorts = tellsPorts
  }

  /// Whether the filter takes two endpoints for one peer.
  func isSame(_ peer: Endpoint, _ other: Endpoint) -> Bool {
    peer.address == other.address && (peer.port == other.port || !tellsPorts)
  }

  /// Notes that `flow` has sent to `peer`.
  mutating func insert(_ peer: Endpoint, of flow: FlowID) {
    let (set, tag) = place(of: peer, flow)
    for way in 0..<Self.ways where tags[set + way] == tag { return }
    nextWay = (nextWay + 1) % UInt8(Self.ways)
    let free = (0..<Self.ways).first { tags[set + $0] == 0 } ?? Int(nextWay)
    tags[set + free] = tag
  }

  /// Whether `flow` has sent to `peer` before.
  func contains(_ peer: Endpoint, of flow: FlowID) -> Bool {
    let (set, tag) = place(of: peer, flow)
    for way in 0..<Self.ways where tags[set + way] == tag { return true }
    return false
  }

  private func place(of peer: Endpoint, _ flow: FlowID) -> (set: Int, tag: UInt64) {
    let port = tellsPorts ? UInt64(peer.port) : 0
    let value = hash.hash(peer.address.mapped.high, peer.address.mapped.low, flow.rawValue, port, 0)
    return (Int(value >> 48) % Self.setCount * Self.ways, value | 1)
  }
}
