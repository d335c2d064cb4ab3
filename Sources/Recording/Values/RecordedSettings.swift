import Netstack
import Primitives

// The network, as recordings have it.

extension StaticRoute: RecordedValue {
  init(from decoder: inout RecordDecoder) throws(RecordingError) {
    let destination = try decoder.value(IPv4Prefix.self)
    self.init(to: destination, via: try decoder.value())
  }

  func encode(to encoder: inout RecordEncoder) {
    encoder.put(destination)
    encoder.put(router)
  }
}

extension StreamTarget: RecordedValue {
  init(from decoder: inout RecordDecoder) throws(RecordingError) {
    switch try decoder.byte() {
    case 0: self = .endpoint(try decoder.value())
    case 1: self = .service(try decoder.value())
    case 2: self = .resolver
    default: throw .damaged
    }
  }

  func encode(to encoder: inout RecordEncoder) {
    switch self {
    case .endpoint(let endpoint):
      encoder.put(byte: 0)
      encoder.put(endpoint)
    case .service(let service):
      encoder.put(byte: 1)
      encoder.put(service)
    case .resolver: encoder.put(byte: 2)
    }
  }
}

extension GuestForward: RecordedValue {
  init(from decoder: inout RecordDecoder) throws(RecordingError) {
    let endpoint = try decoder.value(Endpoint.self)
    self.init(endpoint, to: try decoder.value())
  }

  func encode(to encoder: inout RecordEncoder) {
    encoder.put(endpoint)
    encoder.put(target)
  }
}

extension UDPFiltering: RecordedValue {
  init(from decoder: inout RecordDecoder) throws(RecordingError) {
    switch try decoder.byte() {
    case 0: self = .endpointIndependent
    case 1: self = .address
    case 2: self = .addressAndPort
    default: throw .damaged
    }
  }

  func encode(to encoder: inout RecordEncoder) {
    switch self {
    case .endpointIndependent: encoder.put(byte: 0)
    case .address: encoder.put(byte: 1)
    case .addressAndPort: encoder.put(byte: 2)
    }
  }
}

extension NetworkSettings: RecordedValue {
  /// The most of everything that a network may be told to hold: what a recording cannot make a replay set memory aside
  /// for.
  private static var mostFlows: Int { 1 << 20 }
  private static var mostLeases: Int { 1 << 16 }

  init(from decoder: inout RecordDecoder) throws(RecordingError) {
    self.init()
    isIPv4Enabled = try decoder.value()
    ipv4Prefix = try decoder.value()
    (ipv4Gateway, ipv4Resolver, ipv4FirstLease) = (try decoder.value(), try decoder.value(), try decoder.value())
    ipv4LeaseCount = try decoder.count(atMost: Self.mostLeases)
    ipv6LeaseCount = try decoder.count(atMost: Self.mostLeases)
    staticLeases = try decoder.value()
    ipv6Prefix = try decoder.value()
    (ipv6Gateway, ipv6Resolver, ipv6LinkLocal) = (try decoder.value(), try decoder.value(), try decoder.value())
    mtu = try decoder.count(atMost: 65_520)
    // RFC 791 section 3.1: what every host must accept.
    guard mtu >= 576 else { throw .damaged }
    isIPv6Enabled = try decoder.value()
    (hostname, domainName, bootFile) = (try decoder.value(), try decoder.value(), try decoder.value())
    bootFileParameters = try decoder.value()
    tftpServerName = try decoder.value()
    servesFiles = try decoder.value()
    staticRoutes = try decoder.value()
    searchDomains = try decoder.value()
    guestForwards = try decoder.value()
    localNames = try decoder.value()
    (isRestricted, allowsHostLoopback, allowsLinkLocal) =
      (try decoder.value(), try decoder.value(), try decoder.value())
    udpFiltering = try decoder.value()
    maximumFlows = try Self.bound(&decoder)
    maximumUDPFlows = try Self.bound(&decoder)
    maximumEchoFlows = try Self.bound(&decoder)
  }

  private static func bound(_ decoder: inout RecordDecoder) throws(RecordingError) -> Int {
    let bound = try decoder.count(atMost: mostFlows)
    guard bound > 0 else { throw .damaged }
    return bound
  }

  func encode(to encoder: inout RecordEncoder) {
    encoder.put(isIPv4Enabled)
    encoder.put(ipv4Prefix)
    for address in [ipv4Gateway, ipv4Resolver, ipv4FirstLease] { encoder.put(address) }
    for count in [ipv4LeaseCount, ipv6LeaseCount] { encoder.put(count: count) }
    encoder.put(staticLeases)
    encoder.put(ipv6Prefix)
    for address in [ipv6Gateway, ipv6Resolver, ipv6LinkLocal] { encoder.put(address) }
    encoder.put(count: mtu)
    encoder.put(isIPv6Enabled)
    for name in [hostname, domainName, bootFile] { encoder.put(name) }
    encoder.put(bootFileParameters)
    encoder.put(tftpServerName)
    encoder.put(servesFiles)
    encoder.put(staticRoutes)
    encoder.put(searchDomains)
    encoder.put(guestForwards)
    encoder.put(localNames)
    for flag in [isRestricted, allowsHostLoopback, allowsLinkLocal] { encoder.put(flag) }
    encoder.put(udpFiltering)
    for bound in [maximumFlows, maximumUDPFlows, maximumEchoFlows] { encoder.put(count: bound) }
  }
}
