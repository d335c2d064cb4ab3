import Buffers
import Netstack
import Primitives
import Simulation

/// A stack with a crowd of idle flows, and one flow among them that has something to do.
final class Crowd {
  /// What the crowd is made of, and the one.
  enum Kind: String, CaseIterable {
    /// Established connections; a request and its response on one of them.
    case streams = "TCP request and response among idle connections"
    /// Mappings, each with a deadline; a datagram and its answer on one of them.
    case datagrams = "UDP request and response among idle mappings"
    /// The same mappings; a connection whose every response sets a timer, which the acknowledgment cancels.
    case timers = "timers of a TCP request and response among idle mappings"
  }

  /// Events of one round: frames of the guest and events of the host.
  let eventsPerRound: Int
  private let kind: Kind
  private var stack: Stack<QuietHost, NoObserver>
  private var sink = CountingSink()
  private var batch = FrameList(capacity: 1, byteCapacity: 2048)
  private var now = Instant(nanoseconds: 1_000_000_000)
  private var active: (flow: FlowID, guest: Endpoint, remote: Endpoint, stackStart: SequenceNumber)
  /// Bytes sent so far, each way.
  private var place = 1
  /// The frames of the coming rounds, made before they are measured.
  private var frames: [[UInt8]] = []

  private static let payload = [UInt8](repeating: 0x5a, count: 100)
  private static let guestStart = SequenceNumber(1000)
  private static let mac = MACAddress(0x52, 0x54, 0, 0x12, 0x34, 0x56)
  /// Ports of one guest's address, or of one remote address, before the next address comes.
  private static let portsPerAddress = 50_000

  init(_ kind: Kind, of count: Int) {
    self.kind = kind
    eventsPerRound = kind == .datagrams ? 2 : 3
    var settings = NetworkSettings()
    settings.maximumFlows = count + 1
    stack = Stack(settings: settings, host: QuietHost(), observer: NoObserver(), seed: (1, 2, 3, 4))
    active = (FlowID(index: 0, generation: 0), Self.guest(0), Self.server(0), SequenceNumber(0))
    stack.attach(.first, at: now, into: &sink)
    for index in 0..<count {
      if kind == .streams { connect(index) } else { map(index) }
    }
    if kind == .timers { connect(count) }
  }

  // MARK: The crowd

  /// Guests' ports of the crowd: one mapping each.
  private static func guest(_ index: Int) -> Endpoint {
    let address = IPv4Address(10, 0, 2, UInt8(15 + index / portsPerAddress))
    return Endpoint(IPAddress(address), port: UInt16(10_000 + index % portsPerAddress))
  }

  /// Far ends: another address as soon as the guest's ports have all been there.
  private static func server(_ index: Int) -> Endpoint {
    Endpoint(IPAddress(IPv4Address(192, 0, 2, UInt8(1 + index / portsPerAddress))), port: 80)
  }

  private func connect(_ index: Int) {
    let port = UInt16(10_000 + index % Self.portsPerAddress)
    active.guest = Endpoint(IPAddress(IPv4Address(10, 0, 2, 15)), port: port)
    active.remote = Self.server(index)
    sink.keepsLastFrame = true
    receive(segment(.syn, at: 0, ack: 0, options: [.mss(1460), .windowScale(7)]))
    guard let flow = stack.host.latest else { fatalExit("no flow was opened") }
    hear(.writable, of: flow)
    guard let answer = try? PlainFrame(decoding: sink.lastFrame), case .tcp(let synAck)? = answer.ipv4?.payload else {
      fatalExit("the SYN got no answer")
    }
    sink.keepsLastFrame = false
    active.flow = flow
    active.stackStart = synAck.sequence
    receive(segment(.ack, at: 1, ack: 1))
  }

  private func map(_ index: Int) {
    active.guest = Self.guest(index)
    active.remote = Self.server(0)
    receive(request())
    guard let flow = stack.host.latest else { fatalExit("no flow was opened") }
    active.flow = flow
  }

  // MARK: Rounds

  /// Makes the frames of so many rounds.
  func prepare(rounds: Int) {
    frames.removeAll(keepingCapacity: true)
    guard kind != .datagrams else {
      frames = Array(repeating: request(), count: rounds)
      return
    }
    for _ in 0..<rounds {
      frames.append(segment(.ack, at: place, ack: place, payload: Self.payload))
      place += Self.payload.count
      frames.append(segment(.ack, at: place, ack: place))
    }
  }

