import Capture
import Configuration
import LinuxSystem
import Logging
import Primitives
import Synchronization

/// What is captured of a network.
struct NetworkCapture: Sendable {
  /// The frames of its links.
  let link: LiveCapture
  /// The host's side of its flows, where that was asked for at the start.
  let host: LiveCapture?

  /// Stops, and waits until all is written, though not for ever.
  func finish() {
    link.finish()
    host?.finish()
  }
}

/// The capture of a network's frames, and of what passes interfaces of the kernel's: at most one at a time, which may
/// be started and stopped while guests go on.
final class LiveCapture: Sendable {
  /// What was asked for at the start of the instance, if anything was.
  let configured: CapturePlan?
  private let loops: [Mailbox]
  private let interfaces: [CapturedInterface]
  private let logger: Logger
  private let latest = Mutex<Running?>(nil)

  /// A capture, and who reads what passes interfaces for it.
  private struct Running: Sendable {
    let session: CaptureSession
    let interfaces: InterfaceCapture?

    func stop() {
      // What waits to be read by then is still captured.
      interfaces?.stop()
      session.stop()
    }
  }

  /// What there is to say of a capture.
  struct Status: Hashable, Sendable {
    /// The file.
    var path: String
    var isRunning: Bool
    var counts: CaptureFiles.Counts
    var dropCount: Int
    /// Why it has ended by itself, nil where it has not.
    var failure: String?
  }

  /// How long the end of a capture may take: what waits for a slow reader then is lost.
  private static var patience: Interval { .milliseconds(500) }

  /// The capture of the network whose loops have these mailboxes, and of what passes `interfaces`.
  init(_ configured: CapturePlan?, loops: [Mailbox], interfaces: [CapturedInterface] = [], logger: Logger) {
    self.configured = configured
    self.loops = loops
    self.interfaces = interfaces
    self.logger = logger
  }

  /// The capture of what passes interfaces, which is started if there is a plan for it.
  static func start(
    _ plan: CapturePlan?, of interfaces: [CapturedInterface], logger: Logger
  ) throws(ServiceError) -> LiveCapture {
    let capture = LiveCapture(plan, loops: [], interfaces: interfaces, logger: logger)
    if let plan { try capture.start(plan) }
    return capture
  }

  /// Starts to capture. From any thread; what the loops do from their next turn on.
  func start(_ plan: CapturePlan) throws(ServiceError) {
    let feeds = try open(plan, loops: loops.count)
    for (loop, feed) in zip(loops, feeds) { loop.send(.capture(feed)) }
  }

  /// Opens the files, and starts to write what comes by the feeds, one for each loop.
  func open(_ plan: CapturePlan, loops: Int) throws(ServiceError) -> [CaptureFeed] {
    let feeds = try latest.withLock { latest throws(ServiceError) in
      if let session = latest?.session, !session.isFinished {
        let what = session.isStopping ? "a capture is being ended" : "frames are captured already"
        throw ServiceError("\(what), to \(session.plan.path)")
      }
      // One that has ended by itself may still have its reader.
      latest?.interfaces?.stop()
      let next = try launch(plan, loops: loops)
      latest = next
      return next.session.feeds
    }
    logger.info("frames are captured to \(plan.path)")
    return feeds
  }

  private func launch(_ plan: CapturePlan, loops: Int) throws(ServiceError) -> Running {
    do {
      let taps = try OpenTap.open(interfaces)
      let session = try CaptureSession(plan, loops: loops, interfaces: interfaces.count)
      let passage = Passage(try CaptureWork(of: session, logger: logger))
      let reader =
        interfaces.isEmpty
        ? nil : try InterfaceCapture(interfaces, taps, Array(session.feeds[loops...]), logger: logger)
      do throws(SystemError) {
        try Thread { passage.run() }.detach()
      } catch {
        reader?.stop()
        throw error
      }
      return Running(session: session, interfaces: reader)
    } catch {
      throw ServiceError("cannot capture: \(error)")
    }
  }

  /// Stops to capture; what was captured is still written. False where nothing is captured.
  func stop() -> Bool {
    guard let running = latest.withLock({ $0 }), !running.session.isFinished, !running.session.isStopping else {
      return false
    }
    running.stop()
    return true
  }

  /// Starts what was asked for at the start of the instance, or stops what is captured.
  func toggle() {
    if stop() { return }
    guard let configured else { return logger.warning("there is nothing to capture to; give --capture FILE") }
    do throws(ServiceError) {
      try start(configured)
    } catch {
      logger.error("\(error)")
    }
  }

  /// Stops, and waits until all is written, though not for ever.
  func finish() {
    _ = stop()
    awaitEnd()
  }

  /// Waits until all is written of a capture that was stopped, though not for ever.
  func awaitEnd() {
    guard let session = latest.withLock({ $0?.session }) else { return }
    do throws(SystemError) {
      if try session.finished.answer(by: MonotonicClock.now + Self.patience) == nil {
        logger.warning("capture to \(session.plan.path): not all was written, its reader is slow")
      }
    } catch {
      logger.warning("capture to \(session.plan.path): \(error)")
    }
  }

  /// What there is to say of the latest capture, nil where there was none.
  var status: Status? {
    guard let session = latest.withLock({ $0?.session }) else { return nil }
    return Status(
      path: session.plan.path, isRunning: !session.isFinished && !session.isStopping, counts: session.counts,
      dropCount: session.dropCount, failure: session.failure)
  }

  /// Holds the work on its way to its thread, the only one that uses it from then on.
  private final class Passage: @unchecked Sendable {
    private var work: CaptureWork

    init(_ work: consuming CaptureWork) { self.work = work }

    func run() { work.run() }
  }
}
