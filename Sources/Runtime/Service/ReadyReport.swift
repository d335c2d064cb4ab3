import LinuxSystem
import Logging

/// Who is to be told that everything is set up: a descriptor of the operator's (`--ready-fd`), and the service manager.
struct ReadyReport: ~Copyable {
  private let descriptor: FileDescriptor?

  /// Takes over the descriptor of a number, nil for none.
  init(_ number: Int32?) throws(ServiceError) {
    guard let number else {
      descriptor = nil
      return
    }
    let file = FileDescriptor(owning: number)
    do {
      try file.setCloseOnExec()
    } catch {
      throw ServiceError("cannot report on descriptor \(number) (--ready-fd): \(error.reason)")
    }
    descriptor = consume file
  }

  /// Tells them. One who has gone meanwhile is no reason to stop.
  consuming func tell(_ logger: Logger) {
    do throws(SystemError) {
      switch consume descriptor {
      case .none: break
      // The byte that slirp4netns writes, too.
      case .some(let descriptor): try descriptor.write("1")
      }
    } catch {
      logger.warning("nobody was told that everything is set up: \(error)")
    }
    ServiceManager.tell("READY=1", logger)
  }
}
