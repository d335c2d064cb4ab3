public import LinuxSystem

/// Hears that the tables, chains or rules of nftables have changed in the network namespace in which it was made,
/// whoever has changed them.
public struct FilterMonitor: ~Copyable, Sendable {
  /// Readable when something has changed; never waits.
  public let descriptor: FileDescriptor

  /// NFNLGRP_NFTABLES, the seventh.
  private static let group: UInt32 = 1 << 6
  /// Reads in one call at most: what is left is heard of once more.
  private static let mostReads = 64

  /// Begins to hear, in the network namespace of the calling thread. Takes CAP_NET_ADMIN.
  public init() throws(SystemError) { descriptor = try FileDescriptor.netlinkListener(.filter, groups: Self.group) }

  /// Takes what has been heard since the last time; whether there was anything.
  ///
  /// What it was is not told: who wants to know asks for the rules.
  public func takeChanges() throws(SystemError) -> Bool {
    var hasChanged = false
    var buffer = [UInt8](repeating: 0, count: 32 * 1024)
    for _ in 0..<Self.mostReads {
      var space = buffer.mutableSpan
      do throws(SystemError) {
        guard let count = try descriptor.read(into: &space), count > 0 else { break }
        hasChanged = true
      } catch  where error.isOverrun {
        // More than the kernel keeps for a slow reader.
        hasChanged = true
      }
    }
    return hasChanged
  }
}
