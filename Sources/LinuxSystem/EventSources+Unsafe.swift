import CLinux
import Glibc

/// A counter that wakes a queue from any thread (eventfd).
public struct EventCounter: ~Copyable, Sendable {
  /// The descriptor to watch: readable while the count is not 0.
  public let descriptor: FileDescriptor

  /// Makes a counter at 0.
  public init() throws(SystemError) {
    descriptor = FileDescriptor(owning: try checked("make an event counter") { clinux_eventfd() })
  }

  /// Adds 1. From any thread.
  public func signal() {
    var one: UInt64 = 1
    // SAFETY: the eight bytes of an integer on the stack.
    let written = unsafe withUnsafeBytes(of: &one) { bytes in
      uninterrupted { unsafe Glibc.write(descriptor.rawValue, bytes.baseAddress, bytes.count) }
    }
    // A full counter (EAGAIN) is as readable as any: nothing is lost. Nothing else can fail with a descriptor of our own.
    precondition(written > 0 || errno == EAGAIN, "an event counter does not count")
  }

  /// Sets the count to 0 and returns what it was.
  @discardableResult
  public func reset() throws(SystemError) -> UInt64 {
    var value: UInt64 = 0
    // SAFETY: as above.
    let count = unsafe withUnsafeMutableBytes(of: &value) { bytes in
      uninterrupted { unsafe Glibc.read(descriptor.rawValue, bytes.baseAddress, bytes.count) }
    }
    return try FileDescriptor.orWait(count, "read an event counter") == nil ? 0 : value
  }
}

/// Signals as something to read (signalfd), blocked from interrupting.
public struct SignalQueue: ~Copyable, Sendable {
  /// The descriptor to watch: readable while a signal waits.
  public let descriptor: FileDescriptor
  private let signals: [Int32]

  /// Blocks `signals` in the calling thread, and in threads that it starts later, and collects them here.
  ///
  /// To be made before other threads are: a signal goes to any thread that does not block it.
  public init(_ signals: [Int32]) throws(SystemError) {
    // SAFETY: the array's own length is given.
    let made = try checked("collect signals") { unsafe clinux_signalfd(signals, Int32(signals.count)) }
    descriptor = FileDescriptor(owning: made)
    self.signals = signals
  }

  /// Ends the collection: the signals act on the calling thread again.
  public consuming func end() throws(SystemError) {
    // SAFETY: as above.
    try checked("stop collecting signals") { unsafe clinux_unblock_signals(signals, Int32(signals.count)) }
  }

  /// A signal that was taken.
  public struct Signal: Hashable, Sendable {
    /// Its number.
    public let number: Int32
    /// Whether the kernel has sent it, as for a key on the terminal, and so to every process in the foreground.
    public let isFromKernel: Bool
  }

  /// Takes the next signal, nil where none waits.
  public func next() throws(SystemError) -> Signal? {
    var info = signalfd_siginfo()
    // SAFETY: the system fills a whole structure or nothing.
    let count = unsafe withUnsafeMutableBytes(of: &info) { bytes in
      uninterrupted { unsafe Glibc.read(descriptor.rawValue, bytes.baseAddress, bytes.count) }
    }
    guard try FileDescriptor.orWait(count, "read a signal") != nil else { return nil }
    return Signal(number: Int32(info.ssi_signo), isFromKernel: info.ssi_code == CLINUX_SI_KERNEL)
  }
}

/// Changes in a folder (inotify): which names were written, made, replaced or removed.
///
/// A folder, not a file: programs replace `resolv.conf` by renaming a new file over it, which a watch on the file
/// would miss.
public struct DirectoryWatch: ~Copyable, Sendable {
  /// The descriptor to watch: readable while changes wait.
  public let descriptor: FileDescriptor
  /// The folder watched.
  public let path: String

  /// Starts to watch `path`, which must be a folder.
  public init(path: String) throws(SystemError) {
    let queue = FileDescriptor(owning: try checked("watch folders") { clinux_inotify() })
    let number = queue.rawValue
    try checked("watch the folder", path) { unsafe inotify_add_watch(number, path, CLINUX_IN_CHANGES) }
    descriptor = queue
    self.path = path
  }

  /// Takes the changes that wait and returns the names of the changed entries, each once.
  ///
  /// Where the system lost changes, or the folder itself has gone, the list holds the empty name: anything may have
  /// changed.
  public func changedNames() throws(SystemError) -> Set<String> {
    var names: Set<String> = []
    var storage = [UInt64](repeating: 0, count: 1024)  // aligned as the system's records are
    while true {
      // SAFETY: the system writes whole records within the bounds.
      let count = unsafe storage.withUnsafeMutableBytes { bytes in
        uninterrupted { unsafe Glibc.read(descriptor.rawValue, bytes.baseAddress, bytes.count) }
      }
      guard let filled = try FileDescriptor.orWait(count, "read the changes of a folder"), filled > 0 else {
        return names
      }
      unsafe storage.withUnsafeBytes { bytes in
        guard let base = bytes.baseAddress else { return }
        var offset = 0
        while offset < filled {
          var mask: UInt32 = 0
          var name: UnsafePointer<CChar>?
          // SAFETY: records follow each other without gaps; a name ends with a zero byte.
          unsafe offset += clinux_inotify_event(base + offset, &mask, &name)
          unsafe names.insert(name.map { unsafe String(cString: $0) } ?? "")
        }
      }
    }
  }
}
