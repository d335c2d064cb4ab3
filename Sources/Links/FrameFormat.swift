/// How frames lie in what a link reads and writes.
public enum FrameFormat: Hashable, Sendable {
  /// QEMU's framing of a byte stream, `StreamFraming`: many frames by one call.
  case stream
  /// A TAP device: one frame by each call, behind a `VirtioHeader` of `headerLength` bytes, or 0.
  case device(headerLength: Int)

  /// Bytes that are written before each frame: a length, which to a device is not written, and the device's header.
  var prefixLength: Int { StreamFraming.prefixLength + headerLength }

  /// Bytes of the device's header.
  var headerLength: Int {
    switch self {
    case .stream: 0
    case .device(let headerLength): headerLength
    }
  }
}

/// The limits of QEMU's stream framing: each frame follows its length, a big-endian integer of four bytes.
public enum StreamFraming {
  /// Bytes before each frame.
  public static let prefixLength = 4
  /// The longest frame, in bytes: QEMU's NET_BUFSIZE. QEMU too closes a link on which a longer one is announced.
  public static let maximumFrameLength = 69_632
}
