import Buffers
import Netstack
import Primitives
import Testing

@testable import Recording
@testable import Simulation

/// A frame to a guest with another byte than the recorded one is a difference, wherever the byte is.
struct SentFrameTests {
  private static let flow = FlowID(index: 1, generation: 1)
  /// Neither is a multiple of what is compared at once.
  private static let (headerLength, payloadLength) = (61, 43)

  /// Sends two frames, with the byte at `place` of both together changed. Their payload is the core's own, or what a
  /// host gave.
  private func send<Sink: FrameSink & ~Copyable>(
    into sink: inout Sink, from host: inout any HostNetwork, isFromHost: Bool, changing place: Int?
  ) {
    let request = SlotRequest(
      port: .first, maximumSlots: 2, headerLength: Self.headerLength, payloadLength: Self.payloadLength)
    guard let run = sink.reserve(request) else { return }
    for slot in 0..<2 {
      var header = sink.header(slot, of: run)
      for index in 0..<Self.headerLength {
        let isChanged = place == slot * (Self.headerLength + Self.payloadLength) + index
        header[index] = UInt8(truncatingIfNeeded: index + slot) ^ (isChanged ? 1 : 0)
      }
    }
    do {
      var regions = sink.payload(of: run)
      var bytes = (0..<(2 * Self.payloadLength)).map { UInt8($0) }
      if isFromHost {
        _ = host.receive(Self.flow, skipping: 0, into: &regions)
      }
      for index in bytes.indices {
        let (slot, offset) = index.quotientAndRemainder(dividingBy: Self.payloadLength)
        let start = slot * (Self.headerLength + Self.payloadLength) + Self.headerLength
        if place == start + offset { bytes[index] ^= 1 }
      }
      _ = regions.write(bytes.span)
    }
    sink.commit(
      run, slots: 2, lastPayload: Self.payloadLength,
      as: FrameDescriptor(
        port: .first, headerLength: Self.headerLength, byteCount: Self.headerLength + Self.payloadLength))
  }

  private func record(isFromHost: Bool) -> [UInt8] {
    var bytes: [UInt8] = []
    let recorder = Recorder(RecordingHead(settings: NetworkSettings(), seed: (1, 2, 3, 4))) { block, _ in
      bytes += block
      return true
    }
    var scripted = ScriptedHost()
    scripted.read = .bytes(2 * Self.payloadLength)
    var host: any HostNetwork = Recorded(scripted, by: recorder)
    var sink = Recorded(Simulation.ReplaySink(), by: recorder)
    send(into: &sink, from: &host, isFromHost: isFromHost, changing: nil)
    recorder.finish()
    return bytes
  }

  @Test(arguments: [false, true])
  func `every byte of every frame is compared`(isFromHost: Bool) throws {
    let recording = record(isFromHost: isFromHost)
    let frameLength = Self.headerLength + Self.payloadLength
    for place in [nil] + (0..<(2 * frameLength)).map({ Optional($0) }) {
      let tape = ReplayTape(try RecordingReader(bytes: recording), frames: nil)
      var host: any HostNetwork = Recording.ReplayHost(tape: tape)
      var sink = Recording.ReplaySink(tape)
      send(into: &sink, from: &host, isFromHost: isFromHost, changing: place)
      guard let place else {
        #expect(tape.difference == nil)
        #expect(tape.statistics.framesToGuest == 2)
        continue
      }
      let isPayload = place % frameLength >= Self.headerLength
      switch tape.difference?.what {
      case .frame(let expected, let got)?:
        #expect(!isFromHost || !isPayload, "byte \(place)")
        #expect(expected.count == (isFromHost ? Self.headerLength : frameLength) && got.count == frameLength)
        #expect(tape.difference?.frame == place / frameLength + 1)
      case .payload?:
        #expect(isFromHost && isPayload, "byte \(place)")
        #expect(tape.difference?.frame == 1)
      case let other: Issue.record("byte \(place): \(String(describing: other))")
      }
    }
  }
}
