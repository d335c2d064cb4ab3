import Netstack
import Primitives

/// A run of the lab from end to end, chosen to touch much of the core: the same in every process, which its digest
/// shows.
public struct Scenario {
  /// What happens.
  public let name: String
  private let options: Lab.Options
  private let script: (Lab) -> Void

  private init(_ name: String, _ options: Lab.Options = Lab.Options(), _ script: @escaping (Lab) -> Void) {
    self.name = name
    self.options = options
    self.script = script
  }

  /// Runs it and returns the fingerprint of every byte that the stack has sent, and what went wrong.
  public func run() -> (digest: UInt64, frameCount: Int, problems: [String]) {
    let lab = Lab(options)
    script(lab)
    lab.settle()
    return (lab.digest, lab.checker.frameCount, lab.problems)
  }

  /// Runs it recorded, with payload replaced or not, and returns the recording of each loop.
  public func record(isRedacted: Bool = false) -> [[UInt8]] {
    var options = options
    (options.isRecorded, options.isRedacted) = (true, isRedacted)
    let lab = Lab(options)
    script(lab)
    lab.settle()
    return lab.finishRecordings()
  }

  /// All scenarios.
  public static var all: [Scenario] {
    [
      Scenario("many connections, half of them refused", options(seed: 11)) { manyConnections($0, .ipv4) },
      Scenario("echo over a link that loses, repeats and reorders", badLink(seed: 12)) { echo($0, .ipv4) },
      Scenario("datagrams to many hosts, with answers in fragments", options(seed: 13)) { datagrams($0, .ipv4) },
      Scenario("clients of forwards that look alike", options(seed: 14)) { forwards($0, .ipv4) },
      Scenario("a shutdown in the middle of everything", badLink(seed: 15), shutdown),
    ] + ipv6 + severalLoops
  }

  /// The same with three loops, to any of which a frame comes.
  private static var severalLoops: [Scenario] {
    [
      Scenario("loops: many connections, half of them refused", options(seed: 31, loops: 3)) {
        manyConnections($0, .ipv4)
      },
      Scenario("loops: datagrams to many hosts, with answers in fragments", options(seed: 32, loops: 3)) {
        datagrams($0, .ipv6)
      },
      Scenario("loops: clients of forwards that look alike", options(seed: 33, loops: 3)) { forwards($0, .ipv4) },
      Scenario("loops: addresses that come and go, some in use by nobody", options(seed: 34, loops: 3), neighbors),
      Scenario("loops: a shutdown in the middle of everything", options(seed: 35, loops: 3), shutdown),
    ]
  }

  private static var ipv6: [Scenario] {
    [
      Scenario("IPv6: many connections, half of them refused", options(seed: 21)) { manyConnections($0, .ipv6) },
      Scenario("IPv6: echo over a link that loses, repeats and reorders", badLink(seed: 22)) { echo($0, .ipv6) },
      Scenario("IPv6: datagrams to many hosts, with answers in fragments", options(seed: 23)) { datagrams($0, .ipv6) },
      Scenario("IPv6: clients of forwards that look alike", options(seed: 24)) { forwards($0, .ipv6) },
      Scenario("IPv6: addresses that come and go, some in use by nobody", options(seed: 25), neighbors),
    ]
  }

  private static func options(seed: UInt64, loops: Int = 1) -> Lab.Options {
    var options = Lab.Options()
    (options.seed, options.loops) = (seed, loops)
    return options
  }

  private static func badLink(seed: UInt64) -> Lab.Options {
    var options = options(seed: seed)
    options.upLink = LinkModel(
      delay: .milliseconds(3), lossPermille: 50, duplicatePermille: 50, reorderPermille: 100)
    options.downLink = options.upLink
    return options
  }

  private static func remote(_ number: Int, _ family: IPAddress.Family = .ipv4) -> Endpoint {
    switch family {
    case .ipv4: Endpoint(IPv4Address(192, 0, 2, UInt8(truncatingIfNeeded: number)), port: 80)
    case .ipv6: Endpoint(IPAddress(IPv6Address(high: 0x2001_0db8 << 32, low: UInt64(number))), port: 80)
    }
  }

