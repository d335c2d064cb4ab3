public import Buffers
public import Primitives

/// Why a frame or a flow was not carried on. Never an error of ours: a stranger's fault, or a limit.
public enum DropReason: UInt8, CaseIterable, Hashable, Sendable {
  /// The frame or a header in it is shorter than it must be, or lies about its length.
  case malformed
  /// A frame for another station.
  case notForUs
  /// An EtherType, IP protocol or message that the stack does not speak.
  case unknownProtocol
  /// A checksum is wrong.
  case badChecksum
  /// The IP packet is a fragment that could not be put together.
  case fragment
  /// The source address is not one that a guest may use.
  case badSource
  /// The destination is never carried to a host socket.
  case forbiddenDestination
  /// The time to live ran out at the gateway.
  case hopLimitExceeded
  /// The link to the guest had no room.
  case linkFull
  /// A packet for a guest is longer than a packet can be, in fragments or not.
  case tooLong
  /// The guest's hardware address is not known.
  case unresolvedNeighbor
  /// No flow for the packet, and it cannot start one.
  case noFlow
  /// A table, pool or the host's descriptors were used up.
  case exhausted
  /// A TCP segment outside the window, or otherwise unacceptable.
  case unacceptableSegment
  /// The host's socket did not take the datagram.
  case hostRefused
  /// A datagram from a host that the guest never spoke to.
  case filtered
  /// A message to a service of the gateway that gets no answer.
  case ignoredRequest
  /// An ICMP error of ours was held back, since there were too many in a short time.
  case rateLimited
  /// The loop to which the packet belongs had no room.
  case loopFull
}

/// What a flow speaks above IP.
public enum FlowProtocol: UInt8, Hashable, Sendable {
  /// Echo requests and replies of either ICMP.
  case icmp = 1
  case tcp = 6
  case udp = 17

  /// The protocol of a transport.
  init(_ transport: Transport) {
    switch transport {
    case .tcp: self = .tcp
    case .udp: self = .udp
    }
  }
}

/// How a flow ended.
public enum FlowEnd: Hashable, Sendable {
  /// Both sides finished.
  case finished
  /// The guest reset it.
  case resetByGuest
  /// The host's peer reset or refused it, or the host failed it.
  case failed(HostError)
  /// Nobody answered, or nothing was said, for too long.
  case timedOut
  /// It made room for another flow or for a forward, or its link was lost.
  case evicted
  /// The network was shut down.
  case shutDown
}

/// A flow's state, by the names of RFC 9293 section 3.3.2 for TCP.
public enum FlowState: String, CaseIterable, Hashable, Sendable {
  /// The host's connect is under way; the guest's SYN is not answered yet.
  case connecting = "CONNECTING"
  case synSent = "SYN-SENT"
  case synReceived = "SYN-RECEIVED"
  case established = "ESTABLISHED"
  case finWait1 = "FIN-WAIT-1"
  case finWait2 = "FIN-WAIT-2"
  case closeWait = "CLOSE-WAIT"
  case closing = "CLOSING"
  case lastAck = "LAST-ACK"
  case timeWait = "TIME-WAIT"
  /// The guest has reset the connection; what it had acknowledged is still being delivered to the host's peer.
  case draining = "DRAINING"
  /// A UDP flow on a socket of its own that is open to any peer the guest has spoken to.
  case mapped = "MAPPED"
  /// A UDP flow on a connected socket.
  case connected = "CONNECTED"
  /// A UDP flow of a forward's client.
  case forwarded = "FORWARDED"
  /// The echo requests of one identifier of a guest, and their replies.
  case echo = "ECHO"
  /// A file on its way to a guest by TFTP.
  case tftp = "TFTP"
}

/// A flow as people want to see it in a log or a table.
public struct FlowSummary: Hashable, Sendable {
  /// The flow's name.
  public var id: FlowID
  /// What it speaks.
  public var transport: FlowProtocol
  /// The guest's end. An echo has its identifier as its port.
  public var guest: Endpoint
  /// The other end as the guest sees it.
  public var remote: Endpoint
  /// The other end as the host sees it.
  public var host: Endpoint
  /// What the flow leads to on the host, where that is no endpoint; `host` means nothing then.
  public var service: HostService?
  /// The name of the local place by which a client without an endpoint came, empty where it is not known any more;
  /// `host` means nothing then.
  public var localPlace: String?
  /// Whether the host's side began it (a port forward).
  public var isInbound: Bool
  /// The state in the field's words: ESTABLISHED, TIME-WAIT, or for UDP its kind.
  public var state: FlowState
  /// Payload bytes that came from the guest.
  public var bytesFromGuest: UInt64
  /// Payload bytes that went to the guest.
  public var bytesToGuest: UInt64

  /// Makes a summary of its parts.
  public init(
    id: FlowID, transport: FlowProtocol, guest: Endpoint, remote: Endpoint, host: Endpoint,
    service: HostService? = nil, localPlace: String? = nil, isInbound: Bool, state: FlowState,
    bytesFromGuest: UInt64, bytesToGuest: UInt64
  ) {
    self.id = id
    self.transport = transport
    self.guest = guest
    self.remote = remote
    self.host = host
    self.service = service
    self.localPlace = localPlace
    self.isInbound = isInbound
    self.state = state
    self.bytesFromGuest = bytesFromGuest
    self.bytesToGuest = bytesToGuest
  }
}

/// Who watches the core: for logs and metrics. Every requirement has a default that does nothing and costs nothing.
public protocol Observer: ~Copyable {
  /// A frame, packet or message was dropped.
  mutating func dropped(_ reason: DropReason, on port: PortID)
  /// A flow began.
  mutating func opened(_ flow: FlowSummary)
  /// A flow ended.
  mutating func closed(_ flow: FlowSummary, end: FlowEnd)
  /// A guest was seen at a hardware address, the first time or after a change.
  mutating func learned(_ address: IPAddress, at hardware: MACAddress, on port: PortID)
  /// DHCP gave an address to a guest.
  mutating func leased(_ address: IPAddress, to hardware: MACAddress, hostname: String)
  /// A guest got no address by DHCP, since all of the family are taken; told once for each.
  mutating func ranOutOfLeases(_ family: IPAddress.Family)
  /// A guest's ping went no further, since the host has no socket for it; told once.
  mutating func foundEchoForbidden()
}

extension Observer where Self: ~Copyable {
  /// Does nothing.
  public mutating func dropped(_ reason: DropReason, on port: PortID) {}
  /// Does nothing.
  public mutating func opened(_ flow: FlowSummary) {}
  /// Does nothing.
  public mutating func closed(_ flow: FlowSummary, end: FlowEnd) {}
  /// Does nothing.
  public mutating func learned(_ address: IPAddress, at hardware: MACAddress, on port: PortID) {}
  /// Does nothing.
  public mutating func leased(_ address: IPAddress, to hardware: MACAddress, hostname: String) {}
  /// Does nothing.
  public mutating func ranOutOfLeases(_ family: IPAddress.Family) {}
  /// Does nothing.
  public mutating func foundEchoForbidden() {}
}