  /// Runs the rounds that were prepared.
  func run() {
    let before = sink.payloadBytes
    if kind == .datagrams {
      stack.host.peer = active.remote
      for frame in frames {
        receive(frame)
        stack.host.datagramCount = 1
        hear(.readable, of: active.flow)
      }
    } else {
      for round in 0..<(frames.count / 2) {
        receive(frames[2 * round])
        stack.host.unreadByteCount += Self.payload.count
        hear(.readable, of: active.flow)
        receive(frames[2 * round + 1])
      }
    }
    let answers = kind == .datagrams ? frames.count : frames.count / 2
    guard sink.payloadBytes - before == answers * Self.payload.count else {
      fatalExit("\(kind.rawValue): bytes were lost")
    }
  }

  private func receive(_ frame: [UInt8]) {
    batch.removeAll()
    if !batch.append(frame.span, port: .first) { fatalExit("the batch is too small") }
    now = now + .microseconds(1)
    stack.receive(batch.batch, at: now, into: &sink)
    finishTurn()
  }

  private func hear(_ readiness: HostReadiness, of flow: FlowID) {
    stack.hostReady(flow, readiness, at: now, into: &sink)
    finishTurn()
  }

  private func finishTurn() {
    while stack.nextDeadline <= now { stack.advance(to: now, into: &sink) }
  }

  // MARK: Frames

  private func request() -> [UInt8] {
    frame(.udp(PlainUDP(sourcePort: active.guest.port, destinationPort: active.remote.port, payload: Self.payload)))
  }

  /// A segment of the guest's; places count from each side's SYN.
  private func segment(
    _ flags: PlainTCP.Flags, at place: Int, ack: Int, options: [PlainTCP.Option] = [], payload: [UInt8] = []
  ) -> [UInt8] {
    var segment = PlainTCP()
    segment.sourcePort = active.guest.port
    segment.destinationPort = active.remote.port
    segment.sequence = Self.guestStart + place
    segment.acknowledgment = active.stackStart + ack
    segment.flags = flags
    segment.window = 65_535
    segment.options = options
    segment.payload = payload
    return frame(.tcp(segment))
  }

  private func frame(_ payload: PlainIPv4.Payload) -> [UInt8] {
    guard let source = active.guest.address.ipv4, let destination = active.remote.address.ipv4 else {
      fatalExit("the crowd speaks IPv4")
    }
    let packet = PlainIPv4(from: source, to: destination, payload)
    return PlainFrame(destination: NetworkSettings().gatewayMAC, source: Self.mac, .ipv4(packet)).encoded
  }
}

/// What an event costs among more and more idle flows.
struct CrowdMeasurement {
  static let sizes = [10, 1000, 10_000, 100_000]
  /// The dearest may cost so much more than the cheapest.
  static let tolerance = 1.5

  let kind: Crowd.Kind
  /// What was measured, by size.
  let measurements: [Measurement]

  /// Measures all sizes in turns, so that what else the machine does disturbs them alike.
  init(_ kind: Crowd.Kind, sizes: [Int] = Self.sizes) {
    self.kind = kind
    let (turns, roundsPerTurn) = (41, 200)
    let crowds = sizes.map { Crowd(kind, of: $0) }
    var measurements = sizes.map { Measurement("\($0)") }
    for turn in 0..<turns {
      for (place, crowd) in crowds.enumerated() {
        crowd.prepare(rounds: roundsPerTurn)
        measurements[place].measure(isWarm: turn > 2) {
          crowd.run()
          return (roundsPerTurn * crowd.eventsPerRound, 0)
        }
      }
    }
    self.measurements = measurements
  }

  /// Nanoseconds for each event, by size.
  var nanoseconds: [Double] { measurements.map(\.nanoseconds) }

  /// The dearest by the cheapest.
  var spread: Double { (nanoseconds.max() ?? 0) / max(nanoseconds.min() ?? 0, 0.001) }

  /// A row of the table.
  var row: String {
    "| \(kind.rawValue) | " + nanoseconds.map { "\($0.tenths) | " }.joined() + "\(spread.tenths) |"
  }
}
