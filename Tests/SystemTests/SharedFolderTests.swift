import Foundation
import LinuxSystem
import Testing

extension SystemTests {
  /// A folder that guests find on an SMB server, with Samba's own client in a namespace as the guest.
  @Suite(.serialized, Requirement.root)
  struct SharedFolderTests {
    @Test(arguments: ["root", "daemon"])
    func `a guest reads and writes the folder, as the user that culvert runs as, and nothing is left`(
      user: String
    ) throws {
      let folder = try ScratchFolder()
      try folder.write("from the host\n", to: "hello.txt")
      try Program.run("chown", "-R", user, folder.path)
      let states = try ScratchFolder()
      try Program.run("chown", user, states.path)
      let guest = try NetworkNamespace()
      let tap = try TAP(name: "smb\(ProcessControl.processID % 100_000)")
      try guest.adopt(tap, address: "10.0.2.15/24")
      let culvert = try Culvert(
        ["--restrict", "on", "--smb", folder.path], socketPath: states["qemu.socket"],
        launcher: [
          "setpriv", "--reuid", user, "--clear-groups", "env", "TMPDIR=\(states.path)",
        ])
      let pump = try FramePump(between: tap, and: culvert.socketPath)
      let got = folder["got.txt"]
      // Twice, since smbd makes its databases at its first start.
      for _ in 0..<2 {
        try guest.run(
          """
          smbclient --no-pass --command 'get hello.txt \(got); put /proc/version up.txt; del hello.txt' \
          //10.0.2.4/qemu </dev/null
          """)
        #expect(try String(contentsOfFile: got, encoding: .utf8) == "from the host\n")
        #expect(try Program.run("cat", folder["up.txt"]) == Program.run("cat", "/proc/version"))
        #expect(try Program.run("stat", "--format", "%U", folder["up.txt"]) == user)
        #expect(!FileManager.default.fileExists(atPath: folder["hello.txt"]))
        try folder.write("from the host\n", to: "hello.txt")
        try Program.run("chown", user, folder["hello.txt"])
      }
      pump.stop()
      #expect(try culvert.stop().exit == .status(0))
      #expect(try FileManager.default.contentsOfDirectory(atPath: states.path) == [])
    }

    @Test func `a folder that is not there is told of at the start`() throws {
      let program = try Program([Requirement.culvertPath, "serve", "--smb", "/nowhere/to/be/found", "unix:unused"])
      #expect(try program.waitForExit(seconds: 10) == .status(1))
      try program.errors.wait(seconds: 5, "the reason") { line in
        line == "culvert: smb: Error accessing shared directory '/nowhere/to/be/found': No such file or directory"
          ? () : nil
      }
    }
  }
}
