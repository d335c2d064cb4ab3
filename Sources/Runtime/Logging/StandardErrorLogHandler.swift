import Configuration
import LinuxSystem
import Logging
import Primitives

/// Writes each message as one line to standard error.
///
/// `culvert: message` for what an operator wants to know; warnings and errors say so; the levels for developers carry
/// the seconds since the start. Whatever a guest or a name server put into a message cannot move the cursor or forge
/// a line: everything that is not printable is escaped here.
struct StandardErrorLogHandler: LogHandler {
  var metadata: Logger.Metadata = [:]
  private var threshold: LogThreshold
  private let start = MonotonicClock.now
  private let write: @Sendable (String) -> Void

  /// The key of the metadata that names the network a message is about.
  static let networkKey = "network"

  /// Makes a handler that lets through what `threshold` says; `write` gets each line.
  init(threshold: LogThreshold, write: @escaping @Sendable (String) -> Void) {
    self.threshold = threshold
    self.write = write
  }

  /// How much is logged; set, it is this handler's alone.
  var logLevel: Logger.Level {
    get { threshold.level }
    set { threshold = LogThreshold(newValue) }
  }

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) {
    let prefix =
      switch event.level {
      case .trace, .debug: "\(MonotonicClock.now - start): "
      case .info, .notice: ""
      case .warning: "warning: "
      case .error, .critical: "error: "
      }
    let network = metadata[Self.networkKey].map { "\($0): ".printable } ?? ""
    write("culvert: \(prefix)\(network)\(event.message.description.printable)\n")
  }
}
