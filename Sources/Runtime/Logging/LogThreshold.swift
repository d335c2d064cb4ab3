import Configuration
import LinuxSystem
import Logging
import Synchronization

/// How much is logged, for all loggers that were made with it. May be changed while they are in use, from any thread.
final class LogThreshold: Sendable {
  private static let levels = Logger.Level.allCases
  /// An index into `levels`.
  private let index: Atomic<Int>

  /// Makes a threshold that lets `level` and what is more important through.
  init(_ level: Logger.Level) { index = Atomic(Self.index(of: level)) }

  /// The least important level that is logged.
  var level: Logger.Level {
    get { Self.levels[index.load(ordering: .relaxed)] }
    set { index.store(Self.index(of: newValue), ordering: .relaxed) }
  }

  private static func index(of level: Logger.Level) -> Int { levels.firstIndex(of: level) ?? 0 }
}

extension Logger {
  /// A logger to standard error. Where a process has several networks, each has a logger that says its name.
  /// - Parameter write: writes a line.
  static func standardError(
    _ threshold: LogThreshold, network: String? = nil,
    by write: @escaping @Sendable (String) -> Void = { StandardStream.error.write($0) }
  ) -> Logger {
    var logger = Logger(label: "culvert") { _ in StandardErrorLogHandler(threshold: threshold, write: write) }
    if let network { logger[metadataKey: StandardErrorLogHandler.networkKey] = "\(network)" }
    return logger
  }
}

extension Logger.Level {
  /// The level of an option.
  init(_ level: LogLevel) {
    switch level {
    case .error: self = .error
    case .warning: self = .warning
    case .info: self = .info
    case .debug: self = .debug
    case .trace: self = .trace
    }
  }
}

extension LogLevel {
  /// The option that has this effect.
  init(_ level: Logger.Level) {
    switch level {
    case .trace: self = .trace
    case .debug: self = .debug
    case .info, .notice: self = .info
    case .warning: self = .warning
    case .error, .critical: self = .error
    }
  }
}
