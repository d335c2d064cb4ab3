import Foundation
import LinuxSystem
import Primitives
import Testing

extension SystemTests {
  /// What a broken or hostile client may write: a flow that runs meanwhile loses nothing.
  @Suite(.serialized)
  struct BadInputTests {
    /// What is put between the guest's frames.
    enum Input: CaseIterable {
      case framesOfNoneToThirteenBytes, aThousandARPRequests, framesOfNoise, headersThatLie
      case tooLongAFrame, anAbsurdLength, noiseWithoutFrames, halfAFrame

      /// The bytes, and whether culvert must close the link for them, may, or must keep it.
      var bytes: (content: [UInt8], ends: Ending) {
        var generator = SeededGenerator(seed: 1)
        func noise(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8(truncatingIfNeeded: generator.next()) } }
        switch self {
        case .framesOfNoneToThirteenBytes:
          return ((0...13).flatMap { FrameClient.framed(noise($0)) }, .keeps)
        case .aThousandARPRequests:
          let frame = FrameClient.framed(FrameClient.arpRequest(for: [10, 0, 2, 2]))
          return (Array(repeatElement(frame, count: 1000).joined()), .keeps)
        case .framesOfNoise:
          return ((0..<500).flatMap { _ in FrameClient.framed(noise(Int(generator.next() % 1600))) }, .keeps)
        case .headersThatLie:
          // IPv4 with every first byte, lengths of noise, and each upper protocol that is known.
          let frames = (0..<256).flatMap { first -> [UInt8] in
            var frame = [UInt8](repeating: 0xff, count: 6) + FrameClient.macAddress + [8, 0] + noise(60)
            frame[14] = UInt8(first)
            frame[23] = [1, 6, 17][first % 3]
            return FrameClient.framed(frame)
          }
          return (frames, .keeps)
        case .tooLongAFrame: return (FrameClient.framed(noise(100_000)), .mayEnd)
        case .anAbsurdLength: return ([0xff, 0xff, 0xff, 0xff] + noise(100), .ends)
        case .noiseWithoutFrames: return (noise(100_000), .mayEnd)
        case .halfAFrame: return ([0, 0, 5, 0] + noise(100), .mayEnd)
        }
      }
    }

    /// What bad bytes do to the link.
    enum Ending {
      case keeps, mayEnd, ends
    }

    @Test func `a flow that runs loses nothing, whatever else is written to the socket`() throws {
      let folder = try ScratchFolder()
      let culvert = try Culvert()
      let injector = try FrameInjector(at: folder["injector"], to: culvert.socketPath)
      let guest = try Guest(network: Culvert.network(to: injector.path))
      let server = try PausingServer()

      for input in Input.allCases {
        let download = try guest.start("socat -u -b 65536 TCP4:10.0.2.2:\(server.port) - | sha256sum")
        try server.waitForPause()
        let connections = injector.connectionCount
        let ending = try inject(input, by: injector)
        server.resume()
        let reply = try download.finish(seconds: 60)
        #expect(reply.output.prefix(64) == server.contentHash, "after \(input)\n\(culvert.log)")
        if ending == .keeps { #expect(injector.connectionCount == connections, "the link ended at \(input)") }
      }
      #expect(try culvert.program.isRunning)
      injector.stop()
    }

    private func inject(_ input: Input, by injector: FrameInjector) throws -> Ending {
      let (bytes, ending) = input.bytes
      let before = injector.connectionCount
      injector.inject(bytes)
      switch ending {
      case .ends: try injector.waitForConnection(after: before)
      // After these bytes nobody can tell where a frame starts: only a new connection helps.
      case .mayEnd: try injector.reconnect()
      case .keeps: break
      }
      return ending
    }
  }
}

/// A server that sends half of its content, waits for a word, and sends the rest.
private final class PausingServer: Sendable {
  let contentHash: String
  private let server: Server
  private let paused: DispatchSemaphore
  private let resumed: DispatchSemaphore

  init() throws {
    let folder = try ScratchFolder()
    try Program.run("dd", "if=/dev/urandom", "of=\(folder["content"])", "bs=1M", "count=8", "status=none")
    contentHash = try BootedGuest.hash(of: folder["content"])
    let content = Array(try Data(contentsOf: URL(filePath: folder["content"])))
    let (paused, resumed) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
    (self.paused, self.resumed) = (paused, resumed)
    server = try Server { connection in
      try connection.write(content[..<(content.count / 2)])
      paused.signal()
      guard resumed.wait(timeout: .now() + 60) == .success else { throw Failure("nobody resumed") }
      try connection.write(content[(content.count / 2)...])
      try connection.finish()
      _ = try connection.readAll()
    }
  }

  var port: UInt16 { server.port }

  func waitForPause() throws {
    guard paused.wait(timeout: .now() + 60) == .success else { throw Failure("the guest never fetched the first half") }
  }

  func resume() { resumed.signal() }
}
