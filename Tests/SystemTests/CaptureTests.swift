import Foundation
import Glibc
import LinuxSystem
import Testing

extension SystemTests {
  /// Captures of real traffic, judged by Wireshark.
  @Suite(.serialized, Requirement.root, Requirement.culvert, Requirement.installed("curl", "tshark", "ping", "socat"))
  struct CaptureTests {
    /// What every frame of a capture must not be.
    static let bad = """
      _ws.malformed || ip.checksum.status == "Bad" || tcp.checksum.status == "Bad" || udp.checksum.status == "Bad" \
      || icmp.checksum.status == "Bad" || icmpv6.checksum.status == "Bad"
      """

    /// Fields of the frames of a capture that a display filter selects, a line for each. A file that is cut short is an
    /// error.
    static func fields(_ names: [String], of path: String, where filter: String = "") throws -> [[String]] {
      let checksums = ["ip", "udp", "tcp"].flatMap { ["-o", "\($0).check_checksum:TRUE"] }
      let words = ["tshark", "-n", "-r", path, "-Y", filter, "-T", "fields"]
      let program = try Program(words + checksums + names.flatMap { ["-e", $0] })
      try program.expectSuccess(seconds: 60)
      return try program.output.textAtEnd(seconds: 5).split(separator: "\n").map {
        $0.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
      }
    }

    /// The numbers in the one column of some frames.
    static func numbers(_ name: String, of path: String, where filter: String) throws -> [Int] {
      try fields([name], of: path, where: filter).compactMap { $0.first.flatMap { Int($0) } }
    }

    static let content = (0..<2_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 11) }

    /// A server of the content at the host's loopback, in both families.
    final class Site: Sendable {
      let port: UInt16
      let folder: ScratchFolder
      private let server: HTTPServer
      private let relay: Program

      init() throws {
        folder = try ScratchFolder()
        server = try HTTPServer(content: CaptureTests.content, uploads: folder, crowd: 1)
        port = server.port
        relay = try Program([
          "socat", "TCP6-LISTEN:\(port),bind=[::1],ipv6only,reuseaddr,fork", "TCP4:127.0.0.1:\(port)",
        ])
        try Program.run("bash", "-c", "until (exec 3<>/dev/tcp/::1/\(port)) 2>/dev/null; do sleep 0.05; done")
      }

      /// Moves the content both ways over both families, and pings.
      var traffic: String {
        """
        (set -e
        for url in http://10.0.2.2:\(port) 'http://[fec0::2]:\(port)'; do
          curl -sS -g "$url/content" >content
          curl -sS -g -H Expect: -T content "$url/again"
        done
        ping -q -c 2 10.0.2.2 >/dev/null)
        """
      }
    }

    /// Checks what `traffic` leaves in a capture.
    static func expectTraffic(in path: String, _ port: UInt16) throws {
      #expect(try fields(["frame.number"], of: path, where: bad) == [])
      for family in ["ip", "ipv6"] {
        for direction in ["src", "dst"] {
          // Each byte at least once, and of those that were not sent again exactly once.
          let filter = "\(family) && tcp.\(direction)port == \(port) && !tcp.analysis.retransmission"
          let bytes = try numbers("tcp.len", of: path, where: filter).reduce(0, +)
          #expect((content.count..<content.count + 1000).contains(bytes), "\(family) \(direction): \(bytes)")
        }
      }
      #expect(try fields(["icmp.type"], of: path, where: "icmp").map { $0[0] } == ["8", "0", "8", "0"])
      #expect(try fields(["tcp.stream"], of: path, where: "tcp.flags.syn == 1").count == 8)
      let times = try fields(["frame.time_epoch"], of: path).compactMap { Double($0[0]) }
      #expect(zip(times, times.dropFirst()).allSatisfy { $0 <= $1 })
      // tshark sees frames that a capture has lost.
      #expect(try fields(["frame.number"], of: path, where: "tcp.analysis.lost_segment") == [])
      #expect(try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int == 0o600)
    }

