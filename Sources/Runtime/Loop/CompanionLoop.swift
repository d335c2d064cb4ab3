import HostSockets
import LinuxSystem
import Logging

/// A loop on a thread of its own beside the first one of the process: another of its network, or another network of the
/// same guest.
struct CompanionLoop: ~Copyable {
  /// The way into it.
  let mailbox: Mailbox
  private let thread: Thread

  /// Holds a loop on its way to its thread: it is used by one thread at a time, first by its maker, then by the
  /// thread, which the start of the thread puts in order.
  private final class Passage: @unchecked Sendable {
    private var loop: NetworkLoop<KernelSockets>
    private let first: Mailbox?

    init(_ loop: consuming NetworkLoop<KernelSockets>, _ first: Mailbox?) {
      self.loop = loop
      self.first = first
    }

    func run() {
      do throws(SystemError) {
        _ = try loop.run()
      } catch {
        loop.logger.error("a network has ended: \(error)")
        // Its flows have gone: to carry on without them would be to fail some connections for no reason to be seen.
        first?.send(.stop)
      }
    }
  }

  /// Starts the thread of a loop; where it fails, `first` is to end, the first loop of the same network.
  init(_ loop: consuming NetworkLoop<KernelSockets>, beside first: Mailbox? = nil) throws(SystemError) {
    mailbox = loop.mailbox
    let passage = Passage(loop, first)
    thread = try Thread { passage.run() }
  }

  /// Has the loop end, and waits until it has.
  consuming func stop() {
    mailbox.send(.stop)
    thread.join()
  }
}
