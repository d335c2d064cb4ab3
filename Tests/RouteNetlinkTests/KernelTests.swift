import Glibc
import LinuxSystem
import Primitives
import Testing

@testable import RouteNetlink

/// Questions and changes, each in a network namespace of its own.
@Suite(.needsRoot) struct KernelTests {
  private static let hardware = MACAddress(0xfe, 0x54, 0, 0xaa, 0, 2)

  @Test func `a bridge is made, found, listed and removed, and no other interface of its name`() throws {
    try withOwnNetwork {
      let kernel = try Kernel()
      #expect(try kernel.ask { try $0.interface(named: "br0") } == nil)
      try kernel.ask { try $0.makeBridge("br0", hardware: Self.hardware) }
      let made = try kernel.ask { try $0.require("br0") }
      #expect(made.isBridge && !made.isUp && made.hardware == Self.hardware && made.mtu == 1500)
      #expect(try kernel.refusal { try $0.makeBridge("br0") }?.error.number == EEXIST)
      let listed = try kernel.ask { try $0.interfaces() }
      #expect(listed.map(\.name) == ["lo", "br0"] && listed.last == made)
      try kernel.ask { try $0.removeInterface("br0") }
      #expect(try kernel.ask { try $0.interface(named: "br0") } == nil)
      #expect(try kernel.refusal { try $0.removeInterface("br0") }?.error.number == ENODEV)
    }
  }

  @Test func `a port is attached with everything that it needs by one message, and released`() throws {
    try withOwnNetwork {
      let kernel = try Kernel()
      try kernel.ask { try $0.makeBridge("br0") }
      try kernel.ask { try $0.change("br0", InterfaceChange(isUp: true, mtu: 1400)) }
      let device = try Device()
      let name = device.name
      let change = InterfaceChange(isUp: true, mtu: 1400, hardware: Self.hardware)
      try kernel.ask { try $0.attach(name, to: "br0", change) }
      let (bridge, port) = (try kernel.ask { try $0.require("br0") }, try kernel.ask { try $0.require(name) })
      #expect(port.master == bridge.index && port.isBridgePort && port.kind == "tun")
      #expect(port.isUp && port.isRunning && port.hasCarrier && port.mtu == 1400 && port.hardware == Self.hardware)
      #expect(bridge.mtu == 1400)
      #expect(try kernel.ask { try $0.forwardingEntries(of: "br0") }.contains { $0.port == port.index && $0.isOwn })
      try kernel.ask { try $0.release(name) }
      #expect(try kernel.ask { try $0.require(name) }.master == nil)
      try kernel.ask { try $0.release(name) }
      withExtendedLifetime(device) {}
    }
  }

