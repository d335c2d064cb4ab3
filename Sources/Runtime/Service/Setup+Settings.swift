package import Configuration
import HostSockets
package import Netstack

// Options as the parts of a network take them.

extension NetworkSettings {
  /// The settings of a checked network; what is behind forwards is left out.
  package init(_ network: VirtualNetwork) {
    self.init()
    isIPv4Enabled = network.ipv4 != nil
    if let ipv4 = network.ipv4 {
      (ipv4Prefix, ipv4Gateway, ipv4Resolver) = (ipv4.prefix, ipv4.gateway, ipv4.resolver)
      ipv4FirstLease = ipv4.firstLease
      staticLeases = ipv4.staticLeases.map { StaticLease($0) }
      staticRoutes = ipv4.routes.map { StaticRoute(to: $0.destination, via: $0.gateway ?? ipv4.gateway) }
    }
    isIPv6Enabled = network.ipv6 != nil
    if let ipv6 = network.ipv6 {
      (ipv6Prefix, ipv6Gateway, ipv6Resolver) = (ipv6.prefix, ipv6.gateway, ipv6.resolver)
    }
    mtu = network.mtu
    hostname = network.hostname
    (bootFile, tftpServerName) = (network.bootFile, network.tftpServerName)
    bootFileParameters = network.bootFileParameters
    servesFiles = !network.tftpFolder.isEmpty
    domainName = network.domainName
    searchDomains = network.searchDomains
    localNames = network.hostNames.map { LocalName($0) }
    isRestricted = network.isRestricted
    allowsHostLoopback = network.allowsHostLoopback
    allowsLinkLocal = network.allowsLinkLocal
    udpFiltering = UDPFiltering(network.udpFiltering)
  }
}

extension StaticLease {
  /// The lease of an option.
  init(_ option: LeaseOption) {
    self.init(hardware: option.hardware, address: option.address, hostname: option.hostname)
  }
}

extension LocalName {
  /// The name of an option.
  init(_ option: HostName) { self.init(name: option.name, address: option.address) }
}

extension UDPFiltering {
  /// The filtering of an option.
  init(_ option: UDPFilteringOption) {
    switch option {
    case .endpoint: self = .endpointIndependent
    case .address: self = .address
    case .port: self = .addressAndPort
    }
  }
}

extension PeekMode {
  /// The mode of an option.
  init(_ option: PeekOption) {
    switch option {
    case .automatic: self = .automatic
    case .offset: self = .offset
    case .skip: self = .skip
    }
  }
}
