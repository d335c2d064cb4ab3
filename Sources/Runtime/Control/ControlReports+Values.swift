import Configuration
import Links
import Logging
import Netstack
import Primitives

// Reports of the values that loops answer with.

extension NetworkReport {
  init(_ status: NetworkStatus, _ capture: NetworkCapture, name: String) {
    let settings = status.settings
    self.init(
      name: name, mtu: settings.mtu, links: status.links.map(Link.init),
      flows: FlowCounts(tcp: status.tcpFlowCount, udp: status.udpFlowCount, icmp: status.echoFlowCount),
      forwards: status.forwardCount, leases: status.leaseCount, resolvers: status.resolvers.map(\.description),
      framesHandedOver: status.counters.framesHandedOver,
      capture: capture.link.status.map { CaptureReport.Capture($0) },
      hostCapture: capture.host?.status.map { CaptureReport.Capture($0) }, drops: [:])
    if settings.isIPv4Enabled {
      ipv4 = Family(
        network: "\(settings.ipv4Prefix)", gateway: "\(settings.ipv4Gateway)", resolver: "\(settings.ipv4Resolver)")
    }
    if settings.isIPv6Enabled {
      ipv6 = Family(
        network: "\(settings.ipv6Prefix)", gateway: "\(settings.ipv6Gateway)", resolver: "\(settings.ipv6Resolver)")
    }
    for reason in DropReason.allCases where status.counters[reason] > 0 {
      drops["\(reason)"] = status.counters[reason]
    }
  }
}

extension NetworkReport.Link {
  init(_ link: NetworkStatus.Link) {
    self.init(
      link: link.name, isConnected: link.isConnected, framesFromGuest: link.received.frameCount,
      bytesFromGuest: link.received.byteCount, framesToGuest: link.sent.frameCount, bytesToGuest: link.sent.byteCount)
  }
}

extension CaptureReport.Capture {
  init(_ status: LiveCapture.Status) {
    self.init(
      file: status.path, isRunning: status.isRunning, frames: status.counts.records, bytes: status.counts.bytes,
      dropped: status.dropCount, failure: status.failure)
  }
}

extension FlowTransport {
  init(_ transport: FlowProtocol) {
    switch transport {
    case .tcp: self = .tcp
    case .udp: self = .udp
    case .icmp: self = .icmp
    }
  }
}

extension FlowsReport.Flow {
  /// A flow of loop `loop` of its network.
  init(_ flow: FlowSummary, of loop: Int = 0) {
    self.init(
      id: loop == 0 ? "\(flow.id)" : "\(loop)/\(flow.id)", transport: FlowTransport(flow.transport),
      guest: flow.guest.description,
      remote: flow.remote.description, host: flow.service?.name ?? flow.localClient ?? flow.host.description,
      isInbound: flow.isInbound, state: flow.state.rawValue, bytesFromGuest: flow.bytesFromGuest,
      bytesToGuest: flow.bytesToGuest)
  }
}

extension ForwardsReport.Forward {
  init(_ forward: PortForward) {
    self.init(
      transport: forward.transport == .tcp ? .tcp : .udp, host: forward.host.address,
      guest: forward.guest.description, rule: HostForward(forward).description)
  }
}

extension LeasesReport.Lease {
  /// A lease at `now`.
  init(_ lease: DHCPLease, of settings: NetworkSettings, at now: Instant) {
    let kept = settings.staticLeases.first {
      $0.hardware == lease.hardware && IPAddress($0.address) == lease.address
    }
    self.init(
      address: lease.address.description, hardware: lease.hardware.description,
      hostname: lease.hostname.isEmpty ? nil : lease.hostname,
      remaining: Int((lease.expiry - now).nanoseconds / 1_000_000_000), isStatic: kept != nil)
  }
}

extension ResolversReport {
  init(_ status: ResolverStatus, network: String) {
    let counts = status.statistics
    self.init(
      network: network, servers: status.servers.map(Server.init), queries: counts.queries,
      repetitions: counts.repetitions, localAnswers: counts.localAnswers, forwardedAnswers: counts.forwardedAnswers,
      failures: counts.failures)
  }
}

extension ResolversReport.Server {
  init(_ server: DNSServerSummary) {
    self.init(
      server: server.endpoint.description, asked: server.asked, answered: server.answered, failed: server.failed,
      roundTrip: server.roundTrip.map { Int($0.nanoseconds / 1000) })
  }
}
