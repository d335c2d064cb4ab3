import Foundation
import LinuxSystem
import Testing

/// A host with a Wi-Fi interface that leads outside, as the recipe for bridges has it: nothing of this machine's own
/// network, configuration or state is in it.
///
/// ```
/// guests ── bridge0 in host ── wlo1 172.16.0.10 ─── 172.16.0.1 outside
/// ```
/// The host is a network namespace and a mount namespace: what is written to `/etc` and `/run` is in memory. Needs root.
final class BridgeWorld: Sendable {
  /// The outside's address, and the host's there.
  static let (outsideAddress, uplinkAddress) = ("172.16.0.1", "172.16.0.10")
  /// The host's address on the bridge.
  static let address = "192.168.1.101"

  let outside: NetworkNamespace
  private let network: NetworkNamespace
  private let folder: ScratchFolder
  /// Keeps the host's mount namespace.
  private let keeper: Program

  init() throws {
    (outside, network, folder) = (try NetworkNamespace(), try NetworkNamespace(), try ScratchFolder())
    // Nobody else has an address of theirs: it is good at once, and stays as it is told.
    try network.run("echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad")
    try Self.makeUplink(network, outside)
    keeper = try Program(
      network.launcher + [
        "unshare", "--mount", "bash", "-ec",
        """
        mount -t tmpfs tmpfs \(folder.path); mkdir \(folder.path)/etc \(folder.path)/work
        mount -t overlay overlay -o lowerdir=/etc,upperdir=\(folder.path)/etc,workdir=\(folder.path)/work /etc
        mount -t tmpfs tmpfs /run
        rm -rf /etc/qemu
        echo ready; exec sleep infinity
        """,
      ])
    try keeper.output.wait(seconds: 10, "the host's namespace") { $0 == "ready" ? () : nil }
  }

  /// Takes the uplink away, if it is there, and gives the host another of the same name.
  func replaceUplink(isThere: Bool = true) throws {
    if isThere { try run("ip link delete wlo1") }
    try Self.makeUplink(network, outside)
  }

  private static func makeUplink(_ network: NetworkNamespace, _ outside: NetworkNamespace) throws {
    try Program.run(
      "ip", "link", "add", "wlo1", "netns", network.name, "type", "veth", "peer", "name", "eth0", "netns", outside.name)
    try outside.run("ip address add \(outsideAddress)/24 dev eth0; ip link set eth0 up")
    try network.run(
      """
      ip address add \(uplinkAddress)/24 dev wlo1; ip link set wlo1 up
      ip route add default via \(outsideAddress)
      until ip -6 route show table local | grep -q 'fe80.* dev wlo1' && ip link show wlo1 | grep -q 'state UP'
      do sleep 0.02; done
      """)
  }

  /// Makes a bridge of somebody's, which is up and has settled: IPv6 has given it its address.
  func makeBridge(_ name: String) throws {
    try run(
      """
      ip link add \(name) type bridge; ip link set \(name) up
      until ip -6 route show table local | grep -q 'fe80.* dev \(name)'; do sleep 0.02; done
      """)
  }

  /// What to put before a command, so that it runs on the host.
  var launcher: [String] { ["nsenter", "--target", "\(keeper.processID)", "--net", "--mount"] }

  /// Runs a command of the shell on the host.
  @discardableResult
  func run(_ command: String, seconds: Double = 30) throws -> String {
    let program = try Program(launcher + ["bash", "-c", command])
    try program.expectSuccess(seconds: seconds)
    return try program.output.textAtEnd(seconds: 5)
  }

  // MARK: The bridge

  /// Runs `culvert bridge` on the host until it ends.
  /// - Returns: its status and what it wrote to both streams.
  func bridge(_ words: String..., seconds: Double = 30) throws -> (status: ChildProcess.Exit, text: String) {
    let program = try Program(launcher + [Requirement.culvertPath, "bridge"] + words)
    let exit = try program.waitForExit(seconds: seconds)
    let text = try program.output.textAtEnd(seconds: 5) + "\n" + program.errors.textAtEnd(seconds: 5)
    return (exit, text.trimmingCharacters(in: .whitespacesAndNewlines))
  }

  /// Runs `culvert bridge up` on the host, which is up when this returns.
  func up(_ options: String...) throws -> Program { try start(["bridge", "up"] + options) }

  /// Runs `culvert serve` on the host, which is ready when this returns.
  func serve(_ words: String...) throws -> Program { try serve(words) }

  func serve(_ words: [String]) throws -> Program { try start(["serve"] + words) }

  private func start(_ words: [String]) throws -> Program {
    let (reading, writing) = try FileDescriptor.pipe().take()
    let ready = FileDescriptor(owning: reading)
    let program = try Program(
      launcher + [Requirement.culvertPath] + words + ["--ready-fd", "3"], inheriting: [.init(writing, as: 3)])
    close(FileDescriptor(owning: writing))
    try waitUntil(ready.rawValue, is: .readable, by: .after(10), "culvert to be ready\n\(program.errors.text)")
    var byte: [UInt8] = [0]
    var span = byte.mutableSpan
    guard try ready.read(into: &span) == 1 else {
      let exit = try program.waitForExit(seconds: 10)
      throw Failure("culvert ended with \(exit) before it was ready\n\(program.errors.text)")
    }
    return program
  }

  // MARK: What is there

  /// Everything of the host that a bridge changes, as its own tools tell it.
  func state() throws -> String {
    try run(
      """
      ip -d link | sed 's/_timer *[0-9.]*//g'; ip address; ip route show table all; ip -6 route show table all
      cd /proc/sys/net; grep -r . ipv4/ip_forward ipv4/conf ipv6/conf 2>/dev/null | sort
      nft -s list ruleset
      for name in /etc/qemu /etc/qemu/*; do [ ! -e $name ] || stat -c '%n %a %U %G' $name; done
      cat /etc/qemu/* 2>/dev/null; find /run/culvert -name '*.json' -o -name leases 2>/dev/null | sort
      """)
  }

  /// The lines in which the host is not as it was; none where it is.
  func changes(since before: String) throws -> [String] {
    let (old, new) = (before.split(separator: "\n"), try state().split(separator: "\n"))
    return new.difference(from: old).map { change in
      switch change {
      case .remove(_, let line, _): "- \(line)"
      case .insert(_, let line, _): "+ \(line)"
      }
    }
  }

  /// A guest that is a namespace, by a link of its own on a bridge.
  func guest(_ hardware: String, on bridge: String = "bridge0") throws -> NetworkNamespace {
    let guest = try NetworkNamespace()
    let port = Self.port(of: guest)
    try Program.run(
      "ip", "link", "add", port, "netns", network.name, "type", "veth", "peer", "name", "eth0", "address", hardware,
      "netns", guest.name)
    try run("ip link set \(port) master \(bridge); ip link set \(port) up")
    try guest.run("ip link set eth0 up")
    return guest
  }

  /// Removes a guest's link.
  func remove(_ guest: NetworkNamespace) throws { try run("ip link delete \(Self.port(of: guest))") }

  private static func port(of guest: NetworkNamespace) -> String { "port-\(guest.name.suffix(8))" }
}
