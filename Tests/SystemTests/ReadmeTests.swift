import Foundation
import LinuxSystem
import Testing

extension SystemTests {
  /// The command lines of the README, as they stand there.
  @Suite(.serialized)
  struct ReadmeTests {
    /// The blocks of commands that a comment, which readers do not see, marks.
    private static func blocks(_ mark: String) -> [String] {
      do {
        let text = try String(contentsOfFile: Requirement.package + "/README.md", encoding: .utf8)
        return text.components(separatedBy: "<!-- \(mark) -->\n```sh\n").dropFirst().compactMap {
          $0.components(separatedBy: "\n```").first
        }
      } catch {
        return []
      }
    }

    static let commands = blocks("boots a guest")

    @Test func `the README shows how to boot a guest`() { #expect(Self.commands.count >= 3) }

    @Test(Requirement.culvert) func `an instance is looked into as the README says`() throws {
      let folder = try ScratchFolder()
      let commands = try #require(Self.blocks("looks into an instance").first)
      let build = URL(filePath: Requirement.culvertPath).deletingLastPathComponent().path()
      let script = """
        set -e; trap 'kill $(jobs -p); wait' EXIT; cd \(folder.path); PATH=\(build):$PATH
        \(commands)
        """
      let printed = try Program.run("bash", "-c", script)
      for part in [
        "IPv4              10.0.2.0/24", "forwarding tcp 127.0.0.1:2222 to 10.0.2.15:22",
        "no longer forwarding tcp 127.0.0.1:2222", "ENDS IN", "0 queries: ", "debug",
      ] { #expect(printed.contains(part), "\(part)\n\(printed)") }
    }

    @Test(Requirement.culvert, Requirement.root, Requirement.installed("curl", "python3"))
    func `commands run in namespaces as the README says`() throws {
      let folder = try ScratchFolder()
      let build = URL(filePath: Requirement.culvertPath).deletingLastPathComponent().path()
      let blocks = Self.blocks("runs in a namespace")
      try #require(blocks.count == 2)
      let printed = try Program.run(
        "bash", "-c", "cd \(folder.path); PATH=\(build):$PATH; set -e\n\(blocks.joined(separator: "\n"))")
      for part in ["10.0.2.15/24", "nameserver 10.0.2.3", "1 received", "reached"] {
        #expect(printed.contains(part), "\(part)\n\(printed)")
      }
    }

    @Test(Requirement.culvert, Requirement.root, Requirement.installed("tshark"))
    func `traffic is captured as the README says`() throws {
      let folder = try ScratchFolder()
      let build = URL(filePath: Requirement.culvertPath).deletingLastPathComponent().path()
      let commands = try #require(Self.blocks("captures traffic").first)
      let printed = try Program.run(
        "bash", "-c", "cd \(folder.path); PATH=\(build):$PATH; set -e -o pipefail\n\(commands)")
      // Once from the file and once from the pipe, in which nothing else is.
      for part in ["Echo (ping) request", "Echo (ping) reply"] {
        #expect(printed.components(separatedBy: part).count == 3, "\(part)\n\(printed)")
      }
    }

    @Test(Requirement.culvert, Requirement.root, Requirement.installed("curl", "tshark"))
    func `what happens is recorded and replayed as the README says`() throws {
      let folder = try ScratchFolder()
      let build = URL(filePath: Requirement.culvertPath).deletingLastPathComponent().path()
      let commands = try #require(Self.blocks("records what happens").first)
      let http = try HTTPServer(content: Array("swordfish\n".utf8), uploads: ScratchFolder(), crowd: 1)
      // What is at the README's port may be somebody's.
      let script = commands.replacingOccurrences(of: ":8000/", with: ":\(http.port)/content")
      let printed = try Program.run(
        "bash", "-c", "set -e; cd \(folder.path); PATH=\(build):$PATH\n\(script)\ncat page")
      #expect(printed.hasSuffix("\nswordfish"), "\(printed)")
      // Once for the folder, once for its only recording.
      #expect(printed.components(separatedBy: "identical: ").count == 3, "\(printed)")
      #expect(
        try Program.run("tshark", "-r", folder["frames.pcap"], "-Y", "http.response.code == 200").contains("HTTP"))
    }

    @Test(
      Requirement.culvert, Requirement.root, Requirement.guest,
      Requirement.installed("nft", "nsenter", "/usr/lib/qemu/qemu-bridge-helper"))
    func `a bridge is set up, used and taken down as the README says`() throws {
      let world = try BridgeWorld()
      let before = try world.state()
      let path = URL(filePath: Requirement.culvertPath).deletingLastPathComponent().path()
      var guests: [Guest] = []
      for line in try #require(Self.blocks("sets a bridge up").first).split(separator: "\n") {
        if line.hasPrefix("qemu-system-x86_64 ") {
          // With the guest's kernel in the place of a disk, and the only kind of device that it knows.
          let words = line.replacing("-net nic,", with: "-net nic,model=virtio,").split(separator: " ").map(String.init)
          guests.append(try Guest(network: Array(words.dropFirst().dropLast()), launcher: world.launcher))
        } else if line.hasPrefix("culvert bridge down") {
          try guests[0].output(of: "ping -c 1 -W 5 \(try #require(guests[1].lease()["ip"]))")
          try guests[0].output(of: "ping -c 1 -W 5 \(BridgeWorld.outsideAddress)")
          // The machines' devices go with them, whose names are free then.
          guests = []
          let device = try #require(Self.blocks("makes a device on a bridge").first)
          try world.run("PATH=\(path):$PATH; set -e; \(device)\n\(line)")
        } else {
          try world.run("PATH=\(path):$PATH; \(line)")
        }
      }
      let changes = try world.changes(since: before)
      #expect(changes == [])
    }

