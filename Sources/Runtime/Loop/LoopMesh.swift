import BasicContainers
import Buffers
import LinuxSystem

/// The ways between the loops that serve one network.
final class LoopMesh: Sendable {
  /// How many loops there are.
  let count: Int
  /// From each loop to each, one after the other; no loop uses the one to itself.
  private let rings: [FrameRing]
  private let bells: [Doorbell]

  /// Wakes a loop, which its event queue watches.
  final class Doorbell: Sendable {
    let counter: EventCounter

    init() throws(SystemError) { counter = try EventCounter() }
  }

  /// Bytes of a ring: what a link brings in one batch, and the rest before its end that the longest frame leaves.
  private static var ringCapacity: Int { 512 * 1024 }

  init(count: Int) throws(SystemError) {
    self.count = count
    rings = (0..<count * count).map { FrameRing(capacity: $0 / count == $0 % count ? 64 : Self.ringCapacity) }
    var bells: [Doorbell] = []
    for _ in 0..<count { bells.append(try Doorbell()) }
    self.bells = bells
  }

  fileprivate func ring(from source: Int, to target: Int) -> FrameRing { rings[source * count + target] }

  fileprivate func bell(of loop: Int) -> Doorbell { bells[loop] }
}

/// A loop's end of the ways to the others of its network.
struct LoopExchange: ~Copyable {
  private let mesh: LoopMesh
  private let loop: Int
  /// Of each loop, nil while it is lent.
  private var readers = UniqueArray<FrameRingReader?>()
  /// The loops for which something was left, and who sleep perhaps; this one, where it has left something for later.
  private var unwoken: Set<Int> = []

  /// How many loops may have left something, this one counted.
  var count: Int { mesh.count }

  init(_ mesh: LoopMesh, loop: Int) {
    self.mesh = mesh
    self.loop = loop
    for other in 0..<mesh.count { readers.append(FrameRingReader(of: mesh.ring(from: other, to: loop))) }
  }

  /// The descriptor to watch: readable while the loop was not told of all that was left for it.
  var descriptor: Int32 { mesh.bell(of: loop).counter.descriptor.rawValue }

  // MARK: To other loops

  /// Whether each way has room for a whole batch of a link, so that none of its frames is lost.
  var hasRoomForBatch: Bool {
    for other in 0..<mesh.count where other != loop {
      let ring = mesh.ring(from: loop, to: other)
      if ring.freeByteCount < ring.capacity * 4 / 5 { return false }
    }
    return true
  }

  /// Leaves a copy of a frame for another loop; false where there is no room.
  mutating func handOver(_ frame: Int, of batch: borrowing FrameBatch, to other: Int) -> Bool {
    unwoken.insert(other)
    return mesh.ring(from: loop, to: other).append(frame, of: batch)
  }

  /// Wakes those for whom something was left since the last call, once each.
  mutating func wake() {
    guard !unwoken.isEmpty else { return }
    for other in unwoken { mesh.bell(of: other).counter.signal() }
    unwoken.removeAll(keepingCapacity: true)
  }

  // MARK: From other loops

  /// Notes that the loop was woken.
  func silence() throws(SystemError) { try mesh.bell(of: loop).counter.reset() }

  /// Lends a batch of what another loop has left, nil where there is nothing.
  mutating func takeBatch(of other: Int) -> FrameRingReader? {
    guard other != loop, readers[other]?.gather() ?? 0 > 0 else { return nil }
    return readers[other].take()
  }

  /// Takes a batch back, whose frames end.
  mutating func giveBack(_ reader: consuming FrameRingReader, of other: Int) {
    reader.release()
    readers[other] = consume reader
  }

  /// Has this loop go on with the next turn.
  mutating func leaveForLater() { unwoken.insert(loop) }
}
