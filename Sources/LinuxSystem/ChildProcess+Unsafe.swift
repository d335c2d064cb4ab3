import CLinux
import Glibc

/// A child process, known by a descriptor that cannot come to mean another process.
public struct ChildProcess: ~Copyable, Sendable {
  /// How a process ended.
  public enum Exit: Hashable, Sendable {
    /// It returned a status, 0 to 255.
    case status(Int32)
    /// A signal ended it.
    case signal(Int32)

    /// The status that a shell would report: 128 and the signal's number for a process that was ended.
    public var shellStatus: Int32 {
      switch self {
      case .status(let status): status
      case .signal(let signal): 128 + signal
      }
    }
  }

  /// A descriptor that the child inherits, and its number there.
  public struct Inheritance: Hashable, Sendable {
    /// The descriptor's number in this process.
    public var descriptor: Int32
    /// Its number in the child.
    public var childNumber: Int32

    /// Makes an inheritance; the child's number is the same unless given.
    public init(_ descriptor: Int32, as childNumber: Int32? = nil) {
      self.descriptor = descriptor
      self.childNumber = childNumber ?? descriptor
    }
  }

  /// The child's number.
  public let processID: Int32
  /// The descriptor to watch: readable once the child has ended (pidfd).
  public let descriptor: FileDescriptor

  /// Starts `arguments[0]`, looked up in PATH, with no signals blocked or ignored, the environment of this process
  /// and the descriptors of `inheriting`, besides those that this process was itself started with; on request as the
  /// first of a session of its own, without a terminal.
  /// - Precondition: `arguments` is not empty.
  public init(
    _ arguments: [String], inheriting: [Inheritance] = [], inNewSession: Bool = false
  ) throws(SystemError) {
    precondition(!arguments.isEmpty, "no program to start")
    let process = try Self.spawn(arguments, inheriting: inheriting, inNewSession: inNewSession)
    // The child stays until it is waited for, so that its number cannot have been given to another yet.
    let watched = clinux_pidfd_open(process)
    guard watched >= 0 else {
      let error = SystemError.last("watch the process of", arguments[0])
      _ = kill(process, SIGKILL)
      _ = uninterrupted { waitpid(process, nil, 0) }
      throw error
    }
    processID = process
    descriptor = FileDescriptor(owning: watched)
  }

  /// How the child ended, nil while it runs. Once it has ended, to be asked only once.
  public func exit() throws(SystemError) -> Exit? {
    var (cause, status): (Int32, Int32) = (0, 0)
    let ended = try checked("wait for a child") { unsafe clinux_poll_exit(descriptor.rawValue, &cause, &status) }
    guard ended == 1 else { return nil }
    return cause == Int32(CLD_EXITED) ? .status(status) : .signal(status)
  }

  /// Waits until the child has ended. Once it was told how, `exit` is not to be asked any more.
  public func waitUntilExit() throws(SystemError) -> Exit {
    while true {
      if let exit = try exit() { return exit }
      var state = pollfd(fd: descriptor.rawValue, events: Int16(POLLIN), revents: 0)
      // SAFETY: one structure.
      try checked("wait for a child") { unsafe poll(&state, 1, -1) }
    }
  }

  /// Sends the child a signal; one that has ended gets none.
  public func send(signal: Int32) throws(SystemError) {
    guard clinux_pidfd_signal(descriptor.rawValue, signal) != 0 else { return }
    guard errno == ESRCH else { throw .last("send a signal to a child") }
  }

  /// Sends a signal to the child and to those that it has started in turn, as far as they are still in its group.
  /// - Precondition: the child has a session of its own, and `exit` has not told of its end: so long its number is not
  ///   given to another group.
  public func send(signalToGroup signal: Int32) throws(SystemError) {
    guard kill(-processID, signal) != 0 else { return }
    guard errno == ESRCH else { throw .last("send a signal to the children") }
  }

  private static func spawn(
    _ arguments: [String], inheriting: [Inheritance], inNewSession: Bool
  ) throws(SystemError) -> Int32 {
    var attributes = posix_spawnattr_t()
    var actions = unsafe posix_spawn_file_actions_t()
    try check(unsafe posix_spawnattr_init(&attributes), arguments[0])
    // SAFETY: both objects are initialised before use and destroyed once, in this function.
    defer { _ = unsafe posix_spawnattr_destroy(&attributes) }
    try check(unsafe posix_spawn_file_actions_init(&actions), arguments[0])
    defer { _ = unsafe posix_spawn_file_actions_destroy(&actions) }
    try check(unsafe clinux_spawn_reset_signals(&attributes, inNewSession ? 1 : 0), arguments[0])

    // Copies above every number wanted in the child, so that no dup2 there overwrites the source of another.
    let floor = (inheriting.map(\.childNumber).max() ?? 2) + 1
    var copies = ReceivedDescriptors()
    for inheritance in inheriting {
      let copy = try checked("pass descriptor", "\(inheritance.descriptor)") {
        clinux_duplicate(inheritance.descriptor, floor)
      }
      copies.append(FileDescriptor(owning: copy))
      try check(unsafe posix_spawn_file_actions_adddup2(&actions, copy, inheritance.childNumber), arguments[0])
    }

    var process: pid_t = 0
    let error = unsafe withArgumentVector(arguments) { vector in
      unsafe posix_spawnp(&process, arguments[0], &actions, &attributes, vector, clinux_environment())
    }
    try check(error, arguments[0])
    return process
  }

  /// Calls `body` with `arguments` as a C program's `argv`, which lives as long as the call.
  @unsafe
  static func withArgumentVector(
    _ arguments: [String], _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Int32
  ) -> Int32 {
    // SAFETY: a list of C strings that ends with nil, freed after the call.
    var strings = unsafe arguments.map { unsafe strdup($0) } + [nil]
    defer { unsafe strings.forEach { unsafe free($0) } }
    return unsafe body(&strings)
  }

  /// Throws for an error number that was returned rather than left in `errno`.
  private static func check(_ number: Int32, _ program: String) throws(SystemError) {
    guard number == 0 else { throw SystemError(number, "start", program) }
  }
}
