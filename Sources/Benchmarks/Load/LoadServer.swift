import Glibc
import LinuxSystem
import Primitives

/// The load generator's server: does its part of each client's task on a thread of its own, and answers connections on
/// the next port, all on one thread.
enum LoadServer {
  /// Serves on `port` and the next, of all addresses, for ever; tells on stdout once it is ready.
  static func run(port: UInt16) throws {
    let tasks = try listener(port: port)
    let answerer = try Answerer(listener(port: port + 1))
    _ = try Thread {
      do {
        try answerer.run()
      } catch {
        fatalExit("the answers ended: \(error)")
      }
    }
    StandardStream.output.write("ready\n")
    while true {
      try waitFor(.readable, of: tasks.rawValue, atMost: .seconds(1 << 30))
      while let connection = try tasks.accept() { try serve(connection.take()) }
    }
  }

  private static func listener(port: UInt16) throws -> Socket {
    let address = SocketAddress.internet(Endpoint(IPAddress(IPv6Address(high: 0, low: 0)), port: port))
    let socket = try Socket(.stream, for: address)
    try socket.set(.ipv6Only, to: false)
    try socket.set(.reuseAddress, to: true)
    try socket.bind(to: address)
    try socket.listen(backlog: 4096)
    return socket
  }

  private static func serve(_ connection: Int32) throws {
    _ = try Thread {
      do {
        let channel = try LoadChannel(Socket(FileDescriptor(owning: connection)))
        guard let task = LoadTask(try channel.receiveLine().split(separator: " ")) else {
          throw LoadError("a client asks for something unknown")
        }
        _ = try task.run(as: .server, over: channel)
      } catch {
        // The client fails too, and says so; others go on.
        StandardStream.error.write("Benchmarks: the server's part of a task ended: \(error)\n")
      }
    }
  }
}

/// Returns the byte that each client sends, and closes when the client does.
private struct Answerer: ~Copyable, Sendable {
  private let listener: Socket

  init(_ listener: consuming Socket) { self.listener = listener }

  func run() throws {
    let queue = try EventQueue()
    var events = EventBuffer(capacity: 256)
    var byte: [UInt8] = [0]
    try queue.registrar.add(listener.rawValue, for: .readable, data: UInt64(listener.rawValue))
    while true {
      try queue.wait(into: &events, timeout: nil)
      for index in 0..<events.count {
        let number = Int32(truncatingIfNeeded: events[index].data)
        if number != listener.rawValue {
          try answer(number, &byte)
          continue
        }
        while let client = try listener.accept() {
          // Closed by `answer`.
          let client = client.take()
          try queue.registrar.add(client, for: .readable, data: UInt64(client))
        }
      }
    }
  }

  private func answer(_ client: Int32, _ byte: inout [UInt8]) throws(SystemError) {
    if try returnByte(to: client, &byte) { return }
    _ = FileDescriptor(owning: client)
  }

  /// - Returns: false once the client has closed its connection.
  private func returnByte(to client: Int32, _ byte: inout [UInt8]) throws(SystemError) -> Bool {
    do throws(SystemError) {
      var span = byte.mutableSpan
      guard let count = try Socket.receive(into: &span, on: client) else { return true }
      guard count > 0 else { return false }
      return try Socket.send(byte.span, on: client) != nil
    } catch {
      // One that was reset is closed as well.
      guard error.number == ECONNRESET || error.number == EPIPE else { throw error }
      return false
    }
  }
}
