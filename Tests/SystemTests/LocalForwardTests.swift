import Foundation
import LinuxSystem
import Testing

extension SystemTests {
  /// A socket of the host's that leads to a guest's port.
  @Suite(.serialized)
  struct LocalForwardTests {
    @Test func `64 MiB pass through a socket of the host, both ways, and each half ends by itself`() throws {
      let folder = try ScratchFolder()
      let socket = folder["guest-socket"]
      let culvert = try Culvert(["--hostfwd", "unix:\(socket)-:7000"])
      let guest = try Guest(network: culvert.network)
      try guest.listen(on: "TCP4-LISTEN:7000,reuseaddr,fork", for: "SYSTEM:cat")
      let script = """
        head -c 67108864 /dev/urandom >\(folder["noise"]) && sha256sum <\(folder["noise"])
        socat -t 60 - UNIX-CONNECT:\(socket) <\(folder["noise"]) | sha256sum
        """
      let hashes = try Program.run("bash", "-c", script).split(separator: "\n")
      #expect(hashes.count == 2 && hashes[0] == hashes[1])
      try culvert.stop()
      #expect(throws: SystemError.self) { try FileIdentity(path: socket) }
    }
  }
}
