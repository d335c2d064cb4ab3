import BasicContainers
import Primitives

/// The places of a slab in the order of their last use, so that the one unused for longest is at hand.
///
/// A list through two arrays: noting a use and finding the idlest cost the same however many there are. The order is
/// coarse, a place moves once in `step` at most: packets do not pay for it.
struct RecencyList: ~Copyable {
  struct Link {
    var next: Int32 = -1
    var previous: Int32 = -1
    var moved = Instant.zero
  }

  private var links = UniqueArray<Link>()
  private var head: Int32 = -1
  private var tail: Int32 = -1
  /// The number of places.
  private(set) var count = 0

  /// How exactly uses are told apart.
  static let step = Interval.seconds(1)

  /// The place unused for longest, nil where there is none.
  var idlest: UInt32? { head < 0 ? nil : UInt32(head) }

  /// Adds a place that is in use from now on.
  /// - Precondition: it is not in the list.
  mutating func append(_ place: UInt32, at now: Instant) {
    while links.count <= Int(place) { links.append(Link()) }
    links[Int(place)] = Link(previous: tail, moved: now)
    if tail < 0 { head = Int32(place) } else { links[Int(tail)].next = Int32(place) }
    tail = Int32(place)
    count += 1
  }

  /// Notes that a place is in use.
  @inline(__always)
  mutating func touch(_ place: UInt32, at now: Instant) {
    if now - links[Int(place)].moved >= Self.step { move(place, at: now) }
  }

  /// Puts a place behind all others.
  mutating func move(_ place: UInt32, at now: Instant) {
    remove(place)
    append(place, at: now)
  }

  /// Takes a place out.
  /// - Precondition: it is in the list.
  mutating func remove(_ place: UInt32) {
    let link = links[Int(place)]
    if link.previous < 0 { head = link.next } else { links[Int(link.previous)].next = link.next }
    if link.next < 0 { tail = link.previous } else { links[Int(link.next)].previous = link.previous }
    count -= 1
  }
}
