import Buffers
import Capture
import Configuration
import Foundation
import LinuxSystem
import Netstack
import Primitives
import Testing

@testable import Runtime

/// Frames of a running network in a file.
@Suite struct LiveCaptureTests {
  /// A captured frame.
  struct Frame: Hashable {
    var time: Int64
    var originalLength: Int
    var bytes: [UInt8]
  }

  /// The frames of a file, which must be whole.
  static func frames(_ path: String) throws -> [Frame] {
    var reader = try CaptureReader(path: path)
    var frames: [Frame] = []
    while let record = try reader.next() {
      let bytes = reader.bytes
      frames.append(
        Frame(time: record.time, originalLength: record.originalLength, bytes: bytes.indices.map { bytes[$0] }))
    }
    return frames
  }

  private func options(_ path: String, _ change: (inout CaptureOptions) -> Void = { _ in }) -> ServiceOptions {
    var options = ServiceOptions()
    options.capture.file = path
    change(&options.capture)
    return options
  }

  /// Has a guest ask for the gateway, and waits for the answer.
  private func ask(_ loop: LoopUnderTest, from last: UInt8, port: Int = 0) throws {
    let request = GuestEnd.request(from: last)
    _ = try loop.guest(port).takeFrames()
    #expect(try loop.guest(port).write(request) == request.count)
    try loop.run { try loop.guest(port).frames().contains { GuestEnd.isAnswer($0, to: last) } }
  }

  private func request(_ last: UInt8) -> [UInt8] { Array(GuestEnd.request(from: last).dropFirst(4)) }

