import Glibc
import LinuxSystem

/// A TAP device: frames that the kernel sends on it are read here, and frames written here it receives. It goes with
/// this value. Needs CAP_NET_ADMIN.
final class TAP: Sendable {
  let name: String
  private let descriptor: FileDescriptor

  /// Makes the device, in the network namespace of this process; it may be moved to another.
  init(name: String) throws {
    self.name = name
    // From <linux/if_tun.h>: TUNSETIFF takes a struct ifreq, of 40 bytes: the name in 16, then the flags.
    let setInterface: UInt = 0x4004_54ca
    let (tapDevice, noPacketInformation): (UInt16, UInt16) = (0x0002, 0x1000)
    let opened = unsafe open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC)
    guard opened >= 0 else { throw Failure("cannot open /dev/net/tun: error \(errno)") }
    descriptor = FileDescriptor(owning: opened)
    var request = [UInt8](repeating: 0, count: 40)
    for (index, byte) in name.utf8.prefix(15).enumerated() { request[index] = byte }
    let flags = tapDevice | noPacketInformation
    request[16] = UInt8(truncatingIfNeeded: flags)
    request[17] = UInt8(truncatingIfNeeded: flags >> 8)
    // SAFETY: the request is as long as the system takes it for, and lives through the call.
    let result = unsafe request.withUnsafeMutableBytes { buffer in
      guard let base = buffer.baseAddress else { return Int32(-1) }
      return unsafe ioctl(opened, setInterface, base)
    }
    guard result >= 0 else { throw Failure("cannot make the TAP device \(name): error \(errno)") }
  }

  var rawValue: Int32 { descriptor.rawValue }

  /// The next frame that the kernel sent, nil where there is none.
  func read(into buffer: inout [UInt8]) throws -> ArraySlice<UInt8>? {
    var span = buffer.mutableSpan
    guard let count = try descriptor.read(into: &span) else { return nil }
    return buffer[..<count]
  }

  /// Gives the kernel a frame; where its queue is full, the frame is lost, as on any path.
  func write(_ frame: ArraySlice<UInt8>) throws { _ = try descriptor.write(frame.span) }
}
