import Buffers
import Netstack
import Primitives
import Simulation

/// A stack with a crowd of idle flows, and one flow among them that has something to do.
struct Crowd: ~Copyable {
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
  private var active: (flow: FlowID, guest: GuestEnd)
  /// Bytes sent so far, each way.
  private var place = 1
  /// The frames of the coming rounds, made before they are measured.
  private var frames: [[UInt8]] = []

  private static let payload = [UInt8](repeating: 0x5a, count: 100)
  /// Ports of one guest's address, or of one remote address, before the next address comes.
  private static let portsPerAddress = 50_000

  init(_ kind: Kind, of count: Int) {
    self.kind = kind
    eventsPerRound = kind == .datagrams ? 2 : 3
    var settings = NetworkSettings()
    settings.maximumFlows = count + 1
    settings.maximumUDPFlows = count + 1
    stack = Stack(settings: settings, host: QuietHost(), observer: NoObserver(), seed: (1, 2, 3, 4))
    active = (FlowID(index: 0, generation: 0), GuestEnd(Self.guest(0), to: Self.server(0)))
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

  private mutating func connect(_ index: Int) {
    let port = UInt16(10_000 + index % Self.portsPerAddress)
    active.guest = GuestEnd(Endpoint(IPv4Address(10, 0, 2, 15), port: port), to: Self.server(index))
    sink.keepsLastFrame = true
    receive(active.guest.segment(.syn, at: 0, ack: 0, options: [.mss(1460), .windowScale(7)]))
    takeFlow()
    hear(.writable)
    active.guest.take(synAck: sink.lastFrame)
    sink.keepsLastFrame = false
    receive(active.guest.segment(.ack, at: 1, ack: 1))
  }

  private mutating func map(_ index: Int) {
    active.guest = GuestEnd(Self.guest(index), to: Self.server(0))
    receive(active.guest.datagram(Self.payload))
    takeFlow()
  }

  private mutating func takeFlow() {
    guard let flow = stack.host.latest else { fatalExit("no flow was opened") }
    active.flow = flow
  }

  // MARK: Rounds

  /// Makes the frames of so many rounds.
  mutating func prepare(rounds: Int) {
    frames.removeAll(keepingCapacity: true)
    guard kind != .datagrams else {
      frames = Array(repeating: active.guest.datagram(Self.payload), count: rounds)
      return
    }
    for _ in 0..<rounds {
      frames.append(active.guest.segment(.ack, at: place, ack: place, payload: Self.payload))
      place += Self.payload.count
      frames.append(active.guest.segment(.ack, at: place, ack: place))
    }
  }

  /// Runs the rounds that were prepared.
  mutating func run() {
    let before = sink.payloadBytes
    if kind == .datagrams {
      stack.host.peer = active.guest.remote
      for frame in frames {
        receive(frame)
        stack.host.datagramCount = 1
        hear(.readable)
      }
    } else {
      for round in 0..<(frames.count / 2) {
        receive(frames[2 * round])
        stack.host.unreadByteCount += Self.payload.count
        hear(.readable)
        receive(frames[2 * round + 1])
      }
    }
    let answers = kind == .datagrams ? frames.count : frames.count / 2
    guard sink.payloadBytes - before == answers * Self.payload.count else {
      fatalExit("\(kind.rawValue): bytes were lost")
    }
  }

  private mutating func receive(_ frame: [UInt8]) {
    batch.removeAll()
    if !batch.append(frame.span, port: .first) { fatalExit("the batch is too small") }
    now = now + .microseconds(1)
    stack.receive(batch, at: now, into: &sink)
    finishTurn()
  }

  private mutating func hear(_ readiness: HostReadiness) {
    stack.hostReady(active.flow, readiness, at: now, into: &sink)
    finishTurn()
  }

  private mutating func finishTurn() {
    while stack.nextDeadline <= now { stack.advance(to: now, into: &sink) }
  }
}

extension Stack where Host: ~Copyable, Watcher: ~Copyable {
  /// The frames are borrowed as a list: a batch of them, made where the stack is modified, counts as an overlapping
  /// access to the crowd.
  fileprivate mutating func receive<Sink: FrameSink & ~Copyable>(
    _ frames: borrowing FrameList, at now: Instant, into sink: inout Sink
  ) {
    receive(frames.batch, at: now, into: &sink)
  }
}

/// A crowd's place in an array.
private final class CrowdPlace {
  var crowd: Crowd

  init(_ crowd: consuming Crowd) { self.crowd = crowd }
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
    let places = sizes.map { CrowdPlace(Crowd(kind, of: $0)) }
    var measurements = sizes.map { Measurement("\($0)") }
    for turn in 0..<turns {
      for (number, place) in places.enumerated() {
        place.crowd.prepare(rounds: roundsPerTurn)
        measurements[number].measure(isWarm: turn > 2) {
          place.crowd.run()
          return (roundsPerTurn * place.crowd.eventsPerRound, 0)
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