    @Test(arguments: [false, true], [1, 3])
    func `what passes a namespace's device is captured both ways, as it was sent or in segments`(
      inSegments: Bool, queues: Int
    ) throws {
      let site = try Site()
      let folder = site.folder
      let path = folder["a.pcap"]
      let options = ["--queues", "\(queues)", "--capture", path] + (inSegments ? ["--capture-segments"] : [])
      let script = "cd \(folder.path); \(site.traffic)"
      let program = try Program([Requirement.culvertPath, "exec"] + options + ["--", "bash", "-c", script])
      try program.expectSuccess(seconds: 60)
      #expect(try program.errors.textAtEnd(seconds: 5) == "")
      try Self.expectTraffic(in: path, site.port)
      for direction in ["src", "dst"] {
        let filter = "tcp.\(direction)port == \(site.port)"
        let longest = try Self.numbers("frame.len", of: path, where: filter).max() ?? 0
        #expect(inSegments ? longest == 1514 : longest > 10_000, "\(direction): \(longest)")
      }
    }

    @Test func `the host's side of a namespace's flows is shown, as the same bytes between other ends`() throws {
      let site = try Site()
      let folder = site.folder
      let path = folder["host.pcap"]
      let script = "cd \(folder.path); \(site.traffic); ! curl -s http://10.0.2.2:1/"
      let program = try Program([
        Requirement.culvertPath, "exec", "--capture-host", path, "--queues", "2", "--", "bash", "-c", script,
      ])
      try program.expectSuccess(seconds: 60)
      #expect(try Self.fields(["frame.number"], of: path, where: Self.bad) == [])
      // Sequence numbers fit, whatever was read again.
      #expect(try Self.fields(["frame.number"], of: path, where: "tcp.analysis.flags") == [])
      for (family, address) in [("ip", "127.0.0.1"), ("ipv6", "::1")] {
        for direction in ["src", "dst"] {
          let filter = "\(family).addr == \(address) && tcp.\(direction)port == \(site.port)"
          let bytes = try Self.numbers("tcp.len", of: path, where: filter).reduce(0, +)
          #expect((Self.content.count..<Self.content.count + 1000).contains(bytes), "\(family) \(direction): \(bytes)")
        }
      }
      #expect(try Self.fields(["tcp.flags.str"], of: path, where: "tcp.port == 1").count == 2)
    }

    @Test(Requirement.guest) func `what passes a guest's link is captured both ways, from its boot on`() throws {
      let site = try Site()
      let folder = site.folder
      let path = folder["a.pcap"]
      let culvert = try Culvert(["--capture", path])
      let guest = try Guest(network: culvert.network)
      // An address that is being looked for elsewhere (RFC 4862 section 5.4) cannot be spoken from.
      let address = "until ip -6 -o address show -tentative | grep -q 'inet6 fec0:'; do sleep 0.02; done"
      _ = try guest.output(of: "\(address); cd /tmp; \(site.traffic)", seconds: 60)
      try culvert.stop()
      try Self.expectTraffic(in: path, site.port)
      #expect(
        try Self.fields(["dhcp.option.dhcp"], of: path, where: "dhcp").map { $0[0] }.prefix(4) == ["1", "2", "3", "5"])
      #expect(culvert.log.contains(" frames were captured to \(path)"), "\(culvert.log)")
      #expect(!culvert.log.contains("were not"), "\(culvert.log)")
    }

    @Test func `a disk that is full ends the capture, whose frames are whole, and not the traffic`() throws {
      let site = try Site()
      let folder = site.folder
      let script = """
        mount --make-rprivate /; mount -t tmpfs -o size=300k none /mnt
        \(Requirement.culvertPath) exec --capture /mnt/a.pcap -- \
          bash -c 'curl -sS http://10.0.2.2:\(site.port)/content | wc -c' && cp /mnt/a.pcap \(folder.path)
        """
      let program = try Program(["unshare", "--mount", "bash", "-c", script])
      try program.expectSuccess(seconds: 30)
      #expect(try program.output.textAtEnd(seconds: 5) == "\(Self.content.count)")
      let errors = try program.errors.textAtEnd(seconds: 5)
      #expect(
        errors == "culvert: warning: capture to /mnt/a.pcap: cannot write /mnt/a.pcap: No space left on device; "
          + "it has ended, traffic goes on", "\(errors)")
      #expect(try Self.fields(["frame.number"], of: folder["a.pcap"]).count > 5)
      let size = try FileManager.default.attributesOfItem(atPath: folder["a.pcap"])[.size] as? Int ?? 0
      #expect((100_000...300_000).contains(size), "\(size)")
    }
  }
}
