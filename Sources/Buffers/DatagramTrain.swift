/// Datagrams that can travel as one and be cut again behind every so many bytes (UDP_SEGMENT and UDP_GRO of udp(7), a
/// frame with a `Segmentation`): all of one length, but for the last, which may be shorter; none of them empty.
public struct DatagramTrain {
  private let size: Int
  private var byteCount: Int
  private var isComplete: Bool
  /// How many there are.
  public private(set) var count = 1

  /// The most datagrams: what a socket takes and gives at once (UDP_MAX_SEGMENTS before Linux 6.9).
  public static var mostDatagrams: Int { 64 }
  /// The most bytes: the payload of the longest packet, with room for either IP's header.
  public static var mostBytes: Int { 65_535 - 48 }

  /// Begins with a datagram of `byteCount` bytes. An empty one travels alone.
  public init(_ byteCount: Int) {
    size = byteCount
    self.byteCount = byteCount
    isComplete = byteCount == 0
  }

  /// Takes a datagram of `byteCount` bytes at the end; false where it must travel by itself.
  public mutating func append(_ byteCount: Int) -> Bool {
    guard !isComplete, byteCount > 0, byteCount <= size, count < Self.mostDatagrams,
      self.byteCount + byteCount <= Self.mostBytes
    else { return false }
    self.byteCount += byteCount
    count += 1
    isComplete = byteCount < size
    return true
  }
}
