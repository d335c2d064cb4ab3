import Primitives
import Wire

/// What becomes of a flow that a guest begins.
enum Verdict: Hashable {
  /// Carry it on a host socket to `target`.
  case connect(Endpoint)
  /// Carry it on a stream to something of the host's that is no endpoint.
  case service(HostService)
  /// One of the gateway's own services answers.
  case local(LocalService)
  /// Refuse it with an ICMP destination unreachable of this code.
  case reject(RejectCode)
  /// Refuse it with a TCP reset.
  case reset
  /// Say nothing.
  case drop(DropReason)
  /// Let up to so many bytes pass for a look before deciding.
  case inspect(byteCount: Int)
  /// The decision follows under this ticket.
  case pending(ticket: UInt64)
}

/// The services of the gateway.
enum LocalService: Hashable {
  case dhcp
  case dhcpv6
  case dns
  case tftp
}

/// The reasons of an ICMP refusal; each has a code in both families.
enum RejectCode: Hashable {
  case network, host, port, prohibited
}

/// The rules by which a guest's destination becomes a destination of the host: all of the NAT policy in one place.
struct ForwardingPolicy {
  let settings: NetworkSettings
  /// The addresses at which guests find something of the host's.
  let serviceAddresses: ServiceAddresses

  init(settings: NetworkSettings) {
    self.settings = settings
    serviceAddresses = ServiceAddresses(settings.guestForwards)
  }

  /// The well-known ports that the rules know.
  private enum Port {
    static let dns: UInt16 = 53
    static let dhcpServer: UInt16 = 67
    static let dhcpv6Server: UInt16 = 547
  }

  /// What becomes of a flow from a guest to `destination`.
  func verdict(_ transport: Transport, to destination: Endpoint) -> Verdict {
    // What the operator leads to the host is there for a restricted guest, too.
    if transport == .tcp, let target = guestForward(at: destination) {
      switch target {
      case .endpoint(let endpoint): return .connect(endpoint)
      case .service(let service): return .service(service)
      case .resolver: return .local(.dns)
      }
    }
    let verdict =
      if let address = destination.address.ipv4 {
        verdict(transport, to: address, destination)
      } else {
        verdict(transport, to: destination.address.mapped, destination)
      }
    guard settings.isRestricted else { return verdict }
    switch verdict {
    case .local, .drop: return verdict
    default: return transport == .tcp ? .reset : .drop(.forbiddenDestination)
    }
  }

  private func verdict(_ transport: Transport, to address: IPv4Address, _ destination: Endpoint) -> Verdict {
    if transport == .udp && destination.port == Port.dhcpServer
      && (address == settings.ipv4Gateway || address == .broadcast || address == .any)
    {
      return .local(.dhcp)
    }
    if serviceAddresses.contains(IPAddress(address)) { return refused(transport) }
    if address == settings.ipv4Resolver { return resolver(transport, destination.port) }
    if address == settings.ipv4Gateway {
      if servesFiles(transport, destination.port) { return .local(.tftp) }
      return settings.allowsHostLoopback
        ? .connect(Endpoint(.loopback, port: destination.port)) : refused(transport)
    }
    // A guest that asks for cloud metadata learns at once that it is not to be had.
    if address.isLinkLocal && !settings.allowsLinkLocal { return .reject(.prohibited) }
    return isForbidden(address) ? .drop(.forbiddenDestination) : .connect(destination)
  }

  private func verdict(_ transport: Transport, to address: IPv6Address, _ destination: Endpoint) -> Verdict {
    if serviceAddresses.contains(IPAddress(address)) { return refused(transport) }
    if transport == .udp && destination.port == Port.dhcpv6Server
      && (address == .allDHCPServers || address == settings.ipv6Gateway || address == settings.ipv6LinkLocal)
    {
      return .local(.dhcpv6)
    }
    if address == settings.ipv6Resolver { return resolver(transport, destination.port) }
    if address == settings.ipv6Gateway {
      if servesFiles(transport, destination.port) { return .local(.tftp) }
      return settings.allowsHostLoopback
        ? .connect(Endpoint(IPAddress(.loopback as IPv6Address), port: destination.port)) : refused(transport)
    }
    // The router itself has no services there.
    if address == settings.ipv6LinkLocal { return refused(transport) }
    return isForbidden(address) ? .drop(.forbiddenDestination) : .connect(destination)
  }

  /// Where connections to `endpoint` lead by the operator's wish, nil where they do not.
  @inline(__always)
  func guestForward(at endpoint: Endpoint) -> StreamTarget? {
    guard serviceAddresses.contains(endpoint.address) else { return nil }
    return settings.guestForwards.first { $0.endpoint == endpoint }?.target
  }

  /// The virtual resolver answers on port 53 alone.
  private func resolver(_ transport: Transport, _ port: UInt16) -> Verdict {
    port == Port.dns ? .local(.dns) : refused(transport)
  }

  /// Without files of its own the gateway's TFTP port is the host's loopback's, as any other.
  private func servesFiles(_ transport: Transport, _ port: UInt16) -> Bool {
    settings.servesFiles && transport == .udp && port == TFTPPort.server
  }

  private func refused(_ transport: Transport) -> Verdict { transport == .tcp ? .reset : .reject(.port) }

  /// Whether no host socket may ever be opened to `address`, and so nothing from there is an answer to a guest.
  func isForbidden(_ address: IPAddress) -> Bool {
    if let address = address.ipv4 { return isForbidden(address) }
    return isForbidden(address.mapped)
  }

  /// Whether no host socket may ever be opened to `address`: it would reach the host itself by another name, or
  /// nobody at all, or everybody.
  func isForbidden(_ address: IPv4Address) -> Bool {
    address.isLoopback || address.isThisNetwork || address.isMulticast || address.isReserved
      || settings.ipv4Prefix.contains(address) || (address.isLinkLocal && !settings.allowsLinkLocal)
  }

  /// The same for IPv6. The blocks that embed an IPv4 address are judged by it, or refused whole.
  func isForbidden(_ address: IPv6Address) -> Bool {
    if address.isCompatible || address.isMapped || address.isMulticast { return true }
    if settings.ipv6Prefix.contains(address) || address.isLinkLocal { return true }
    return address.translatedIPv4.map(isForbidden) ?? false
  }

  /// The address under which a client of the host's side appears to a guest: its own, unless the guest could not
  /// answer to that.
  func appearance(of client: IPAddress, toGuest guest: IPAddress) -> IPAddress {
    let gateway: IPAddress
    switch guest.family {
    case .ipv4: gateway = IPAddress(settings.ipv4Gateway)
    case .ipv6: gateway = IPAddress(settings.ipv6Gateway)
    }
    // A client of the other family has no address of its own that the guest could answer to.
    guard client.family == guest.family else { return gateway }
    if let address = client.ipv4 {
      let isOwn = address.isLoopback || address.isLinkLocal || settings.ipv4Prefix.contains(address)
      return isOwn || address.isThisNetwork ? gateway : client
    }
    let address = client.mapped
    let isOwn = address == .loopback || address.isLinkLocal || settings.ipv6Prefix.contains(address)
    return isOwn ? gateway : client
  }
}
