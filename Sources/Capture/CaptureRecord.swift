/// Which way a frame crossed the link between a guest and its network.
public enum CaptureDirection: Hashable, Sendable, BitwiseCopyable {
  /// The guest has sent it.
  case fromGuest
  /// It was sent to the guest.
  case toGuest
}

/// The head of one captured frame; its bytes go beside it.
public struct CaptureRecord: Hashable, Sendable, BitwiseCopyable {
  /// The time of day, in nanoseconds since the beginning of 1970, UTC.
  public var time: Int64
  /// Bytes of the frame on the wire, from the Ethernet header on, without FCS. The bytes captured may be fewer.
  public var originalLength: Int
  /// Which way it went. A pcap file has no place for it, and libpcap does not hand on what a pcapng file says: nil
  /// from a `CaptureReader`, and unused by a `CaptureWriter`. Hardware addresses tell it as well.
  public var direction: CaptureDirection?

  /// Makes a record of its parts.
  public init(time: Int64, originalLength: Int, direction: CaptureDirection? = nil) {
    self.time = time
    self.originalLength = originalLength
    self.direction = direction
  }
}
