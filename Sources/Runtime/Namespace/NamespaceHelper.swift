import BasicContainers
import LinuxSystem
import Primitives
import RouteNetlink

/// The helper process: it makes or enters a namespace, opens a device there, hands it over, and sets it up as an
/// interface.
///
///     helper                                                            the one who serves
///     0, the interface's hardware address, the device's queues,
///        of a new namespace the tables of its sockets               ->
///                                                                   <-  the interface's addresses
///     0                                                             ->
///                                                                   <-  start, where there is a command
///
/// Each line is one message. In the place of either of its own the helper sends a one and what went wrong in words.
public enum NamespaceHelper {
  /// Carries a request out, which ends this process or lets it become the command.
  /// - Returns: the status to exit with.
  public static func run(_ request: NamespaceRequest) -> Int32 {
    let socket = Socket(FileDescriptor(owning: request.socket))
    do {
      try socket.descriptor.setCloseOnExec()
      try socket.descriptor.setBlocking()
      let device = try request.target.map { try openDevice(in: $0, for: request) } ?? makeNamespace(for: request)
      var routes = try RouteSocket()
      guard let hardware = try routes.interface(named: request.interface.name)?.hardware else {
        throw ServiceError("the interface \(request.interface.name) has no hardware address")
      }
      var descriptors = device
      if request.target == nil {
        var tables = try NamespaceSockets.openTables()
        while let table = tables.popLast() { descriptors.append(table.take()) }
      }
      try answer(0, "\(hardware)", descriptors: descriptors, on: socket)
      guard let addresses = try hear(socket) else { return 1 }
      try setUp(request.interface, addresses, &routes)
      try answer(0, "", descriptors: [], on: socket)
    } catch {
      // Nobody is left to be told where this fails, too.
      do { try answer(1, "\(error)", descriptors: [], on: socket) } catch {}
      return 1
    }
    guard !request.command.isEmpty else { return 0 }
    guard isTold(socket) else { return 1 }
    return become(request.command)
  }

  /// Gives the interface its addresses and switches it on.
  private static func setUp(_ interface: InterfaceSettings, _ words: String, _ routes: inout RouteSocket) throws {
    var interface = interface
    interface.addresses = try words.split(separator: " ").map { word in
      guard let address = InterfaceAddress(String(word)) else { throw ServiceError("'\(word)' is no address") }
      return address
    }
    try routes.bringUpLoopback()
    try routes.apply(try InterfaceControls.prepare(interface))
  }

  // MARK: Messages

  private static func answer(
    _ outcome: UInt8, _ text: String, descriptors: [Int32], on socket: borrowing Socket
  ) throws(SystemError) {
    let bytes = [outcome] + Array(text.utf8)
    _ = try socket.send(bytes.span, descriptors: descriptors)
    for descriptor in descriptors { _ = FileDescriptor(owning: descriptor) }
  }

  /// Waits for a message; nil where the one who would send it has gone.
  private static func hear(_ socket: borrowing Socket) throws(SystemError) -> String? {
    var bytes = [UInt8](repeating: 0, count: 256)
    var space = bytes.mutableSpan
    guard let count = try socket.descriptor.read(into: &space), count > 0 else { return nil }
    return String(decoding: bytes.prefix(count), as: UTF8.self)
  }

  /// Waits until the network is served; false where the one who would serve it has gone.
  private static func isTold(_ socket: borrowing Socket) -> Bool {
    do throws(SystemError) { return try hear(socket) != nil } catch { return false }
  }

  // MARK: A namespace that there is

  /// Opens a device in the namespace of a file.
  private static func openDevice(in path: String, for request: NamespaceRequest) throws -> [Int32] {
    let interface = request.interface
    let target: FileDescriptor
    do throws(SystemError) {
      target = try FileDescriptor.open(reading: path)
    } catch {
      throw ServiceError(
        error.isForbidden
          ? NamespaceAdvice.words(forForbidden: path, error)
          : "there is no network namespace at \(path): \(error.reason)")
    }
    guard Namespace.isOne(target, of: .network) else {
      throw ServiceError("\(path) is no network namespace; give a process's number, or a file as of 'ip netns add'")
    }
    do throws(SystemError) {
      try enterOwner(of: target)
      // A descriptor of /dev/net/tun keeps the namespace alive in which it was opened. This one is nobody's, so that the
      // device goes with the namespace that it is moved to, and tells so.
      try Namespace.make([.network])
    } catch {
      throw ServiceError(error.isForbidden ? NamespaceAdvice.words(forForbidden: path, error) : "\(error)")
    }
    let device = try openDevice(for: request)
    var outside = try RouteSocket()
    do throws(RouteError) {
      try outside.change(interface.name, .init(namespace: target.rawValue))
    } catch {
      throw ServiceError(
        error.error.isTaken ? NamespaceAdvice.words(forTaken: interface.name, in: path) : "\(error)")
    }
    try Namespace.enter(.network, target)
    return device
  }

  /// Opens a device in the namespace that this process is in; returns the descriptors of its queues.
  private static func openDevice(for request: NamespaceRequest) throws(ServiceError) -> [Int32] {
    do throws(SystemError) {
      var descriptors: [Int32] = []
      for _ in 0..<request.queues {
        let queue = try TAPDevice(name: request.interface.name, isMultiQueue: request.queues > 1)
        descriptors.append(queue.detached().take())
      }
      return descriptors
    } catch {
      throw ServiceError(NamespaceAdvice.words(forDevice: error))
    }
  }

  /// Takes the rights over a namespace that another user namespace of this user's has.
  private static func enterOwner(of target: borrowing FileDescriptor) throws(SystemError) {
    let owner = try Namespace.owner(of: target)
    let own = try FileDescriptor.open(reading: "/proc/self/ns/user")
    let isOwn = try FileIdentity(descriptor: owner.rawValue) == FileIdentity(descriptor: own.rawValue)
    if !isOwn { try Namespace.enter(.users, owner) }
  }

  // MARK: A new namespace

  /// Leaves for a new network namespace, with the mounts that its programs need, and opens a device in it.
  private static func makeNamespace(for request: NamespaceRequest) throws -> [Int32] {
    let isRoot = ProcessControl.effectiveUser == 0
    if isRoot { try Namespace.make([.network, .mounts]) } else { try makeUserNamespace() }
    let device = try openDevice(for: request)
    if !isRoot { try InterfaceControls.allowPing() }
    try Mounts.makePrivate()
    try NameServiceMounts.install(request.resolverConfiguration)
    return device
  }

  private static func makeUserNamespace() throws {
    let (user, group) = (ProcessControl.effectiveUser, ProcessControl.effectiveGroup)
    do throws(SystemError) {
      try Namespace.make([.users, .network, .mounts])
      try Namespace.mapRoot(toUser: user, group: group)
    } catch {
      throw ServiceError(NamespaceAdvice.words(forUserNamespace: error))
    }
  }

  // MARK: The command

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
