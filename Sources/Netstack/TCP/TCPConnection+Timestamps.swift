import Primitives
import Wire

// RFC 7323: timestamps measure round trips also of what was sent again, and tell old segments from new ones (PAWS).
extension TCPConnection {
  /// RFC 7323 section 5.5: a timestamp that was not renewed for so long says nothing any more; 24 days in seconds.
  private static let timestampLifetime: UInt32 = 24 * 24 * 3600

  /// Our clock, in milliseconds (RFC 7323 section 4.1 asks for a tick of 1 ms to 1 s).
  @inline(__always)
  func timestamp(at now: Instant) -> UInt32 {
    UInt32(truncatingIfNeeded: now.nanoseconds / 1_000_000) &+ timestampOffset
  }

  /// The options of every segment behind the handshake.
  @inline(__always)
  func options(at now: Instant) -> TCPOptions {
    guard agreed.contains(.timestamps) else { return TCPOptions() }
    return TCPOptions(timestamps: TCPTimestamps(value: timestamp(at: now), echo: timestampRecent))
  }

  /// How many bytes the options of a segment with data take.
  var optionLength: Int { agreed.contains(.timestamps) ? 12 : 0 }

  /// RFC 7323 section 5.3, R1: whether the segment's timestamp does not lie before the last one.
  ///
  /// A segment without the option is taken although both sides agreed on it: section 3.2 says that it SHOULD be
  /// dropped, Linux takes it, and a guest that forgets its timestamps is better served than starved.
  func isTimely(_ segment: TCPArrival, at now: Instant) -> Bool {
    // Resets are exempt; a SYN is challenged whatever its age (RFC 5961 section 4.2).
    guard agreed.contains(.timestamps), segment.flags.isDisjoint(with: [.rst, .syn]) else { return true }
    guard let timestamps = segment.options.timestamps else { return true }
    let isOlder = Int32(bitPattern: timestamps.value &- timestampRecent) < 0
    return !isOlder || now.wholeSeconds &- timestampAge > Self.timestampLifetime
  }

  /// RFC 7323 section 4.3: takes over the timestamp to echo, that of the first segment not yet acknowledged.
  mutating func takeTimestamp(_ segment: TCPArrival, at now: Instant) {
    guard agreed.contains(.timestamps), let timestamps = segment.options.timestamps,
      segment.sequence <= lastAcknowledgment,
      Int32(bitPattern: timestamps.value &- timestampRecent) >= 0
        || now.wholeSeconds &- timestampAge > Self.timestampLifetime
    else { return }
    timestampRecent = timestamps.value
    timestampAge = now.wholeSeconds
  }

  /// A SYN that is repeated has a newer timestamp, by which the guest measures the handshake.
  mutating func renewTimestamp(_ syn: TCPArrival) {
    if agreed.contains(.timestamps), let timestamps = syn.options.timestamps { timestampRecent = timestamps.value }
  }

  /// RFC 7323 section 4.1: how long ago we sent what the segment echoes, nil where it echoes nothing of ours.
  func echoedRoundTrip(_ segment: TCPArrival, at now: Instant) -> Interval? {
    guard agreed.contains(.timestamps), let timestamps = segment.options.timestamps, timestamps.echo != 0 else {
      return nil
    }
    let elapsed = Int32(bitPattern: timestamp(at: now) &- timestamps.echo)
    guard elapsed >= 0 else { return nil }
    return min(.milliseconds(Int64(elapsed)), Self.maximumTimeout)
  }
}

extension Instant {
  /// Whole seconds since the origin, modulo 2^32.
  var wholeSeconds: UInt32 { UInt32(truncatingIfNeeded: nanoseconds / 1_000_000_000) }
}
