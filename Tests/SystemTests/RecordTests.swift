import Foundation
import LinuxSystem
import Primitives
import Recording
import Testing

extension SystemTests {
  /// What happened to a guest, recorded, and run again by somebody without any privilege.
  @Suite(.serialized, Requirement.installed("curl", "setpriv"))
  struct RecordTests {
    /// How many bytes the guest fetches.
    private static let byteCount = 100_000_000

    /// Boots a guest behind a culvert that records to `folder`, has it fetch bytes and say some, and ends it.
    /// - Returns: how long that took, in seconds, and the log.
    private func record(
      to folder: String, _ options: [String] = [], content: [UInt8]
    ) throws -> (seconds: Double, log: String) {
      let uploads = try ScratchFolder()
      let http = try HTTPServer(content: content, uploads: uploads, crowd: 1)
      let culvert = try Culvert(["--record", folder] + options)
      let took = try seconds {
        let guest = try Guest(network: culvert.network)
        let count = try guest.output(
          of: "curl --silent --show-error http://10.0.2.2:\(http.port)/content | wc -c", seconds: 180)
        #expect(count == "\(content.count)")
        let upload = "curl --silent --show-error -T /tmp/said http://10.0.2.2:\(http.port)/up"
        try guest.output(of: "echo 'the password is swordfish' >/tmp/said; \(upload)")
      }
      #expect(try culvert.stop().exit == .status(0))
      return (took.seconds, culvert.log)
    }

    /// Replays what is in `folder`, as nobody and in another place; returns what was said, and how long it took.
    private func replay(_ folder: String) throws -> (text: String, seconds: Double) {
      let copy = try ScratchFolder()
      for name in try FileManager.default.contentsOfDirectory(atPath: folder) where name.hasSuffix(".recording") {
        try FileManager.default.copyItem(atPath: "\(folder)/\(name)", toPath: copy[name])
        try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: copy[name])
      }
      let program = try copyOfCulvert(in: copy)
      let replayed = try seconds {
        try Program.run(
          "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all", program, "replay",
          copy.path, seconds: 120)
      }
      return (replayed.result, replayed.seconds)
    }

    /// The program where everybody may run it.
    private func copyOfCulvert(in folder: ScratchFolder) throws -> String {
      try FileManager.default.copyItem(atPath: Requirement.culvertPath, toPath: folder["culvert"])
      try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: folder["culvert"])
      return folder["culvert"]
    }

    @Test func `a boot and 100 MB are replayed without root, the same in a fraction of the time`() throws {
      let folder = try ScratchFolder()
      let content = (0..<Self.byteCount).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 >> 11) }
      let recorded = try record(to: folder["r"], content: content)
      let replayed = try replay(folder["r"])
      print("recorded in \(recorded.seconds) s, replayed in \(replayed.seconds) s: \(replayed.text)")
      #expect(replayed.text.contains("identical: ") && replayed.text.contains("it ends with the network"))
      #expect(replayed.seconds < recorded.seconds / 2)
      // Beside it, the frames themselves.
      #expect(FileManager.default.fileExists(atPath: folder["r/net0.pcap"]))
    }

    @Test func `a recording without payload has none, and is replayed all the same`() throws {
      let folder = try ScratchFolder()
      let content = Array(String(repeating: "the password is swordfish\n", count: 20_000).utf8)
      _ = try record(to: folder["r"], ["--record-redact"], content: content)
      let bytes = try Data(contentsOf: URL(filePath: folder["r/net0-loop0.recording"]))
      #expect(bytes.range(of: Data("swordfish".utf8)) == nil)
      #expect(try replay(folder["r"]).text.contains("identical: "))
      #expect(!FileManager.default.fileExists(atPath: folder["r/net0.pcap"]))
    }

    /// Has a guest ping its gateway, and alters what it has said in the recording: identifier and sequence number of the
    /// last request change places, which its checksum does not mind.
    /// - Returns: the path of the altered recording.
    private func recordAlteredPing(in folder: ScratchFolder) throws -> String {
      try Program.run(
        Requirement.culvertPath, "exec", "--record", folder["r"], "--", "ping", "-c", "12", "-i", "0.01", "10.0.2.2")
      let recording = try Data(contentsOf: URL(filePath: folder["r/net0-loop0.recording"]))
      var records = RecordingBlocks.records(of: Array(recording))
      let request: [UInt8] = [10, 0, 2, 15, 10, 0, 2, 2, 8, 0]
      let place = try #require(records.ranges(of: request).last).upperBound + 2
      (records[place], records[place + 2]) = (records[place + 2], records[place])
      (records[place + 1], records[place + 3]) = (records[place + 3], records[place + 1])
      let altered = folder["altered.recording"]
      try Data(RecordingBlocks.recording(of: records)).write(to: URL(filePath: altered))
      return altered
    }

    @Test(Requirement.root, Requirement.culvert, Requirement.installed("ping"))
    func `a frame that is different is shown field by field, with the ten inputs before it`() throws {
      let folder = try ScratchFolder()
      let altered = try recordAlteredPing(in: folder)
      let replay = try Program([Requirement.culvertPath, "replay", altered])
      #expect(try replay.waitForExit(seconds: 20) == .status(1))
      let text = try replay.output.textAtEnd(seconds: 5)
      #expect(text.contains("different at input ") && text.contains(" to a guest:"), "\(text)")
      // What has changed places in the request has done so in the answer; all other fields are as they were.
      let different = text.split(separator: "\n").filter { $0.hasPrefix("* ") }
      #expect(different.count == 2, "\(text)")
      #expect(different.allSatisfy { $0.contains("ICMP identifier") || $0.contains("ICMP sequence") }, "\(text)")
      let inputs = text.split(separator: "\n").drop { !$0.hasPrefix("the inputs before it") }.dropFirst()
      #expect(inputs.filter { !$0.contains("> ") }.count == 11, "\(text)")
    }

    @Test func `a full disk ends the recording and nothing else, and what is there is replayed`() throws {
      let folder = try ScratchFolder()
      let disk = folder["disk"]
      try FileManager.default.createDirectory(atPath: disk, withIntermediateDirectories: false)
      try Program.run("mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", disk)
      defer {
        do { try Program.run("umount", disk) } catch { Issue.record("\(disk) is still mounted: \(error)") }
      }
      let content = [UInt8](repeating: 7, count: 8_000_000)
      let recorded = try record(to: "\(disk)/r", content: content)
      #expect(
        recorded.log.contains("net0-loop0.recording': No space left on device; the recording ends there, the network"),
        "\(recorded.log)")
      let text = try replay("\(disk)/r").text
      #expect(text.contains("identical: ") && text.contains("it breaks off"), "\(text)")
    }
  }
}
