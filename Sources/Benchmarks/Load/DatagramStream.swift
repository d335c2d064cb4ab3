import LinuxSystem
import Primitives

/// Datagrams one way between two connected sockets, counted at both ends.
///
/// The server's port is new for each stream and told over the channel. The client speaks first, so that the server
/// knows where the client's datagrams come from, and the networks between them have a mapping.
struct DatagramStream: ~Copyable {
  private let socket: Socket

  /// The receiver's buffer, in bytes: that of a stream that bursts at the sender's pace is not what is measured.
  private static var bufferSize: Int32 { 4 << 20 }
  /// Bytes of the client's first datagrams, fewer than any that are counted.
  private static var greetingLength: Int { 1 }
  /// How many of these there are, in case one is lost.
  private static var greetingCount: Int { 3 }
  /// Between two bursts of a sender: it must not keep a processor busy that the network needs.
  private static var pause: Interval { .microseconds(200) }
  /// After so long a silence there is nothing on its way any more.
  private static var silence: Interval { .milliseconds(100) }

  /// Opens this end and waits for the other one.
  init(over channel: borrowing LoadChannel, as role: LoadTask.Role) throws {
    let socket = role == .server ? try Self.awaitClient(over: channel) : try Self.greetServer(over: channel)
    try socket.set(.receiveBuffer, to: Self.bufferSize)
    self.socket = socket
  }

  private static func awaitClient(over channel: borrowing LoadChannel) throws -> Socket {
    guard let local = try channel.socket.localAddress().endpoint else { throw LoadError("not an Internet socket") }
    let socket = try Socket(.datagram, for: .internet(local))
    try socket.bind(to: .internet(Endpoint(local.address, port: 0)))
    try channel.send("\(try socket.localAddress().endpoint?.port ?? 0)")
    try waitFor(.readable, of: socket.rawValue, atMost: .seconds(5))
    guard let client = try socket.takeSource() else { throw LoadError("the client's datagram is gone") }
    _ = try socket.connect(to: client)
    try channel.send("go")
    return socket
  }

  private static func greetServer(over channel: borrowing LoadChannel) throws -> Socket {
    guard let server = try channel.socket.peerAddress().endpoint, let port = UInt16(try channel.receiveLine()) else {
      throw LoadError("the server did not name its port")
    }
    let socket = try Socket(.datagram, for: .internet(server))
    _ = try socket.connect(to: .internet(Endpoint(server.address, port: port)))
    var greeting = DatagramBurst(length: greetingLength)
    _ = try greeting.send(greetingCount, on: socket.rawValue)
    guard try channel.receiveLine() == "go" else { throw LoadError("the server did not go") }
    return socket
  }

  /// Sends at a rate, in datagrams for each second.
  /// - Returns: how many were sent and received, and the seconds of sending.
  func send(
    size: Int, rate: Int, for duration: Interval, over channel: borrowing LoadChannel
  ) throws -> String {
    let queue = try EventQueue()
    var events = EventBuffer(capacity: 1)
    var burst = DatagramBurst(length: size)
    let start = MonotonicClock.now
    var (now, sent) = (start, 0)
    while now - start < duration {
      let due = Int(Double(rate) * Double((now - start).nanoseconds) / 1e9)
      while sent < due, MonotonicClock.now - start < duration {
        guard let count = try burst.send(due - sent, on: socket.rawValue) else { break }
        sent += count
      }
      try queue.wait(into: &events, timeout: Self.pause)
      now = MonotonicClock.now
    }
    let seconds = Double((now - start).nanoseconds) / 1e9
    try channel.send("\(sent) \(seconds)")
    return try channel.receiveLine()
  }

  /// Counts what comes until the sender says that it has ended, and nothing comes any more.
  /// - Returns: what `send` returns at the other end.
  func count(size: Int, over channel: borrowing LoadChannel) throws -> String {
    let queue = try EventQueue()
    var events = EventBuffer(capacity: 2)
    var burst = DatagramBurst(length: size)
    var received = 0
    var sent: String?
    try queue.registrar.add(socket.rawValue, for: .readable, data: 0)
    try queue.registrar.add(channel.socket.rawValue, for: .readable, data: 1)
    while true {
      try queue.wait(into: &events, timeout: sent == nil ? .seconds(60) : Self.silence)
      if events.count == 0 { break }
      while let count = try burst.receive(on: socket.rawValue) { received += count.whole }
      if sent == nil, (0..<events.count).contains(where: { events[$0].data == 1 }) {
        sent = try channel.receiveLine()
        try queue.registrar.remove(channel.socket.rawValue)
      }
    }
    guard let words = sent?.split(separator: " "), words.count == 2 else {
      throw LoadError("the sender has not ended")
    }
    let report = "{\"sent\": \(words[0]), \"seconds\": \(words[1]), \"received\": \(received)}"
    try channel.send(report)
    return report
  }
}
