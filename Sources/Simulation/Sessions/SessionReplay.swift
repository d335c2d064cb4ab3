public import Netstack
import Primitives

/// The guest's side of a recorded session, played again to a new stack whose world does what it did then (`SessionWorld`).
///
/// Frames and events come at the times at which they came, but for those that take up what the stack itself says: the
/// guest's are translated (`GuestTranslation`), so that it acknowledges what the stack has sent, and answers of name
/// servers come as soon as they are asked for.
public struct SessionReplay {
  /// What has passed, in its order: the guest's frames as the stack got them, and what it said.
  public private(set) var frames: [SessionFrame] = []
  /// Everything that is wrong with what the stack said and did, as the lab sees it.
  public private(set) var problems: [String] = []
  /// What of the world's doings had no place, since the stack has not done what was done then; in words.
  public private(set) var notes: [String] = []

  /// The name server that the stack asks.
  private static let nameServer = Endpoint(IPv4Address(192, 0, 2, 53), port: 53)
  /// How long the stack is listened to behind the last frame.
  private static let aftermath = Interval.seconds(1)

  private let world: SessionWorld
  private let lab: Lab
  private let forwards: [PortForward]
  private let start: Instant
  private var translation = GuestTranslation()
  /// The far ends of the streams that are open, by their places among the world's.
  private var peers: [Int: Peer] = [:]
  private var answeredDatagrams = 0
  private var answeredStreams: [Int: Int] = [:]

  /// Plays a session of one guest to a stack with these settings and forwards.
  public init(_ session: [SessionFrame], settings: NetworkSettings, forwards: [PortForward] = []) throws(CommandError) {
    var options = Lab.Options()
    options.settings = settings
    world = SessionWorld(session, settings: settings)
    lab = Lab(options)
    start = lab.now
    self.forwards = forwards
    lab.guest.answersARP = false
    lab.guest.keepsFrames = false
    // What the guest makes of advertisements is in its own frames.
    if let guest = session.first(where: { $0.isFromGuest })?.plain { lab.guest.mac = guest.source }
    prepareHost()
    let log = FrameLog()
    lab.frameWatcher = { bytes, isFromGuest, at in log.frames.append((at, isFromGuest, bytes)) }
    try lab.apply(.setResolvers([Self.nameServer]))
    for forward in forwards { try lab.apply(.addForward(forward)) }
    play(session, log)
    problems = lab.problems
  }

  private final class FrameLog {
    var frames: [(at: Instant, isFromGuest: Bool, bytes: [UInt8])] = []
  }

  private func prepareHost() {
    lab.host.defaultService = RemoteService(.isSilent)
    lab.host.services[Self.nameServer] = RemoteService()
    lab.host.echoResponders = world.echoResponders
    for (address, routers) in world.routers { lab.host.paths[address] = NetworkPath(through: routers) }
    for (name, blocks) in world.files {
      lab.host.files[name] = SimulatedFile(blocks.sorted { $0.key < $1.key }.flatMap(\.value))
    }
  }

  // MARK: Playing

  private mutating func play(_ session: [SessionFrame], _ log: FrameLog) {
    var events = world.events[...]
    for (index, frame) in session.enumerated() {
      while let next = events.first, next.time <= frame.time {
        events.removeFirst()
        advance(to: next.time, log)
        perform(next.event)
        settle(log)
      }
      guard frame.isFromGuest else {
        translation.passed(recorded: frame)
        continue
      }
      advance(to: frame.time, log)
      lab.guest.send(translation.translate(frame, refused: world.refusedOptions[index] ?? []))
      settle(log)
    }
    advance(to: (session.last?.time ?? .zero) + Self.aftermath, log)
  }

  private mutating func advance(to time: Interval, _ log: FrameLog) {
    let rest = start + time - lab.now
    if rest > .zero { lab.advance(by: rest) }
    settle(log)
  }

  /// Lets everybody answer who has been asked.
  private mutating func settle(_ log: FrameLog) {
    lab.settle()
    while answerNames() { lab.settle() }
    for (at, isFromGuest, bytes) in log.frames {
      let frame = SessionFrame(at: at - start, isFromGuest: isFromGuest, bytes)
      if !isFromGuest { translation.passed(replayed: frame) }
      frames.append(frame)
    }
    log.frames.removeAll()
  }

