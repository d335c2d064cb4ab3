import Capture
import Foundation
import LinuxSystem
import Primitives
import Simulation
import Testing

/// `culvert inspect` and `culvert replay`, as they are called.
struct CaptureCommandTests {
  /// A guest that resolves the gateway, pings it and speaks with a server that echoes, in a file.
  private func makeCapture(_ path: String) throws {
    let server = Endpoint(IPv4Address(192, 0, 2, 1), port: 80)
    let lab = Lab()
    lab.host.services[server] = RemoteService(echoes: true)
    var frames: [(bytes: [UInt8], time: Int64)] = []
    lab.frameWatcher = { bytes, _, time in frames.append((bytes, time.nanoseconds)) }
    lab.guest.requestARP(for: IPv4Address(10, 0, 2, 2))
    lab.guest.ping(IPv4Address(10, 0, 2, 2))
    lab.settle()
    let connection = lab.guest.connect(to: server)
    connection.write(Array("hello".utf8))
    connection.finish()
    lab.run(for: .seconds(10)) { connection.isFinished }
    lab.advance(by: .seconds(1))
    var writer = try CaptureWriter(path: path)
    for frame in frames {
      try writer.append(CaptureRecord(time: frame.time, originalLength: frame.bytes.count), frame.bytes.span)
    }
    try writer.flush()
  }

  private func run(_ arguments: [String], input: String? = nil) throws -> (text: String, exit: ChildProcess.Exit) {
    var program = try Program(arguments, prelude: input.map { "cat '\($0)' |" } ?? "")
    return try program.result()
  }

