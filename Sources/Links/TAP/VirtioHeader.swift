package import Buffers
import Primitives

/// The header before each frame of a TAP device: `struct virtio_net_hdr_mrg_rxbuf` of virtio 1.2 section 5.1.6, its
/// integers in the host's byte order.
///
/// ```
/// 0 flags   1 gso_type   2 hdr_len   4 gso_size   6 csum_start   8 csum_offset   10 num_buffers
/// ```
package struct VirtioHeader: Hashable {
  /// The checksum of the frame behind it.
  package var checksum = ChecksumState.unverified
  /// Present where the frame stands for several segments.
  package var segmentation: Segmentation?
  /// Bytes of all headers of a frame that stands for several segments; a hint to the one who cuts it.
  var headerLength: UInt16 = 0

  /// Bytes of it.
  static let length = 12

  private enum Flag {
    static let needsChecksum: UInt8 = 1
    static let isVerified: UInt8 = 2
  }

  /// The values of `gso_type`, but for the bit `congestion`, which stands beside those of TCP.
  private enum Kind {
    static let none: UInt8 = 0
    static let tcp4: UInt8 = 1
    static let tcp6: UInt8 = 4
    static let udp: UInt8 = 5
    static let congestion: UInt8 = 0x80
  }

  /// Makes a header of its parts.
  init(checksum: ChecksumState = .unverified, segmentation: Segmentation? = nil, headerLength: Int = 0) {
    self.checksum = checksum
    self.segmentation = segmentation
    self.headerLength = UInt16(clamping: headerLength)
  }

  /// Reads a header; nil where it asks for what the kernel was not told that we can do.
  /// - Precondition: there are 10 bytes at least; the number of buffers behind them is not looked at.
  package init?(_ bytes: Span<UInt8>) {
    if bytes[0] & Flag.needsChecksum != 0 {
      checksum = .partial(start: bytes.native(at: 6, as: UInt16.self), offset: bytes.native(at: 8, as: UInt16.self))
    } else if bytes[0] & Flag.isVerified != 0 {
      checksum = .verified
    }
    headerLength = bytes.native(at: 2, as: UInt16.self)
    let size = bytes.native(at: 4, as: UInt16.self)
    switch bytes[1] & ~Kind.congestion {
    case Kind.none: return
    case Kind.tcp4 where size > 0: segmentation = Segmentation(kind: .tcp4, size: size)
    case Kind.tcp6 where size > 0: segmentation = Segmentation(kind: .tcp6, size: size)
    case Kind.udp where size > 0: segmentation = Segmentation(kind: .udp, size: size)
    default: return nil
    }
  }

  /// Writes the header to `bytes` from `offset` on.
  func write(to bytes: inout MutableSpan<UInt8>, at offset: Int) {
    var (flags, start, place): (UInt8, UInt16, UInt16) = (0, 0, 0)
    switch checksum {
    case .unverified: break
    case .verified: flags = Flag.isVerified
    case .partial(let first, let field): (flags, start, place) = (Flag.needsChecksum, first, field)
    }
    var kind = Kind.none
    switch segmentation?.kind {
    case nil: break
    case .tcp4: kind = Kind.tcp4
    case .tcp6: kind = Kind.tcp6
    case .udp: kind = Kind.udp
    }
    bytes[offset] = flags
    bytes[offset + 1] = kind
    bytes.storeNative(segmentation == nil ? 0 : headerLength, at: offset + 2)
    bytes.storeNative(segmentation?.size ?? 0, at: offset + 4)
    bytes.storeNative(start, at: offset + 6)
    bytes.storeNative(place, at: offset + 8)
    bytes.storeNative(0, at: offset + 10)
  }
}

extension MutableSpan<UInt8> {
  fileprivate mutating func storeNative(_ value: UInt16, at offset: Int) {
    storeBigEndian(UInt16(bigEndian: value), at: offset)
  }
}
