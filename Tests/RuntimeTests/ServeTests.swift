import Glibc
import LinuxSystem
import Primitives
import Testing

/// `culvert serve` as whoever starts it sees it.
struct ServeTests {
  @Test func `a link is listened on, reported, and removed at the end`() throws {
    let folder = try TemporaryFolder()
    let (socket, pidFile) = (folder.path + "/net.sock", folder.path + "/pid")
    let ready = try FileDescriptor.pipe()
    var program = try Program(
      "serve", "--ready-fd", "9", "--pid-file", pidFile, "unix:\(socket)",
      inheriting: [.init(ready.second.rawValue, as: 9)])
    try awaitEvent(on: ready.first.rawValue)
    #expect(try ready.first.readText() == "1")
    #expect(try FileDescriptor.text(of: pidFile) == "\(program.processID)\n")
    let identity = try FileIdentity(path: socket)
    #expect(identity.isSocket && identity.permissions == 0o600)
    let status = try FileDescriptor.text(of: "/proc/\(program.processID)/status")
    #expect(status.contains("NoNewPrivs:\t1"))

    let begin = MonotonicClock.now
    try program.send(SIGTERM)
    let (text, exit) = try program.result()
    #expect(exit == .status(0))
    #expect(MonotonicClock.now - begin < .seconds(1))
    #expect(text.contains("  -netdev stream,id=net0,server=off,addr.type=unix,addr.path=\(socket) -device"))
    #expect(throws: SystemError.self) { try FileIdentity(path: socket) }
    #expect(throws: SystemError.self) { try FileIdentity(path: pidFile) }
  }

  @Test func `nobody to report to is no reason to stop`() throws {
    let folder = try TemporaryFolder()
    var program = try Program(
      "serve", "--ready-fd", "9", "unix:\(folder.path)/s", prelude: "exec 9<&-; exec 9<>/dev/full;")
    try program.read(until: "nobody was told that everything is set up")
    try program.send(SIGTERM)
    #expect(try program.end() == .status(0))
  }

  @Test(arguments: [SIGTERM, SIGINT])
  func `a signal ends the service with a guest connected`(signal: Int32) throws {
    let folder = try TemporaryFolder()
    var program = try Program("serve", "unix:\(folder.path)/s")
    try program.read(until: "QEMU's options")
    let guest = try connect(folder.path + "/s")
    try program.read(until: "connected")
    let begin = MonotonicClock.now
    try program.send(signal)
    #expect(try program.end() == .status(0))
    #expect(MonotonicClock.now - begin < .seconds(1))
    _ = consume guest
  }

  @Test func `a lost guest makes room for the next, a second one is refused`() throws {
    let folder = try TemporaryFolder()
    var program = try Program("serve", "unix:\(folder.path)/s")
    try program.read(until: "QEMU's options")
    do {
      let first = try connect(folder.path + "/s")
      // Half a frame, which nobody finishes.
      #expect(try first.send([0, 0, 0, 60, 1, 2, 3].span) == 7)
      try program.read(until: "connected")
      let second = try connect(folder.path + "/s")
      try awaitEvent(on: second.rawValue)
      try program.read(until: "a second client was refused")
    }
    try program.read(until: "the peer closed the connection within a frame")
    let third = try connect(folder.path + "/s")
    try program.read(until: "within a frame\nculvert: unix:\(folder.path)/s: connected")
    _ = consume third
    try program.send(SIGTERM)
    #expect(try program.end() == .status(0))
  }

  @Test func `a length that no frame has ends the connection, not the service`() throws {
    let folder = try TemporaryFolder()
    var program = try Program("serve", "unix:\(folder.path)/s")
    try program.read(until: "QEMU's options")
    let guest = try connect(folder.path + "/s")
    #expect(try guest.send([0xff, 0xff, 0xff, 0xff].span) == 4)
    try program.read(until: "announced a frame of 4294967295 bytes")
    try awaitEvent(on: guest.rawValue)
    let next = try connect(folder.path + "/s")
    try program.read(until: "69632\nculvert: unix:\(folder.path)/s: connected")
    _ = consume next
    try program.send(SIGTERM)
    #expect(try program.end() == .status(0))
  }

