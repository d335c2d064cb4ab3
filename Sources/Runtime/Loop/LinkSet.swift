import BasicContainers
import Buffers
import Links
import LinuxSystem
import Netstack
import Primitives

/// The links of one network, link `n` on port `n`, and the one sink that the core writes to.
///
/// The link that lends slots is kept apart from the others: memory borrowed from a stored property may be handed on,
/// memory borrowed from an element of a container may not. Where there is one link it never moves.
struct LinkSet: ~Copyable {
  private var lender: Link
  private var lenderPort = 0
  private var others = UniqueArray<Link>()
  /// Where in `others` the link of each port is; the lender's entry means nothing.
  private var places = [0]
  /// The ways to the other loops of the network, where there are any.
  var exchange: LoopExchange?

  /// Where the frames that pass the links are captured, while they are. Frames from one guest to another are captured as
  /// they come, so once.
  var tap: CaptureTap?

  /// Makes a set of one link, which is that of port 0.
  init(first: consuming Link) { lender = first }

  /// Adds the link of the next port.
  mutating func append(_ link: consuming Link) {
    places.append(others.count)
    others.append(link)
  }

  /// The ports that have a link.
  var ports: Range<Int> { 0..<places.count }

  /// Calls `body` with the link of `port`.
  /// - Precondition: there is one.
  mutating func withLink<Result>(of port: Int, _ body: (inout Link) -> Result) -> Result {
    port == lenderPort ? body(&lender) : body(&others[places[port]])
  }

  /// Exchanges a link's receiver for another, so that its batch can be read while all links are written to.
  mutating func exchangeReceiver(of port: Int, with receiver: inout FrameReceiver) {
    withLink(of: port) { swap(&$0.receiver, &receiver) }
  }

  /// When `advance` of a link is due at the latest.
  @inline(__always)
  var nextDeadline: Instant {
    var earliest = lender.nextDeadline
    for index in 0..<others.count { earliest = min(earliest, others[index].nextDeadline) }
    return earliest
  }

  /// Bytes that have passed all links, both ways.
  var byteCount: Int {
    var total = lender.receiver.counters.byteCount &+ lender.transmitter.counters.byteCount
    for index in 0..<others.count {
      total &+= others[index].receiver.counters.byteCount &+ others[index].transmitter.counters.byteCount
    }
    return total
  }

  /// Whether every link has had its last peer.
  @inline(__always)
  var isFinished: Bool {
    guard lender.attachment.isFinished else { return false }
    for index in 0..<others.count where !others[index].attachment.isFinished { return false }
    return true
  }

  /// Notes the beginning of a turn for what is captured, which ends where no more is wanted.
  mutating func beginTurn(at now: Instant) {
    if tap?.isClosed ?? false { tap = nil }
    tap?.beginTurn(at: now)
  }

  private mutating func lend(from port: Int) {
    guard port != lenderPort else { return }
    let place = places[port]
    swap(&lender, &others[place])
    places[lenderPort] = place
    lenderPort = port
  }
}

extension LinkSet: FrameSink {
  mutating func reserve(_ request: SlotRequest) -> SlotRun? {
    let port = Int(request.port.rawValue)
    guard port < places.count else { return nil }
    lend(from: port)
    return lender.transmitter.reserve(request)
  }

  @_lifetime(&self)
  mutating func header(_ slot: Int, of run: borrowing SlotRun) -> MutableSpan<UInt8> {
    lender.transmitter.header(slot, of: run)
  }

  @_lifetime(&self)
  mutating func payload(of run: borrowing SlotRun) -> ByteRegions { lender.transmitter.payload(of: run) }

  mutating func commit(_ run: consuming SlotRun, slots: Int, lastPayload: Int, as descriptor: FrameDescriptor) {
    if tap != nil { capture(run, slots: slots, lastPayload: lastPayload, as: descriptor) }
    lender.transmitter.commit(run, slots: slots, lastPayload: lastPayload, as: descriptor)
  }

  /// Captures the slots that are about to be sent.
  private mutating func capture(
    _ run: borrowing SlotRun, slots: Int, lastPayload: Int, as descriptor: FrameDescriptor
  ) {
    for slot in 0..<slots {
      let payload = slot == slots - 1 ? lastPayload : run.payloadLength
      tap?.take(lender.transmitter.frame(slot, of: run, payloadLength: payload), as: descriptor)
    }
  }

  mutating func cancel(_ run: consuming SlotRun) { lender.transmitter.cancel(run) }

  /// Offers the frame to every link; each knows from `ports` whether it is meant.
  mutating func forward(_ frame: Int, of batch: borrowing FrameBatch, to ports: EgressPorts) {
    lender.transmitter.forward(frame, of: batch, to: ports)
    for index in 0..<others.count { others[index].transmitter.forward(frame, of: batch, to: ports) }
  }

  mutating func handOver(_ frame: Int, of batch: borrowing FrameBatch, to loop: Int) -> Bool {
    exchange?.handOver(frame, of: batch, to: loop) ?? false
  }
}
