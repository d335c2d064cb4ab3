import Buffers
import LinuxSystem
import Logging
import Netstack
import Primitives

/// Watches the core for the log: one line for each flow, guest and lease at debug, each dropped frame at trace, and a
/// count of drops by reason.
struct LogObserver: Observer {
  private let logger: Logger
  /// The services that could not be reached when they were last wanted, which is not said again and again.
  private var failingServices: Set<HostService> = []
  private var drops = [UInt64](repeating: 0, count: DropReason.allCases.count)

  /// Makes an observer that writes to `logger`.
  init(logger: Logger) { self.logger = logger }

  /// The reasons for which anything was dropped, and how often.
  var dropCounts: [(reason: DropReason, count: UInt64)] {
    DropReason.allCases.map { ($0, drops[Int($0.rawValue)]) }.filter { $0.1 > 0 }
  }

  mutating func dropped(_ reason: DropReason, on port: PortID) {
    drops[Int(reason.rawValue)] += 1
    logger.trace("port \(port.rawValue): dropped, \(reason)")
  }

  mutating func opened(_ flow: FlowSummary) {
    if let service = flow.service { failingServices.remove(service) }
    logger.debug("flow \(flow.id) opened: \(flow.route)")
  }

  mutating func closed(_ flow: FlowSummary, end: FlowEnd) {
    if let service = flow.service, flow.state == .connecting, case .failed(let error) = end,
      failingServices.insert(service).inserted
    {
      logger.warning("guests do not reach \(service.name) at \(flow.remote): \(error.words)")
    }
    logger.debug(
      "flow \(flow.id) closed: \(flow.route), \(end.words), \(flow.bytesFromGuest) B out, \(flow.bytesToGuest) B in")
  }

  mutating func learned(_ address: IPAddress, at hardware: MACAddress, on port: PortID) {
    logger.debug("port \(port.rawValue): \(address) is at \(hardware)")
  }

  mutating func foundEchoForbidden() {
    logger.warning(
      """
      guests cannot ping anybody outside: this process may have neither ping sockets nor raw ones. Let its group have \
      ping sockets with sysctl net.ipv4.ping_group_range="0 2147483647", or give it CAP_NET_RAW
      """)
  }

  mutating func ranOutOfLeases(_ family: IPAddress.Family) {
    let service = family == .ipv4 ? "DHCP" : "DHCPv6"
    logger.warning("\(service) has no address left, and more guests than it has addresses for; they get none")
  }

  mutating func leased(_ address: IPAddress, to hardware: MACAddress, hostname: String) {
    logger.debug("leased \(address) to \(hardware)\(hostname.isEmpty ? "" : ", which calls itself '\(hostname)'")")
  }
}

extension FlowSummary {
  /// The flow's ends in the direction in which it was begun, with the host's view where it differs.
  var route: String {
    let name =
      switch transport {
      case .tcp: "tcp"
      case .udp: "udp"
      case .icmp: "icmp echo"
      }
    let way = service?.name ?? localClient ?? (host == remote ? nil : "\(host)")
    let other = way.map { "\(remote) (\($0))" } ?? "\(remote)"
    return isInbound ? "\(name) \(other) -> \(guest)" : "\(name) \(guest) -> \(other)"
  }

  /// What a client without an endpoint is called, by the socket where it came.
  var localClient: String? { localPlace.map { "unix:\($0)" } }

  /// A line of the flow table.
  var tableLine: String {
    "flow \(id) \(route) \(state.rawValue) \(bytesFromGuest) B out \(bytesToGuest) B in"
  }
}

extension FlowEnd {
  /// The end in words.
  var words: String {
    switch self {
    case .finished: "finished"
    case .resetByGuest: "reset by the guest"
    case .failed(let error): error.words
    case .timedOut: "timed out"
    case .evicted: "evicted"
    case .shutDown: "shut down"
    }
  }
}

extension HostError {
  /// The error in words, as they follow a colon.
  var words: String {
    switch self {
    case .refused: "refused"
    case .reset: "reset by the peer"
    case .hostUnreachable: "the host is unreachable"
    case .networkUnreachable: "the network is unreachable"
    case .timedOut: "no answer"
    case .addressInUse: "the address is in use"
    case .addressUnavailable: "the address is not one of this host"
    case .forbidden: "not permitted"
    case .exhausted: "out of descriptors or memory"
    case .notASocket: "it is not a socket"
    case .messageTooLong: "the message is too long"
    case .other(let number): SystemError(number, "").reason
    }
  }
}
