/// What a network has seen, for people who look into it.
public struct Counters: Hashable, Sendable {
  /// Frames that came from guests.
  public internal(set) var framesFromGuest: UInt64 = 0
  /// Frames that went to guests.
  public internal(set) var framesToGuest: UInt64 = 0
  /// Frames that were handed to another loop of the network.
  public internal(set) var framesHandedOver: UInt64 = 0
  private var drops = [UInt64](repeating: 0, count: DropReason.allCases.count)

  /// How much was dropped for `reason`.
  public subscript(reason: DropReason) -> UInt64 { drops[Int(reason.rawValue)] }

  /// Adds what another loop of the same network has seen.
  public mutating func add(_ other: Counters) {
    framesFromGuest += other.framesFromGuest
    framesToGuest += other.framesToGuest
    framesHandedOver += other.framesHandedOver
    for index in drops.indices { drops[index] += other.drops[index] }
  }

  mutating func count(_ reason: DropReason) { drops[Int(reason.rawValue)] += 1 }
}
