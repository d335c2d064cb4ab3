public import Configuration

// The results of the control methods, as they stand in JSON. Addresses, rules and states are texts; `README.md` beside
// this file gives each member's meaning and unit.

/// What a flow speaks.
public enum FlowTransport: String, CaseIterable, Codable, Hashable, Sendable {
  case tcp, udp
  /// Echo requests and replies of either ICMP.
  case icmp
}

/// The result of `status`.
public struct StatusReport: Codable, Hashable, Sendable {
  /// `culvert 0.1.0`.
  public var version: String
  /// The process's number.
  public var processID: Int32
  /// Since the start, in seconds.
  public var uptime: Int
  /// How much is logged.
  public var logLevel: LogLevel
  /// The networks, the first one first.
  public var networks: [NetworkReport]
}

/// A network.
public struct NetworkReport: Codable, Hashable, Sendable {
  /// The addresses of one family.
  public struct Family: Codable, Hashable, Sendable {
    /// The guests' network, `10.0.2.0/24`.
    public var network: String
    /// The gateway's address.
    public var gateway: String
    /// The virtual resolver's address.
    public var resolver: String
  }

  /// A link, and what has gone over it since the start.
  public struct Link: Codable, Hashable, Sendable {
    /// The link as on the command line.
    public var link: String
    /// Whether a guest is there.
    public var isConnected: Bool
    /// Frames that came from the guest.
    public var framesFromGuest: Int
    /// Their bytes, with the four of framing before each.
    public var bytesFromGuest: Int
    /// Frames that went to the guest.
    public var framesToGuest: Int
    /// Their bytes, with the four of framing before each.
    public var bytesToGuest: Int
  }

  /// How many flows there are of each kind.
  public struct FlowCounts: Codable, Hashable, Sendable {
    /// TCP connections, those that are closing included.
    public var tcp: Int
    /// UDP flows.
    public var udp: Int
    /// Echo identifiers of guests.
    public var icmp: Int
  }

  /// The network's name: QEMU's under `culvert run`, else `net0`.
  public var name: String
  /// The IPv4 side, absent where there is none.
  public var ipv4: Family?
  /// The IPv6 side, absent where there is none.
  public var ipv6: Family?
  /// The longest packet that guests are advised to send, in bytes.
  public var mtu: Int
  /// Where guests are.
  public var links: [Link]
  /// How many flows there are.
  public var flows: FlowCounts
  /// How many ports of the host lead to guests.
  public var forwards: Int
  /// How many addresses are leased.
  public var leases: Int
  /// The name servers that are asked, best first.
  public var resolvers: [String]
  /// Where several threads serve the network (`--queues`), how many frames one of them handed to another, whose flows'
  /// they were.
  public var framesHandedOver: UInt64
  /// The latest capture of its frames, absent where there was none.
  public var capture: CaptureReport.Capture?
  /// That of the host's side of its flows, absent where there is none.
  public var hostCapture: CaptureReport.Capture?
  /// How many frames or packets were dropped since the start, by reason; reasons that never came are absent.
  public var drops: [String: UInt64]
}

/// The result of `flows`.
public struct FlowsReport: Codable, Hashable, Sendable {
  /// One flow.
  public struct Flow: Codable, Hashable, Sendable {
    /// The flow's name, as the log has it.
    public var id: String
    /// What it speaks.
    public var transport: FlowTransport
    /// The guest's end; an echo has its identifier as its port.
    public var guest: String
    /// The other end as the guest sees it.
    public var remote: String
    /// The other end as the host sees it, or the service of the host that `--guestfwd` leads to.
    public var host: String
    /// Whether a client of a forward began it.
    public var isInbound: Bool
    /// The state by the names of RFC 9293, for others their kind.
    public var state: String
    /// Payload bytes that came from the guest.
    public var bytesFromGuest: UInt64
    /// Payload bytes that went to the guest.
    public var bytesToGuest: UInt64
  }

  /// The network's name.
  public var network: String
  /// Its flows.
  public var flows: [Flow]
}

/// The result of `forwards`, `add-forward` and `remove-forward`.
public struct ForwardsReport: Codable, Hashable, Sendable {
  /// One port.
  public struct Forward: Codable, Hashable, Sendable {
    /// `tcp` or `udp`.
    public var transport: FlowTransport
    /// Where the host listens.
    public var host: String
    /// Where the guest does.
    public var guest: String
    /// The forward in QEMU's syntax.
    public var rule: String
  }

  /// The network's name.
  public var network: String
  /// The forwards.
  public var forwards: [Forward]
}

/// The result of `leases`.
public struct LeasesReport: Codable, Hashable, Sendable {
  /// One leased address.
  public struct Lease: Codable, Hashable, Sendable {
    /// The address.
    public var address: String
    /// The guest's hardware address.
    public var hardware: String
    /// What the guest calls itself, absent where it has not said.
    public var hostname: String?
    /// Until the lease ends unless it is renewed, in seconds.
    public var remaining: Int
    /// Whether the address is kept for this guest (`--lease`).
    public var isStatic: Bool
  }

  /// The network's name.
  public var network: String
  /// Its leases, in the order of their addresses.
  public var leases: [Lease]
}

/// The result of `dns`.
public struct ResolversReport: Codable, Hashable, Sendable {
  /// A name server that is asked on the guests' behalf.
  public struct Server: Codable, Hashable, Sendable {
    /// Where it is.
    public var server: String
    /// How often it was asked.
    public var asked: UInt64
    /// How often it has answered, whatever it said.
    public var answered: UInt64
    /// How often it did not answer in time, or was not to be reached.
    public var failed: UInt64
    /// How long its latest answer took, in microseconds; absent where there was none.
    public var roundTrip: Int?
  }

  /// The network's name.
  public var network: String
  /// The name servers that are asked, best first.
  public var servers: [Server]
  /// Queries that guests have sent.
  public var queries: UInt64
  /// Those that came again while the first was under way, and were not asked again.
  public var repetitions: UInt64
  /// Those answered without asking anybody.
  public var localAnswers: UInt64
  /// Those that a server has answered.
  public var forwardedAnswers: UInt64
  /// Those for which no server had a good answer.
  public var failures: UInt64
}

/// The result of `capture`, `start-capture` and `stop-capture`.
public struct CaptureReport: Codable, Hashable, Sendable {
  /// A capture, the one under way or the last.
  public struct Capture: Codable, Hashable, Sendable {
    /// The file, `-` for the standard output.
    public var file: String
    /// Whether frames are captured now.
    public var isRunning: Bool
    /// Frames that were written.
    public var frames: Int
    /// Bytes that were written, with the heads of the file and of its records.
    public var bytes: Int
    /// Frames that were not written because the file took them too slowly.
    public var dropped: Int
    /// Why it has ended by itself, absent where it has not.
    public var failure: String?
  }

  /// The network's name.
  public var network: String
  /// The latest capture, absent where there was none.
  public var capture: Capture?
}

/// The result of `log-level`.
public struct LogLevelReport: Codable, Hashable, Sendable {
  /// How much is logged.
  public var level: LogLevel
}
