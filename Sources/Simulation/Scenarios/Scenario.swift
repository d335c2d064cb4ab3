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

  /// All scenarios.
  public static var all: [Scenario] {
    [
      Scenario("many connections, half of them refused", options(seed: 11), manyConnections),
      Scenario("echo over a link that loses, repeats and reorders", badLink(seed: 12), echo),
      Scenario("datagrams to many hosts, with answers in fragments", options(seed: 13), datagrams),
      Scenario("clients of forwards that look alike", options(seed: 14), forwards),
      Scenario("a shutdown in the middle of everything", badLink(seed: 15), shutdown),
    ]
  }

  private static func options(seed: UInt64) -> Lab.Options {
    var options = Lab.Options()
    options.seed = seed
    return options
  }

  private static func badLink(seed: UInt64) -> Lab.Options {
    var options = options(seed: seed)
    options.upLink = LinkModel(
      delay: .milliseconds(3), lossPermille: 50, duplicatePermille: 50, reorderPermille: 100)
    options.downLink = options.upLink
    return options
  }

  private static func remote(_ number: Int) -> Endpoint {
    Endpoint(IPv4Address(192, 0, 2, UInt8(truncatingIfNeeded: number)), port: 80)
  }

  private static func bytes(_ count: Int, _ seed: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ seed) }
  }

  private static func manyConnections(_ lab: Lab) {
    for number in 1...100 where number % 2 == 0 {
      lab.host.services[remote(number)] = RemoteService(.acceptsAfter(.milliseconds(Int64(number))), echoes: true)
    }
    let connections = (1...100).map { number in
      let connection = lab.guest.connect(to: remote(number))
      connection.write(bytes(2000, number))
      connection.finish()
      return connection
    }
    lab.run(for: .seconds(30)) { connections.allSatisfy { $0.isFinished || $0.wasReset } }
    lab.advance(by: .seconds(90))
  }

  private static func echo(_ lab: Lab) {
    lab.host.defaultService = RemoteService(echoes: true)
    let connections = (1...8).map { number in
      let connection = lab.guest.connect(to: remote(number))
      connection.write(bytes(40_000, number))
      connection.finish()
      return connection
    }
    lab.run(for: .seconds(300)) { connections.allSatisfy(\.isFinished) }
  }

  private static func datagrams(_ lab: Lab) {
    for number in 1...60 {
      let remote = remote(number)
      lab.host.datagramServices[remote] = number % 3 == 0 ? .answers(bytes(5000, number)) : .echoes
      guard let address = remote.address.ipv4 else { continue }
      lab.guest.sendUDP(bytes(number * 10, number), from: UInt16(5000 + number % 7), to: address, port: 80)
      lab.guest.ping(IPv4Address(10, 0, 2, 2), sequence: UInt16(number))
      if number % 10 == 0 { lab.advance(by: .seconds(45)) }
    }
    lab.advance(by: .seconds(600))
  }

  private static func forwards(_ lab: Lab) {
    let listener = Endpoint(.loopback, port: 8080)
    let guest = Endpoint(lab.guest.address, port: 80)
    for transport in [Transport.tcp, .udp] {
      do throws(CommandError) {
        try lab.apply(.addForward(PortForward(transport: transport, host: listener, guest: guest)))
      } catch {
        preconditionFailure("the simulated host refuses a forward: \(error)")
      }
    }
    lab.guest.listen(on: 80)
    let clients = (1...20).compactMap { number in
      lab.connectClient(from: Endpoint(IPv4Address(127, 0, 0, UInt8(number)), port: 40_000), to: listener)
    }
    for (number, client) in clients.enumerated() {
      client.write(bytes(1000, number))
      client.finish()
      if let flow = lab.datagramFlow(onPort: 8080) {
        let source = Endpoint(IPv4Address(127, 0, 0, UInt8(number + 1)), port: 50_000)
        lab.host.deliver(bytes(100, number), from: source, to: flow)
      }
    }
    lab.advance(by: .seconds(5))
    for connection in lab.guest.accepted(on: 80) { connection.finish() }
    lab.advance(by: .seconds(5))
  }

  private static func shutdown(_ lab: Lab) {
    lab.host.defaultService = RemoteService(echoes: true)
    for number in 1...20 { lab.guest.connect(to: remote(number)).write(bytes(30_000, number)) }
    lab.advance(by: .milliseconds(60))
    lab.shutDown()
    lab.advance(by: .seconds(5))
  }
}
