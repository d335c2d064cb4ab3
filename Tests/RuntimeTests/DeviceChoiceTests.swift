import Configuration
import Primitives
import RouteNetlink
import Testing

@testable import Runtime

@Suite struct DeviceChoiceTests {
  private static let free = DeviceState()
  private static let held = DeviceState(isHeld: true)
  private static let port = DeviceState(master: "br0", isBridgePort: true)
  private static let bonded = DeviceState(master: "team0")
  private static let noTAP = DeviceState(isTAP: false, isHeld: true)

  @Test(
    arguments: [
      (LinkMode.auto, nil, DeviceChoice.user), (.auto, free, .user), (.auto, noTAP, .user),
      (.auto, port, .bridge(reason: "tap:tap7 is a port of br0, so it is left to bridge mode")),
      (.auto, held, .bridge(reason: "tap:tap7 is held by another process, so it is left to bridge mode")),
      (.user, nil, .user), (.user, port, .user), (.user, held, .user), (.user, bonded, .user),
      (.bridge, free, .bridge(reason: nil)), (.bridge, held, .bridge(reason: nil)),
      (.bridge, port, .bridge(reason: nil)),
      (.bridge, noTAP, .refused("the interface 'tap7' is no TAP device")),
      (
        .bridge, nil,
        .refused(
          "there is no tap:tap7, which in bridge mode is QEMU's to open; 'culvert tap create tap7 --user USER' makes it"
        )
      ),
      (
        .bridge, bonded,
        .refused(
          "tap:tap7 is part of team0, which is no bridge of the kernel's; 'ip link set tap7 nomaster' sets it free")
      ),
      (
        .auto, bonded,
        .refused(
          "tap:tap7 is part of team0, which is no bridge of the kernel's; 'ip link set tap7 nomaster' sets it free, "
            + "and --mode user serves it as it is")
      ),
    ] as [(LinkMode, DeviceState?, DeviceChoice)])
  func `a device is served unless it is a bridge's port or another's, and the mode does not say otherwise`(
    mode: LinkMode, state: DeviceState?, choice: DeviceChoice
  ) { #expect(DeviceChoice(mode, name: "tap7", state) == choice) }
}

@Suite struct NamespaceRequestTests {
  @Test func `a helper is told everything on its command line`() throws {
    let gateway = IPAddress(IPv4Address(10, 0, 2, 2))
    var request = NamespaceRequest(
      interface: InterfaceSettings(name: "tap0", mtu: 1500, gateways: [gateway]), queues: 2)
    request.socket = 7
    let words = [
      "/proc/self/exe", "namespace-helper", "--socket", "7", "--interface", "tap0", "--mtu", "1500", "--queues", "2",
      "--gateway", "10.0.2.2",
    ]
    #expect(request.commandLine == words)
    request.nameServers = [IPAddress(IPv4Address(10, 0, 2, 3))]
    request.searchDomains = ["a.test", "b.test"]
    request.command = ["ls", "-l"]
    #expect(
      request.commandLine == words + [
        "--name-server", "10.0.2.3", "--search", "a.test", "--search", "b.test", "--", "ls", "-l",
      ])
    #expect(request.resolverConfiguration == "nameserver 10.0.2.3\nsearch a.test b.test\n")
  }

  @Test(arguments: ["10.0.2.15", "10.0.2.15/33", "fec0::1/129", "x/24", "10.0.2.15/", "/24", "10.0.2.15/24/1"])
  func `what is no address with a prefix is none`(text: String) { #expect(InterfaceAddress(text) == nil) }
}