  @Test func `frames that mean nothing are dropped and counted`() throws {
    let folder = try TemporaryFolder()
    var program = try Program("serve", "--log-level", "trace", "unix:\(folder.path)/s")
    try program.read(until: "QEMU's options")
    let guest = try connect(folder.path + "/s")
    for length in 1...13 {
      let frame = [0, 0, 0, UInt8(length)] + [UInt8](repeating: 0xa5, count: length)
      #expect(try guest.send(frame.span) == frame.count)
    }
    // Each of the 13 is traced as it is dropped.
    for _ in 1...13 { try program.read(until: "port 0: dropped, malformed") }
    try program.send(SIGUSR1)
    try program.read(until: "dropped, malformed: 13")
    try program.read(until: "0 flows")
    try program.send(SIGTERM)
    #expect(try program.end() == .status(0))
  }

  @Test(arguments: [false, true])
  func `the service manager is told of begin and end`(abstract: Bool) throws {
    let folder = try TemporaryFolder()
    let name = folder.path + "/notify"
    let address = abstract ? SocketAddress.abstract(name) : .path(name)
    let manager = try Socket(.datagram, for: address)
    try manager.bind(to: address)
    var program = try Program(
      "serve", "unix:\(folder.path)/s", prelude: "NOTIFY_SOCKET=\(abstract ? "@" : "")\(name); export NOTIFY_SOCKET;")
    try awaitEvent(on: manager.rawValue)
    #expect(try manager.descriptor.readText() == "READY=1")
    try program.send(SIGTERM)
    try awaitEvent(on: manager.rawValue)
    #expect(try manager.descriptor.readText() == "STOPPING=1")
    #expect(try program.result().exit == .status(0))
  }

  @Test func `a socket of the service manager is a link`() throws {
    let folder = try TemporaryFolder()
    let listener = try Socket(.stream, for: .path(folder.path + "/s"))
    try listener.bind(to: .path(folder.path + "/s"))
    try listener.listen()
    var program = try Program(
      "serve", prelude: "LISTEN_PID=$$; LISTEN_FDS=1; export LISTEN_PID LISTEN_FDS;",
      inheriting: [.init(listener.rawValue, as: 3)])
    let guest = try connect(folder.path + "/s")
    try program.read(until: "fd:3: connected")
    _ = consume guest
    try program.send(SIGTERM)
    #expect(try program.end() == .status(0))
  }

  @Test func `a connected descriptor is a link that ends the service when it ends`() throws {
    let ends = try Socket.pair(.stream)
    var program = try Program("serve", "fd:5", inheriting: [.init(ends.first.rawValue, as: 5)])
    try program.read(until: "fd:5: connected")
    _ = consume ends
    #expect(try program.end() == .status(0))
  }

  @Test func `several links serve one network`() throws {
    let folder = try TemporaryFolder()
    var program = try Program("serve", "unix:\(folder.path)/a", "unix:\(folder.path)/b", "unix:\(folder.path)/c")
    try program.read(until: "unix:\(folder.path)/c:")
    for name in ["b", "c", "a"] {
      let guest = try connect("\(folder.path)/\(name)")
      try program.read(until: "unix:\(folder.path)/\(name): connected")
      _ = consume guest
      try program.read(until: "unix:\(folder.path)/\(name): the peer closed the connection")
    }
    try program.send(SIGTERM)
    #expect(try program.end() == .status(0))
  }

  private func connect(_ path: String) throws -> Socket {
    let socket = try Socket(.stream, for: .path(path))
    #expect(try socket.connect(to: .path(path)))
    return socket
  }
}

extension FileDescriptor {
  /// What one read brings, as text.
  func readText() throws -> String {
    var bytes = [UInt8](repeating: 0, count: 4096)
    var span = bytes.mutableSpan
    let count = try read(into: &span) ?? 0
    return String(decoding: bytes.prefix(count), as: UTF8.self)
  }

  /// The text of a small file.
  static func text(of path: String) throws -> String { try open(reading: path).readText() }
}
