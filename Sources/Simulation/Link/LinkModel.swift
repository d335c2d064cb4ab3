public import Primitives

/// What a link does to frames in one direction.
public struct LinkModel: Hashable, Sendable {
  /// How long each frame takes.
  public var delay = Interval.zero
  /// Frames lost, of a thousand.
  public var lossPermille = 0
  /// Frames that arrive twice, of a thousand.
  public var duplicatePermille = 0
  /// Frames held up so that later ones overtake them, of a thousand.
  public var reorderPermille = 0
  /// How long a held-up frame takes at most beyond `delay`.
  public var reorderDelay = Interval.milliseconds(5)

  /// Makes a link that delivers everything at once and in order.
  public init() {}

  /// Makes a link that misbehaves.
  public init(
    delay: Interval = .zero, lossPermille: Int = 0, duplicatePermille: Int = 0, reorderPermille: Int = 0
  ) {
    self.delay = delay
    self.lossPermille = lossPermille
    self.duplicatePermille = duplicatePermille
    self.reorderPermille = reorderPermille
  }

  /// When a frame sent at `now` arrives: not at all, once or twice.
  func arrivals(of now: Instant, _ generator: inout SeededGenerator) -> [Instant] {
    var arrivals: [Instant] = []
    let copies = happens(duplicatePermille, &generator) ? 2 : 1
    for _ in 0..<copies where !happens(lossPermille, &generator) {
      var arrival = now + delay
      if happens(reorderPermille, &generator) {
        arrival = arrival + Interval(nanoseconds: Int64.random(in: 1...reorderDelay.nanoseconds, using: &generator))
      }
      arrivals.append(arrival)
    }
    return arrivals
  }

  private func happens(_ permille: Int, _ generator: inout SeededGenerator) -> Bool {
    permille > 0 && Int.random(in: 0..<1000, using: &generator) < permille
  }
}
