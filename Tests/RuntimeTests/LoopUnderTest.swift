import Configuration
import HostSockets
import Links
import LinuxSystem
import Logging
import Netstack
import Primitives
import Recording
import Testing

@testable import Runtime

/// A network whose loops' turns the test takes, with a guest on each of its links.
final class LoopUnderTest {
  private var network: NetworkLoops
  /// Those of each loop; all of one port are one guest.
  private var guests: [[GuestEnd]] = []
  private let lines = Lines()
  let mailbox: Mailbox
  let capture: LiveCapture
  let hostCapture: LiveCapture?

  /// `receiveCapacity` is that of each link's buffer, where the usual one is too large to be filled.
  init(
    links: Int = 1, loops: Int = 1, _ options: ServiceOptions = ServiceOptions(), receiveCapacity: Int? = nil
  ) throws {
    var addresses: [[LinkAddress]] = []
    for _ in 0..<loops {
      let (queues, ends) = try GuestEnd.links(links)
      addresses.append(queues)
      guests.append(ends)
    }
    var options = options
    options.network.dnsUpstream = ["192.0.2.53"]
    let setup = try Setup(options, logger: lines.logger(.info))
    network = try setup.makeLoops(links: addresses)
    let captures = try setup.startCapture(of: &network)
    (capture, hostCapture) = (captures.link, captures.host)
    mailbox = network[0].mailbox
    guard let receiveCapacity else { return }
    for port in 0..<links {
      network[0].links.base.withLink(of: port) {
        $0.receiver = FrameReceiver(.stream, port: $0.port, capacity: receiveCapacity)
      }
    }
  }

  /// The guest's end of a link, or of another queue of it.
  func guest(_ port: Int, queue: Int = 0) -> GuestEnd { guests[queue][port] }

  /// What the loops have counted.
  var counters: Counters {
    var counters = network[0].stack.core.counters
    for index in guests.indices.dropFirst() { counters.add(network[index].stack.core.counters) }
    return counters
  }

  /// The flows of all loops.
  var flows: [FlowSummary] {
    var flows: [FlowSummary] = []
    for index in guests.indices { network[index].stack.core.forEachFlow { flows.append($0) } }
    return flows
  }

  var log: String { lines.all.joined() }

  /// What has come from the guest of a link.
  func received(from port: Int) -> FrameReceiver.Counters {
    network[0].links.base.withLink(of: port) { $0.receiver.counters }
  }

  func drops(_ reason: DropReason) -> UInt64 { network[0].stack.core.counters[reason] }

  /// Bytes that a guest's connection has been sent.
  func byteCount(to guest: Endpoint) -> Int {
    var count = 0
    network[0].stack.core.forEachFlow { if $0.guest == guest { count = Int($0.bytesToGuest) } }
    return count
  }

  /// Whether nothing is left to do before the next event, or time.
  var isAtRest: Bool { network[0].stack.core.nextDeadline > network[0].now }

  /// Takes turns until `condition` holds.
  func run(until condition: () throws -> Bool) throws {
    let deadline = MonotonicClock.now + .seconds(10)
    while try !condition() {
      try #require(MonotonicClock.now < deadline, "nothing more happens; the log: \(log)")
      // Where there are several, each has its turn, and none waits long for what another has for it.
      let patience = Interval.milliseconds(guests.count > 1 ? 1 : 50)
      for index in guests.indices { try network[index].turn(until: min(deadline, MonotonicClock.now + patience)) }
    }
  }

  /// Takes one turn of a loop with what is there already.
  func poll(loop: Int = 0) throws { try network[loop].turn(until: MonotonicClock.now) }

  /// What is readable while a loop has to take a turn for what others have left.
  func bell(of loop: Int) throws -> Int32 {
    let bell = network[loop].links.base.exchange?.descriptor
    return try #require(bell)
  }

  /// The loop that has the flows of a guest's port.
  func owner(ofPort port: UInt16) -> Int {
    network[0].stack.core.steering.owner(of: Endpoint(IPv4Address(10, 0, 2, 15), port: port), .udp)
  }

  /// The ports of the host that lead to guests, of all loops.
  var forwards: Set<PortForward> {
    var forwards: Set<PortForward> = []
    for index in guests.indices { network[index].stack.core.forEachForward { forwards.insert($0) } }
    return forwards
  }

  func followResolvers(of path: String) throws { try network[0].followHostResolvers(path: path) }

  func run() throws -> LoopEnd { try network.run() }

  /// Ends the recordings of all loops, as their ends do.
  func finishRecordings() { for index in guests.indices { network[index].recording?.finish() } }
}
