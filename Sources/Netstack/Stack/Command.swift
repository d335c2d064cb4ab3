public import Primitives

/// A port of the host that leads to a guest.
public struct PortForward: Hashable, Sendable {
  /// TCP or UDP.
  public var transport: Transport
  /// Where the host listens.
  public var host: Endpoint
  /// Where the guest listens.
  public var guest: Endpoint

  /// Makes a forward of its parts.
  public init(transport: Transport, host: Endpoint, guest: Endpoint) {
    self.transport = transport
    self.host = host
    self.guest = guest
  }
}

/// A change to a running network, an input of the core like any frame.
public enum Command: Hashable, Sendable {
  /// Start to forward a port.
  case addForward(PortForward)
  /// Stop forwarding what `host` leads to; connections go on.
  case removeForward(Transport, host: Endpoint)
  /// Send queries for the virtual resolver to these servers, best first.
  case setResolvers([Endpoint])
  /// Have the virtual resolver know these names, in the place of those that it was configured with.
  case setLocalNames([LocalName])
}

/// Why a command was not carried out.
public enum CommandError: Error, Hashable, Sendable {
  /// The host refused to listen there.
  case cannotListen(PortForward, HostError)
  /// There is no such forward.
  case noSuchForward(Transport, Endpoint)
  /// The flow table is full.
  case tableFull
}