    @Test(Requirement.guest) func `the README tells of every option that QEMU's help has for its user network`() throws
    {
      let help = try Program.run("qemu-system-x86_64", "-h")
      let options = try #require(help.firstRange(of: "-netdev user,").map { help[$0.upperBound...] })
      let block = try #require(options.components(separatedBy: "configure a user mode network").first)
      // As `[,net=addr[/mask]]`: what stands between a comma and an equals sign.
      let names = block.split(separator: ",").compactMap { $0.contains("=") ? $0.split(separator: "=").first : nil }
      #expect(names.count >= 20, "\(names)")
      let readme = try String(contentsOfFile: Requirement.package + "/README.md", encoding: .utf8)
      let rows = try #require(readme.components(separatedBy: "| `-netdev user,` |").dropFirst().first)
        .split(separator: "\n").prefix { $0.hasPrefix("|") || $0.hasPrefix(" ") }.joined()
      for name in names { #expect(rows.contains("`\(name)`"), "\(name)") }
    }

    @Test(arguments: commands)
    func `a guest that is booted as the README says has a network`(commands: String) throws {
      let folder = try ScratchFolder()
      let (near, far) = try Socket.pair(.stream).take()
      let terminal = Socket(FileDescriptor(owning: near))
      let farEnd = FileDescriptor(owning: far)
      let screen = LineLog(reading: try terminal.descriptor.duplicate())
      // In a folder of its own, where `culvert` and the guest's image are found as the README has them.
      let build = URL(filePath: Requirement.culvertPath).deletingLastPathComponent().path()
      let script = """
        trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT
        cd \(folder.path) && mkdir .build && ln -s \(Requirement.guestFolder) .build/guest && PATH=\(build):$PATH
        \(commands)
        """
      let shell = try Program(["bash", "-c", script], standardInput: farEnd.rawValue, standardOutput: farEnd.rawValue)
      close(farEnd)
      do {
        // Typed ahead: the guest's shell reads it when it is there.
        try screen.wait(seconds: 60, "sign of the guest's boot") { $0.contains("lease of 10.0.2.15") ? () : nil }
        let line = Array("ping -c 1 -W 5 10.0.2.2; poweroff -f\n".utf8)
        #expect(try terminal.send(line.span) == line.count)
        try screen.wait(seconds: 20, "answer to the guest's ping") { $0.contains("1 received") ? () : nil }
        try shell.waitForExit(seconds: 20)
      } catch {
        throw Failure("\(error)\n\(shell.errors.text)\n\(screen.text)")
      }
    }
  }
}