  @Test func `inspect prints a line for each frame, and what a filter lets pass`() throws {
    let folder = try TemporaryFolder()
    let file = folder.path + "/a.pcap"
    try makeCapture(file)
    let (text, exit) = try run(["inspect", file])
    #expect(exit == .status(0))
    let lines = text.split(separator: "\n")
    #expect(lines.contains { $0.hasSuffix("> ARP who has 10.0.2.2? tell 10.0.2.15 at 52:54:00:12:34:56") })
    #expect(lines.contains { $0.contains("< 192.0.2.1:80 > 10.0.2.15:") && $0.contains(" TCP SA seq 0 ack 1 ") })
    #expect(!text.contains("{"))
    let (count, _) = try run(["inspect", "--count", "--filter", "tcp", file])
    #expect(Int(count.dropLast()) == lines.count { $0.contains(" TCP ") })
    let (filtered, _) = try run(["inspect", "--filter", "icmp", "--from-mac", "52:55:0a:00:02:02", file])
    #expect(
      filtered.split(separator: "\n").map { $0.contains(" < 10.0.2.15 > 10.0.2.2 ICMP echo request ") } == [
        true, false,
      ])
    let (fields, _) = try run(["inspect", "--fields", "--filter", "arp", file])
    #expect(fields.contains("\n  28 ARP sender address 10.0.2.15\n"))
  }

  @Test func `inspect sums up the flows, of a pipe as well`() throws {
    let folder = try TemporaryFolder()
    let file = folder.path + "/a.pcap"
    try makeCapture(file)
    let (text, exit) = try run(["inspect", "--summary", file])
    #expect(exit == .status(0))
    let lines = text.split(separator: "\n")
    #expect(lines.contains { $0.hasPrefix("TCP 10.0.2.15:") && $0.hasSuffix(" closed, the guest first") })
    #expect(lines.last?.hasSuffix(", 2 flows") == true, "\(text)")
    #expect(try run(["inspect", "--summary", "-"], input: file).text == text)
  }

  @Test func `replay says again what was said, in text and as a capture`() throws {
    let folder = try TemporaryFolder()
    let (file, output) = (folder.path + "/a.pcap", folder.path + "/b.pcap")
    try makeCapture(file)
    let (text, exit) = try run(["replay", "--output", output, file])
    #expect(exit == .status(0), "\(text)")
    #expect(text.contains(" < 192.0.2.1:80 > 10.0.2.15:") && text.contains(" < 10.0.2.2 > 10.0.2.15 ICMP echo reply "))
    // What was written is what was printed, and the last line is what was done.
    let (inspected, _) = try run(["inspect", output])
    #expect(text.hasPrefix(inspected))
    #expect(text.dropFirst(inspected.count).contains(" frames played, "))
    let (summary, _) = try run(["inspect", "--summary", output])
    #expect(summary.contains("up 5 frames 5 bytes") || summary.contains("closed, the guest first"), "\(summary)")
    #expect(try run(["replay", file]).text == text)
    #expect(try run(["replay", "--seed", "7", file]).text == text)
    let (quiet, _) = try run(["replay", "--quiet", file])
    #expect(quiet.split(separator: "\n").count == 1)
    let (piped, status) = try run(["replay", "--quiet", "--world", "echo", "-"], input: file)
    #expect(piped.contains(" frames played, ") && status == .status(0))
  }

  @Test func `a script says what the world does, at any speed`() throws {
    let folder = try TemporaryFolder()
    let (file, script) = (folder.path + "/a.pcap", folder.path + "/script")
    try makeCapture(file)
    try "tcp 80 receive 5 send \"HTTP/1.0 404 no\\r\\n\" close\n".write(
      toFile: script, atomically: true, encoding: .utf8)
    let (text, exit) = try run(["replay", "--world", "script:" + script, "--speed", "1000", file])
    #expect(exit == .status(0))
    #expect(text.contains(" HTTP HTTP/1.0 404 no\n"))
    try "tcp 80 sing".write(toFile: script, atomically: true, encoding: .utf8)
    let (complaint, status) = try run(["replay", "--world", "script:" + script, file])
    #expect(complaint.hasPrefix("culvert: \(script): line 1: 'sing' is not echo"))
    #expect(status == .status(1))
  }

  @Test func `who the guest is can be said, of a replay and of what is inspected`() throws {
    let folder = try TemporaryFolder()
    let file = folder.path + "/a.pcap"
    try makeCapture(file)
    let stranger = ["--from-mac", "52:54:00:99:99:99"]
    #expect(try run(["replay", "--quiet"] + stranger + [file]).text.hasPrefix("0 frames played, "))
    let (text, _) = try run(["inspect"] + stranger + [file])
    #expect(text.split(separator: "\n").allSatisfy { $0.contains(" < ") })
    let (hardware, _) = try run(["inspect", "--hardware", file])
    #expect(hardware.hasPrefix("0.000000 > 52:54:00:12:34:56 > "))
  }

  @Test func `a replay at the capture's speed takes as long as it did`() throws {
    let folder = try TemporaryFolder()
    let file = folder.path + "/a.pcap"
    var writer = try CaptureWriter(path: file)
    let frame = [UInt8](repeating: 2, count: 60)
    for time in [0, 300_000_000, 400_000_000] as [Int64] {
      try writer.append(CaptureRecord(time: time, originalLength: 60), frame.span)
    }
    try writer.flush()
    for (speed, range) in [("real", 400...10_000), ("2", 200...10_000)] as [(String, ClosedRange<Int64>)] {
      let start = MonotonicClock.now
      let (_, exit) = try run(["replay", "--quiet", "--speed", speed, file])
      let took = (MonotonicClock.now - start).nanoseconds / 1_000_000
      #expect(exit == .status(0) && range.contains(took), "\(speed): \(took) ms")
    }
  }

  @Test func `another seed gives other frames, which the text does not show`() throws {
    let folder = try TemporaryFolder()
    let file = folder.path + "/a.pcap"
    try makeCapture(file)
    let captures = try ["1", "1", "7"].enumerated().map { number, seed in
      let output = "\(folder.path)/\(number).pcap"
      #expect(try run(["replay", "--quiet", "--seed", seed, "--output", output, file]).exit == .status(0))
      return try Data(contentsOf: URL(fileURLWithPath: output))
    }
    #expect(captures[0] == captures[1] && captures[0] != captures[2])
  }

  @Test func `a file that is none is told in one line`() throws {
    let folder = try TemporaryFolder()
    let (empty, garbage, cut) = (folder.path + "/empty", folder.path + "/garbage", folder.path + "/cut")
    try Data().write(to: URL(fileURLWithPath: empty))
    try Data("no capture at all, whatever it may be called".utf8).write(to: URL(fileURLWithPath: garbage))
    try makeCapture(cut)
    let whole = try Data(contentsOf: URL(fileURLWithPath: cut))
    try whole.dropLast(3).write(to: URL(fileURLWithPath: cut))
    for command in ["inspect", "replay"] {
      for (path, words) in [
        (empty, "\(empty) is empty, not a capture"), (garbage, "\(garbage) is not a capture in pcap or pcapng format"),
        (folder.path + "/none", "cannot read \(folder.path)/none: No such file or directory"),
      ] {
        let (text, exit) = try run([command, path])
        #expect(text.hasPrefix("culvert: \(words)"))
        #expect(text.split(separator: "\n").count == 1)
        #expect(exit == .status(1))
      }
      // What stands before the damage is printed.
      let (text, exit) = try run([command, cut])
      let lines = text.split(separator: "\n")
      #expect(lines.count > 5)
      #expect(lines.contains { $0.hasPrefix("culvert: \(cut) is cut short or damaged behind ") })
      #expect(exit == .status(1))
    }
  }

  @Test(arguments: [
    (
      ["replay", "--tftp", "/tmp", "x"], "culvert: tftp: a replay uses nothing of this machine's; leave --tftp out\n", 1
    ),
    (["replay", "--hostfwd", "tcp::1-:1", "x"], "culvert: hostfwd: a replay uses nothing", 1),
    (["replay", "--world", "real", "x"], "The value 'real' is invalid for '--world", 2),
    (["replay", "--speed", "0", "x"], "The value '0' is invalid for '--speed", 2),
    (["replay", "--from-mac", "1", "x"], "'1' is not a hardware address like 52:54:00:12:34:56.", 2),
    (["inspect", "--filter", "tcp prot", "x"], "culvert: capture filter 'tcp prot': ", 1),
    (["inspect", "--count", "--summary", "x"], "Give one of --summary, --fields and --count.", 2),
  ])
  func `what cannot be done is told`(arguments: [String], words: String, status: Int32) throws {
    let (text, exit) = try run(arguments)
    #expect(text.contains(words), "\(text)")
    #expect(exit == .status(status))
  }

  @Test func `an output that cannot be written is told`() throws {
    let folder = try TemporaryFolder()
    let file = folder.path + "/a.pcap"
    try makeCapture(file)
    let (text, exit) = try run(["replay", "--quiet", "--output", folder.path + "/none/b.pcap", file])
    #expect(text == "culvert: cannot write \(folder.path)/none/b.pcap: No such file or directory\n")
    #expect(exit == .status(1))
  }
}
