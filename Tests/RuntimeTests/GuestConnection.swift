import LinuxSystem
import Netstack
import Primitives
import Simulation
import Testing

/// A guest's end of a connection to a port of the host's loopback. What is acknowledged, and when, is up to the test: the
/// guest may say that it has what it has not even read.
final class GuestConnection {
  let guest: GuestEnd
  let local: Endpoint
  /// The server's end, once there is one.
  private(set) var server: Socket?
  /// What has come in order.
  private(set) var received: [UInt8] = []

  private let listener: Socket
  private let remote: Endpoint
  private let hardware: MACAddress
  private let start = SequenceNumber(1000)
  private var remoteStart: SequenceNumber?
  private static let settings = NetworkSettings()

  /// Makes a server, and the end of the guest with this last byte in its addresses.
  init(_ guest: GuestEnd, from last: UInt8) throws {
    self.guest = guest
    hardware = MACAddress(0x52, 0x54, 0, 0, 0, last)
    local = Endpoint(IPv4Address(10, 0, 2, last), port: 40_000)
    let address = SocketAddress.internet(Endpoint(.loopback, port: 0))
    listener = try Socket(.stream, for: address)
    try listener.bind(to: address)
    try listener.listen()
    let port = try #require(try listener.localAddress().endpoint?.port)
    remote = Endpoint(Self.settings.ipv4Gateway, port: port)
  }

  /// The handshake.
  func open(_ loop: LoopUnderTest) throws {
    try send(.syn, at: 0, options: [.mss(1460), .windowScale(10)])
    try loop.run {
      try read()
      return remoteStart != nil
    }
    try acknowledge(0)
    try loop.run {
      if server == nil { server = try listener.accept() }
      return server != nil
    }
  }

  /// Tells the stack that the first `count` bytes are there.
  func acknowledge(_ count: Int) throws { try send(.ack, at: 1, acknowledging: 1 + count) }

  /// Reads what has come.
  func read() throws {
    for bytes in try guest.takeFrames() {
      guard case .tcp(let segment)? = try PlainFrame(decoding: bytes).payload else { continue }
      if segment.flags.contains(.syn) { remoteStart = segment.sequence }
      guard let remoteStart, !segment.payload.isEmpty else { continue }
      let place = segment.sequence - remoteStart - 1
      try #require(place <= received.count, "a gap")
      received += segment.payload.dropFirst(received.count - place)
    }
  }

  private func send(
    _ flags: PlainTCP.Flags, at place: Int, acknowledging other: Int = 0, options: [PlainTCP.Option] = []
  ) throws {
    var segment = PlainTCP()
    (segment.sourcePort, segment.destinationPort) = (local.port, remote.port)
    segment.sequence = start + place
    segment.flags = flags
    if let remoteStart { segment.acknowledgment = remoteStart + other }
    segment.window = 65_535
    segment.options = options
    let source = try #require(local.address.ipv4)
    let packet = PlainIPv4(from: source, to: Self.settings.ipv4Gateway, .tcp(segment))
    let frame = PlainFrame(destination: Self.settings.gatewayMAC, source: hardware, .ipv4(packet)).encoded
    try guest.writeAll([0, 0, UInt8(frame.count >> 8), UInt8(frame.count & 0xff)] + frame)
  }
}
