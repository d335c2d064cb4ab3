import LinuxSystem
import Primitives
import Testing

@testable import RouteNetlink

/// What the kernel tells, as it told it.
@Suite struct GoldenReplyTests {
  init() throws { try #require(UInt16(1).littleEndian == 1, "the bytes are a little-endian machine's") }

  /// The one message that `bytes` are.
  private func message(_ bytes: [UInt8]) throws -> NetlinkReply {
    var rest = bytes[...]
    let message = try #require(NetlinkReply(takingFrom: &rest))
    #expect(rest.isEmpty)
    return message
  }

  @Test func `a bridge and its port are known with all that there is to know of them`() throws {
    let bridge = try #require(InterfaceState(message(GoldenMessages.bridge).body))
    #expect(bridge.name == "br9" && bridge.index == 2 && bridge.mtu == 1500)
    #expect(bridge.hardware == MACAddress("52:54:00:aa:00:01"))
    #expect(bridge.isBridge && !bridge.isBridgePort && bridge.master == nil)
    #expect(bridge.isUp && !bridge.isRunning)
    let port = try #require(InterfaceState(message(GoldenMessages.port).body))
    #expect(port.name == "tap9" && port.index == 3 && port.master == 2 && port.kind == "tun")
    #expect(port.hardware == MACAddress("fe:54:00:aa:00:02"))
    #expect(!port.isBridge && port.isBridgePort && port.isTAP && !bridge.isTAP)
    #expect(port.isUp && port.isRunning)
  }

  @Test func `what a bridge tells of its own is not taken for an interface`() throws {
    var bytes = GoldenMessages.port
    bytes[16] = RouteFamily.bridge
    #expect(try InterfaceState(message(bytes).body) == nil)
  }

  @Test func `an address is known by its interface, in either family`() throws {
    let ipv4 = try #require(AssignedAddress(message(GoldenMessages.ipv4Address).body))
    #expect(ipv4.address == InterfaceAddress("192.168.1.101/24") && ipv4.interface == 2)
    let ipv6 = try #require(AssignedAddress(message(GoldenMessages.ipv6Address).body))
    #expect(ipv6.address == InterfaceAddress("fd00::1/64") && ipv6.interface == 2)
  }

  @Test func `of a link between two, the address is one's own end`() throws {
    var bytes = GoldenMessages.ipv4Address
    bytes[31] = 7  // IFA_ADDRESS, the other end's
    #expect(try AssignedAddress(message(bytes).body)?.address == InterfaceAddress("192.168.1.101/24"))
  }

  @Test func `default routes are known by gateway, interface and metric`() throws {
    let ipv4 = try #require(Route(message(GoldenMessages.ipv4Default).body))
    #expect(ipv4.family == .ipv4 && ipv4.destination == nil && ipv4.gateway == IPAddress("192.168.1.1"))
    #expect(ipv4.interface == 2 && ipv4.metric == 100 && ipv4.isUsable)
    let ipv6 = try #require(Route(message(GoldenMessages.ipv6Default).body))
    #expect(ipv6.family == .ipv6 && ipv6.destination == nil && ipv6.gateway == IPAddress("fd00::9"))
    #expect(ipv6.interface == 2 && ipv6.metric == 1024 && ipv6.isUsable)
  }

  @Test func `routes of other tables are left out, and one that refuses leads nowhere`() throws {
    #expect(try Route(message(GoldenMessages.localRoute).body) == nil)
    var prohibited = GoldenMessages.ipv4Default
    prohibited[23] = 8  // RTN_PROHIBIT
    let route = try #require(Route(message(prohibited).body))
    #expect(!route.isUsable)
  }

  @Test func `of several paths the first is taken that leads anywhere`() throws {
    let route = try #require(Route(message(GoldenMessages.twoPaths).body))
    #expect(route.interface == 3 && route.gateway == IPAddress("192.168.2.1") && route.isUsable)
    var dead = GoldenMessages.twoPaths
    dead[58] = 1  // the second path's flags
    let unusable = try #require(Route(message(dead).body))
    #expect(unusable.interface == 2 && unusable.gateway == IPAddress("192.168.1.1") && !unusable.isUsable)
  }

  @Test func `a bridge's table tells whose an address is`() throws {
    let own = try #require(ForwardingEntry(message(GoldenMessages.ownEntry).body))
    #expect(own.hardware == MACAddress("fe:54:00:aa:00:02") && own.port == 3 && own.bridge == 2 && own.isOwn)
    var learned = GoldenMessages.ownEntry
    learned[24] = 2  // NUD_REACHABLE
    #expect(try ForwardingEntry(message(learned).body)?.isOwn == false)
    #expect(try ForwardingEntry(message(GoldenMessages.multicastEntry).body) == nil)
  }

  @Test func `a list ends with its last message, and an error comes with the kernel's words`() throws {
    #expect(try message(GoldenMessages.done).errorNumber == 0)
    #expect(try !message(GoldenMessages.done).isInterrupted)
    var interrupted = GoldenMessages.done
    interrupted[6] |= 0x10  // NLM_F_DUMP_INTR
    #expect(try message(interrupted).isInterrupted)
    let refusal = try message(GoldenMessages.refusal)
    #expect(refusal.errorNumber == 95 && refusal.explanation == "Unknown device type")
    #expect(try message(GoldenMessages.bridge).errorNumber == nil)
  }

  @Test func `changes are told by what came or went`() throws {
    let state = try #require(InterfaceState(message(GoldenMessages.port).body))
    #expect(try RouteEvent(message(GoldenMessages.port)) == .interfaceChanged(state))
    var removed = GoldenMessages.port
    removed[4] = 17  // RTM_DELLINK
    #expect(try RouteEvent(message(removed)) == .interfaceRemoved(state))
    let address = try #require(AssignedAddress(message(GoldenMessages.ipv4Address).body))
    #expect(try RouteEvent(message(GoldenMessages.ipv4Address)) == .addressAdded(address))
    var lost = GoldenMessages.ipv4Address
    lost[4] = 21  // RTM_DELADDR
    #expect(try RouteEvent(message(lost)) == .addressRemoved(address))
    #expect(try RouteEvent(message(GoldenMessages.ipv6Default)) == .routesChanged)
    #expect(try RouteEvent(message(GoldenMessages.localRoute)) == nil)
    #expect(try RouteEvent(message(GoldenMessages.ownEntry)) == nil)
  }

  @Test func `whatever is cut off or changed of a message, it is read within its bounds`() {
    for golden in GoldenMessages.all {
      for length in 0...golden.count {
        read(golden.prefix(length))
        // Also where the header says that this is all.
        var shortened = Array(golden.prefix(length))
        if length >= 4 { (shortened[0], shortened[1]) = (UInt8(length), 0) }
        read(shortened[...])
      }
      for index in golden.indices {
        for value: UInt8 in [0, 1, 3, 4, 5, 0x7f, 0xff] {
          var changed = golden
          changed[index] = value
          read(changed[...])
        }
      }
    }
  }

  /// Reads bytes as everything that they may be.
  private func read(_ bytes: ArraySlice<UInt8>) {
    var rest = bytes
    while let message = NetlinkReply(takingFrom: &rest) {
      _ = (message.errorNumber, message.explanation, RouteEvent(message))
      _ = (InterfaceState(message.body), AssignedAddress(message.body))
      _ = (Route(message.body), ForwardingEntry(message.body))
    }
  }
}
