import Configuration
import Primitives
import RouteNetlink
import Testing

@testable import Runtime

@Suite struct DeviceChoiceTests {
  @Test(arguments: [
    (LinkMode.auto, false, false, nil),
    (.user, false, false, nil),
    (.user, true, false, nil),
    (.auto, true, false, "is a bridge's port"),
    (.auto, false, true, "is held by another process"),
    (.user, false, true, "is held by another process"),
    (.bridge, false, false, "bridge mode is not there yet"),
    (.bridge, true, true, "bridge mode is not there yet"),
  ])
  func `a device is served unless it is a bridge's port or another's, and the mode does not say otherwise`(
    mode: LinkMode, isBridgePort: Bool, isHeld: Bool, words: String?
  ) {
    let choice = DeviceChoice(mode, name: "tap7", isBridgePort: isBridgePort, isHeld: isHeld)
    guard let words else {
      #expect(choice.refusal == nil)
      return
    }
    #expect(choice.refusal?.contains("tap:tap7") == true && choice.refusal?.contains(words) == true)
  }
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