  @Test func `frames are captured both ways, each once and whole, in their order and by the time of day`() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/a.pcap"
    let before = WallClock.seconds
    let loop = try LoopUnderTest(options(path))
    for last in 15...20 as ClosedRange<UInt8> { try ask(loop, from: last) }
    loop.capture.finish()
    let frames = try Self.frames(path)
    try #require(frames.count == 12)
    for (index, last) in (15...20 as ClosedRange<UInt8>).enumerated() {
      #expect(frames[2 * index].bytes == request(last))
      #expect(GuestEnd.isAnswer(frames[2 * index + 1].bytes, to: last))
    }
    #expect(zip(frames, frames.dropFirst()).allSatisfy { $0.time <= $1.time })
    #expect(frames.allSatisfy { $0.originalLength == $0.bytes.count })
    let seconds = frames[0].time / 1_000_000_000
    #expect((before...WallClock.seconds).contains(seconds), "\(seconds)")
    let status = loop.capture.status
    #expect(status?.counts.records == 12)
    #expect(status?.dropCount == 0)
    #expect(status?.isRunning == false)
  }

  @Test func `a frame that one loop hands to another is captured once, by the one whose link it came by`() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/a.pcap"
    let loops = try LoopUnderTest(loops: 2, options(path))
    let (server, port) = try boundUDP()
    let guestPorts = (40_001...40_010 as ClosedRange<UInt16>)
    for guestPort in guestPorts {
      let datagram = GuestEnd.datagram(from: guestPort, to: port)
      #expect(try loops.guest(0).write(datagram) == datagram.count)
    }
    try loops.run { loops.flows.count == 10 }
    try #require(loops.counters.framesHandedOver > 0)
    loops.capture.finish()
    let frames = try Self.frames(path)
    for guestPort in guestPorts {
      let datagram = Array(GuestEnd.datagram(from: guestPort, to: port).dropFirst(4))
      #expect(frames.count { $0.bytes == datagram } == 1)
    }
    #expect(zip(frames, frames.dropFirst()).allSatisfy { $0.time <= $1.time })
    _ = consume server
  }

  @Test func `a filter chooses frames, and a snap length cuts them`() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/a.pcap"
    let loop = try LoopUnderTest(
      options(path) {
        $0.filter = "ether src 52:54:00:00:00:10"
        $0.snapLength = 20
      })
    for last in 15...17 as ClosedRange<UInt8> { try ask(loop, from: last) }
    loop.capture.finish()
    let frames = try Self.frames(path)
    #expect(frames.map(\.bytes) == [Array(request(16).prefix(20))])
    #expect(frames.map(\.originalLength) == [42])
  }

  @Test func `a capture is stopped and started again by a signal's request, and otherwise not at all`() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/a.pcap"
    let loop = try LoopUnderTest(options(path))
    try ask(loop, from: 15)
    loop.mailbox.send(.toggleCapture)
    try loop.run { loop.capture.status?.isRunning == false }
    loop.capture.awaitEnd()
    try ask(loop, from: 16)
    #expect(try Self.frames(path).map(\.bytes).filter { $0 == request(16) }.isEmpty)
    loop.mailbox.send(.toggleCapture)
    try loop.run { loop.capture.status?.isRunning == true }
    try ask(loop, from: 17)
    loop.capture.finish()
    #expect(try Self.frames(path).first?.bytes == request(17))

    let other = try LoopUnderTest()
    other.mailbox.send(.toggleCapture)
    try other.run { other.log.contains("warning: there is nothing to capture to; give --capture FILE") }
  }

  @Test func `a full disk ends the capture with one line, and traffic goes on`() throws {
    let loop = try LoopUnderTest(options("/dev/full"))
    try ask(loop, from: 15)
    try loop.run { loop.capture.status?.failure != nil }
    for last in 16...18 as ClosedRange<UInt8> { try ask(loop, from: last) }
    let line = "capture to /dev/full: cannot write /dev/full: No space left on device; it has ended, traffic goes on"
    #expect(loop.log.components(separatedBy: line).count == 2, "\(loop.log)")
    #expect(loop.capture.status?.isRunning == false)
  }

  /// Closes what it reads from with its last use.
  private final class Reader {
    let descriptor: FileDescriptor
    init(_ descriptor: consuming FileDescriptor) { self.descriptor = descriptor }
  }

  @Test func `a reader of a pipe that goes away ends the capture with one line, and traffic goes on`() throws {
    ProcessControl.ignoreBrokenPipes()
    let folder = try TemporaryFolder()
    let path = folder.path + "/pipe"
    try shell("mkfifo \(path)")
    let refusal = "cannot capture: cannot write \(path): nobody reads from it yet; start the reader first"
    #expect(throws: ServiceError(refusal)) { _ = try LoopUnderTest(options(path)) }
    // Held open both ways, so that opening it does not wait.
    var reader: Reader? = Reader(try FileDescriptor.open(device: path))
    let loop = try LoopUnderTest(options(path))
    try ask(loop, from: 15)
    // The head of the file, and two records, are there while the capture goes on.
    var bytes = [UInt8](repeating: 0, count: 4096)
    var count = 0
    while count < 24 + 2 * (16 + 42) {
      let file = try #require(reader)
      try awaitEvent(on: file.descriptor.rawValue)
      var span = bytes.mutableSpan
      count += try file.descriptor.read(into: &span) ?? 0
    }
    reader = nil
    try ask(loop, from: 16)
    try loop.run { loop.capture.status?.failure != nil }
    try ask(loop, from: 17)
    #expect(loop.capture.status?.failure == "the reader has gone")
    #expect(loop.log.contains("capture to \(path): the reader has gone; it has ended, traffic goes on"))
  }

  @Test func `what cannot be captured is told at the start`() throws {
    #expect(throws: ServiceError("cannot capture: cannot write /nowhere/a: No such file or directory")) {
      _ = try LoopUnderTest(options("/nowhere/a"))
    }
    #expect(throws: ServiceError("capture filter 'tcp prot 80': can't parse filter expression: syntax error")) {
      _ = try LoopUnderTest(options("/tmp/a") { $0.filter = "tcp prot 80" })
    }
  }

  @Test func `an operator starts and stops a capture, and is told what was captured`() throws {
    let folder = try TemporaryFolder()
    let bench = try ControlBench(loops: 2, in: folder.path)
    let client = try ControlEnd(bench.address)
    let path = folder.path + "/a.pcap"
    func ask(_ method: String, _ parameters: String = "") throws -> CaptureReport.Capture? {
      let answer = try client.ask(#"{"version":1,"method":"\#(method)","params":{\#(parameters)}}"#)
      return try ControlJSON.result(of: Array(answer.utf8), as: CaptureReport.self).capture
    }
    #expect(try ask("capture") == nil)
    let begun = try ask("start-capture", #""file":"\#(path)","filter":"arp","snapLength":30"#)
    #expect(begun?.isRunning == true && begun?.file == path)
    #expect(throws: ControlFailure.self) { try ask("start-capture", #""file":"\#(path)""#) }
    for queue in 0..<2 {
      let request = GuestEnd.request(from: 15)
      #expect(try bench.guests[queue].write(request) == request.count)
      // The first loop answers, whichever the request came to.
      while try bench.guests[0].frames().count <= queue { try bench.guests[0].awaitFrames() }
    }
    let ended = try ask("stop-capture")
    // Each queue's request, and an answer to it.
    #expect(ended == CaptureReport.Capture(file: path, isRunning: false, frames: 4, bytes: 24 + 4 * 46, dropped: 0))
    let frames = try Self.frames(path)
    #expect(frames.map(\.originalLength) == [42, 42, 42, 42])
    #expect(frames.map(\.bytes.count) == [30, 30, 30, 30])
    #expect(throws: ControlFailure.self) { try ask("stop-capture") }
    let status = try ControlJSON.result(
      of: Array(try client.ask(#"{"version":1,"method":"status"}"#).utf8), as: StatusReport.self)
    #expect(status.networks.map(\.capture) == [ended])
  }

  @Test(arguments: [
    ("", "file is missing; give the file to capture to"),
    (#""file":"-""#, "file: only --capture takes the standard output"),
    (#""file":"a","snapLength":3"#, "snapLength: '3' is out of range; give 14 to 262144 bytes"),
    (
      #""file":"a","rotate":"5""#,
      "rotate: '5' is not SIZE,COUNT, as 100MB,5: from 1kB on, and 1 to 1000 files"
    ),
    (#""file":"a","filter":"x y""#, "capture filter 'x y': can't parse filter expression: syntax error"),
    (#""file":"/nowhere/a""#, "cannot capture: cannot write /nowhere/a: No such file or directory"),
  ])
  func `an operator's mistake is told`(parameters: String, message: String) throws {
    let folder = try TemporaryFolder()
    let bench = try ControlBench(in: folder.path)
    let answer = try ControlEnd(bench.address).ask(
      #"{"version":1,"method":"start-capture","params":{\#(parameters)}}"#)
    let error = #expect(throws: ControlFailure.self) {
      try ControlJSON.result(of: Array(answer.utf8), as: CaptureReport.self)
    }
    #expect(error?.message == message)
  }

  @Test func `SIGUSR2 stops a capture and starts it again, and the standard output can be captured to`() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/a.pcap"
    var program = try Program("serve", "--capture", path, "unix:\(folder.path)/socket")
    try program.read(until: "QEMU's options")
    try program.send(Signals.toggleCapture)
    try program.read(until: "0 frames were captured to \(path)")
    program.clear()
    try program.send(Signals.toggleCapture)
    try program.read(until: "frames are captured to \(path)")
    try program.send(Signals.end)
    #expect(try program.end() == .status(0))

    // Nothing else is in the pipe, though 'serve' prints QEMU's options.
    try shell(
      """
      cd \(folder.path); mkfifo ready; exec 4<>ready
      \(try Program.path) serve --ready-fd 4 --capture - unix:socket >out 2>err & head -c 1 ready >/dev/null
      kill $!; wait $!; test "$(wc -c <out)" = 24; grep -q "QEMU's options" err
      """)
  }
}
