import Bridge
import LinuxSystem
import Netstack
import Primitives
import RouteNetlink
import Synchronization

/// A network namespace as the host: a bridge of the kernel's, with the addresses of the classic recipe.
final class ServedBridge: Sendable {
  static let address = IPv4Address(192, 168, 1, 101)

  let namespace: NetworkNamespace
  /// They last as long as the host: a client may still be about to enter its own.
  private let guests = Mutex<[NetworkNamespace]>([])

  init() throws {
    namespace = try NetworkNamespace()
    try namespace.run(
      """
      ip link add bridge0 address 52:54:00:00:00:01 type bridge
      ip address add \(Self.address)/24 dev bridge0 && ip link set bridge0 up
      """)
  }

  /// A namespace as a guest, its device `eth0` on the bridge.
  func newGuest() throws -> NetworkNamespace {
    let guest = try NetworkNamespace()
    let port = "p" + guest.name.split(separator: "-").suffix(2).joined()
    try namespace.run(
      """
      ip link add \(port) type veth peer name eth0 netns \(guest.name) &&
      ip link set \(port) master bridge0 up && ip -n \(guest.name) link set eth0 up
      """)
    guests.withLock { $0.append(guest) }
    return guest
  }

  /// The recipe's settings, of a range that ends at 192.168.1.`last`.
  static func settings(last: UInt8 = 254) -> BridgeDHCPSettings {
    var settings = BridgeDHCPSettings(
      address: address, subnet: IPv4Prefix(containing: address, length: 24), first: IPv4Address(192, 168, 1, 201),
      last: IPv4Address(192, 168, 1, last))
    settings.domainName = "mylan"
    settings.searchDomains = ["mylan"]
    settings.nameServers = [IPv4Address(8, 8, 8, 8)]
    return settings
  }
}

/// DHCP on a bridge, served by a thread until this value ends.
final class BridgeServer: Sendable {
  private let work: BridgeServerWork

  /// Starts to serve, with the leases of an earlier run.
  init(on host: ServedBridge, _ settings: BridgeDHCPSettings, leases: [DHCPLease] = []) throws {
    let work = try BridgeServerWork(settings, leases: leases, namespace: "/run/netns/" + host.namespace.name)
    self.work = work
    // The thread refers to its work only, so that this value can end.
    try LinuxSystem.Thread { work.run() }.detach()
    guard try wait(work.begun.descriptor.rawValue, for: .readable, until: .after(5)) else {
      throw Failure("the server has not begun: \(work.told.withLock { "\($0)" })")
    }
  }

  deinit {
    do {
      try stop()
    } catch {
      print("cannot stop the server: \(error)")
    }
  }

  /// Ends the thread, and with it its sockets.
  func stop() throws {
    work.stopping.signal()
    guard try wait(work.ended.descriptor.rawValue, for: .readable, until: .after(5)) else {
      throw Failure("the server has not ended")
    }
  }

  /// What the server knows now.
  var leases: [DHCPLease] { work.told.withLock { $0.leases } }

  /// What has happened until now.
  var events: [AddressServer.Event] { work.told.withLock { $0.events } }

  /// Waits until exactly these addresses are leased.
  func waitForLeases(_ addresses: [UInt8]) throws {
    let expected = addresses.map { IPAddress(IPv4Address(192, 168, 1, $0)) }
    try waitUntil("leases of \(addresses)") { $0.leases.map(\.address) == expected }
  }

  /// Waits until something has happened.
  func waitForEvent(_ what: String, _ holds: (AddressServer.Event) -> Bool) throws {
    try waitUntil(what) { $0.events.contains(where: holds) }
  }

  private func waitUntil(_ what: String, _ holds: (BridgeServerWork.Told) -> Bool) throws {
    let deadline = Deadline.after(10)
    while true {
      _ = try work.changed.reset()
      if work.told.withLock({ holds($0) }) { return }
      guard try wait(work.changed.descriptor.rawValue, for: .readable, until: deadline) else {
        throw Failure("timed out: \(what), but \(work.told.withLock { "\($0)" })")
      }
    }
  }
}

/// What the thread of a `BridgeServer` does.
private final class BridgeServerWork: Sendable {
  /// What it tells.
  struct Told {
    var leases: [DHCPLease] = []
    var events: [AddressServer.Event] = []
    var failure: (any Error)?
  }

  let stopping: EventCounter
  let begun: EventCounter
  let changed: EventCounter
  let ended: EventCounter
  let told = Mutex(Told())
  private let settings: BridgeDHCPSettings
  private let leases: [DHCPLease]
  private let namespace: String

  init(_ settings: BridgeDHCPSettings, leases: [DHCPLease], namespace: String) throws {
    stopping = try EventCounter()
    begun = try EventCounter()
    changed = try EventCounter()
    ended = try EventCounter()
    (self.settings, self.leases, self.namespace) = (settings, leases, namespace)
  }

  func run() {
    do {
      try serve()
    } catch {
      told.withLock { $0.failure = error }
    }
    ended.signal()
  }

  private func serve() throws {
    try Namespace.enter(.network, try FileDescriptor.open(reading: namespace))
    var routes = try RouteSocket()
    guard let bridge = try routes.interface(named: "bridge0"), let hardware = bridge.hardware else {
      throw Failure("there is no bridge0")
    }
    var service = try BridgeDHCPService(
      settings, interface: bridge.index, name: "bridge0", hardware: hardware, seed: 1, at: MonotonicClock.now)
    for lease in leases { try service.restore(lease, at: MonotonicClock.now) }
    let queue = try EventQueue()
    var events = EventBuffer(capacity: 2)
    try queue.registrar.add(stopping.descriptor.rawValue, for: .readable, data: 0)
    try queue.registrar.add(service.descriptor, for: .readable, data: 1)
    begun.signal()
    while true {
      let now = MonotonicClock.now
      let happened = try service.step(at: now)
      let leases = service.leases(at: now)
      told.withLock { told in
        told.events += happened
        told.leases = leases
      }
      changed.signal()
      try queue.wait(into: &events, until: service.nextDeadline)
      for index in 0..<events.count where events[index].data == 0 { return }
    }
  }
}
