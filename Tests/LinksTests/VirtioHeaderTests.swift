import Buffers
import Testing

@testable import Links

/// The header before each frame of a TAP device: virtio 1.2 section 5.1.6, in the host's byte order, which is the
/// little end first wherever these tests run.
@Suite struct VirtioHeaderTests {
  /// What the headers say, and their bytes: flags, kind, length of headers, size, start, offset, buffers.
  private static let golden: [(header: VirtioHeader, bytes: [UInt8])] = [
    // Nothing left to do.
    (VirtioHeader(), [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
    // VIRTIO_NET_HDR_F_DATA_VALID.
    (VirtioHeader(checksum: .verified), [2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
    // VIRTIO_NET_HDR_F_NEEDS_CSUM: UDP over IPv4, from byte 34 on, in the field 6 bytes behind.
    (VirtioHeader(checksum: .partial(start: 34, offset: 6)), [1, 0, 0, 0, 0, 0, 34, 0, 6, 0, 0, 0]),
    // VIRTIO_NET_HDR_GSO_TCPV4, headers of 66 bytes, segments of 1448.
    (
      VirtioHeader(
        checksum: .partial(start: 34, offset: 16), segmentation: Segmentation(kind: .tcp4, size: 1448),
        headerLength: 66), [1, 1, 66, 0, 0xa8, 5, 34, 0, 16, 0, 0, 0]
    ),
    // VIRTIO_NET_HDR_GSO_TCPV6, headers of 86 bytes.
    (
      VirtioHeader(
        checksum: .partial(start: 54, offset: 16), segmentation: Segmentation(kind: .tcp6, size: 1428),
        headerLength: 86), [1, 4, 86, 0, 0x94, 5, 54, 0, 16, 0, 0, 0]
    ),
    // VIRTIO_NET_HDR_GSO_UDP_L4, datagrams of 258 bytes.
    (
      VirtioHeader(
        checksum: .partial(start: 34, offset: 6), segmentation: Segmentation(kind: .udp, size: 258), headerLength: 42),
      [1, 5, 42, 0, 2, 1, 34, 0, 6, 0, 0, 0]
    ),
  ]

  @Test(arguments: golden.indices)
  func `a header is written and read as its bytes`(index: Int) {
    let (header, bytes) = Self.golden[index]
    #expect(VirtioHeader(bytes.span) == header)
    var written = [UInt8](repeating: 0xee, count: 14)
    var span = written.mutableSpan
    header.write(to: &span, at: 1)
    #expect(written == [0xee] + bytes + [0xee])
  }

  @Test func `the length of headers is said of frames that are to be cut, and of no others`() {
    var bytes = [UInt8](repeating: 0xee, count: VirtioHeader.length)
    var span = bytes.mutableSpan
    VirtioHeader(checksum: .verified, headerLength: 54).write(to: &span, at: 0)
    #expect(bytes == [2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
  }

  @Test(arguments: [(UInt8(0x81), Segmentation.Kind.tcp4), (0x84, .tcp6)])
  func `a frame whose first segment tells of congestion is one like any other (RFC 3168)`(
    kind: UInt8, expected: Segmentation.Kind
  ) {
    let bytes: [UInt8] = [1, kind, 66, 0, 100, 0, 34, 0, 16, 0, 0, 0]
    #expect(VirtioHeader(bytes.span)?.segmentation == Segmentation(kind: expected, size: 100))
  }

  @Test func `who leaves the checksum to us has not verified it`() {
    let bytes: [UInt8] = [3, 0, 0, 0, 0, 0, 34, 0, 6, 0, 0, 0]
    #expect(VirtioHeader(bytes.span)?.checksum == .partial(start: 34, offset: 6))
  }

  /// VIRTIO_NET_HDR_GSO_UDP (3, fragments) was not asked for; the others do not exist.
  @Test(arguments: [UInt8(2), 3, 6, 7, 0x0f, 0x7f, 0x83, 0xff])
  func `a kind that we did not ask for makes no sense`(kind: UInt8) {
    let bytes: [UInt8] = [1, kind, 66, 0, 100, 0, 34, 0, 16, 0, 0, 0]
    #expect(VirtioHeader(bytes.span) == nil)
  }

  @Test(arguments: [UInt8(1), 4, 5, 0x81, 0x84])
  func `segments of no bytes make no sense`(kind: UInt8) {
    let bytes: [UInt8] = [1, kind, 66, 0, 0, 0, 34, 0, 16, 0, 0, 0]
    #expect(VirtioHeader(bytes.span) == nil)
  }
}