  private static func bytes(_ count: Int, _ seed: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ seed) }
  }

  private static func manyConnections(_ lab: Lab, _ family: IPAddress.Family) {
    for number in 1...100 where number % 2 == 0 {
      lab.setWorld {
        $0.services[remote(number, family)] = RemoteService(
          .acceptsAfter(.milliseconds(Int64(number))), echoes: true)
      }
    }
    let connections = (1...100).map { number in
      let connection = lab.guest.connect(to: remote(number, family))
      connection.write(bytes(2000, number))
      connection.finish()
      return connection
    }
    lab.run(for: .seconds(30)) { connections.allSatisfy { $0.isFinished || $0.wasReset } }
    lab.advance(by: .seconds(90))
  }

  private static func echo(_ lab: Lab, _ family: IPAddress.Family) {
    lab.setWorld { $0.defaultService = RemoteService(echoes: true) }
    let connections = (1...8).map { number in
      let connection = lab.guest.connect(to: remote(number, family))
      connection.write(bytes(40_000, number))
      connection.finish()
      return connection
    }
    lab.run(for: .seconds(300)) { connections.allSatisfy(\.isFinished) }
  }

  private static func datagrams(_ lab: Lab, _ family: IPAddress.Family) {
    for number in 1...60 {
      let remote = remote(number, family)
      lab.setWorld {
        $0.datagramServices[remote] = number % 3 == 0 ? .answers(bytes(5000, number)) : .echoes
      }
      lab.guest.sendUDP(bytes(number * 10, number), from: UInt16(5000 + number % 7), to: remote)
      lab.guest.ping(gateway(lab, family), sequence: UInt16(number))
      if number % 10 == 0 { lab.advance(by: .seconds(45)) }
    }
    lab.advance(by: .seconds(600))
  }

  private static func forwards(_ lab: Lab, _ family: IPAddress.Family) {
    let listener = Endpoint(.any(family), port: 8080)
    let guest = Endpoint(lab.guest.address(in: family), port: 80)
    for transport in [Transport.tcp, .udp] {
      do throws(CommandError) {
        try lab.apply(.addForward(PortForward(transport: transport, host: listener, guest: guest)))
      } catch {
        preconditionFailure("the simulated host refuses a forward: \(error)")
      }
    }
    lab.guest.listen(on: 80)
    let clients = (1...20).compactMap { number in
      lab.connectClient(from: Endpoint(hostsOwn(number, family), port: 40_000), to: listener)
    }
    for (number, client) in clients.enumerated() {
      client.write(bytes(1000, number))
      client.finish()
      let source = Endpoint(hostsOwn(number + 1, family), port: 50_000)
      lab.deliver(bytes(100, number), from: source, toPort: 8080)
    }
    lab.advance(by: .seconds(5))
    for connection in lab.guest.accepted(on: 80) { connection.finish() }
    lab.advance(by: .seconds(5))
  }

  /// Addresses come, some of them asked for by forwards before they do; more than the stack remembers.
  private static func neighbors(_ lab: Lab) {
    lab.setWorld { $0.datagramServices[remote(1, .ipv6)] = .echoes }
    let listener = Endpoint(.any(.ipv6), port: 8080)
    let absent = Endpoint(IPAddress(IPv6Address(high: 0xfec0 << 48, low: 99)), port: 80)
    do throws(CommandError) {
      try lab.apply(.addForward(PortForward(transport: .tcp, host: listener, guest: absent)))
    } catch {
      preconditionFailure("the simulated host refuses a forward: \(error)")
    }
    let own = lab.guest.ipv6Address
    for number in 0..<2000 {
      lab.guest.ipv6Address = IPv6Address(high: own.high, low: own.low + UInt64(number))
      lab.guest.sendUDP(bytes(20, number), from: 5000, to: remote(1, .ipv6))
      if number % 100 == 0 {
        _ = lab.connectClient(from: remote(2 + number, .ipv6), to: listener)
        lab.advance(by: .seconds(3))
      }
    }
    lab.advance(by: .seconds(60))
  }

  private static func gateway(_ lab: Lab, _ family: IPAddress.Family) -> IPAddress {
    let settings = lab.options.settings
    return family == .ipv4 ? IPAddress(settings.ipv4Gateway) : IPAddress(settings.ipv6Gateway)
  }

  /// Addresses of the host that all appear as the gateway.
  private static func hostsOwn(_ number: Int, _ family: IPAddress.Family) -> IPAddress {
    family == .ipv4
      ? IPAddress(IPv4Address(127, 0, 0, UInt8(number)))
      : IPAddress(IPv6Address(high: 0xfe80 << 48, low: 1000 + UInt64(number)))
  }

  private static func shutdown(_ lab: Lab) {
    lab.setWorld { $0.defaultService = RemoteService(echoes: true) }
    for number in 1...20 { lab.guest.connect(to: remote(number)).write(bytes(30_000, number)) }
    lab.advance(by: .milliseconds(60))
    lab.shutDown()
    lab.advance(by: .seconds(5))
  }
}
