import LinuxSystem
import Logging

extension ServiceManager {
  /// Tells the service manager a state; that it could not be told is logged, and ends nothing.
  static func tell(_ state: String, _ logger: Logger) {
    do throws(SystemError) {
      try notify(state)
    } catch {
      logger.warning("the service manager: \(error)")
    }
  }
}
