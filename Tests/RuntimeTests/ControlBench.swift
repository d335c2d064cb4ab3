import BasicContainers
import Configuration
import Glibc
import LinuxSystem
import Logging
import Netstack
import Primitives
import Testing

@testable import Runtime

/// An instance with a control socket: networks whose loops run on threads of their own, each with a guest.
final class ControlBench {
  let address: ControlAddress
  private(set) var guests: [GuestEnd] = []
  private let folder: String
  private let lines = Lines()
  private var loops = [CompanionBox]()
  private var server: ControlServer?

  /// Holds a loop's thread, so that a list of them can be kept.
  private final class CompanionBox {
    var loop: CompanionLoop?
    init(_ loop: consuming CompanionLoop) { self.loop = consume loop }
  }

  init(
    networks names: [String] = ["net0"], loops loopCount: Int = 1, _ options: ServiceOptions = ServiceOptions(),
    in folder: String
  ) throws {
    self.folder = folder
    address = try ControlAddress("unix:\(folder)/ctl")
    let threshold = LogThreshold(.info)
    var networks: [ControlledNetwork] = []
    for name in names {
      // Each loop has a link of one port: its queue.
      let (links, ends) = try GuestEnd.links(loopCount)
      guests += ends
      var options = options
      options.control = address.description
      if options.network.dnsUpstream.isEmpty { options.network.dnsUpstream = ["192.0.2.53"] }
      let logger = lines.logger(threshold, network: names.count > 1 ? name : nil)
      let setup = try Setup(options, logger: logger)
      var network = try setup.makeLoops(links: links.map { [$0] }, takingSignals: false)
      let capture = try setup.startCapture(of: &network)
      networks.append(setup.controlled(name, network, capture))
      while let loop = network.loops.popLast() { loops.append(CompanionBox(try CompanionLoop(loop))) }
    }
    server = try ControlServer.start(try ControlSocket(address), networks, threshold, lines.logger(threshold))
  }

  deinit {
    endLoops()
    server.take()?.stop()
  }

  var log: String { lines.all.joined() }

  /// Ends the networks, and leaves the control socket.
  func endLoops() {
    for loop in loops { loop.loop.take()?.stop() }
    loops = []
  }

  /// Waits until the gateway has answered the requests of a guest with this last byte in its addresses.
  func awaitAnswers(_ count: Int = 1, to last: UInt8, ofGuest index: Int = 0) throws {
    while try guests[index].frames().count(where: { GuestEnd.isAnswer($0, to: last) }) < count {
      try guests[index].awaitFrames()
    }
  }
}

/// An operator's end of a control socket, which writes and reads the bytes itself.
final class ControlEnd {
  private let socket: Socket
  private var received: [UInt8] = []

  init(_ address: ControlAddress) throws {
    let socket = try Socket(.stream, for: .path(address.path))
    #expect(try socket.connect(to: .path(address.path)))
    self.socket = socket
  }

  /// Writes all of `text`.
  func write(_ text: String) throws {
    let bytes = Array(text.utf8)
    var count = 0
    while count < bytes.count {
      if let sent = try socket.send(bytes.span.extracting(count..<bytes.count)) {
        count += sent
      } else {
        try awaitEvent(on: socket.rawValue, for: .writable)
      }
    }
  }

  /// Writes as much of `text` as the socket takes at once; how many bytes that was.
  func writeSome(_ text: String) throws -> Int { try socket.send(Array(text.utf8).span) ?? 0 }

  /// The next line, nil at the end.
  func line() throws -> String? {
    while true {
      if let end = received.firstIndex(of: UInt8(ascii: "\n")) {
        let line = String(decoding: received[..<end], as: UTF8.self)
        received.removeSubrange(...end)
        return line
      }
      try awaitEvent(on: socket.rawValue)
      guard try readSome() > 0 else { return nil }
    }
  }

  /// Whether the next line is there whole; reads what has come, and waits for nothing.
  func hasLine() throws -> Bool {
    while try readSome() > 0 {}
    return received.contains(UInt8(ascii: "\n"))
  }

  /// Asks with one line, and returns the answer.
  func ask(_ request: String) throws -> String {
    try write(request + "\n")
    return try #require(try line(), "the instance has hung up")
  }

  /// Whether nothing more comes.
  func isAtEnd() throws -> Bool { try line() == nil }

  /// Finishes the stream to the instance.
  func finish() throws { try socket.shutDownWriting() }

  /// Reads what has come: its length, 0 at the end or for nothing.
  private func readSome() throws -> Int {
    do throws(SystemError) {
      return try receive()
    } catch  where error.number == ECONNRESET {
      return 0
    }
  }

  private func receive() throws(SystemError) -> Int {
    var bytes = [UInt8](repeating: 0, count: 65_536)
    var span = bytes.mutableSpan
    guard let count = try Socket.receive(into: &span, on: socket.rawValue) else { return 0 }
    received += bytes[..<count]
    return count
  }
}
