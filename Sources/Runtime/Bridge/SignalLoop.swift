import LinuxSystem
import Logging
import Primitives

/// What the first thread of a process does that has no loop of a network to run: it takes the process's signals, and
/// waits for one that ends it.
struct SignalLoop: ~Copyable {
  /// Whether SIGHUP asks for a configuration file to be read again, of which there is nothing to take over.
  var hasConfiguration = false
  /// What SIGUSR2 starts and stops, nil for nothing.
  var capture: LiveCapture?

  private let signals: SignalQueue
  private let queue: EventQueue
  private let logger: Logger

  private enum Source: UInt64 { case signals, bridge }

  /// Takes the process's signals from now on. To be made before all threads.
  init(logger: Logger) throws(SystemError) {
    let signals = try SignalQueue(Signals.all)
    let queue = try EventQueue()
    try queue.registrar.add(signals.descriptor.rawValue, for: .readable, data: Source.signals.rawValue)
    self.signals = signals
    self.queue = queue
    self.logger = logger
  }

  /// Waits until a signal ends the process, or the service of `bridge` has ended by itself.
  func run(beside bridge: ServedBridge?) throws(SystemError) {
    if let bridge { try queue.registrar.add(bridge.ended, for: .readable, data: Source.bridge.rawValue) }
    var events = EventBuffer(capacity: 2)
    while true {
      try queue.wait(into: &events, until: .never)
      for index in 0..<events.count {
        if Source(rawValue: events[index].data) == .bridge { return }
      }
      while let signal = try signals.next() {
        if endsProcess(signal.number) { return logger.info("ended by signal \(signal.number)") }
      }
    }
  }

  private func endsProcess(_ signal: Int32) -> Bool {
    switch signal {
    case Signals.logFlows:
      logger.notice("there are no flows: the bridge forwards by itself; 'culvert bridge status' counts packets")
    case Signals.toggleCapture:
      if let capture { capture.toggle() } else { logger.warning("there is nothing to capture to; give --capture FILE") }
    case Signals.reload where hasConfiguration:
      logger.warning("the configuration is not read again: nothing of it can change before a restart")
    default: return true
    }
    return false
  }
}
