import BasicContainers
import Configuration
import HostSockets
import LinuxSystem
import Netstack
import Primitives
import Recording

/// The loops of one network, and of others beside it. The first is the caller's to run, all others run on threads of
/// their own meanwhile.
struct NetworkLoops: ~Copyable {
  /// The network's own, in their order.
  var loops = UniqueArray<NetworkLoop<KernelSockets>>()
  /// Those of other networks.
  private var others = UniqueArray<NetworkLoop<KernelSockets>>()
  private var companions = UniqueArray<CompanionLoop>()

  subscript(index: Int) -> NetworkLoop<KernelSockets> {
    _read { yield loops[index] }
    _modify { yield &loops[index] }
  }

  mutating func append(_ loop: consuming NetworkLoop<KernelSockets>) { loops.append(loop) }

  /// Where each loop of the network is found, whether it runs already or not.
  var directory: LoopDirectory { loops[0].directory }

  /// Lets the loops find each other, and hand frames over.
  mutating func connect() throws(SystemError) {
    var mailboxes: [Mailbox] = []
    for index in 0..<loops.count { mailboxes.append(loops[index].mailbox) }
    let directory = LoopDirectory(mailboxes, steering: loops[0].stack.core.steering)
    let mesh = try LoopMesh(count: loops.count)
    for index in 0..<loops.count {
      loops[index].directory = directory
      if loops.count > 1 { try loops[index].join(mesh, as: index) }
    }
  }

  /// Begins to forward a port of the host, where the flows of the guest's will be; an address of the guest that is left
  /// open is the first lease.
  mutating func open(_ rule: HostForward, firstLease: IPv4Address?) throws(ServiceError) {
    let forward = try rule.portForward(firstLease: firstLease)
    try loops[loops[0].stack.core.steering.owner(of: forward)].open(forward, by: rule)
  }

  /// Takes the loops of another network of the same guest in.
  mutating func adopt(_ network: consuming NetworkLoops) {
    var network = network
    loops[0].companions.append(network.directory.first)
    while let loop = network.loops.popLast() { others.append(loop) }
  }

  // MARK: Running

  /// Starts the threads of all loops but the first.
  mutating func startOthers() throws(SystemError) {
    let first = loops[0].mailbox
    while loops.count > 1, let loop = loops.popLast() { companions.append(try CompanionLoop(loop, beside: first)) }
    while let loop = others.popLast() { companions.append(try CompanionLoop(loop)) }
  }

  /// Runs the first loop until it ends.
  mutating func run() throws(SystemError) -> LoopEnd { try loops[0].run() }

  /// Has all other loops end, and waits until they have.
  mutating func stopOthers() {
    while let companion = companions.popLast() { companion.stop() }
  }
}

/// The ways into the loops of one network, by what is asked of them.
struct LoopDirectory: Sendable {
  /// In the loops' order.
  let mailboxes: [Mailbox]
  private let steering: PacketSteering

  init(_ mailboxes: [Mailbox], steering: PacketSteering) { (self.mailboxes, self.steering) = (mailboxes, steering) }

  /// The loop that has what the network has but once.
  var first: Mailbox { mailboxes[0] }

  /// All others.
  var others: ArraySlice<Mailbox> { mailboxes.dropFirst() }

  /// The loop that has a forward.
  func owner(of forward: PortForward) -> Int { steering.owner(of: forward) }
}
