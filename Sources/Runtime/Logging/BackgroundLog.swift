import LinuxSystem
import Synchronization

/// What becomes of the messages of a process that goes on in the background: a file, which has a bound, since guests
/// can make messages.
///
/// All that the process says comes there, also what the system says of its end. A file that is full is renamed to
/// `FILE.1`, in the place of the one that was full before it, and another begins.
final class BackgroundLog: Sendable {
  /// Has what the process says by its standard streams go to a file, too.
  typealias Takeover = @Sendable (_ file: borrowing FileDescriptor) throws(SystemError) -> Void

  private struct File: ~Copyable {
    let path: String
    var descriptor: FileDescriptor
    var byteCount = 0
  }

  private let bound: Int
  private let takeOver: Takeover
  /// Nil as long as the messages go where they went.
  private let file = Mutex<File?>(nil)

  /// A log that has not begun, of files of at most `bound` bytes.
  init(bound: Int = 1 << 20, takeOver: @escaping Takeover = StandardStream.leaveAll) {
    (self.bound, self.takeOver) = (bound, takeOver)
  }

  /// Leaves the process's standard streams for a file. What an earlier process has said there is kept as a file that is
  /// full.
  func begin(at path: String) throws(SystemError) {
    try file.withLock { file throws(SystemError) in
      file = File(path: path, descriptor: try make(path))
    }
  }

  /// Writes a message, to standard error as long as it has not begun.
  func write(_ line: String) {
    file.withLock { file in
      guard var log = file.take() else { return StandardStream.error.write(line) }
      // What cannot be written is lost: there is nobody to be told.
      do throws(SystemError) {
        let length = line.utf8.count
        if log.byteCount > 0 && log.byteCount + length > bound { try makeRoom(&log) }
        log.byteCount += length
        try log.descriptor.write(line)
      } catch {}
      file = consume log
    }
  }

  /// Begins another file; where that cannot be, begins this one anew.
  private func makeRoom(_ log: inout File) throws(SystemError) {
    do throws(SystemError) { log.descriptor = try make(log.path) } catch { try log.descriptor.empty() }
    log.byteCount = 0
  }

  private func make(_ path: String) throws(SystemError) -> FileDescriptor {
    if FileSystem.exists(path) { try FileSystem.rename(path, to: path + ".1") }
    let file = try FileDescriptor.create(path, mode: 0o600)
    try takeOver(file)
    return file
  }
}
