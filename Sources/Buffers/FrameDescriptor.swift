/// A port of the virtual network: the place where one link, and behind it usually one guest, is attached.
public struct PortID: RawRepresentable, Hashable, Sendable, BitwiseCopyable {
  /// The port's index, counted from 0.
  public let rawValue: UInt16

  /// Makes a port identifier of its index.
  @inlinable
  public init(rawValue: UInt16) { self.rawValue = rawValue }

  /// The first port, the only one of a network with one guest.
  public static let first = PortID(rawValue: 0)
}

/// What is known of a frame's transport checksum.
public enum ChecksumState: Hashable, Sendable, BitwiseCopyable {
  /// Nobody has looked: the receiver verifies it, the sender has written it in full.
  case unverified
  /// A trusted party (the kernel's TAP) has verified it.
  case verified
  /// Only the pseudo-header's sum is in the field at `start + offset`; the sum over the bytes from `start` to the end
  /// of the frame is left to the receiver. Both count in bytes from the frame's first.
  case partial(start: UInt16, offset: UInt16)
}

/// A frame that stands for several segments, to be cut by whoever needs them apart.
public struct Segmentation: Hashable, Sendable, BitwiseCopyable {
  /// Which protocol's segments the frame stands for.
  public enum Kind: Sendable, BitwiseCopyable { case tcp4, tcp6, udp }

  /// The protocol of the segments.
  public var kind: Kind
  /// Payload bytes in each segment but the last.
  public var size: UInt16

  /// Makes a segmentation of its parts.
  @inlinable
  public init(kind: Kind, size: UInt16) {
    self.kind = kind
    self.size = size
  }

  /// Payload bytes in each datagram of UDP but the last; nil for TCP, whose segments have no ends.
  @inlinable
  public var datagramSize: Int? { kind == .udp ? Int(size) : nil }
}

/// What a link does for the frames that go out by it.
public struct LinkOffloads: OptionSet, Hashable, Sendable {
  /// The bits.
  public let rawValue: UInt8

  /// Makes a set of its bits.
  @inlinable
  public init(rawValue: UInt8) { self.rawValue = rawValue }

  /// It completes transport checksums (`ChecksumState.partial`).
  public static let checksum = LinkOffloads(rawValue: 1)
  /// It cuts frames into segments of TCP over IPv4.
  public static let tcp4 = LinkOffloads(rawValue: 2)
  /// It cuts frames into segments of TCP over IPv6.
  public static let tcp6 = LinkOffloads(rawValue: 4)
  /// It cuts frames into datagrams of UDP.
  public static let udp = LinkOffloads(rawValue: 8)

  /// Whether the link does what a frame of such a checksum and segmentation asks for.
  @inlinable
  public func allow(_ checksum: ChecksumState, _ segmentation: Segmentation?) -> Bool {
    if case .partial = checksum, !contains(.checksum) { return false }
    switch segmentation?.kind {
    case nil: return true
    case .tcp4: return contains(.tcp4)
    case .tcp6: return contains(.tcp6)
    case .udp: return contains(.udp)
    }
  }
}

/// What travels with a frame: where it came from or goes to, its lengths and its offloads.
public struct FrameDescriptor: Hashable, Sendable, BitwiseCopyable {
  /// The port the frame came in by, or goes out by.
  public var port: PortID
  /// Bytes of the frame that lie in the contiguous header part, from the first byte of the Ethernet header.
  public var headerLength: UInt16
  /// Bytes of the whole frame from the first byte of the Ethernet header; there is no FCS.
  public var byteCount: UInt32
  /// What is known of the transport checksum.
  public var checksum: ChecksumState
  /// Present where the frame stands for several segments.
  public var segmentation: Segmentation?
  /// Whether the packet in it came in fragments, and was put together by us.
  public var isReassembled: Bool

  /// Makes a descriptor of its parts.
  @inlinable
  public init(
    port: PortID, headerLength: Int, byteCount: Int, checksum: ChecksumState = .unverified,
    segmentation: Segmentation? = nil, isReassembled: Bool = false
  ) {
    self.port = port
    self.headerLength = UInt16(headerLength)
    self.byteCount = UInt32(byteCount)
    self.checksum = checksum
    self.segmentation = segmentation
    self.isReassembled = isReassembled
  }
}

/// Where a frame that one guest sends to another goes.
public enum EgressPorts: Hashable, Sendable {
  /// Out of one port.
  case one(PortID)
  /// Out of every port but the one it came in by.
  case allBut(PortID)
}

/// A range of a frame's bytes in a batch, without a copy.
public struct PayloadSlice: Hashable, Sendable {
  /// The frame's index in its batch.
  public var frame: Int
  /// The first byte, counted from the start of the frame.
  public var offset: Int
  /// The number of bytes.
  public var count: Int

  /// Makes a slice of its parts.
  @inlinable
  public init(frame: Int, offset: Int, count: Int) {
    self.frame = frame
    self.offset = offset
    self.count = count
  }
}
