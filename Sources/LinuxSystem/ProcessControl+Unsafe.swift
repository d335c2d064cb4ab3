import CLinux
import Glibc

/// What a process sets for itself before it works for strangers.
public enum ProcessControl {
  /// Raises the limit of open descriptors as far as the system allows and returns it.
  @discardableResult
  public static func raiseDescriptorLimit() throws(SystemError) -> Int {
    var limit: UInt64 = 0
    try checked("raise the limit of open descriptors") { unsafe clinux_raise_descriptor_limit(&limit) }
    return Int(clamping: limit)
  }

  /// Lets neither this process nor its children gain privileges by starting a program.
  public static func forbidNewPrivileges() throws(SystemError) {
    try checked("forbid new privileges") { clinux_forbid_new_privileges() }
  }

  /// Keeps the process's memory from core files and from other processes of its user.
  public static func forbidDumps() throws(SystemError) {
    try checked("forbid dumps of the process") { clinux_forbid_dumps() }
  }

  /// Gives back the memory of code that was needed until now; what is needed again comes from the program's file.
  public static func releaseCode() { clinux_release_code() }

  /// Whether new privileges are forbidden.
  public static var forbidsNewPrivileges: Bool { clinux_forbids_new_privileges() == 1 }
  /// Whether dumps are allowed.
  public static var allowsDumps: Bool { clinux_is_dumpable() == 1 }

  /// Runs a program, looked up in PATH, in the place of this one; returns only to say why it could not.
  /// - Precondition: `arguments` is not empty.
  public static func replace(with arguments: [String]) throws(SystemError) -> Never {
    precondition(!arguments.isEmpty, "no program to run")
    // SAFETY: a call that does not fail does not return.
    _ = unsafe ChildProcess.withArgumentVector(arguments) { vector in unsafe execvp(arguments[0], vector) }
    throw .last("start", arguments[0])
  }

  /// How many processors this process may run on, at least 1.
  public static var processorCount: Int { Int(clinux_processor_count()) }

  /// The number of this process.
  public static var processID: Int32 { getpid() }

  /// The number of the user with whose permissions this process acts.
  public static var effectiveUser: UInt32 { geteuid() }

  /// The number of the group with whose permissions this process acts.
  public static var effectiveGroup: UInt32 { getegid() }

  /// The value of a variable of the environment.
  public static func environment(_ name: String) -> String? {
    // SAFETY: the string is copied at once; nothing changes the environment beside us.
    unsafe getenv(name).map { unsafe String(cString: $0) }
  }

  /// The name of the user that this process acts as, nil where the system has none.
  public static var userName: String? {
    // SAFETY: the entry is copied at once; nobody beside us asks for one.
    unsafe getpwuid(geteuid()).map { unsafe String(cString: $0.pointee.pw_name) }
  }

  /// The number of the user of a name, nil where the system knows none.
  public static func userNumber(named name: String) -> UInt32? {
    // SAFETY: the entry is copied at once; nobody beside us asks for one.
    unsafe getpwnam(name).map { unsafe $0.pointee.pw_uid }
  }

  /// The number of the group of a name, nil where the system knows none.
  public static func groupNumber(named name: String) -> UInt32? {
    // SAFETY: as above.
    unsafe getgrnam(name).map { unsafe $0.pointee.gr_gid }
  }

  /// Removes a variable from the environment.
  public static func removeEnvironment(_ name: String) { _ = unsafe unsetenv(name) }

  /// 256 random bits from the system, for seeds.
  public static func randomSeed() throws(SystemError) -> (UInt64, UInt64, UInt64, UInt64) {
    var seed: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
    // SAFETY: up to 256 bytes come whole. The bytes of the tuple are initialised and trivial.
    try checked("get random bytes") {
      unsafe withUnsafeMutableBytes(of: &seed) { bytes in unsafe getrandom(bytes.baseAddress, bytes.count, 0) }
    }
    return seed
  }
}

/// A file that holds this process's number and is removed with this value.
public struct ProcessIDFile: ~Copyable, Sendable {
  private let path: String
  private let identity: FileIdentity

  /// Writes the number of this process, and a line's end, to `path`.
  public init(path: String) throws(SystemError) {
    let file = try FileDescriptor.open(replacing: path, mode: 0o644)
    try file.write("\(ProcessControl.processID)\n")
    identity = try FileIdentity(descriptor: file.rawValue)
    self.path = path
  }

  // A file that cannot be removed any more is no reason to fail at the end.
  deinit {
    do { try FileSystem.unlink(path, ifStill: identity) } catch {}
  }
}

/// The service manager that started this process, if one did (sd_notify(3), sd_listen_fds(3)).
public enum ServiceManager {
  /// Tells the service manager a state, such as `READY=1`. Does nothing where there is none to be told.
  /// - Returns: whether there was a service manager.
  @discardableResult
  public static func notify(_ state: String) throws(SystemError) -> Bool {
    guard let name = ProcessControl.environment("NOTIFY_SOCKET"), !name.isEmpty else { return false }
    try notify(state, at: name.hasPrefix("@") ? .abstract(String(name.dropFirst())) : .path(name))
    return true
  }

  static func notify(_ state: String, at address: SocketAddress) throws(SystemError) {
    let socket = try Socket(.datagram, for: address)
    try socket.send(Array(state.utf8).span, to: address)
  }

  /// The first of the descriptors that a service manager passes.
  public static let firstDescriptor: Int32 = 3

  /// The descriptors that the service manager opened for this process, which then belong to the caller.
  ///
  /// The variables are removed, so that children do not take the descriptors for theirs.
  public static func takeDescriptors() throws(SystemError) -> Range<Int32> {
    let numbers = descriptors(
      process: ProcessControl.environment("LISTEN_PID"), count: ProcessControl.environment("LISTEN_FDS"),
      own: ProcessControl.processID)
    for name in ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"] { ProcessControl.removeEnvironment(name) }
    for number in numbers {
      try checked("use descriptor", "\(number) of LISTEN_FDS") { clinux_set_close_on_exec(number) }
    }
    return numbers
  }

  /// Which descriptors the two variables name; none where they are meant for another process.
  static func descriptors(process: String?, count: String?, own: Int32) -> Range<Int32> {
    let none = firstDescriptor..<firstDescriptor
    guard let process, Int32(process) == own, let count = count.flatMap({ Int32($0) }) else { return none }
    return count > 0 && count < 4096 ? firstDescriptor..<(firstDescriptor + count) : none
  }
}
