import Primitives
import Testing
import Wire

/// Looks at `bytes` as every format there is and reads every field, and then as what a frame really carries.
private func readAll(_ bytes: Span<UInt8>) {
  func attempt(_ body: () throws -> Void) {
    do { try body() } catch { #expect(error is WireError) }
  }
  attempt { _ = try EthernetFrame(bytes).header }
  attempt { _ = try ARPPacket(bytes).message }
  attempt { _ = try IPv6FragmentHeader(bytes) }
  attempt { _ = try NeighborOptions(bytes) }
  attempt { _ = try NeighborMessage(bytes) }
  for byteCount in [0, bytes.count, 65_535] {
    attempt {
      let packet = try IPv4Packet(bytes, byteCount: byteCount)
      _ = (packet.header, packet.options.count, packet.payload.count, packet.isHeaderChecksumValid)
    }
    attempt {
      let packet = try IPv6Packet(bytes, byteCount: byteCount)
      _ = (packet.header, packet.payload.count)
    }
    attempt {
      let datagram = try UDPDatagram(bytes, byteCount: byteCount)
      _ = (datagram.header, datagram.payload.count)
    }
  }
  attempt {
    let segment = try TCPSegment(bytes)
    _ = (segment.header, segment.payload.count)
  }
  attempt {
    let message = try ICMPv4Message(bytes)
    _ = (message.header, message.payload.count)
  }
  attempt {
    let message = try ICMPv6Message(bytes)
    _ = (message.header, message.payload.count)
  }
  attempt {
    let message = try DNSMessage(bytes)
    _ = try message.edns(behind: try message.question())
  }
  _ = InternetChecksum.verify(bytes)
}

@Suite struct TruncationTests {
  @Test(arguments: Golden.frames + Golden.framesWithExtensions)
  func `every part of a frame parses or throws`(_ golden: [UInt8]) {
    for start in [0, 14, 34, 54, 62] where start < golden.count {
      for end in start...golden.count { readAll(golden.span.extracting(start..<end)) }
    }
  }

  @Test func `every byte of a frame may have any of the extreme values`() {
    for golden in Golden.frames + Golden.framesWithExtensions {
      for start in [0, 14, 34, 54, 62] where start < golden.count {
        for index in start..<golden.count {
          for value in [0, 1, 0x0f, 0x7f, 0x80, 0xf0, 0xff] as [UInt8] {
            var bytes = Array(golden[start...])
            bytes[index - start] = value
            readAll(bytes.span)
          }
        }
      }
    }
  }
}
