import Buffers
import Netstack
import Primitives
import Testing

@testable import Recording

/// Values are read from a recording as they were written to it.
struct ValueTests {
  private func again<Value: RecordedValue>(_ value: Value) throws -> Value {
    var encoder = RecordEncoder()
    encoder.put(value)
    var decoder = RecordDecoder(encoder.bytes)
    let again = try decoder.value(Value.self)
    #expect(decoder.isAtEnd)
    return again
  }

  private static let hardware = MACAddress(0x52, 0x54, 0, 1, 2, 3)
  private static let address6 = IPv6Address(high: 0xfd00 << 48, low: 9)

  /// A network in which nothing is as it is by default.
  private static var settings: NetworkSettings {
    var settings = NetworkSettings()
    (settings.isIPv4Enabled, settings.isIPv6Enabled) = (false, false)
    settings.ipv4Prefix = IPv4Prefix(containing: IPv4Address(192, 168, 4, 0), length: 22)
    settings.ipv4Gateway = IPv4Address(192, 168, 4, 1)
    settings.ipv4Resolver = IPv4Address(192, 168, 4, 5)
    settings.ipv4FirstLease = IPv4Address(192, 168, 4, 20)
    (settings.ipv4LeaseCount, settings.ipv6LeaseCount) = (3, 5)
    settings.staticLeases = [StaticLease(hardware: hardware, address: IPv4Address(192, 168, 4, 9), hostname: "a")]
    settings.ipv6Prefix = IPv6Prefix(containing: address6, length: 56)
    settings.ipv6Gateway = IPv6Address(high: 0xfd00 << 48, low: 1)
    settings.ipv6Resolver = IPv6Address(high: 0xfd00 << 48, low: 5)
    settings.ipv6LinkLocal = IPv6Address(high: 0xfe80 << 48, low: 7)
    settings.mtu = 9000
    (settings.hostname, settings.domainName, settings.bootFile) = ("guest", "lab.test", "pxe")
    settings.bootFileParameters = ["one", "two"]
    settings.tftpServerName = "files"
    settings.servesFiles = true
    settings.staticRoutes = [
      StaticRoute(
        to: IPv4Prefix(containing: IPv4Address(172, 16, 0, 0), length: 12), via: IPv4Address(192, 168, 4, 2))
    ]
    settings.searchDomains = ["a.test", "b.test"]
    settings.guestForwards = [
      GuestForward(remote(9), to: .endpoint(remote(1, port: 9))),
      GuestForward(remote(8), to: .service(HostService(4, name: "cmd:x"))), GuestForward(remote(7), to: .resolver),
    ]
    settings.localNames = [LocalName(name: "db", address: IPAddress(address6))]
    (settings.isRestricted, settings.allowsHostLoopback, settings.allowsLinkLocal) = (true, false, true)
    settings.udpFiltering = .addressAndPort
    (settings.maximumFlows, settings.maximumUDPFlows, settings.maximumEchoFlows) = (77, 55, 33)
    return settings
  }

  @Test func `a network, whatever it is told`() throws {
    for (usual, other) in zip(
      Mirror(reflecting: NetworkSettings()).children, Mirror(reflecting: Self.settings).children)
    {
      #expect("\(usual.value)" != "\(other.value)", "\(usual.label ?? "") has its usual value")
    }
    #expect(try again(Self.settings) == Self.settings)
    for filtering in UDPFiltering.allCases {
      var settings = NetworkSettings()
      settings.udpFiltering = filtering
      #expect(try again(settings) == settings)
    }
  }

  @Test func `all that a recording says of itself`() throws {
    let head = RecordingHead(
      settings: Self.settings, seed: (1, 2, 3, .max), loop: 2, of: 5, steeringSecret: (8, 9), isRedacted: true,
      network: "net3", program: "7.1", wallClock: -5, origin: Instant(nanoseconds: 12))
    #expect(try again(head) == head)
  }

  @Test func `what an operator asks, and what comes of it`() throws {
    let forward = PortForward(from: .port(.udp, remote(1)), to: remote(2))
    let lease = DHCPLease(
      address: IPAddress(Self.address6), hardware: Self.hardware, hostname: "a", expiry: Instant(nanoseconds: 86))
    let commands: [Command] = [
      .addForward(forward), .addForward(PortForward(from: .local("/run/x"), to: remote(2))),
      .removeForward(forward.host), .setResolvers([remote(1), remote(2, port: 53)]),
      .setLocalNames(Self.settings.localNames), .setStaticLeases(Self.settings.staticLeases),
      .assignAddresses(to: Self.hardware), .restoreLease(lease),
    ]
    for command in commands { #expect(try again(command) == command) }
    let outcomes =
      [.done, .cannotListen(.forbidden), .noSuchForward, .noAddress(.ipv6), .tableFull]
      + [.ended, .notGivenOut, .reserved, .taken].map { CommandOutcome.leaseRefused($0) }
    for outcome in outcomes { #expect(try again(outcome) == outcome) }
  }

  @Test func `what travels with a frame, and what the host reports`() throws {
    for checksum in [ChecksumState.unverified, .verified, .partial(start: 34, offset: 16)] {
      for kind in [nil, .tcp4, .tcp6, .udp] as [Segmentation.Kind?] {
        for isReassembled in [false, true] {
          let descriptor = FrameDescriptor(
            port: PortID(rawValue: 3), headerLength: 54, byteCount: 3000, checksum: checksum,
            segmentation: kind.map { Segmentation(kind: $0, size: 1448) }, isReassembled: isReassembled)
          #expect(try again(descriptor) == descriptor)
        }
      }
    }
    for number in 0..<32 as Range<UInt8> {
      let readiness = HostReadiness(rawValue: number)
      #expect(try again(readiness) == readiness)
      let offloads = LinkOffloads(rawValue: number)
      #expect(try again(offloads) == offloads)
    }
  }
}
