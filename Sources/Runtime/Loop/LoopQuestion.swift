import Links
import Logging
import Netstack
import Primitives
import Recording

/// A question to a loop, with the place for its answer.
///
/// A loop only collects values; whoever asked makes text of them, on a thread of its own.
enum LoopQuestion: Equatable, Sendable {
  /// What the network is and has seen.
  case status(Reply<NetworkStatus>)
  /// The flows.
  case flows(Reply<[FlowSummary]>)
  /// The ports of the host that lead to guests.
  case forwards(Reply<[PortForward]>)
  /// The addresses that DHCP has leased.
  case leases(Reply<[DHCPLease]>)
  /// What the virtual resolver has done, and whom it asks.
  case resolver(Reply<ResolverStatus>)
  /// How much of what guests have said the host's peers have not acknowledged, in bytes.
  case undelivered(Reply<Int>)
  /// What comes of a command; nil for success.
  case outcome(of: Command, Reply<CommandError?>)

  /// Says that nobody will answer.
  func abandon() {
    switch self {
    case .status(let reply): reply.abandon()
    case .flows(let reply): reply.abandon()
    case .forwards(let reply): reply.abandon()
    case .leases(let reply): reply.abandon()
    case .resolver(let reply): reply.abandon()
    case .undelivered(let reply): reply.abandon()
    case .outcome(_, let reply): reply.abandon()
    }
  }
}

/// A network at one moment.
struct NetworkStatus: Sendable {
  /// A link, and what has gone over it.
  struct Link: Sendable {
    /// As it is given on the command line.
    var name: String
    var isConnected: Bool
    var received: FrameReceiver.Counters
    var sent: FrameTransmitter.Counters
  }

  var settings: NetworkSettings
  var links: [Link] = []
  var counters: Counters
  var resolvers: [Endpoint]
  var tcpFlowCount = 0
  var udpFlowCount = 0
  var echoFlowCount = 0
  var forwardCount = 0
  var leaseCount: Int
}

extension NetworkStatus {
  /// Adds what another loop of the network has seen.
  mutating func add(_ other: NetworkStatus) {
    for (index, link) in other.links.enumerated() where index < links.count {
      links[index].received.add(link.received)
      links[index].sent.add(link.sent)
    }
    counters.add(other.counters)
    tcpFlowCount += other.tcpFlowCount
    udpFlowCount += other.udpFlowCount
    echoFlowCount += other.echoFlowCount
    forwardCount += other.forwardCount
  }
}

/// The virtual resolver at one moment.
struct ResolverStatus: Sendable {
  var servers: [DNSServerSummary]
  var statistics: DNSStatistics
}

extension NetworkLoop where Host: ~Copyable {
  /// Answers a question of another thread.
  mutating func answer(_ question: LoopQuestion) {
    switch question {
    case .status(let reply): reply.give(status())
    case .flows(let reply):
      var flows: [FlowSummary] = []
      stack.core.forEachFlow { flows.append($0) }
      reply.give(flows)
    case .forwards(let reply):
      var forwards: [PortForward] = []
      stack.core.forEachForward { forwards.append($0) }
      reply.give(forwards)
    case .leases(let reply): reply.give(stack.core.leases(at: now))
    case .resolver(let reply):
      var servers: [DNSServerSummary] = []
      stack.core.forEachResolver { servers.append($0) }
      reply.give(ResolverStatus(servers: servers, statistics: stack.core.resolverStatistics))
    case .undelivered(let reply): reply.give(stack.undeliveredByteCount(at: now))
    case .outcome(let command, let reply):
      do throws(CommandError) {
        try stack.apply(command, at: now, into: &links)
        logger.info("\(command.words)")
        reply.give(nil)
      } catch {
        reply.give(error)
      }
    }
  }

  private mutating func status() -> NetworkStatus {
    var status = NetworkStatus(
      settings: stack.core.settings, counters: stack.core.counters, resolvers: stack.core.resolvers,
      leaseCount: stack.core.leases(at: now).count)
    stack.core.forEachFlow { flow in
      switch flow.transport {
      case .tcp: status.tcpFlowCount += 1
      case .udp: status.udpFlowCount += 1
      case .icmp: status.echoFlowCount += 1
      }
    }
    stack.core.forEachForward { _ in status.forwardCount += 1 }
    for port in links.base.ports {
      let link = links.base.withLink(of: port) { link in
        NetworkStatus.Link(
          name: link.attachment.name, isConnected: link.isAttached, received: link.receiver.counters,
          sent: link.transmitter.counters)
      }
      status.links.append(link)
    }
    return status
  }
}
