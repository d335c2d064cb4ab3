import Foundation
import Glibc
import LinuxSystem
import Primitives
import Testing

extension SystemTests {
  /// How culvert starts, waits, meets its clients and ends.
  @Suite(.serialized)
  struct LifetimeTests {
    @Test func `it is ready within 50 ms`() throws {
      // The median of five, since a busy machine may delay any one of them.
      let times = try (0..<5).map { _ in try Culvert().startupSeconds }.sorted()
      #expect(times[2] < 0.05, "\(times)")
    }

    @Test func `it holds at most 15 MB, and does nothing while there is nothing to do`() throws {
      let culvert = try Culvert()
      // Ready is said just before the first wait.
      let process = culvert.program.processID
      let deadline = Deadline.after(5)
      while try !ProcessStatus(of: process).isSleeping { try #require(!deadline.hasPassed, "it never sleeps") }
      let before = try wakeUps(of: process)
      // The time over which nothing may happen.
      Thread.sleep(forTimeInterval: 3)
      #expect(try wakeUps(of: process) == before)
      #expect(try ProcessStatus(of: process).number("VmHWM") <= 15 * 1024)
    }

    @Test(arguments: [SIGTERM, SIGINT])
    func `a signal ends it within a second, with connections open`(signal: Int32) throws {
      let port = try freePort()
      let culvert = try Culvert(["--hostfwd", "tcp:127.0.0.1:\(port)-:7000"])
      let guest = try Guest(network: culvert.network)
      try guest.listen(on: "TCP4-LISTEN:7000,reuseaddr,fork", for: "PIPE")
      var connection = try Connection(to: port)
      try connection.write("hello\n".utf8)
      #expect(try connection.read(through: "\n") == "hello")

      let ending = try seconds {
        try culvert.program.send(signal: signal)
        return try culvert.program.waitForExit(seconds: 10)
      }
      #expect(ending.result == .status(0))
      #expect(ending.seconds < 1)
      #expect(!FileManager.default.fileExists(atPath: culvert.socketPath))
    }

    @Test func `a guest that boots again finds its address, and the forward finds the guest`() throws {
      let port = try freePort()
      let culvert = try Culvert(["--hostfwd", "tcp:127.0.0.1:\(port)-:7000"])
      let guest = try Guest(network: culvert.network)
      try expectEcho(through: port, of: guest)
      try guest.reboot()
      #expect(try guest.lease()["ip"] == "10.0.2.15")
      try expectEcho(through: port, of: guest)
    }

    @Test func `one machine after another is served on one socket`() throws {
      let port = try freePort()
      let culvert = try Culvert(["--hostfwd", "tcp:127.0.0.1:\(port)-:7000"])
      for _ in 0..<2 {
        let guest = try Guest(network: culvert.network)
        #expect(try guest.lease()["ip"] == "10.0.2.15")
        try expectEcho(through: port, of: guest)
        // The program stops with the guest's last use; QEMU's end is what frees the link.
        try guest.program.send(signal: SIGKILL)
        try guest.program.waitForExit(seconds: 10)
      }
    }

    @Test func `a second client is refused while one is served, and the log says so`() throws {
      let culvert = try Culvert()
      let guest = try Guest(network: culvert.network)
      let second = try FrameClient(connectingTo: culvert.socketPath)
      #expect(try second.readsEnd(seconds: 5))
      try culvert.program.errors.wait(seconds: 5, "log line about a refused client") { line in
        line.contains("refused") || line.contains("already") ? () : nil
      }
      try guest.output(of: "ping -c 1 -W 2 10.0.2.2")
    }

    @Test func `a socket left behind by kill -9 is replaced`() throws {
      let folder = try ScratchFolder()
      let first = try Culvert(socketPath: folder["link"])
      try first.program.send(signal: SIGKILL)
      try first.program.waitForExit(seconds: 10)
      #expect(FileManager.default.fileExists(atPath: folder["link"]))
      let second = try Culvert(socketPath: folder["link"])
      #expect(try FileIdentity(path: second.socketPath).permissions == 0o600)
      #expect(try FrameClient(connectingTo: second.socketPath).pingsGateway(seconds: 5))
    }

    @Test func `a socket in use is an error that names it`() throws {
      let first = try Culvert()
      try expectFailure(of: ["serve", "unix:\(first.socketPath)"], status: 1, naming: first.socketPath)
    }

    @Test(arguments: [
      (["serve", "unix:/nonexistent/link"], 1, "/nonexistent/link"),
      (["serve", "--hostfwd", "tcp:127.0.0.1:x-:22", "unix:link"], 1, "tcp:127.0.0.1:x-:22"),
      (["serve", "--mtu", "10", "unix:link"], 1, "mtu"),
      (["serve", "--no-such-option", "unix:link"], 2, "--no-such-option"),
      (["serve", "fd:77"], 1, "77"),
      (["serve"], 2, "link"),
    ])
    func `what cannot work is said in a line`(arguments: [String], status: Int32, naming text: String) throws {
      try expectFailure(of: arguments, status: status, naming: text)
    }

    @Test func `a forward to a port in use is an error that names it`() throws {
      let server = try Server { _ in }
      let folder = try ScratchFolder()
      try expectFailure(
        of: ["serve", "--hostfwd", "tcp:127.0.0.1:\(server.port)-:22", "unix:\(folder["link"])"], status: 1,
        naming: "\(server.port)")
    }

    private func expectEcho(through port: UInt16, of guest: Guest) throws {
      try guest.listen(on: "TCP4-LISTEN:7000,reuseaddr,fork", for: "PIPE")
      var connection = try Connection(to: port)
      try connection.write("hello".utf8)
      try connection.finish()
      #expect(try connection.readAll() == Array("hello".utf8))
    }

    // Every time that a thread of the process gave up the processor to wait, and was woken again.
    private func wakeUps(of process: Int32) throws -> Int {
      try FileManager.default.contentsOfDirectory(atPath: "/proc/\(process)/task").reduce(0) { sum, thread in
        try sum + ProcessStatus(ofPath: "/proc/\(process)/task/\(thread)").number("voluntary_ctxt_switches")
      }
    }
  }
}

/// Runs culvert with arguments that cannot work: it must end with `status` and one line on stderr with `text` in it.
func expectFailure(of arguments: [String], status: Int32, naming text: String) throws {
  let program = try Program([Requirement.culvertPath] + arguments)
  #expect(try program.waitForExit(seconds: 10) == .status(status))
  let lines = try program.errors.textAtEnd(seconds: 5).split(separator: "\n")
  #expect(lines.first?.contains(text) == true, "\(lines)")
  // A usage error is followed by the usage.
  if status == 1 { #expect(lines.count == 1, "\(lines)") }
}
