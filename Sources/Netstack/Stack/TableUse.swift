import BasicContainers

/// How much of its tables and pools a network uses: what a guest, a client or time can fill, and what must be empty again
/// when all of them are gone.
public struct TableUse: Hashable, Sendable {
  /// Flows of all kinds, listeners and the resolver's sockets included; `NetworkSettings.maximumFlows` at most.
  public var flows: Int
  /// Flows that wait for a moment.
  public var timers: Int
  /// Guests' addresses that are remembered.
  public var neighbors: Int
  /// Blocks of payload that came before its turn.
  public var poolBlocks: Int
  /// Ranges that guests have reported to have beyond what they acknowledge.
  public var reportedRanges: Int
  /// Packets of which some parts are missing.
  public var incompletePackets: Int
  /// Flows that wait until a guest's hardware address is known.
  public var unresolvedFlows: Int
}

extension Stack where Host: ~Copyable, Watcher: ~Copyable {
  /// How much of its tables the network uses. Goes through some of them: not for the path of frames.
  public var tableUse: TableUse {
    TableUse(
      flows: flows.count, timers: timers.count, neighbors: neighbors.count, poolBlocks: pool.usedBlockCount,
      reportedRanges: scoreboard.rangeCount, incompletePackets: reassembler.packetCount,
      unresolvedFlows: unresolved.count)
  }
}
