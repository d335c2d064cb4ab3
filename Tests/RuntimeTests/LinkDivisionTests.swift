import Configuration
import Primitives
import RouteNetlink
import Testing

@testable import Runtime

/// Which links end in our stack, and with what a bridge is set up for the others.
@Suite struct LinkDivisionTests {
  private func port(of bridge: String) -> DeviceState { DeviceState(master: bridge, isBridgePort: true) }

  private func divide(
    _ links: [String], _ devices: [String: DeviceState], mode: LinkMode = .auto, given: BridgeOptions? = nil
  ) throws -> LinkDivision {
    try LinkDivision(links.map { try LinkAddress($0) }, mode, devices: devices, given: given)
  }

  private func refusal(_ body: () throws -> Void) -> String? {
    do {
      try body()
      return nil
    } catch {
      return "\(error)"
    }
  }

  private let lab: BridgeOptions = {
    var options = BridgeOptions()
    (options.bridge, options.address) = ("lab0", "10.7.0.1/24")
    return options
  }()

  @Test func `devices on a bridge are left to it, all other links are served`() throws {
    let division = try divide(
      ["tap:tap0", "unix:s", "tap:tap1", "tap:tap2"], ["tap0": port(of: "br0"), "tap1": DeviceState(isHeld: true)])
    #expect(division.links.map(\.description) == ["unix:s", "tap:tap2"])
    #expect(division.ports == ["tap0", "tap1"] && division.newPorts == ["tap1"] && division.bridge == "br0")
    #expect(division.reasons.count == 2)
  }

  @Test func `without a device for one there is a bridge only where it was asked for`() throws {
    #expect(try divide(["unix:s"], [:]).bridge == nil)
    let beside = try divide(["unix:s"], [:], given: lab)
    #expect(beside.bridge == "lab0" && beside.links.count == 1)
    #expect(try beside.options(given: lab, addresses: [], server: nil) == lab)
  }

  @Test func `a device that is on no bridge becomes a port of the one that is set up`() throws {
    let recipe = try divide(["tap:tap0"], ["tap0": DeviceState()], mode: .bridge)
    #expect(recipe.reasons.isEmpty)
    var options = BridgeOptions()
    options.ports = ["tap0"]
    #expect(try recipe.options(given: nil, addresses: [], server: nil) == options)
    var given = lab
    given.ports = ["tap0", "tap9"]
    let named = try divide(["tap:tap0"], ["tap0": DeviceState()], mode: .bridge, given: given)
    #expect(try named.options(given: given, addresses: [], server: nil) == given)
  }

  @Test func `a bridge that devices are on keeps the address that it has, unless another was asked for`() throws {
    let devices = ["tap0": port(of: "lab0")]
    let own = try #require(InterfaceAddress("10.1.1.1/24"))
    let other = try #require(InterfaceAddress("fd00::1/64"))
    let division = try divide(["tap:tap0"], devices)
    #expect(try division.options(given: nil, addresses: [other, own], server: nil)?.address == "10.1.1.1/24")
    #expect(try division.options(given: nil, addresses: [other], server: nil)?.address == "192.168.1.101/24")
    let usual = try #require(InterfaceAddress("192.168.1.101/24"))
    #expect(try division.options(given: nil, addresses: [own, usual], server: nil)?.address == "192.168.1.101/24")
    let named = try divide(["tap:tap0"], devices, given: lab)
    #expect(try named.options(given: lab, addresses: [own], server: nil)?.address == "10.7.0.1/24")
  }

  @Test func `devices of two bridges, or of another than was asked for, are refused`() throws {
    let two = refusal { _ = try divide(["tap:a", "tap:b"], ["a": port(of: "br0"), "b": port(of: "br1")]) }
    #expect(
      two
        == "tap:a is a port of br0 and tap:b one of br1, and an instance serves one bridge; start another for the other"
    )
    let other = refusal { _ = try divide(["tap:a"], ["a": port(of: "br0")], given: lab) }
    #expect(other?.hasPrefix("tap:a is a port of br0, and --bridge-config is of lab0; ") == true)
  }

  @Test func `a bridge that is served already is left as it is, and gets no port by another process`() throws {
    var served = BridgeOptions()
    (served.lease, served.ports) = (600, ["tap0"])
    let server = (process: Int32(77), options: served)
    let port = try divide(["tap:tap0"], ["tap0": port(of: "bridge0")])
    #expect(try port.options(given: nil, addresses: [], server: server) == served)
    let new = try divide(["tap:tap1"], ["tap1": DeviceState()], mode: .bridge)
    let words = refusal { _ = try new.options(given: nil, addresses: [], server: server) }
    #expect(
      words
        == "tap:tap1 is no port of bridge0, which process 77 serves; 'ip link set tap1 master bridge0' makes it one")
    // The same but for its ports, and not the same: that is told where it is set up.
    var given = served
    given.ports = []
    #expect(try divide([], [:], given: given).options(given: given, addresses: [], server: server) == served)
    given.lease = 700
    #expect(try divide([], [:], given: given).options(given: given, addresses: [], server: server) == given)
  }
}
