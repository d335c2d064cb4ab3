import Buffers
import Netstack
import Primitives
import Simulation

/// The lab that frames and operations of a fuzzer go into: what makes one differ from another, who is in its world, and
/// what must hold in it at any time.
enum FuzzLab {
  /// Tables so small that a short input can fill them.
  private static let (maximumFlows, maximumUDPFlows, maximumEchoFlows) = (48, 16, 8)

  /// The options that the next bytes choose.
  static func options(_ input: inout FuzzInput) -> Lab.Options {
    var options = Lab.Options()
    options.seed = UInt64(input.byte())
    options.hasLiars = true
    options.settings = settings(&input)
    options.framing = input.choice(of: [
      // No more pieces than the lab has room for.
      Lab.Framing(), Lab.Framing(headerLength: 14, pieceLength: 70), Lab.Framing(headerLength: 54, pieceLength: 100),
      Lab.Framing(headerLength: 42, pieceLength: 81), Lab.Framing(headerLength: 128, pieceLength: 512),
    ])
    let offloads = input.byte()
    options.offloads = Self.offloads(offloads & 15)
    options.guestOffloads = Self.offloads(offloads >> 4)
    let shape = input.byte()
    options.loops = [1, 1, 2, 3][Int(shape & 3)]
    options.maximumSlots = [Int.max, 1, 2, 7][Int(shape >> 2 & 3)]
    options.batchLimit = [64, 1, 3, 16][Int(shape >> 4 & 3)]
    options.upLink = input.choice(of: links)
    options.downLink = input.choice(of: links)
    return options
  }

  private static func settings(_ input: inout FuzzInput) -> NetworkSettings {
    var settings = NetworkSettings()
    let families = input.byte()
    settings.isIPv4Enabled = families & 7 != 1
    settings.isIPv6Enabled = families & 7 != 2
    settings.mtu = [65_520, 1500, 1280, 576][Int(families >> 3 & 3)]
    settings.udpFiltering = [.address, .addressAndPort, .endpointIndependent, .address][Int(families >> 5 & 3)]
    let services = input.byte()
    settings.isRestricted = services & 1 != 0
    settings.allowsLinkLocal = services & 2 != 0
    settings.allowsHostLoopback = services & 4 == 0
    settings.servesFiles = services & 8 == 0
    if services & 16 == 0 { settings.guestForwards = guestForwards }
    if services & 32 != 0 {
      settings.hostname = "guest"
      settings.domainName = "example.org"
      settings.searchDomains = ["example.org", "example.net"]
      settings.bootFile = "boot.img"
    }
    settings.ipv4LeaseCount = 4
    settings.ipv6LeaseCount = 4
    (settings.maximumFlows, settings.maximumUDPFlows) = (maximumFlows, maximumUDPFlows)
    settings.maximumEchoFlows = maximumEchoFlows
    return settings
  }

  private static let guestForwards = [
    GuestForward(Endpoint(IPv4Address(10, 0, 2, 100), port: 7), to: .service(HostService(0, name: "service"))),
    GuestForward(
      Endpoint(IPv4Address(10, 0, 2, 101), port: 80), to: .endpoint(Endpoint(IPv4Address(192, 0, 2, 9), port: 9))),
    GuestForward(Endpoint(IPv4Address(10, 0, 2, 101), port: 53), to: .resolver),
  ]

  private static let links: [LinkModel] = [
    LinkModel(), LinkModel(), LinkModel(delay: .milliseconds(10)),
    LinkModel(delay: .milliseconds(1), lossPermille: 100, duplicatePermille: 50, reorderPermille: 200),
  ]

  /// What a link may be asked to do: nobody cuts who does not sum.
  private static func offloads(_ bits: UInt8) -> LinkOffloads {
    let offloads = LinkOffloads(rawValue: bits)
    return offloads.isEmpty ? [] : offloads.union(.checksum)
  }

  /// Puts those into the world who are there from the beginning.
  static func populate(_ lab: Lab) {
    lab.setWorld {
      $0.defaultService = RemoteService(.acceptsAfter(.milliseconds(20)))
      $0.hostServices[0] = RemoteService()
      $0.files["boot.img"] = SimulatedFile((0..<3000).map { UInt8(truncatingIfNeeded: $0) })
      $0.files["empty"] = SimulatedFile([])
      for address in remotes { $0.echoResponders.insert(address) }
      $0.hostAddresses = [IPAddress(IPv4Address(198, 51, 100, 1))]
    }
  }

  /// Hosts of the world.
  static let remotes: [IPAddress] = [
    IPAddress(IPv4Address(192, 0, 2, 1)), IPAddress(IPv4Address(198, 51, 100, 1)),
    IPAddress(IPv6Address(high: 0x2001_0db8 << 32, low: 1)),
  ]

  /// How far a step moves the clock.
  static let steps: [Interval] = [
    .milliseconds(1), .milliseconds(12), .milliseconds(60), .milliseconds(250), .seconds(1), .seconds(3), .seconds(12),
    .seconds(40), .seconds(130), .seconds(700), .seconds(3000), .seconds(8000),
  ]

  // MARK: What must hold

  /// What is wrong in the lab now.
  static func faults(of lab: Lab) -> [String] {
    var faults = lab.problems
    for loop in lab.loops {
      let use = lab[stack: loop].tableUse
      let sockets = lab[host: loop].openSocketCount
      faults += bounds(of: use, sockets: sockets, limit: lab.options.settings.maximumFlows)
    }
    return faults
  }

  private static func bounds(of use: TableUse, sockets: Int, limit: Int) -> [String] {
    var faults: [String] = []
    func require(_ condition: Bool, _ fault: @autoclosure () -> String) { if !condition { faults.append(fault()) } }
    require(use.flows <= limit, "\(use.flows) flows, the most are \(limit)")
    require(use.timers <= use.flows, "\(use.timers) timers of \(use.flows) flows")
    require(sockets <= use.flows, "\(sockets) sockets of \(use.flows) flows")
    require(use.poolBlocks <= 4096, "\(use.poolBlocks) blocks in the pool")
    require(use.reportedRanges <= 16_384, "\(use.reportedRanges) reported ranges")
    require(use.neighbors <= 1024, "\(use.neighbors) neighbors")
    require(use.incompletePackets <= 64, "\(use.incompletePackets) incomplete packets")
    require(use.flows > 0 || use.poolBlocks == 0, "\(use.poolBlocks) blocks in the pool, and no flow")
    require(use.flows > 0 || use.reportedRanges == 0, "\(use.reportedRanges) reported ranges, and no flow")
    return faults
  }

  /// Shuts the network down; whatever was going on, all of it is over in the time that a program has for that.
  static func shutDown(_ lab: Lab) -> [String] {
    lab.openLink(room: nil)
    lab.shutDown()
    lab.advance(by: .seconds(3))
    guard lab.isShutDown else { return faults(of: lab) + ["after the shutdown there are \(lab.flows)"] }
    return faults(of: lab)
  }

  /// The faults with what led to them.
  static func report(_ faults: [String], of lab: Lab) -> [String] {
    faults.isEmpty ? [] : faults.prefix(5).map { "at \(lab.now.nanoseconds / 1000) us: \($0)" } + [lab.transcript]
  }
}
