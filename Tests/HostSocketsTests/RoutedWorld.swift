import CLinux
import Glibc
import LinuxSystem
import Primitives
import Testing

/// Three networks in a row: here - router - outside, the last with links of 1280 bytes, in both families.
///
/// `here` is the network of the calling thread, which is empty before. Nothing limits how many errors the router
/// sends.
final class RoutedWorld {
  static let router4 = IPAddress(IPv4Address(10, 91, 1, 2))
  static let outside4 = IPAddress(IPv4Address(10, 91, 2, 2))
  static let router6 = IPAddress(IPv6Address(high: 0xfd91_0001 << 32, low: 2))
  static let outside6 = IPAddress(IPv6Address(high: 0xfd91_0002 << 32, low: 2))
  /// The MTU of the outside's link.
  static let narrowMTU = 1280

  private let name: String
  private let here: FileDescriptor
  private let outside: FileDescriptor

  /// Builds the world; `lendsPing` says whether unprivileged ping sockets are to be had in it.
  init(lendsPing: Bool = true) throws {
    name = "culvert-sockets-\(ProcessControl.processID)-\(clinux_monotonic_nanoseconds())"
    let script = """
      set -e
      r=\(name)-r o=\(name)-o
      ip netns add $r; ip netns add $o
      quiet='for f in ipv4/icmp_ratelimit ipv6/icmp/ratelimit; do echo 0 >/proc/sys/net/$f; done'
      ip netns exec $r sh -c "$quiet; echo 1 >/proc/sys/net/ipv4/ip_forward
        echo 1 >/proc/sys/net/ipv6/conf/all/forwarding"
      ip netns exec $o sh -c "$quiet"
      ip link add va type veth peer name vb netns $r
      ip -n $r link add vc type veth peer name vd netns $o
      ip address add 10.91.1.1/24 dev va; ip address add fd91:1::1/64 dev va nodad
      ip -n $r address add 10.91.1.2/24 dev vb; ip -n $r address add fd91:1::2/64 dev vb nodad
      ip -n $r address add 10.91.2.1/24 dev vc; ip -n $r address add fd91:2::1/64 dev vc nodad
      ip -n $o address add 10.91.2.2/24 dev vd; ip -n $o address add fd91:2::2/64 dev vd nodad
      ip -n $r link set vc mtu \(Self.narrowMTU); ip -n $o link set vd mtu \(Self.narrowMTU)
      ip link set lo up; ip link set va up
      for link in lo vb vc; do ip -n $r link set $link up; done
      for link in lo vd; do ip -n $o link set $link up; done
      ip route add default via 10.91.1.2; ip -6 route add default via fd91:1::2
      ip -n $o route add default via 10.91.2.1; ip -n $o -6 route add default via fd91:2::1
      ip -n $r route add prohibit 10.91.3.0/24; ip -n $r -6 route add prohibit fd91:3::/64
      echo "\(lendsPing ? "0 2147483647" : "1 0")" >/proc/sys/net/ipv4/ping_group_range
      """
    do {
      try Self.run(script)
      here = try FileDescriptor.open(reading: "/proc/thread-self/ns/net")
      outside = try FileDescriptor.open(reading: "/run/netns/\(name)-o")
    } catch {
      Self.remove(name)
      throw error
    }
  }

  deinit { Self.remove(name) }

  private static func remove(_ name: String) {
    do {
      try run("ip netns delete \(name)-r; ip netns delete \(name)-o")
    } catch {
      print("cannot remove the namespaces \(name): \(error)")
    }
  }

  /// Calls `body` outside; sockets stay where they are made.
  func outside<Result>(_ body: () throws -> Result) throws -> Result {
    guard clinux_enter_network(outside.rawValue) == 0 else { throw SystemError(errno, "go outside") }
    defer { precondition(clinux_enter_network(here.rawValue) == 0, "the way back is lost") }
    return try body()
  }

  private static func run(_ script: String) throws {
    let child = try ChildProcess(["/bin/sh", "-c", script])
    let queue = try EventQueue()
    var events = EventBuffer(capacity: 1)
    try queue.registrar.add(child.descriptor.rawValue, for: .readable, data: 0)
    try queue.wait(into: &events, timeout: .seconds(20))
    let exit = try child.exit()
    guard exit == .status(0) else { throw SystemError(EIO, "set up the world") }
  }
}

/// Runs `body` in a world of its own.
///
/// A test does not change its thread before it returns, so that the thread can be given a network meanwhile.
func withRoutedWorld(lendsPing: Bool = true, _ body: (RoutedWorld) throws -> Void) throws {
  let before = try FileDescriptor.open(reading: "/proc/thread-self/ns/net")
  guard clinux_unshare_network() == 0 else { throw SystemError(errno, "part from the network") }
  defer { precondition(clinux_enter_network(before.rawValue) == 0, "the way back is lost") }
  try body(try RoutedWorld(lendsPing: lendsPing))
}

extension Trait where Self == ConditionTrait {
  /// The test needs root, for network namespaces; without, it fails in CI and is skipped elsewhere.
  static var needsRoot: ConditionTrait {
    .enabled(if: geteuid() == 0 || ProcessControl.environment("CI") == "true", "this test needs root")
  }
}

/// An address behind the router, and the router's own towards us.
struct Far: Sendable, CustomTestStringConvertible {
  let outside: IPAddress
  let router: IPAddress
  /// What the router refuses to pass on.
  let prohibited: IPAddress

  var family: IPAddress.Family { outside.family }
  /// Bytes of IP and UDP headers.
  var headerLength: Int { family == .ipv4 ? 28 : 48 }
  var testDescription: String { family == .ipv4 ? "IPv4" : "IPv6" }
}

let bothFamilies = [
  Far(
    outside: RoutedWorld.outside4, router: RoutedWorld.router4, prohibited: IPAddress(IPv4Address(10, 91, 3, 9))),
  Far(
    outside: RoutedWorld.outside6, router: RoutedWorld.router6,
    prohibited: IPAddress(IPv6Address(high: 0xfd91_0003 << 32, low: 9))),
]
