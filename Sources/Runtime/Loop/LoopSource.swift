/// Which of the loop's own descriptors an event belongs to, in the 64 bits that travel with the event.
///
/// The two top bits are 1. A flow's top bit is 0 (`FlowID`), a link's next one is (`LinkSource`).
enum LoopSource: UInt8 {
  /// Signals wait.
  case signals
  /// Requests of other threads wait.
  case mailbox
  /// A folder on the way to the host's `resolv.conf` has changed.
  case resolver
  /// The child process has ended.
  case child
  /// A command that was started for a guest's connection has ended.
  case command
  /// Another loop of the network has left frames.
  case exchange

  private static let mark: UInt64 = 0b11 << 62

  /// Reads the 64 bits of an event; nil where it is not the loop's own.
  init?(data: UInt64) {
    guard data & Self.mark == Self.mark else { return nil }
    self.init(rawValue: UInt8(truncatingIfNeeded: data))
  }

  /// The 64 bits.
  var data: UInt64 { Self.mark | UInt64(rawValue) }
}
