import Netstack
import Primitives
import Simulation
import Testing

/// What the network says while a guest's connection is being made (RFC 1122 section 4.2.3.9).
@Suite struct ConnectingErrorTests {
  @Test(arguments: families)
  func `traceroute by SYNs sees each router by its own address, and a SYN that comes again goes again`(
    family: IPAddress.Family
  ) {
    withLab { lab in
      let world = OutsideWorld(family)
      world.build(in: lab)
      lab.host.services[Endpoint(world.server, port: 80)] = RemoteService(.fails(.refused))
      // One connection's SYN, sent again and again with a longer life.
      for hop: UInt8 in 1...3 { lab.guestSends(.tcp(.synchronize(to: 80)), to: world.server, hopLimit: hop) }
      let exceeded = world.message(.timeExceeded)
      #expect(lab.receivedErrors.map(\.from) == [.gateway(family)] + world.routers)
      #expect(lab.receivedErrors.map(\.message) == [exceeded, exceeded, exceeded])
      let header = lab.encoded(.tcp(.synchronize(to: 80)), to: world.server)
      for error in lab.receivedErrors { #expect(error.quoted.prefix(8) == header.prefix(8)) }
      #expect(lab.flows.isEmpty && lab.openSocketCount == 0)
      #expect(lab.host.calls.connects == 2)
    }
  }

  @Test(arguments: families, [NetworkReport.networkUnreachable, .hostUnreachable, .prohibited, .portUnreachable])
  func `an unreachable network, host or port is reported by who found out, a refusal is a reset`(
    family: IPAddress.Family, report: NetworkReport
  ) {
    withLab { lab in
      let world = OutsideWorld(family)
      world.build(in: lab, refusal: report)
      lab.guestSends(.tcp(.synchronize(to: 80)), to: world.server)
      #expect(lab.receivedErrors.map(\.from) == [world.routers[1]])
      #expect(lab.receivedErrors.map(\.message) == [world.message(report)])
      #expect(lab.flows.isEmpty && lab.openSocketCount == 0)

      lab.host.paths = [:]
      lab.host.defaultService = RemoteService(.failsAfter(.refused, .milliseconds(5)))
      let refused = lab.rawConnection(to: Endpoint(world.server, port: 81))
      refused.guest(Segment(.syn, seq: 0, options: [.mss(1200)]))
      lab.advance(by: .milliseconds(10))
      #expect(refused.takeSegments().map(\.flags) == [[.rst, .ack]])
      #expect(lab.receivedErrors.count == 1)
    }
  }
}
