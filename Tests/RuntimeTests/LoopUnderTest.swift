import Configuration
import HostSockets
import LinuxSystem
import Logging
import Primitives
import Testing

@testable import Runtime

/// A loop whose turns the test takes, with a guest on each of its links.
final class LoopUnderTest {
  private var loop: NetworkLoop<KernelSockets>
  private var guests: [GuestEnd] = []
  private let lines = Lines()
  let mailbox: Mailbox

  init(links: Int = 1, _ options: ServiceOptions = ServiceOptions()) throws {
    var addresses: [LinkAddress] = []
    for _ in 0..<links {
      let ends = try Socket.pair(.stream).take()
      addresses.append(.descriptor(ends.first))
      guests.append(GuestEnd(Socket(FileDescriptor(owning: ends.second))))
    }
    var options = options
    options.network.dnsUpstream = ["192.0.2.53"]
    loop = try Setup(options, logger: lines.logger(.info)).makeLoop(links: addresses)
    mailbox = loop.mailbox
  }

  func guest(_ port: Int) -> GuestEnd { guests[port] }

  var log: String { lines.all.joined() }

  /// Takes turns until `condition` holds.
  func run(until condition: () throws -> Bool) throws {
    let deadline = MonotonicClock.now + .seconds(10)
    while try !condition() {
      try #require(MonotonicClock.now < deadline, "nothing more happens; the log: \(log)")
      try loop.turn(until: min(deadline, MonotonicClock.now + .milliseconds(50)))
    }
  }

  /// Takes one turn with what is there already.
  func poll() throws { try loop.turn(until: MonotonicClock.now) }

  func followResolvers(of path: String) throws { try loop.followHostResolvers(path: path) }

  func run() throws -> LoopEnd { try loop.run() }
}
