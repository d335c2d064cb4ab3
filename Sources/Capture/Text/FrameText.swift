public import Primitives
import Wire

// Frames as text: for `culvert inspect` and `culvert replay`, and for what a test expects of a capture.
//
// A frame is one line, always the same for the same bytes, and made for comparing two files with `diff`. Whoever prints
// it puts before it what is not in the frame, as `culvert` does: seconds since the first frame, and `>` for a frame of
// the guest's or `<` for one to it.
//
//     0.000000 > ARP who has 10.0.2.2? tell 10.0.2.15 at 52:54:00:12:34:56
//     0.001234 > 10.0.2.15:43210 > 10.0.2.2:80 TCP S seq 0 win 64240 mss 1460 sackOK wscale 7
//     0.001300 < 10.0.2.2:80 > 10.0.2.15:43210 TCP SA seq 0 ack 1 win 65535 mss 65480
//     0.002000 < 10.0.2.2 > 10.0.2.15 ICMP port unreachable [10.0.2.15:1000 > 10.0.2.2:53 UDP length 4]
//     0.003000 > 10.0.2.15:33000 > 198.51.100.1:33434 UDP length 32 (ttl 1)
//
// The order within a line:
// - The hardware addresses, where they are asked for.
// - Where the packet comes from and goes to, with ports where it has them. IPv6 addresses with a port are in brackets.
// - The protocol and its fields by name. A length is that of the payload and stands where there is some.
//   TCP's flags are letters: S SYN, F FIN, R RST, P PSH, A ACK, U URG, E ECE, C CWR, and `-` for none. Where the flow is
//   known (`FlowTracker`), sequence and acknowledgment numbers, SACK blocks and timestamps count from the flow's first
//   and windows are in bytes; else they are as in the frame, like the window of a SYN always.
// - In brackets, within an ICMP error, the packet that it is about.
// - In parentheses what IP says beyond the usual: a time to live other than 64, 128 or 255, a class of service, options,
//   extension headers, which part of a packet a fragment is.
// - In braces, last, everything that is wrong: `{bad TCP checksum 0x1234, should be 0x5678}`.
//
// Text out of a frame is printable ASCII: any other byte, and the backslash, are `\x5c`. What is long is cut, with `...`.

/// Writes frames as text.
public struct FrameText: Sendable {
  /// Whether a line begins with the frame's hardware addresses.
  public var showsHardware: Bool

  /// Makes a writer.
  public init(showsHardware: Bool = false) { self.showsHardware = showsHardware }

  /// A frame on one line, without an end of line.
  ///
  /// - Parameters:
  ///   - frame: The bytes from the first of the Ethernet header; any bytes at all.
  ///   - originalLength: Bytes of the frame on the wire where a capture has only the first of them. What was cut off is
  ///     no fault of the frame's; checksums over it are not looked at.
  ///   - flow: What is known of the frame's flow.
  public func line(of frame: Span<UInt8>, originalLength: Int? = nil, flow: FlowReference? = nil) -> String {
    var decoder = FrameDecoder(purpose: .line, flow: flow)
    decoder.showsHardware = showsHardware
    decoder.decode(frame, originalLength: originalLength)
    return decoder.line
  }

  /// All fields of a frame in the order of its bytes; every byte belongs to one at least. What is wrong with a header is
  /// a field called `problem`.
  ///
  /// - Parameters:
  ///   - frame: The bytes from the first of the Ethernet header; any bytes at all.
  ///   - originalLength: Bytes of the frame on the wire where a capture has only the first of them.
  public func fields(of frame: Span<UInt8>, originalLength: Int? = nil) -> [DecodedField] {
    var decoder = FrameDecoder(purpose: .fields, flow: nil)
    decoder.decode(frame, originalLength: originalLength)
    return decoder.fields
  }
}

/// What is known of a frame's flow: for TCP, what the segment's numbers are counted from.
public struct FlowReference: Hashable, Sendable {
  /// The initial sequence number of the segment's sender; nil where it is not known.
  public var sequence: SequenceNumber?
  /// That of its receiver, from which acknowledgments count.
  public var acknowledgment: SequenceNumber?
  /// The first timestamp of the sender.
  public var timestamp: UInt32?
  /// That of the receiver, from which echoes count.
  public var echo: UInt32?
  /// By how many bits the sender's window is to be shifted; nil where that is not known.
  public var windowScale: UInt8?
  /// Whether the datagram is of a TFTP transfer, which has ports of its own but for the request's.
  public var carriesTFTP = false

  /// Makes a reference that knows nothing.
  public init() {}
}
