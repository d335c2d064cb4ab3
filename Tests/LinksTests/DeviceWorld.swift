import Buffers
import Glibc
import Links
import LinuxSystem
import Primitives
import Testing

@testable import Simulation

/// A TAP device in a network namespace of the test's own, in which we are 10.77.0.2 and the kernel 10.77.0.1.
struct DeviceWorld {
  static let kernel = Endpoint(IPv4Address(10, 77, 0, 1), port: 9000)
  static let other = Endpoint(IPv4Address(10, 77, 0, 2), port: 7)
  /// Ours; the kernel's is learned from its first frame.
  static let station = MACAddress(0x52, 0x54, 0, 0, 0, 2)
  /// Where the transport's header begins, over IPv4.
  static let transport = 34

  /// The link on the device.
  let owner: Owner
  /// The device's name.
  let name: String
  /// The hardware address of the kernel's end.
  let kernelStation: MACAddress

  /// Makes the device, up unless the test says otherwise. IPv6 is off: it has things to say unasked.
  init(_ device: consuming TAPDevice, isUp: Bool = true) throws {
    name = device.name
    kernelStation = MACAddress(0x52, 0x54, 0, 0, 0, 1)
    try Self.run(
      """
      set -e
      echo 1 >/proc/sys/net/ipv6/conf/\(name)/disable_ipv6
      ip link set \(name) address \(kernelStation)
      ip address add 10.77.0.1/24 dev \(name)
      ip link set \(name) \(isUp ? "up" : "down")
      """)
    if isUp { try Self.run(Self.neighbor(name)) }
    owner = try Owner(device)
    try owner.turn()
  }

  private static func neighbor(_ name: String) -> String {
    "ip neighbor replace 10.77.0.2 lladdr \(station) dev \(name)"
  }

  func setUp() throws { try Self.run("ip link set \(name) up; \(Self.neighbor(name))") }
  func setDown() throws { try Self.run("ip link set \(name) down") }
  func remove() throws { try Self.run("ip link delete \(name)") }

  private static func run(_ script: String) throws {
    let child = try ChildProcess(["/bin/sh", "-c", script])
    try wait(child.descriptor.rawValue, for: .readable)
    let exit = try child.exit()
    try #require(exit == .status(0), "\(script)")
  }

  // MARK: Traffic

  /// A socket of the kernel's end.
  func socket() throws -> Peer {
    let socket = try Socket(.datagram, for: .internet(Self.kernel))
    try socket.bind(to: .internet(Self.kernel))
    let isConnected = try socket.connect(to: .internet(Self.other))
    try #require(isConnected)
    return Peer(socket)
  }

  /// A frame with a datagram of ours, complete.
  func frame(_ payload: [UInt8]) throws -> [UInt8] {
    let datagram = PlainUDP(
      sourcePort: Self.other.port, destinationPort: Self.kernel.port, payload: payload)
    let (from, to) = try (#require(Self.other.address.ipv4), #require(Self.kernel.address.ipv4))
    return PlainFrame(
      destination: kernelStation, source: Self.station, .ipv4(PlainIPv4(from: from, to: to, .udp(datagram)))
    ).encoded
  }

  /// The same with nothing but the pseudo-header's sum for a checksum.
  func unfinishedFrame(_ payload: [UInt8]) throws -> [UInt8] {
    var bytes = try frame(payload)
    let length = bytes.count - Self.transport
    let sum = ~plainChecksum(plainPseudoHeader(Self.other.address, Self.kernel.address, 17, length))
    bytes.store(sum, at: Self.transport + 6)
    return bytes
  }

  /// The payloads of the datagrams that have come from the kernel, cut where they came together; their checksums, and
  /// all else, are examined.
  func payloads() throws -> [[UInt8]] {
    var payloads: [[UInt8]] = []
    let cutter = FrameCutter(offloads: [.checksum, .tcp4, .tcp6, .udp])
    for (bytes, descriptor) in zip(owner.frames, owner.descriptors) {
      let frame = LinkFrame(bytes, checksum: descriptor.checksum, segmentation: descriptor.segmentation)
      for piece in try cutter.cut(frame) {
        guard case .udp(let datagram)? = try PlainFrame(decoding: piece).payload else { continue }
        payloads.append(datagram.payload)
      }
    }
    return payloads
  }

  /// What a socket of the kernel's receives next.
  func receive(on socket: Peer) throws -> [UInt8]? {
    try wait(socket.socket.rawValue, for: .readable)
    return try socket.receive()
  }
}

/// Runs `body` in a network namespace of its own.
///
/// A test does not change its thread before it returns, so that the thread can be given a network meanwhile.
func withOwnNetwork(_ body: () throws -> Void) throws {
  let before = try FileDescriptor.open(reading: "/proc/thread-self/ns/net")
  try Namespace.make([.network])
  defer {
    do throws(SystemError) {
      try Namespace.enter(.network, before)
    } catch {
      preconditionFailure("the way back is lost: \(error)")
    }
  }
  try body()
}

extension Trait where Self == ConditionTrait {
  /// The test needs root, for network namespaces; without, it fails in CI and is skipped elsewhere.
  static var needsRoot: ConditionTrait {
    .enabled(if: geteuid() == 0 || ProcessControl.environment("CI") == "true", "this test needs root")
  }
}
