public import Primitives

/// Where on the host a forward waits for clients.
public enum ListeningPlace: Hashable, Sendable {
  /// At a port of its network.
  case port(Transport, Endpoint)
  /// At a stream socket that is in no network, under a name that only the host understands. Its clients have no
  /// endpoints.
  case local(String)

  /// What the clients speak, and so the guest: a stream is TCP's, whatever carries it on the host.
  public var transport: Transport {
    switch self {
    case .port(let transport, _): transport
    case .local: .tcp
    }
  }
}

/// A port of the host, or a socket of its own, that leads to a guest.
public struct PortForward: Hashable, Sendable {
  /// Where the host listens.
  public var host: ListeningPlace
  /// Where the guest listens.
  public var guest: Endpoint

  /// Makes a forward of its parts.
  public init(from host: ListeningPlace, to guest: Endpoint) {
    self.host = host
    self.guest = guest
  }

  /// Makes the forward of a port.
  public init(transport: Transport, host: Endpoint, guest: Endpoint) {
    self.init(from: .port(transport, host), to: guest)
  }

  /// TCP or UDP.
  public var transport: Transport { host.transport }
}

/// A change to a running network, an input of the core like any frame.
public enum Command: Hashable, Sendable {
  /// Start to forward a port.
  case addForward(PortForward)
  /// Stop forwarding what listens there; connections go on.
  case removeForward(ListeningPlace)
  /// Send queries for the virtual resolver to these servers, best first.
  case setResolvers([Endpoint])
  /// Have the virtual resolver know these names, in the place of those that it was configured with.
  case setLocalNames([LocalName])
  /// Have DHCP keep these addresses, in the place of those that it was configured with. Who has another by now keeps it
  /// until it asks anew.
  case setStaticLeases([StaticLease])
  /// Give a guest that does not ask for its addresses those that DHCP would give it next, one of each family; they are
  /// kept for it for good. `Stack.assignedAddresses` tells which.
  case assignAddresses(to: MACAddress)
  /// Take over a lease that DHCP granted in an earlier run.
  case restoreLease(DHCPLease)
}

/// Why a command was not carried out.
public enum CommandError: Error, Hashable, Sendable {
  /// The host refused to listen there.
  case cannotListen(PortForward, HostError)
  /// There is no such forward.
  case noSuchForward(ListeningPlace)
  /// The lease cannot be taken over.
  case leaseRefused(DHCPLease, DHCPLease.Refusal)
  /// All addresses of the family are taken.
  case noAddress(IPAddress.Family)
  /// The flow table is full.
  case tableFull
}
