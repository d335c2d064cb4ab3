import Buffers
import Netstack
import Primitives
import Simulation

/// A stack on a simulated host.
final class Bench {
  static let batchSize = 64

  var stack: Stack<SimulatedHost, NoObserver>
  var sink = CountingSink()
  var batch = FrameList(capacity: Bench.batchSize, byteCapacity: Bench.batchSize * 65_600)
  private(set) var now = Instant(nanoseconds: 1_000_000_000)

  /// The guest's end of what is measured.
  private(set) var guest: GuestEnd

  /// A guest that speaks to a server outside.
  convenience init(over family: IPAddress.Family) {
    switch family {
    case .ipv4: self.init(to: Endpoint(IPv4Address(192, 0, 2, 1), port: 5001))
    case .ipv6: self.init(to: Endpoint(IPAddress(IPv6Address(high: 0x2001_0db8 << 32, low: 1)), port: 5001))
    }
  }

  init(to remote: Endpoint) {
    let settings = NetworkSettings()
    let address =
      switch remote.address.family {
      case .ipv4: IPAddress(settings.ipv4FirstLease)
      case .ipv6: IPAddress(IPv6Address(high: settings.ipv6Prefix.network.high, low: 0x15))
      }
    guest = GuestEnd(Endpoint(address, port: 50_000), to: remote)
    var host = SimulatedHost()
    var service = RemoteService()
    service.keepsBytes = false
    service.sendBufferSize = 32 << 20
    service.receiveBufferSize = 32 << 20
    host.services[remote] = service
    host.keepsDatagrams = false
    stack = Stack(settings: settings, host: host, observer: NoObserver(), seed: (1, 2, 3, 4))
    stack.attach(.first, at: now, into: &sink)
  }

  // MARK: Turns

  func load(_ frames: [[UInt8]]) {
    batch.removeAll()
    for frame in frames where !batch.append(frame.span, port: .first) { fatalExit("the batch is too small") }
  }

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
    load([guest.segment(.syn, at: 0, ack: 0, options: [.mss(mss), .windowScale(10)])])
    receive()
    deliverEvents()
    guest.take(synAck: sink.lastFrame)
    sink.keepsLastFrame = false
    load([guest.segment(.ack, at: 1, ack: 1)])
    receive()
    deliverEvents()
    guard let connection = stack.host.allConnections.last else { fatalExit("the host has no connection") }
    return connection
  }
}
