import Foundation
import LinuxSystem
import Testing

extension SystemTests {
  /// A network that an operator looks into and changes while its guest is at work.
  @Suite(.serialized)
  struct ControlTests {
    @Test(Requirement.guest)
    func `forwards, leases and names change by 'ctl' and SIGHUP, and connections go on`() throws {
      let folder = try ScratchFolder()
      let ports = try (0..<3).map { _ in try freePort() }
      let rules = ports.map { "tcp:127.0.0.1:\($0)-10.0.2.15:7000" }
      try configure(folder, "hostfwd = ['\(rules[0])']")
      let control = "unix:\(folder["ctl"])"
      let culvert = try Culvert(["--config", folder["culvert.toml"], "--control", control])
      let guest = try Guest(network: culvert.network)
      try guest.listen(on: "TCP4-LISTEN:7000,reuseaddr,fork", for: "SYSTEM:cat")

      var connection = try Connection(to: ports[0])
      try expectEcho(&connection)
      let flows = try ctl(control, "flows", "--transport", "tcp", "--state", "established")
      #expect(flows.contains("10.0.2.15:7000  <-"), "\(flows)")
      #expect(try ctl(control, "leases").contains("10.0.2.15  52:54:00:12:34:56"))

      // By hand: one more.
      #expect(try ctl(control, "forwards", "add", rules[1]).hasPrefix("forwarding tcp 127.0.0.1:\(ports[1])"))
      var second = try Connection(to: ports[1])
      try expectEcho(&second)

      // By the file: another in the place of the first, an address for the guest, a name.
      let lines = culvert.program.errors.count
      try configure(
        folder,
        """
        hostfwd = ['\(rules[2])']
        lease = '52:54:00:12:34:56=10.0.2.99,web'
        dns-host = 'db.example=192.0.2.77'
        """)
      try culvert.program.send(signal: SIGHUP)
      try culvert.program.errors.wait(seconds: 10, from: lines, "sign of the file's being read") {
        $0.contains("the configuration has been read again") ? () : nil
      }
      try expectEcho(&connection)
      try expectEcho(&second)
      var third = try Connection(to: ports[2])
      try expectEcho(&third)
      #expect(throws: SystemError.self) { _ = try Connection(to: ports[0]) }
      #expect(try guest.output(of: "getent ahostsv4 db.example").hasPrefix("192.0.2.77 "))
      #expect(try ctl(control, "dns").contains(" answered here"))

      // The guest has its address when it asks anew, and the forwards lead where they did.
      try guest.reboot()
      #expect(try guest.lease()["ip"] == "10.0.2.99")
      #expect(try guest.output(of: "getent ahostsv4 web").hasPrefix("10.0.2.99 "))
      try guest.listen(on: "TCP4-LISTEN:7000,reuseaddr,fork", for: "SYSTEM:cat")
      _ = try ctl(control, "forwards", "remove", "tcp:127.0.0.1:\(ports[1])")
      _ = try ctl(control, "forwards", "add", "tcp:127.0.0.1:\(ports[1])-10.0.2.99:7000")
      var fourth = try Connection(to: ports[1])
      try expectEcho(&fourth)
    }

    private func configure(_ folder: ScratchFolder, _ text: String) throws {
      try (text + "\n").write(toFile: folder["culvert.toml"], atomically: true, encoding: .utf8)
    }

    private func ctl(_ control: String, _ arguments: String...) throws -> String {
      let program = try Program([Requirement.culvertPath, "ctl", "--socket", control] + arguments)
      try program.expectSuccess()
      return try program.output.textAtEnd(seconds: 5)
    }

    private func expectEcho(_ connection: inout Connection) throws {
      try connection.write("hello\n".utf8)
      #expect(try connection.read(through: "\n") == "hello")
    }
  }
}
