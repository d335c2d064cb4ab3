import Buffers
import Capture
import Foundation
import Primitives
import Testing

@testable import Runtime

/// Captured frames between two threads.
@Suite struct CaptureRingTests {
  private func head(_ count: Int, of length: Int? = nil, time: Int64 = 1) -> CapturedFrame {
    CapturedFrame(
      time: time, originalLength: UInt32(length ?? count), byteCount: UInt32(count), direction: .toGuest,
      checksum: .partial(start: 34, offset: 16), segmentation: Segmentation(kind: .tcp4, size: 1448))
  }

  private func frame(_ number: Int, _ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ number) }
  }

  /// The frames that wait.
  private func read(_ reader: inout CaptureRingReader) -> [[UInt8]] {
    var frames: [[UInt8]] = []
    reader.look()
    while reader.head != nil {
      let bytes = reader.bytes
      frames.append(bytes.span.indices.map { bytes[$0] })
      reader.pass()
    }
    reader.release()
    return frames
  }

  @Test func `frames come in order, with what is known of them and no more bytes than are wanted`() {
    let ring = CaptureRing(capacity: 1 << 18)
    var reader = CaptureRingReader(of: ring)
    let whole = frame(1, 65_550)
    let isAppended = ring.append(head(65_550, time: 7), whole.span)
    var list = FrameList(capacity: 1, byteCapacity: 1 << 17)
    let isListed = list.append(whole.span, port: .first, headerLength: 100, pieceLength: 20_000)
    #expect(isListed)
    let isPartAppended = ring.append(head(3128, of: 65_550), 0, of: list.batch)
    #expect(isAppended && isPartAppended)
    reader.look()
    let first = reader.head
    #expect(first == head(65_550, time: 7))
    let frames = read(&reader)
    #expect(frames == [whole, Array(whole.prefix(3128))])
    #expect(ring.isEmpty)
  }

  @Test func `what does not fit is refused, and fits when there is room again`() {
    let ring = CaptureRing(capacity: 4096)
    var reader = CaptureRingReader(of: ring)
    // Each takes 1024 bytes with its head.
    for number in 0..<4 {
      let isAppended = ring.append(head(960), frame(number, 960).span)
      #expect(isAppended)
    }
    let isTooMuch = ring.append(head(0), frame(0, 0).span)
    #expect(!isTooMuch)
    let frames = read(&reader)
    #expect(frames == (0..<4).map { frame($0, 960) })
    let fits = ring.append(head(960), frame(9, 960).span)
    #expect(fits)
  }

  @Test func `a frame that would not fit before the end begins at the start`() {
    let ring = CaptureRing(capacity: 4096)
    var reader = CaptureRingReader(of: ring)
    // Lengths that leave every kind of rest before the end, the least of a line.
    for round in 0..<2000 {
      let counts = [round % 97, 1000 + round % 13, (round * 16) % 2000]
      for (number, count) in counts.enumerated() {
        let isAppended = ring.append(head(count), frame(round + number, count).span)
        #expect(isAppended, "round \(round)")
        let frames = read(&reader)
        #expect(frames == [frame(round + number, count)], "round \(round)")
      }
    }
  }

  @Test func `one thread writes while another reads`() {
    let ring = CaptureRing(capacity: 1 << 14)
    let count = 100_000
    let writer = Foundation.Thread {
      for number in 0..<count {
        let bytes = frame(number, number % 300)
        while !ring.append(head(bytes.count, time: Int64(number)), bytes.span) { sched_yield() }
      }
    }
    writer.start()
    var reader = CaptureRingReader(of: ring)
    var expected = 0
    while expected < count {
      reader.look()
      while let head = reader.head {
        let bytes = reader.bytes
        let isSame = bytes.span.indices.allSatisfy { bytes[$0] == UInt8(truncatingIfNeeded: $0 &* 7 &+ expected) }
        guard head.time == Int64(expected), isSame else {
          Issue.record("frame \(expected) is \(head)")
          return
        }
        expected += 1
        reader.pass()
      }
      reader.release()
    }
  }
}
