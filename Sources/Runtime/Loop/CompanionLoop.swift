import HostSockets
import LinuxSystem
import Logging

/// A loop on a thread of its own beside the first one of the process: another network of the same guest.
struct CompanionLoop: ~Copyable {
  /// The way into it.
  let mailbox: Mailbox
  private let thread: Thread

  /// Holds a loop on its way to its thread: it is used by one thread at a time, first by its maker, then by the
  /// thread, which the start of the thread puts in order.
  private final class Passage: @unchecked Sendable {
    private var loop: NetworkLoop<KernelSockets>

    init(_ loop: consuming NetworkLoop<KernelSockets>) { self.loop = loop }

    func run() {
      do throws(SystemError) {
        _ = try loop.run()
      } catch {
        loop.logger.error("a network has ended: \(error)")
      }
    }
  }

  /// Starts the thread of a loop.
  init(_ loop: consuming NetworkLoop<KernelSockets>) throws(SystemError) {
    mailbox = loop.mailbox
    let passage = Passage(loop)
    thread = try Thread { passage.run() }
  }

  /// Has the loop end, and waits until it has.
  consuming func stop() throws(SystemError) {
    try mailbox.send(.stop)
    thread.join()
  }
}
