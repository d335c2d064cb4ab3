public import Primitives

// Questions for people who look into a network; none is asked on the path of frames.
extension Stack where Host: ~Copyable, Watcher: ~Copyable {
  /// Calls `body` with each flow, for a log or a table.
  public func forEachFlow(_ body: (FlowSummary) -> Void) {
    for index in 0..<flows.highWater {
      guard let id = flows.id(at: index), let slot = flows.slot(of: id) else { continue }
      switch slot {
      case .tcp(let place): body(summary(of: tcp[place], id))
      case .udp(let place): body(summary(of: udp[place], id))
      case .echo(let place): body(summary(of: echo[place], id))
      case .transfer(let place): body(summary(of: transfers[place]))
      case .listener, .dns: break
      }
    }
  }

  /// Calls `body` with each port of the host that leads to a guest.
  public func forEachForward(_ body: (PortForward) -> Void) {
    for index in 0..<flows.highWater {
      guard let id = flows.id(at: index), case .listener(let place) = flows.slot(of: id) else { continue }
      body(listeners[place].forward)
    }
  }

  /// The leases of both families that hold at `now`, in the order of their addresses.
  public func leases(at now: Instant) -> [DHCPLease] { dhcp.leases(at: now) + dhcpv6.leases(at: now) }

  /// The addresses that a guest was assigned without its asking, IPv4's first.
  public func assignedAddresses(of hardware: MACAddress) -> [IPAddress] {
    [
      dhcp.table.assignedAddress(of: hardware).map { IPAddress($0) },
      dhcpv6.table.assignedAddress(of: hardware).map { IPAddress($0) },
    ].compactMap { $0 }
  }

  /// The leases that are worth restoring in another run: not those of guests that are assigned addresses, which are
  /// others then.
  public func restorableLeases(at now: Instant) -> [DHCPLease] {
    leases(at: now).filter { assignedAddresses(of: $0.hardware).isEmpty }
  }

  /// Whether another guest than the lease's was assigned its address.
  public func isAssignedElsewhere(_ lease: StaticLease) -> Bool {
    dhcp.table.entries.contains {
      $0.isAssigned && $0.address == lease.address && $0.isReserved(againstAnybodyBut: lease.hardware)
    }
  }

  /// Changes with each change of the leases of either family, the renewal of one included.
  @inline(__always)
  public var leaseRevision: Int { dhcp.table.revision + dhcpv6.table.revision }

  /// The servers that queries for the virtual resolver go to, best first.
  public var resolvers: [Endpoint] { dns.servers.list.map(\.endpoint) }
}
