import BasicContainers
import Primitives

/// Which addresses each UDP mapping has spoken to (RFC 4787 section 5, address-dependent filtering).
///
/// A table of fixed size for all mappings, four places to a set: a guest that speaks to very many hosts pushes out
/// what it spoke to longest ago, never what others need of memory. An entry is a keyed hash of flow and address; a
/// stranger is let in by chance once in 2^48 datagrams.
struct PeerFilter: ~Copyable {
  private static var setCount: Int { 4096 }
  private static var ways: Int { 4 }

  private var tags = UniqueArray<UInt64>(repeating: 0, count: PeerFilter.setCount * PeerFilter.ways)
  private let hash: SipHash
  private var nextWay: UInt8 = 0

  init(secret: UInt64) { hash = SipHash(key: secret, ~secret) }

  /// Notes that `flow` has sent to `address`.
  mutating func insert(_ address: IPAddress, of flow: FlowID) {
    let (set, tag) = place(of: address, flow)
    for way in 0..<Self.ways where tags[set + way] == tag { return }
    nextWay = (nextWay + 1) % UInt8(Self.ways)
    let free = (0..<Self.ways).first { tags[set + $0] == 0 } ?? Int(nextWay)
    tags[set + free] = tag
  }

  /// Whether `flow` has sent to `address` before.
  func contains(_ address: IPAddress, of flow: FlowID) -> Bool {
    let (set, tag) = place(of: address, flow)
    for way in 0..<Self.ways where tags[set + way] == tag { return true }
    return false
  }

  private func place(of address: IPAddress, _ flow: FlowID) -> (set: Int, tag: UInt64) {
    let value = hash.hash(address.mapped.high, address.mapped.low, flow.rawValue, 0, 0)
    return (Int(value >> 48) % Self.setCount * Self.ways, value | 1)
  }
}
