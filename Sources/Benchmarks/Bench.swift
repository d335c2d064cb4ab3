import Buffers
import Netstack
import Primitives
import Simulation

/// A stack on a simulated host, with a guest that is no more than the frames it sends.
final class Bench {
  static let batchSize = 64
  static let guest = IPv4Address(10, 0, 2, 15)
  static let server = Endpoint(IPv4Address(192, 0, 2, 1), port: 5001)
  private static let mac = MACAddress(0x52, 0x54, 0, 0x12, 0x34, 0x56)
  private static let guestPort: UInt16 = 50_000
  private static let guestStart = SequenceNumber(1000)

  var stack: Stack<SimulatedHost, NoObserver>
  var sink = CountingSink()
  var batch = FrameList(capacity: Bench.batchSize, byteCapacity: Bench.batchSize * 65_600)
  private(set) var now = Instant(nanoseconds: 1_000_000_000)
  private var stackStart = SequenceNumber(0)

  init() {
    var host = SimulatedHost()
    var service = RemoteService()
    service.keepsBytes = false
    service.sendBufferSize = 32 << 20
    service.receiveBufferSize = 32 << 20
    host.services[Self.server] = service
    host.keepsDatagrams = false
    stack = Stack(settings: NetworkSettings(), host: host, observer: NoObserver(), seed: (1, 2, 3, 4))
    stack.attach(.first, at: now, into: &sink)
  }

  // MARK: Frames

  static func frame(_ payload: PlainIPv4.Payload, to destination: IPv4Address) -> [UInt8] {
    let packet = PlainIPv4(from: guest, to: destination, payload)
    return PlainFrame(destination: NetworkSettings().gatewayMAC, source: mac, .ipv4(packet)).encoded
  }

  /// A segment of the guest's; places count from each side's SYN.
  func segment(_ flags: PlainTCP.Flags, at place: Int, ack: Int, mss: UInt16? = nil, payload: [UInt8] = []) -> [UInt8] {
    var segment = PlainTCP()
    segment.sourcePort = Self.guestPort
    segment.destinationPort = Self.server.port
    segment.sequence = Self.guestStart + place
    segment.acknowledgment = stackStart + ack
    segment.flags = flags
    segment.window = 65_535
    if let mss { segment.options = [.mss(mss), .windowScale(10)] }
    segment.payload = payload
    return Self.frame(.tcp(segment), to: IPv4Address(192, 0, 2, 1))
  }

  func load(_ frames: [[UInt8]]) {
    batch.removeAll()
    for frame in frames where !batch.append(frame.span, port: .first) { fatalExit("the batch is too small") }
  }

  // MARK: Turns

  /// The stack receives the batch and does what follows, a microsecond later than the last.
  func receive() {
    now = now + .microseconds(1)
    stack.receive(batch.batch, at: now, into: &sink)
    finishTurn()
  }

  /// The stack hears of what the host has ready.
  func deliverEvents() {
    var flow: FlowID?
    var ready: HostReadiness = []
    stack.host.takeEvents { (flow, ready) = ($0, $1) }
    if let flow { stack.hostReady(flow, ready, at: now, into: &sink) }
    finishTurn()
  }

  private func finishTurn() {
    while stack.nextDeadline <= now { stack.advance(to: now, into: &sink) }
  }

  /// Opens the connection, up to ESTABLISHED.
  func connect(mss: UInt16) -> ConnectionID {
    sink.keepsLastFrame = true
    load([segment(.syn, at: 0, ack: 0, mss: mss)])
    receive()
    deliverEvents()
    guard let answer = try? PlainFrame(decoding: sink.lastFrame), case .tcp(let synAck)? = answer.ipv4?.payload else {
      fatalExit("the SYN got no answer")
    }
    sink.keepsLastFrame = false
    stackStart = synAck.sequence
    load([segment(.ack, at: 1, ack: 1)])
    receive()
    deliverEvents()
    guard let connection = stack.host.allConnections.last else { fatalExit("the host has no connection") }
    return connection
  }
}
