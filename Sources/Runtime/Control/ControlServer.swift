import Configuration
import LinuxSystem
import Logging

/// The socket on which an operator asks a running instance, served by a thread of its own: whatever a client does, the
/// loops carry frames. They only collect the values of an answer.
struct ControlServer: ~Copyable {
  private let socket: ControlSocket
  private let stopping: StopSignal
  private let thread: Thread

  /// Begins to answer on a socket that listens.
  init(_ socket: consuming ControlSocket, _ service: ControlService, logger: Logger) throws(SystemError) {
    let stopping = try StopSignal()
    let clients = try ControlClients(listener: socket.number, stopping: stopping, service: service, logger: logger)
    let thread = try Thread { clients.serve() }
    self.socket = socket
    self.stopping = stopping
    self.thread = thread
  }

  /// Begins to answer about `networks`, where there is a socket.
  static func start(
    _ socket: consuming ControlSocket?, _ networks: [ControlledNetwork], _ threshold: LogThreshold, _ logger: Logger
  ) throws(SystemError) -> ControlServer? {
    switch consume socket {
    case .none: return nil
    case .some(let socket):
      return try ControlServer(socket, try ControlService(networks, threshold: threshold), logger: logger)
    }
  }

  /// Ends all conversations and removes the path.
  consuming func stop() {
    stopping.give()
    thread.join()
  }
}

/// What ends a thread that waits for events.
final class StopSignal: Sendable {
  /// To be watched by the thread; more than 0 once it is to end.
  let counter: EventCounter

  init() throws(SystemError) { counter = try EventCounter() }

  /// Has the thread end. From any thread.
  func give() { counter.signal() }
}

/// A control socket that listens, for this user alone.
struct ControlSocket: ~Copyable {
  private let listener: Socket
  private let path: SocketPath

  /// Listens at an address.
  init(_ address: ControlAddress) throws {
    let socket = try Socket(.stream, for: .path(address.path))
    let path = try SocketPath(binding: socket, to: address.path)
    try socket.listen()
    listener = socket
    self.path = path
  }

  /// The listener's number.
  var number: Int32 { listener.rawValue }
}
