import Foundation
import Glibc
import LinuxSystem
import Primitives
import Synchronization
import Testing

extension SystemTests {
  /// The end of a command of `culvert exec`, and what it has sent before.
  @Suite(.serialized, Requirement.root, Requirement.culvert, Requirement.installed("setpriv"))
  struct ExecEndTests {
    static let size = 20 << 20

    /// Starts a command of the shell.
    func start(_ script: String, as user: ExecTests.User = .root, _ options: [String] = []) throws -> Program {
      try Program(ExecTests.words(user, ["bash", "-c", script], options: options))
    }

    /// Sends bytes to a port of the host, says so, and ends while most of them are still on their way.
    func upload(to port: UInt16, of size: Int = size) -> String {
      "head -c \(size) /dev/zero | tr '\\0' a >/dev/tcp/10.0.2.2/\(port); echo sent; exit 7"
    }

    @Test(arguments: ExecTests.User.allCases, [1, 4])
    func `a slow reader gets everything that the command has sent before its end`(
      user: ExecTests.User, queues: Int
    ) throws {
      let received = Mutex(0)
      let server = try Server { connection in
        while true {
          let bytes = try connection.read(atMost: 1 << 18)
          guard !bytes.isEmpty else { return }
          received.withLock { $0 += bytes.allSatisfy { $0 == UInt8(ascii: "a") } ? bytes.count : 0 }
          // The reader is slow.
          Thread.sleep(forTimeInterval: 0.03)
        }
      }
      let program = try start(upload(to: server.port), as: user, ["--queues", "\(queues)"])
      try program.output.wait(seconds: 20, "the upload") { $0 == "sent" ? () : nil }
      #expect(received.withLock { $0 } < Self.size - (1 << 20), "nothing was on its way at the command's end")
      #expect(try program.waitForExit(seconds: 30) == .status(7))
      // The last may have reached the reader's kernel, and not yet the reader.
      let deadline = Deadline.after(5)
      while received.withLock({ $0 }) < Self.size, !deadline.hasPassed { usleep(10_000) }
      #expect(received.withLock { $0 } == Self.size)
      #expect(try program.errors.textAtEnd(seconds: 5) == "")
    }

    @Test func `a reader that reads nothing is waited for ten seconds, and what it did not read is told`() throws {
      let listener = try DeafListener()
      let program = try start(upload(to: listener.port, of: 400_000))
      try program.output.wait(seconds: 20, "the upload") { $0 == "sent" ? () : nil }
      let (exit, time) = try seconds(of: { try program.waitForExit(seconds: 20) })
      #expect(exit == .status(7))
      #expect(time > 9 && time < 13, "\(time)")
      let errors = try program.errors.textAtEnd(seconds: 5)
      #expect(errors.contains(" bytes that the command has sent were not delivered"), "\(errors)")
    }

    @Test func `a reader that goes away ends the waiting`() throws {
      var listener: DeafListener? = try DeafListener()
      let port = try #require(listener?.port)
      let program = try start("echo $$; " + upload(to: port, of: 400_000))
      try waitForEnd(of: program)
      #expect(try program.isRunning)
      listener = nil
      let (exit, time) = try seconds(of: { try program.waitForExit(seconds: 20) })
      #expect(exit == .status(7))
      #expect(time < 1, "\(time)")
    }

    /// Waits until the command has ended, whose number the program prints first, and was waited for by who started it.
    func waitForEnd(of program: Program) throws {
      let command = try program.output.wait(seconds: 10, "the command") { Int32($0) }
      let deadline = Deadline.after(20)
      while kill(command, 0) == 0 {
        guard !deadline.hasPassed else { throw Failure("the command does not end") }
        usleep(10_000)
      }
    }

    @Test(arguments: [SIGTERM, SIGINT])
    func `a signal ends the waiting at once`(signal: Int32) throws {
      let listener = try DeafListener()
      let program = try start("echo $$; " + upload(to: listener.port, of: 400_000))
      try waitForEnd(of: program)
      #expect(try program.isRunning)
      try program.send(signal: signal)
      let (exit, time) = try seconds(of: { try program.waitForExit(seconds: 20) })
      #expect(exit == .status(7))
      #expect(time < 0.5, "\(time)")
    }

    @Test func `connections on which nothing is on its way hold nobody up`() throws {
      let listener = try DeafListener()
      // One is the command's, one that of a process which it leaves behind, and which has said something before.
      let program = try start(
        """
        exec 3<>/dev/tcp/10.0.2.2/\(listener.port) 4<>/dev/tcp/10.0.2.2/\(listener.port)
        echo hello >&3; echo hello >&4
        sleep 60 3>&- >/dev/null 2>&1 & echo $!
        exit 3
        """)
      let left = try program.output.wait(seconds: 10, "the command") { Int32($0) }
      defer { kill(left, SIGKILL) }
      let (exit, time) = try seconds(of: { try program.waitForExit(seconds: 20) })
      #expect(exit == .status(3))
      #expect(time < 1, "\(time)")
    }
  }
}

/// A listener whose clients' bytes nobody reads. They are the kernel's, which accepts them.
private final class DeafListener {
  let port: UInt16
  private let socket: Socket

  init() throws {
    let wanted = SocketAddress.internet(Endpoint(.loopback, port: 0))
    socket = try Socket(.stream, for: wanted)
    try socket.bind(to: wanted)
    try socket.listen(backlog: 16)
    guard let bound = try socket.localAddress().endpoint else { throw Failure("a listener without a port") }
    port = bound.port
  }
}
