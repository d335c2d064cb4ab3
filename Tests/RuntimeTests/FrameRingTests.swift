import Buffers
import Foundation
import Primitives
import Testing

@testable import Runtime

/// Frames between two threads.
@Suite struct FrameRingTests {
  private func list(_ frames: [[UInt8]], isReassembled: Bool = false) -> FrameList {
    var list = FrameList(capacity: max(frames.count, 1), byteCapacity: 1 << 18)
    for frame in frames {
      let isAppended = list.append(
        frame.span, port: PortID(rawValue: 3), headerLength: 20, pieceLength: 20_000,
        checksum: .partial(start: 34, offset: 16), segmentation: Segmentation(kind: .tcp4, size: 1460),
        isReassembled: isReassembled)
      precondition(isAppended)
    }
    return list
  }

  private func append(_ frame: [UInt8], to ring: FrameRing) -> Bool {
    let list = list([frame])
    return ring.append(0, of: list.batch)
  }

  /// The frames that wait, in batches.
  private func read(_ reader: inout FrameRingReader) -> [[UInt8]] {
    var frames: [[UInt8]] = []
    while reader.gather() > 0 {
      for index in 0..<reader.batch.count { frames.append(bytes(index, of: reader.batch)) }
      reader.release()
    }
    return frames
  }

  private func bytes(_ frame: Int, of batch: borrowing FrameBatch) -> [UInt8] {
    let count = Int(batch.descriptor(frame).byteCount)
    var bytes = [UInt8](repeating: 0, count: count)
    var span = bytes.mutableSpan
    batch.copy(PayloadSlice(frame: frame, offset: 0, count: count), to: &span)
    return bytes
  }

  private func frame(_ number: Int, _ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ number) }
  }

  @Test func `frames come whole, in order, with their descriptors`() {
    let ring = FrameRing(capacity: 1 << 18)
    var reader = FrameRingReader(of: ring)
    // The longest is a super-segment, of which a header part cannot tell the length.
    let sent = [60, 1514, 65_535 + 14, 14].enumerated().map { frame($0, $1) }
    let source = list(sent, isReassembled: true)
    for index in sent.indices {
      let isAppended = ring.append(index, of: source.batch)
      #expect(isAppended)
    }
    #expect(!ring.isEmpty)
    let count = reader.gather()
    #expect(count == 4)
    for index in sent.indices {
      let (descriptor, content) = (reader.batch.descriptor(index), bytes(index, of: reader.batch))
      #expect(content == sent[index])
      #expect(descriptor.port == PortID(rawValue: 3))
      #expect(descriptor.checksum == .partial(start: 34, offset: 16))
      #expect(descriptor.segmentation == Segmentation(kind: .tcp4, size: 1460))
      #expect(descriptor.isReassembled)
    }
    reader.release()
    #expect(ring.isEmpty)
    #expect(ring.freeByteCount == 1 << 18)
  }

  @Test func `what does not fit is refused, and fits when there is room again`() {
    let ring = FrameRing(capacity: 4096)
    var reader = FrameRingReader(of: ring)
    // Each takes 1024 bytes with what lies before it.
    for number in 0..<4 {
      let isAppended = append(frame(number, 960), to: ring)
      #expect(isAppended)
    }
    let isAppended = append([1], to: ring)
    #expect(!isAppended)
    #expect(ring.freeByteCount == 0)
    let frames = read(&reader)
    #expect(frames == (0..<4).map { frame($0, 960) })
    let fits = append(frame(9, 960), to: ring)
    #expect(fits)
    let isTooLong = append(frame(9, 4096), to: ring)
    #expect(!isTooLong, "longer than the ring")
  }

  /// A record goes round the end in one piece, and what is left before the end is no frame.
  @Test func `the ring goes round with frames of all lengths`() {
    let ring = FrameRing(capacity: 10_000)
    var reader = FrameRingReader(of: ring)
    var (sent, received): ([[UInt8]], [[UInt8]]) = ([], [])
    for number in 0..<2000 {
      let next = frame(number, 1 + number * 37 % 3000)
      if !append(next, to: ring) {
        received += read(&reader)
        let isAppended = append(next, to: ring)
        #expect(isAppended)
      }
      sent.append(next)
      if number % 5 == 0 { received += read(&reader) }
    }
    received += read(&reader)
    #expect(received == sent)
  }

  @Test func `a batch holds 64 frames, and the rest waits`() {
    let ring = FrameRing(capacity: 1 << 16)
    var reader = FrameRingReader(of: ring)
    for number in 0..<100 {
      let isAppended = append([UInt8(number)], to: ring)
      #expect(isAppended)
    }
    var counts = [reader.gather()]
    reader.release()
    counts.append(reader.gather())
    reader.release()
    counts.append(reader.gather())
    #expect(counts == [64, 36, 0])
  }

  @Test func `two threads pass a hundred thousand frames without a lock`() {
    let ring = FrameRing(capacity: 8192)
    let count = 100_000
    let writer = Thread {
      var number = 0
      var source = FrameList(capacity: 1, byteCapacity: 1024)
      while number < count {
        source.removeAll()
        let bytes = [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: 1 + number % 300)
        _ = source.append(bytes.span, port: .first)
        while !ring.append(0, of: source.batch) { sched_yield() }
        number += 1
      }
    }
    writer.start()
    var reader = FrameRingReader(of: ring)
    var (number, faults) = (0, 0)
    while number < count {
      if reader.gather() == 0 { sched_yield() }
      for index in 0..<reader.batch.count {
        let expected = [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: 1 + number % 300)
        if bytes(index, of: reader.batch) != expected { faults += 1 }
        number += 1
      }
      reader.release()
    }
    #expect(faults == 0)
  }
}
