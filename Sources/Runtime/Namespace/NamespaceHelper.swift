import LinuxSystem
import RouteNetlink

/// The helper process: it makes or enters a namespace, sets an interface up, and hands its device over.
///
/// It answers by one message on its socket: a zero and the device's descriptor, or a one and what went wrong in words.
public enum NamespaceHelper {
  /// Carries a request out, which ends this process or lets it become the command.
  /// - Returns: the status to exit with.
  public static func run(_ request: NamespaceRequest) -> Int32 {
    let socket = Socket(FileDescriptor(owning: request.socket))
    do {
      try socket.descriptor.setCloseOnExec()
      try socket.descriptor.setBlocking()
      let device = try request.target.map { try openDevice(in: $0, request.interface) } ?? makeNamespace(for: request)
      try answer(0, "", descriptors: [device.take()], on: socket)
    } catch {
      // Nobody is left to be told where this fails, too.
      do { try answer(1, "\(error)", descriptors: [], on: socket) } catch {}
      return 1
    }
    guard !request.command.isEmpty else { return 0 }
    guard awaitStart(socket) else { return 1 }
    return become(request.command)
  }

  private static func answer(
    _ outcome: UInt8, _ text: String, descriptors: [Int32], on socket: borrowing Socket
  ) throws(SystemError) {
    let bytes = [outcome] + Array(text.utf8)
    _ = try socket.send(bytes.span, descriptors: descriptors)
    for descriptor in descriptors { _ = FileDescriptor(owning: descriptor) }
  }

  // MARK: A namespace that there is

  /// Opens a device in the namespace of a file.
  private static func openDevice(in path: String, _ interface: InterfaceSettings) throws -> FileDescriptor {
    let target: FileDescriptor
    do throws(SystemError) {
      target = try FileDescriptor.open(reading: path)
    } catch {
      throw ServiceError("there is no network namespace at \(path): \(error.reason)")
    }
    guard Namespace.isOne(target, of: .network) else {
      throw ServiceError("\(path) is no network namespace; give a process's number, or a file as of 'ip netns add'")
    }
    try enterOwner(of: target)
    // A descriptor of /dev/net/tun keeps the namespace alive in which it was opened. This one is nobody's, so that the
    // device goes with the namespace that it is moved to, and tells so.
    try Namespace.make([.network])
    let device = try TAPDevice(name: interface.name)
    var outside = try RouteSocket()
    try outside.change(interface.name, .init(namespace: target.rawValue))
    try Namespace.enter(.network, target)
    var inside = try RouteSocket()
    try inside.bringUpLoopback()
    try inside.apply(try InterfaceControls.prepare(interface))
    return device.detached()
  }

  /// Takes the rights over a namespace that another user namespace of this user's has.
  private static func enterOwner(of target: borrowing FileDescriptor) throws {
    let owner: FileDescriptor
    do throws(SystemError) {
      owner = try Namespace.owner(of: target)
    } catch {
      throw ServiceError("the network namespace belongs to somebody else: \(error.reason); try as root")
    }
    let own = try FileDescriptor.open(reading: "/proc/self/ns/user")
    let isOwn = try FileIdentity(descriptor: owner.rawValue) == FileIdentity(descriptor: own.rawValue)
    if !isOwn { try Namespace.enter(.users, owner) }
  }

  // MARK: A new namespace

  /// Leaves for a new network namespace, with the mounts that its programs need, and opens a device in it.
  private static func makeNamespace(for request: NamespaceRequest) throws -> FileDescriptor {
    let isRoot = ProcessControl.effectiveUser == 0
    if isRoot { try Namespace.make([.network, .mounts]) } else { try makeUserNamespace() }
    var routes = try RouteSocket()
    try routes.bringUpLoopback()
    let device = try TAPDevice(name: request.interface.name)
    try routes.apply(try InterfaceControls.prepare(request.interface))
    if !isRoot { try InterfaceControls.allowPing() }
    try Mounts.makePrivate()
    try NameServiceMounts.install(request.resolverConfiguration)
    return device.detached()
  }

  private static func makeUserNamespace() throws {
    let (user, group) = (ProcessControl.effectiveUser, ProcessControl.effectiveGroup)
    do throws(SystemError) {
      try Namespace.make([.users, .network, .mounts])
      try Namespace.mapRoot(toUser: user, group: group)
    } catch {
      throw ServiceError(UserNamespaceAdvice.words(for: error))
    }
  }

  // MARK: The command

  /// Waits until the network is served; false where the one who would serve it has gone.
  private static func awaitStart(_ socket: borrowing Socket) -> Bool {
    var bytes: [UInt8] = [0]
    var space = bytes.mutableSpan
    do throws(SystemError) {
      return try socket.descriptor.read(into: &space) == 1
    } catch {
      return false
    }
  }

  /// Becomes the command; returns the status that a shell gives to one that it cannot start.
  private static func become(_ command: [String]) -> Int32 {
    do throws(SystemError) {
      try ProcessControl.replace(with: command)
    } catch {
      StandardStream.error.write("culvert: \(error)\n")
      return error.isNotFound ? 127 : 126
    }
  }
}

/// What to do where a user may make no user namespaces.
enum UserNamespaceAdvice {
  /// The switches that may be off, and what each must be to be on.
  private static let switches = [
    (path: "/proc/sys/kernel/unprivileged_userns_clone", off: "0", advice: "sysctl kernel.unprivileged_userns_clone=1"),
    (path: "/proc/sys/user/max_user_namespaces", off: "0", advice: "sysctl user.max_user_namespaces=15000"),
    (
      path: "/proc/sys/kernel/apparmor_restrict_unprivileged_userns", off: "1",
      advice: "sysctl kernel.apparmor_restrict_unprivileged_userns=0"
    ),
  ]

  /// One line about a user namespace that could not be made.
  static func words(for error: SystemError) -> String {
    let found = switches.first { item in
      do throws(SystemError) {
        let value = try FileDescriptor.contents(of: item.path, limit: 64)
        return value.split(whereSeparator: \.isWhitespace).first.map(String.init) == item.off
      } catch {
        return false
      }
    }
    let advice = found.map { "'\($0.advice)', as root, allows them" } ?? "this system or container forbids them"
    return "a user may make no namespaces here: \(error.reason); \(advice), and as root none is needed"
  }
}
