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
