import Configuration
import LinuxSystem
import Logging
import Netstack
import Primitives
import Recording
import Testing

@testable import Runtime

/// Networks on real sockets that are recorded to files.
struct RecordingTests {
  /// What comes of a replay of a file.
  private func replay(_ path: String) throws -> Replay.Outcome {
    let text = try FileDescriptor.open(reading: path)
    var bytes: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 65_536)
    while true {
      var span = piece.mutableSpan
      guard let count = try text.read(into: &span), count > 0 else { break }
      bytes += piece.prefix(count)
    }
    var replay = Replay(try RecordingReader(bytes: bytes))
    return replay.run()
  }

  private func options(_ folder: String) -> ServiceOptions {
    var options = ServiceOptions()
    options.record = folder
    return options
  }

  @Test func `each loop has a recording, which is replayed without a difference`() throws {
    let folder = try TemporaryFolder()
    let network = try LoopUnderTest(loops: 3, options(folder.path + "/r"))
    let (server, port) = try boundUDP()
    for guestPort in 40_001...40_006 as ClosedRange<UInt16> {
      let queue = Int(guestPort % 3)
      let frame = GuestEnd.datagram(from: guestPort, to: port)
      #expect(try network.guest(0, queue: queue).write(frame) == frame.count)
      try network.run { try receive(on: server) }
    }
    network.finishRecordings()
    var counts = (fromGuest: 0, handedOver: 0)
    for loop in 0..<3 {
      let outcome = try replay("\(folder.path)/r/net0-loop\(loop).recording")
      #expect(outcome.difference == nil, "\(outcome)")
      #expect(outcome.end == .finished)
      counts.fromGuest += outcome.statistics.framesFromGuest
    }
    // Six datagrams, and those of them that were handed over, once more.
    #expect(counts.fromGuest == 6 + Int(network.counters.framesHandedOver))
    #expect(network.counters.framesHandedOver > 0)
  }

  @Test func `only this user may read a recording`() throws {
    let folder = try TemporaryFolder()
    let network = try LoopUnderTest(options(folder.path + "/r"))
    network.finishRecordings()
    #expect(try FileIdentity(path: folder.path + "/r").mode & 0o777 == 0o700)
    #expect(try FileIdentity(path: folder.path + "/r/net0-loop0.recording").mode & 0o777 == 0o600)
  }

  @Test func `a folder that has a recording is not written to again`() throws {
    let folder = try TemporaryFolder()
    let network = try LoopUnderTest(options(folder.path))
    network.finishRecordings()
    #expect {
      try LoopUnderTest(options(folder.path))
    } throws: { error in
      "\(error)"
        == "record '\(folder.path)': there is a recording in it already; give another folder, or empty it"
    }
  }

  @Test func `a folder that cannot be made is told`() throws {
    #expect {
      try LoopUnderTest(options("/proc/nothing/r"))
    } throws: { error in
      "\(error)".hasPrefix("record '/proc/nothing/r': No such file or directory; give a folder")
    }
  }

  // MARK: The writer

  @Test func `what waits to be written is bounded, and the last block is taken all the same`() throws {
    let folder = try TemporaryFolder()
    // Nobody writes: its thread is not started.
    let writer = try RecordingWriter(path: folder.path + "/w", bound: 1000, logger: Lines().logger(.info))
    #expect(writer.append([UInt8](repeating: 1, count: 600), isLast: false))
    #expect(writer.append([UInt8](repeating: 1, count: 400), isLast: false))
    #expect(!writer.append([1], isLast: false))
    #expect(writer.append([1], isLast: true))
  }

  @Test func `what is left is written by the end, in its order`() throws {
    let folder = try TemporaryFolder()
    let file = try RecordingFile(path: folder.path + "/w", logger: Lines().logger(.info))
    for number in 0..<100 { #expect(file.writer.append(Array("\(number) ".utf8), isLast: false)) }
    file.close()
    let text = try FileDescriptor.contents(of: folder.path + "/w", limit: 10_000)
    #expect(text == (0..<100).map { "\($0) " }.joined())
  }
}
