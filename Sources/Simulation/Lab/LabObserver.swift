public import Buffers
public import Netstack
public import Primitives

/// Notes what the core tells its observer.
public struct LabObserver: Observer, ~Copyable {
  /// Each reason for which something was dropped, in order.
  public private(set) var drops: [DropReason] = []
  /// The flows that began.
  public private(set) var openedFlows: [FlowSummary] = []
  /// The flows that ended, and how.
  public private(set) var closedFlows: [(flow: FlowSummary, end: FlowEnd)] = []
  /// The stations learned.
  public private(set) var stations: [(address: IPAddress, hardware: MACAddress)] = []
  /// The addresses leased.
  public private(set) var leases: [(address: IPAddress, hardware: MACAddress)] = []

  /// The families that it was told have no addresses left.
  public private(set) var exhaustions: [IPAddress.Family] = []
  /// How often it was told that the host has no sockets for echo.
  public private(set) var echoWarnings = 0

  init() {}

  /// How often something was dropped for `reason`.
  public func count(of reason: DropReason) -> Int { drops.count { $0 == reason } }

  /// Notes a drop.
  public mutating func dropped(_ reason: DropReason, on port: PortID) { drops.append(reason) }
  /// Notes a new flow.
  public mutating func opened(_ flow: FlowSummary) { openedFlows.append(flow) }
  /// Notes the end of a flow.
  public mutating func closed(_ flow: FlowSummary, end: FlowEnd) { closedFlows.append((flow, end)) }
  /// Notes a station.
  public mutating func learned(_ address: IPAddress, at hardware: MACAddress, on port: PortID) {
    stations.append((address, hardware))
  }
  /// Notes that there are no addresses left.
  public mutating func ranOutOfLeases(_ family: IPAddress.Family) { exhaustions.append(family) }
  /// Notes that there are no sockets for echo.
  public mutating func foundEchoForbidden() { echoWarnings += 1 }
  /// Notes a lease.
  public mutating func leased(_ address: IPAddress, to hardware: MACAddress, hostname: String) {
    leases.append((address, hardware))
  }
}
