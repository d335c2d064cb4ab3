import Foundation
import Testing

extension SystemTests {
  /// Files that TFTP clients fetch, octet by octet the same as on the host.
  @Suite(.serialized, Requirement.root, Requirement.installed("curl", "busybox", "atftp", "tshark"))
  struct TFTPClientTests {
    let folder: ScratchFolder
    let culvert: Culvert

    init() throws {
      folder = try ScratchFolder()
      culvert = try Culvert(["--tftp", folder.path])
    }

    /// Makes a file of noise and returns its SHA-256.
    func makeFile(_ name: String, byteCount: Int) throws -> String {
      try Program.run("bash", "-c", "head -c \(byteCount) /dev/urandom >\(folder[name])")
      return try BootedGuest.hash(of: folder[name])
    }

    /// Fetches by commands of the shell, all at once, of which each writes a file, and compares.
    /// - Parameter capturePath: where to keep what passes on the link.
    /// - Returns: the guest that fetched.
    @discardableResult
    func expectFetch(of hash: String, by commands: [String], capturePath: String? = nil) throws -> GuestNamespace {
      let guest = try GuestNamespace(
        behind: culvert, addresses: ["10.0.2.15/24", "fec0::15/64"], capturePath: capturePath)
      let got = try ScratchFolder()
      let jobs = commands.enumerated().map { "(\($0.element)) >got-\($0.offset) & jobs+=($!)" }
      try guest.run(
        """
        cd \(got.path)
        \(jobs.joined(separator: "\n"))
        for job in ${jobs[@]}; do wait $job || exit; done
        """, seconds: 60)
      for index in commands.indices {
        #expect(try BootedGuest.hash(of: got["got-\(index)"]) == hash, "\(commands[index])")
      }
      return guest
    }

    @Test func `a file of more than 65,535 blocks of 512 bytes arrives whole, by curl and by busybox`() throws {
      // 32 MiB would have 65,536 blocks, and an empty one.
      let hash = try makeFile("long", byteCount: 33_600_001)
      try expectFetch(
        of: hash,
        by: [
          "curl --silent --show-error --tftp-no-options 'tftp://10.0.2.2/long'",
          "busybox tftp -g -r long -l - fec0::2",
        ])
    }

    @Test func `clients that ask for long blocks get what fits a packet, and Wireshark takes all for good`() throws {
      let hash = try makeFile("noise", byteCount: 1_000_000)
      let guest = try expectFetch(
        of: hash,
        by: [
          "curl --silent --show-error --tftp-blksize 1428 'tftp://[fec0::2]/noise'",
          "busybox tftp -g -b 65464 -r noise -l - 10.0.2.2",
          "curl --silent --show-error 'tftp://10.0.2.2/noise;mode=octet'",
        ], capturePath: folder["link.pcap"])
      guard let capture = guest.capture else { throw Failure("nothing was recorded") }
      let served = try capture.judged(where: "tftp && (ip.src == 10.0.2.2 || ipv6.src == fec0::2)")
      #expect(served.summaries.count > 2000)
      #expect(served.complaints == [])
      #expect(try capture.judged(where: "ip.flags.mf == 1 || ip.frag_offset > 0 || ipv6.fraghdr").summaries == [])
    }

    @Test func `atftp fetches in windows of 16 blocks over either family`() throws {
      let (byteCount, blockSize, window) = (8_000_000, 1428, 16)
      let hash = try makeFile("content", byteCount: byteCount)
      let options = "--option 'blksize \(blockSize)' --option 'windowsize \(window)'"
      let guest = try expectFetch(
        of: hash,
        by: ["10.0.2.2", "fec0::2"].map { "atftp --get \(options) -r content -l \($0) \($0) >&2 && cat \($0)" },
        capturePath: folder["link.pcap"])
      guard let capture = guest.capture else { throw Failure("nothing was recorded") }
      let agreed = try capture.judged(where: "tftp.opcode == 6").summaries
      let summary = "Option Acknowledgement, blksize=\(blockSize), windowsize=\(window)"
      #expect(agreed == [summary, summary])
      // One for each window; a few more where the guest's queue was full.
      let acknowledgments = try capture.judged(where: "tftp.opcode == 4").summaries.count
      #expect(acknowledgments < 2 * byteCount / blockSize / window * 2)
    }

    @Test func `64 MiB in windows of 16 blocks take less than a second`() throws {
      _ = try makeFile("content", byteCount: 1 << 26)
      let content = try Array(Data(contentsOf: URL(filePath: folder["content"])))
      let client = try WindowedTFTPClient(connectingTo: culvert.socketPath)
      // The best of three, since others use the machine, too.
      let times = try (0..<3).map { _ in
        let fetch = try seconds { try client.fetch("content", blockSize: 1428, windowSize: 16) }
        #expect(fetch.result == content)
        return fetch.seconds
      }
      print("64 MiB by TFTP: \(times) s")
      #expect(times.min() ?? 1 < 1)
    }
  }
}
