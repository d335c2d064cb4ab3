import Netstack
import Primitives
import Simulation
import Testing

/// Full tables: the flow that was unused for longest makes room.
@Suite struct EvictionTests {
  private func send(_ lab: Lab, _ family: IPAddress.Family, from port: UInt16) {
    lab.guest.sendUDP([UInt8(truncatingIfNeeded: port)], from: port, to: .server(family))
    lab.settle()
  }

  private func mappedPorts(_ lab: Lab) -> [UInt16] { lab.flows.map(\.guest.port).sorted() }

  @Test(arguments: families)
  func `the mapping unused for longest makes room for another`(family: IPAddress.Family) {
    var options = Lab.Options()
    options.settings.maximumUDPFlows = 3
    withLab(options) { lab in
      for port: UInt16 in [5001, 5002, 5003] {
        send(lab, family, from: port)
        lab.advance(by: .seconds(2))
      }
      send(lab, family, from: 5001)
      send(lab, family, from: 5004)
      #expect(mappedPorts(lab) == [5001, 5003, 5004])
      #expect(lab.flowEnds == [.evicted])
      #expect(lab.openSocketCount == 3)
      #expect(lab.drops(.exhausted) == 0)
    }
  }

  @Test(arguments: families)
  func `an answer is a use as well`(family: IPAddress.Family) throws {
    var options = Lab.Options()
    options.settings.maximumUDPFlows = 2
    try withLab(options) { lab in
      send(lab, family, from: 5001)
      lab.advance(by: .seconds(2))
      send(lab, family, from: 5002)
      lab.advance(by: .seconds(2))
      let first = try #require(lab.datagramFlow(onPort: 5001))
      lab.host.deliver([1], from: .server(family), to: first)
      lab.settle()
      send(lab, family, from: 5003)
      #expect(mappedPorts(lab) == [5001, 5003])
    }
  }

  @Test(arguments: families)
  func `with the host's descriptors used up the mapping unused for longest gives its own`(family: IPAddress.Family) {
    withLab { lab in
      lab.host.descriptorsLeft = 2
      for port: UInt16 in [5001, 5002] {
        send(lab, family, from: port)
        lab.advance(by: .seconds(2))
      }
      send(lab, family, from: 5003)
      #expect(mappedPorts(lab) == [5002, 5003])
      #expect(lab.sentDatagrams.map(\.payload.first) == [5001, 5002, 5003].map { UInt8(truncatingIfNeeded: $0) })
      #expect(lab.guest.icmpMessages.isEmpty)
    }
  }

  @Test(arguments: families)
  func `what came in the same batch is not given up for what comes behind it`(family: IPAddress.Family) {
    var options = Lab.Options()
    options.settings.maximumUDPFlows = 2
    withLab(options) { lab in
      for port: UInt16 in [5001, 5002, 5003] { lab.guest.sendUDP([1], from: port, to: .server(family)) }
      lab.settle()
      #expect(lab.sentDatagrams.map(\.local.port) == [5001, 5002])
      #expect(lab.drops(.exhausted) == 1)
      #expect(lab.receivedErrors.map(\.message) == [OutsideWorld(family).message(.prohibited)])
    }
  }

  @Test(arguments: families)
  func `thousands of ports one after another leave no more sockets than the limit`(family: IPAddress.Family) {
    var options = Lab.Options()
    options.settings.maximumUDPFlows = 100
    withLab(options) { lab in
      for number: UInt16 in 0..<1000 { send(lab, family, from: 2000 + number) }
      #expect(lab.openSocketCount == 100)
      #expect(lab.sentDatagrams.count == 1000)
      #expect(mappedPorts(lab) == (2900..<3000).map { UInt16($0) })
      lab.advance(by: .seconds(301))
      #expect(lab.openSocketCount == 0)
    }
  }
}
