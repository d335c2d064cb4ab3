public import Primitives

/// A frame of a recorded session between a guest and its network.
public struct SessionFrame: Sendable {
  /// When it passed, counted from the session's first frame.
  public let time: Interval
  /// Whether the guest sent it; else it was sent to the guest.
  public let isFromGuest: Bool
  /// The frame from the first byte of its Ethernet header on, whole.
  public let bytes: [UInt8]
  /// What the frame says; nil where it does not decode, which is for the stack to deal with.
  let plain: PlainFrame?

  /// Makes a frame of its bytes.
  public init(at time: Interval, isFromGuest: Bool, _ bytes: [UInt8]) {
    self.time = time
    self.isFromGuest = isFromGuest
    self.bytes = bytes
    plain = try? PlainFrame(decoding: bytes, strictly: false)
  }

  /// The receiver of the IP packet inside, if there is one.
  var packetDestination: IPAddress? {
    plain?.ipv4.map { IPAddress($0.destination) } ?? plain?.ipv6.map { IPAddress($0.destination) }
  }

  /// The TCP segment inside, with the ends of its connection, if there is one.
  var segment: (ends: SessionFlow, tcp: PlainTCP)? {
    guard case .tcp(let segment)? = plain?.payload, let source = plain?.packetSource,
      let destination = packetDestination
    else { return nil }
    let (sender, receiver) = (
      Endpoint(source, port: segment.sourcePort), Endpoint(destination, port: segment.destinationPort)
    )
    let ends =
      isFromGuest ? SessionFlow(guest: sender, remote: receiver) : SessionFlow(guest: receiver, remote: sender)
    return (ends, segment)
  }
}

/// The two ends of a connection, as the guest sees them.
struct SessionFlow: Hashable, Sendable {
  let guest: Endpoint
  let remote: Endpoint
}
