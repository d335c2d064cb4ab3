import Glibc
import LinuxSystem
public import Netstack
import Primitives

/// Streams to what is on the host itself, by UNIX sockets and to commands.
///
/// They differ from TCP's in a few things, of which the core knows nothing:
///
/// - There is nothing in between: connecting succeeds or fails at once, and what is written is in the peer's queue.
/// - A peer that has closed is a hang-up at once (EPOLLHUP), where TCP's is an end (EPOLLRDHUP), and a failure only for
///   who writes to it. What the peer sent before is there to read.
/// - Bytes cannot be removed without being read (MSG_TRUNC means nothing).
/// - Memory is counted where TCP does not count it (SK_MEMINFO_WMEM_ALLOC).
/// - There is no reset. A peer learns of one where bytes were left unread (ECONNRESET), else of an end.
/// - A listener has a path, which stays in the file system unless it is removed, and clients have no addresses.
extension KernelSockets {
  /// Opens a stream to one of the host's services.
  public mutating func connect(_ flow: FlowID, to service: HostService) -> HostOpen {
    do throws(SystemError) {
      switch services[service.number] {
      case .unix(let path): try connect(flow, toPath: path)
      case .command(let arguments): try start(arguments, for: flow)
      case .internetCommand(let arguments): try startOverLoopback(arguments, for: flow)
      }
      return .ready
    } catch {
      if table[flow].descriptor >= 0 { forget(flow) }
      return .failed(HostError(error))
    }
  }

  /// Opens a stream between two flows: a pair of UNIX sockets.
  public mutating func openPair(_ one: FlowID, _ other: FlowID) -> HostOpen {
    do throws(SystemError) {
      let (first, second) = try Socket.pair(.stream).take()
      let far = Socket(FileDescriptor(owning: second))
      try adopt(Socket(FileDescriptor(owning: first)), as: one)
      try adopt(far, as: other)
      return .ready
    } catch {
      for flow in [one, other] where table[flow].descriptor >= 0 { forget(flow) }
      return .failed(HostError(error))
    }
  }

  private mutating func connect(_ flow: FlowID, toPath path: String) throws(SystemError) {
    let address = SocketAddress.path(path)
    let socket = try Socket(.stream, for: address)
    // A full queue of clients is a failure (EAGAIN), not an attempt that goes on.
    _ = try socket.connect(to: address)
    try adopt(socket, as: flow)
  }

  /// Starts a command whose standard input and output are the stream.
  private mutating func start(_ arguments: [String], for flow: FlowID) throws(SystemError) {
    let (near, far) = try Socket.pair(.stream).take()
    let ours = FileDescriptor(owning: near)
    let theirs = FileDescriptor(owning: far)
    // Commands do not expect to be told to come back later.
    try theirs.setBlocking()
    try adopt(Socket(ours), as: flow)
    try commands.start(arguments, on: theirs, for: flow)
  }

  private mutating func startOverLoopback(_ arguments: [String], for flow: FlowID) throws(SystemError) {
    let (near, far) = try Socket.loopbackPair().take()
    let ours = Socket(FileDescriptor(owning: near))
    let theirs = FileDescriptor(owning: far)
    try theirs.setBlocking()
    try prepare(ours)
    try register(flow, ours, as: .stream, family: .ipv4)
    try commands.start(arguments, on: theirs, for: flow)
  }

  /// Forgets the commands that have ended.
  public mutating func reapCommands() { commands.reap() }

  /// Listens on a path for a forward.
  mutating func listen(_ flow: FlowID, atPath path: String) throws(SystemError) {
    let socket = try Socket(.stream, for: .path(path))
    let bound: LocalPath
    do throws(SocketPathError) {
      bound = LocalPath(try SocketPath(binding: socket, to: path))
    } catch {
      throw error.systemError
    }
    try socket.listen(backlog: Self.backlog)
    try register(flow, socket, as: .localListener, family: .ipv4)
    localPaths[flow] = bound
  }

  /// Takes a connected UNIX stream into the table.
  mutating func adopt(_ socket: consuming Socket, as flow: FlowID) throws(SystemError) {
    try socket.set(.urgentInline, to: true)
    if usesPeekOffset { try socket.set(.peekOffset, to: 0) }
    try register(flow, socket, as: .localStream, family: .ipv4)
  }
}

/// Holds the path of a listener, so that it can stand in a list.
final class LocalPath {
  private let path: SocketPath
  init(_ path: consuming SocketPath) { self.path = path }
}

extension SocketPathError {
  /// The error as the system would tell it.
  fileprivate var systemError: SystemError {
    switch self {
    case .inUse(let path): SystemError(EADDRINUSE, "listen on", path)
    case .notASocket(let path): SystemError(ENOTSOCK, "listen on", path)
    case .refused(let error): error
    }
  }
}

extension SocketState.Kind {
  /// The events that tell of a failure.
  var failureEvents: Events { self == .localStream ? .failed : [.failed, .hungUp] }
}