  // MARK: The world

  private mutating func perform(_ event: SessionWorld.Event) {
    switch event {
    case .offers(let place, let service): lab.host.services[place] = service
    case .connects(let stream): connectClient(of: stream)
    case .writes(let stream, let bytes): withPeer(of: stream) { $0.write(bytes) }
    case .finishes(let stream): withPeer(of: stream) { $0.finish() }
    case .resets(let stream): withPeer(of: stream) { $0.reset() }
    case .reads(let stream): withPeer(of: stream) { $0.setReadsAtOnce(true) }
    case .datagram(let source, let port, let bytes):
      let place = forward(.udp, toGuestPort: port)?.port ?? port
      guard lab.datagramFlow(onPort: place) != nil else { return note("a datagram for the guest's port \(port)") }
      lab.deliver(bytes, from: source, toPort: place)
    case .failure(let port, let failure):
      guard let flow = lab.datagramFlow(onPort: port) else { return note("an error for the guest's port \(port)") }
      lab.host.fail(flow, failure)
    }
  }

  private mutating func note(_ words: String) {
    let time = Double((lab.now - start).nanoseconds / 1000) / 1e6
    notes.append("\(time) s: \(words) had no place")
  }

  /// The port of the host that leads to a port of the guest's.
  private func forward(_ transport: Transport, toGuestPort port: UInt16) -> Endpoint? {
    for forward in forwards where forward.guest.port == port {
      if case .port(transport, let place) = forward.host { return place }
    }
    return nil
  }

  private mutating func connectClient(of index: Int) {
    let stream = world.streams[index]
    let client = Endpoint(world.hostPlace(of: stream.flow.remote.address), port: stream.flow.remote.port)
    guard let listener = forward(.tcp, toGuestPort: stream.flow.guest.port),
      let peer = lab.connectClient(from: client, to: listener)
    else { return note("a client for the guest's port \(stream.flow.guest.port)") }
    peers[index] = peer
  }

  private mutating func withPeer(of index: Int, _ body: (Peer) -> Void) {
    let stream = world.streams[index]
    if peers[index] == nil && !stream.isForward {
      let remote = Endpoint(world.hostPlace(of: stream.flow.remote.address), port: stream.flow.remote.port)
      let all = lab.peers(at: remote)
      if stream.ordinal < all.count { peers[index] = all[stream.ordinal] }
    }
    guard let peer = peers[index] else {
      return note("what \(stream.flow.remote) had to say to the guest's port \(stream.flow.guest.port)")
    }
    body(peer)
  }

  /// Answers the queries that the name server has got; false if there were none.
  private mutating func answerNames() -> Bool {
    var hasAnswered = false
    let datagrams = lab.sentDatagrams
    for query in datagrams.dropFirst(answeredDatagrams) where query.destination == Self.nameServer {
      guard let key = DNSQuestionKey(query.payload),
        let answer = world.answers[key]?.answer(to: query.payload, isStream: false)
      else { continue }
      lab.host.deliver(answer, from: Self.nameServer, to: query.flow)
      hasAnswered = true
    }
    answeredDatagrams = datagrams.count
    for (place, peer) in lab.peers(at: Self.nameServer).enumerated() where answerNames(to: peer, place) {
      hasAnswered = true
    }
    return hasAnswered
  }

  private mutating func answerNames(to peer: Peer, _ place: Int) -> Bool {
    var rest = peer.bytes.dropFirst(answeredStreams[place, default: 0])
    var hasAnswered = false
    while rest.count >= 2 {
      let length = Int(rest[rest.startIndex]) << 8 | Int(rest[rest.startIndex + 1])
      guard rest.count >= 2 + length else { break }
      let query = Array(rest.dropFirst(2).prefix(length))
      rest = rest.dropFirst(2 + length)
      answeredStreams[place, default: 0] += 2 + length
      guard let key = DNSQuestionKey(query), let answer = world.answers[key]?.answer(to: query, isStream: true) else {
        continue
      }
      peer.write([UInt8(answer.count >> 8), UInt8(answer.count & 0xff)] + answer)
      hasAnswered = true
    }
    return hasAnswered
  }
}