  @Test func `what cannot be attached is told with the kernel's number and its words`() throws {
    try withOwnNetwork {
      let kernel = try Kernel()
      try kernel.ask { try $0.makeBridge("br0") }
      try kernel.ask { try $0.makeBridge("br1") }
      let nested = try kernel.refusal { try $0.attach("br0", to: "br1") }
      #expect(nested?.error.number == ELOOP)
      #expect(
        nested?.description == "cannot attach br0 to the bridge br1: Too many levels of symbolic links "
          + "(Can not enslave a bridge to a bridge)")
      let device = try Device()
      let name = device.name
      #expect(try kernel.refusal { try $0.attach("br0", to: name) }?.error.number == EOPNOTSUPP)
      #expect(try kernel.refusal { try $0.attach(name, to: "br7") }?.error.subject == "br7")
      #expect(try kernel.refusal { try $0.attach("tap7", to: "br0") }?.error.subject == "tap7")
      withExtendedLifetime(device) {}
    }
  }

  @Test(arguments: ["192.168.1.101/24", "fd00::1/64"])
  func `an address is given, listed and taken`(text: String) throws {
    let address = try #require(InterfaceAddress(text))
    try withOwnNetwork {
      let kernel = try Kernel()
      try kernel.ask { try $0.makeBridge("br0") }
      try kernel.ask { try $0.change("br0", InterfaceChange(isUp: true)) }
      try kernel.ask { try $0.add(address, to: "br0") }
      let index = try kernel.ask { try $0.require("br0") }.index
      #expect(try kernel.ask { try $0.addresses() }.contains { $0.address == address && $0.interface == index })
      #expect(try kernel.ask { try $0.addresses(of: "br0") }.contains(address))
      #expect(try kernel.ask { try $0.addresses(of: "lo") }.contains(address) == false)
      #expect(try kernel.refusal { try $0.add(address, to: "br0") }?.error.number == EEXIST)
      try kernel.ask { try $0.remove(address, from: "br0") }
      #expect(try kernel.ask { try $0.addresses(of: "br0") }.contains(address) == false)
      #expect(try kernel.refusal { try $0.remove(address, from: "br0") }?.error.isWithoutAddress == true)
    }
  }

  @Test func `the default route is that of the least metric, in each family`() throws {
    try withOwnNetwork {
      let kernel = try Kernel()
      #expect(try kernel.ask { try $0.defaultRoute(.ipv4) } == nil)
      for (name, third) in [("up0", UInt8(1)), ("up1", 2)] {
        try kernel.ask { try $0.makeBridge(name) }
        let network = IPv4Address(192, 168, third, 9)
        let settings = InterfaceSettings(
          name: name, mtu: 1500, addresses: [InterfaceAddress(IPAddress(network), prefixLength: 24)])
        try kernel.ask { try $0.apply(settings) }
      }
      try run("ip route add default via 192.168.1.1 dev up0 metric 200")
      try run("ip route add default via 192.168.2.1 dev up1 metric 100; ip route add default dev up0 table 7")
      let first = try kernel.ask { try $0.require("up0") }.index
      let second = try kernel.ask { try $0.require("up1") }.index
      #expect(try kernel.ask { try $0.defaultRoute(.ipv4) }?.interface == second)
      #expect(try kernel.ask { try $0.defaultRoute(.ipv4) }?.gateway == IPAddress(IPv4Address(192, 168, 2, 1)))
      #expect(try kernel.ask { try $0.defaultRoute(.ipv6) } == nil)
      try run("ip address add fd00::1/64 dev up0 nodad; ip -6 route add default via fd00::9")
      #expect(try kernel.ask { try $0.defaultRoute(.ipv6) }?.interface == first)
      let network = try kernel.ask { try $0.routes() }.first { $0.destination == InterfaceAddress("192.168.2.0/24") }
      #expect(network?.interface == second && network?.gateway == nil)
      try run("ip route del default dev up1; ip route del default dev up0")
      try run("ip route add default nexthop via 192.168.2.1 dev up1 nexthop via 192.168.1.1 dev up0")
      #expect(try kernel.ask { try $0.defaultRoute(.ipv4) }?.interface == second)
    }
  }

  @Test func `a monitor hears of an interface and its address in their order, and of a slow reader's loss`() throws {
    try withOwnNetwork {
      let monitor = try RouteMonitor()
      let before = try monitor.events()
      #expect(before == nil)
      let kernel = try Kernel()
      try kernel.ask { try $0.makeBridge("br0") }
      let address = try #require(InterfaceAddress("192.168.1.101/24"))
      try kernel.ask { try $0.add(address, to: "br0") }
      try kernel.ask { try $0.removeInterface("br0") }
      var words: [String] = []
      while let events = try monitor.events() {
        for event in events {
          switch event {
          case .interfaceChanged(let state): words.append("changed \(state.name)")
          case .interfaceRemoved(let state): words.append("removed \(state.name)")
          case .addressAdded(let assigned): words.append("added \(assigned.address)")
          case .addressRemoved(let assigned): words.append("lost \(assigned.address)")
          case .routesChanged: words.append("routes")
          case .missed: words.append("missed")
          }
        }
      }
      let expected = ["changed br0", "added 192.168.1.101/24", "lost 192.168.1.101/24", "removed br0"]
      #expect(words.filter(expected.contains) == expected, "\(words)")

      // More than the 208 KiB that a socket keeps.
      for round in 0..<600 { try kernel.ask { try $0.change("lo", InterfaceChange(mtu: 2000 + UInt32(round))) } }
      var isMissed = false
      while let events = try monitor.events() { isMissed = isMissed || events.contains(.missed) }
      #expect(isMissed)
    }
  }

  private func run(_ script: String) throws {
    let child = try ChildProcess(["/bin/sh", "-ec", script])
    let exit = try child.waitUntilExit()
    try #require(exit == .status(0), "\(script)")
  }
}

/// A socket of the network namespace that the calling thread is in, in a form that `#expect` can look at.
private final class Kernel {
  private var routes: RouteSocket

  init() throws(SystemError) { routes = try RouteSocket() }

  /// What `body` asks.
  func ask<Result>(_ body: (inout RouteSocket) throws -> Result) throws -> Result { try body(&routes) }

  /// The error that `body` ends with, nil where it ends without.
  func refusal(_ body: (inout RouteSocket) throws -> Void) throws -> RouteError? {
    do {
      try body(&routes)
      return nil
    } catch let error as RouteError {
      return error
    }
  }
}

/// A TAP device that lives as long as this value.
private final class Device {
  private let device: TAPDevice
  let name: String

  init() throws(SystemError) {
    device = try TAPDevice(name: "tap%d")
    name = device.name
  }
}

/// Runs `body` in a network namespace of its own.
///
/// A test does not change its thread before it returns, so that the thread can be given a network meanwhile.
private func withOwnNetwork(_ body: () throws -> Void) throws {
  let before = try FileDescriptor.open(reading: "/proc/thread-self/ns/net")
  try Namespace.make([.network])
  defer {
    do throws(SystemError) {
      try Namespace.enter(.network, before)
    } catch {
      preconditionFailure("the way back is lost: \(error)")
    }
  }
  try body()
}

extension Trait where Self == ConditionTrait {
  /// The test needs root, for network namespaces; without, it fails in CI and is skipped elsewhere.
  fileprivate static var needsRoot: ConditionTrait {
    .enabled(
      if: ProcessControl.effectiveUser == 0 || ProcessControl.environment("CI") == "true", "this test needs root")
  }
}
