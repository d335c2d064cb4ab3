import Buffers
import Netstack
import Primitives

/// Writes down what crosses the boundary of one `Stack`, so that it can be run again.
///
/// `RecordedStack` tells it of the inputs, `Recorded` of the calls that the stack makes for them, in the order in which
/// they happen; `README.md` has the format. It does no I/O: whole blocks go to `output`, which keeps them for another
/// thread to write. What is recorded can be replayed up to its end, whatever ends it: the network, the bound of its
/// length, or an `output` that takes no more. There are no holes.
public final class Recorder {
  /// Takes a block; false where there is no room for it. The last one it always takes.
  public typealias Output = (_ block: [UInt8], _ isLast: Bool) -> Bool

  /// How the recording has ended; nil while it goes on.
  public private(set) var end: RecordingEnd?
  /// Bytes given out so far.
  public private(set) var byteCount = 0
  /// Whether payload is replaced.
  let isRedacting: Bool

  private let limit: Int
  private let output: Output
  private let stopped: (RecordingEnd) -> Void
  private var encoder: RecordEncoder
  private var redactor: Redactor?
  private var lastTime = Instant.zero
  /// Whether the payload of the run that is lent was read from the host, and is recorded there.
  private var isFilledByHost = false

  /// Bytes after which a block is given out.
  private static var blockLength: Int { 64 * 1024 }

  /// Begins a recording of a stack that is made of what `head` says.
  ///
  /// No more than `limit` bytes are given out, and what the last input comes to. Where the recording ends before the
  /// network, `stopped` is called once. `redactionKey` is the secret of the hashes in the place of payload, where
  /// `head` says that it is redacted; who does not know it cannot try what a payload might be.
  public init(
    _ head: RecordingHead, limit: Int = .max, redactionKey: (UInt64, UInt64) = (0, 0), output: @escaping Output,
    stopped: @escaping (RecordingEnd) -> Void = { _ in }
  ) {
    self.limit = limit
    self.output = output
    self.stopped = stopped
    isRedacting = head.isRedacted
    redactor = head.isRedacted ? Redactor(head.settings, key: redactionKey) : nil
    encoder = RecordEncoder(capacity: Self.blockLength * 2)
    encoder.put(bytes: RecordingFormat.preamble)
    encoder.put(bytes: RecordingFormat.emptyBlockHeader)
    encoder.put(head)
    giveOut(from: RecordingFormat.preamble.count)
  }

  /// Gives out what is gathered: at the end of a turn, so that little is lost with the process.
  public func flush() {
    guard end == nil, encoder.bytes.count > RecordingFormat.blockHeaderLength else { return }
    giveOut()
  }

  /// Ends the recording with the network.
  public func finish() { finish(.finished) }

  private func finish(_ cause: RecordingEnd) {
    guard end == nil else { return }
    end = cause
    encoder.put(byte: RecordKind.end.rawValue)
    encoder.put(byte: cause.rawValue)
    giveOut(isLast: true)
    if cause != .finished { stopped(cause) }
  }

  /// Gives out the block that begins at byte `start` of what is gathered.
  private func giveOut(from start: Int = 0, isLast: Bool = false) {
    RecordingFormat.closeBlock(of: &encoder, from: start, isPacked: isRedacting)
    let block = encoder.take()
    encoder.put(bytes: RecordingFormat.emptyBlockHeader)
    byteCount += block.count
    if !output(block, isLast) { finish(.overrun) }
  }

  private func closeRecord() {
    if encoder.bytes.count >= Self.blockLength { giveOut() }
  }

  // MARK: Inputs

  /// Begins the record of an input; false where nothing is recorded any more.
  private func begin(_ kind: RecordKind, at now: Instant) -> Bool {
    if end == nil, byteCount + encoder.bytes.count >= limit { finish(.limit) }
    guard end == nil else { return false }
    encoder.put(byte: kind.rawValue)
    encoder.put(signed: now.nanoseconds &- lastTime.nanoseconds)
    lastTime = now
    return true
  }

  func noteAttach(_ port: PortID, _ offloads: LinkOffloads, at now: Instant) {
    guard begin(.attach, at: now) else { return }
    encoder.put(port)
    encoder.put(offloads)
    closeRecord()
  }

  func noteDetach(_ port: PortID, at now: Instant) {
    guard begin(.detach, at: now) else { return }
    encoder.put(port)
    closeRecord()
  }

  func noteReceive(_ batch: borrowing FrameBatch, handedOver: Bool, at now: Instant) {
    guard begin(.receive, at: now) else { return }
    encoder.put(handedOver)
    encoder.put(count: batch.count)
    for frame in 0..<batch.count { put(frame, of: batch) }
    closeRecord()
  }

  private func put(_ frame: Int, of batch: borrowing FrameBatch) {
    let descriptor = batch.descriptor(frame)
    encoder.put(descriptor)
    encoder.put(count: batch.pieceCount(frame))
    for piece in 0..<batch.pieceCount(frame) { encoder.put(count: batch.piece(piece, of: frame).count) }
    let start = encoder.bytes.count
    encoder.put(batch.header(frame))
    for piece in 0..<batch.pieceCount(frame) { encoder.put(batch.piece(piece, of: frame)) }
    guard let redactor else { return }
    encoder.change(start..<encoder.bytes.count) { redactor.redact(&$0, descriptor) }
  }

  func noteHostReady(_ flow: FlowID, _ readiness: HostReadiness, at now: Instant) {
    guard begin(.hostReady, at: now) else { return }
    encoder.put(flow)
    encoder.put(readiness)
    closeRecord()
  }

  func noteLinkReady(_ port: PortID, at now: Instant) {
    guard begin(.linkReady, at: now) else { return }
    encoder.put(port)
    closeRecord()
  }

  func noteAdvance(to now: Instant) { if begin(.advance, at: now) { closeRecord() } }

  func noteCommand(_ command: Command, at now: Instant) {
    guard begin(.apply, at: now) else { return }
    encoder.put(command)
    if case .setResolvers(let servers) = command { redactor?.resolvers = servers }
    closeRecord()
  }

  func noteShutDown(at now: Instant) { if begin(.shutDown, at: now) { closeRecord() } }

  func noteUndelivered(at now: Instant) { if begin(.undelivered, at: now) { closeRecord() } }

  // MARK: What inputs returned

  func noteOutcome(_ outcome: CommandOutcome) {
    guard end == nil else { return }
    encoder.put(byte: RecordKind.outcome.rawValue)
    encoder.put(outcome)
    closeRecord()
  }

  func noteCount(_ count: Int) {
    guard end == nil else { return }
    encoder.put(byte: RecordKind.count.rawValue)
    encoder.put(count: count)
    closeRecord()
  }

  // MARK: Calls

  func note(_ call: RecordedCall) {
    guard end == nil else { return }
    encoder.put(call)
    redactor?.note(call)
    closeRecord()
  }

  func note<Result: RecordedValue>(_ call: RecordedCall, _ result: Result) {
    guard end == nil else { return }
    encoder.put(call)
    encoder.put(result)
    redactor?.note(call)
    closeRecord()
  }

  func note(_ call: RecordedCall, count: Int) {
    guard end == nil else { return }
    encoder.put(call)
    encoder.put(signed: Int64(count))
    closeRecord()
  }

  func note(_ call: RecordedCall, wasTaken: Bool) { note(call, wasTaken) }

  /// A read, of which the bytes lie at the front of `regions`.
  func note(_ call: RecordedCall, of flow: FlowID, _ result: HostRead, from regions: borrowing ByteRegions) {
    guard end == nil else { return }
    encoder.put(call)
    encoder.put(result)
    if case .bytes(let count) = result {
      isFilledByHost = true
      var left = count
      for index in 0..<regions.count where left > 0 {
        let bytes = regions.bytes(index)
        let range = encoder.put(bytes.extracting(first: left))
        left -= range.count
        if let redactor, !redactor.isVisible(flow) { encoder.change(range) { redactor.redact(payload: &$0) } }
      }
    }
    closeRecord()
  }

  /// Datagrams that were read. Those that came as one message are recorded as one.
  func note(_ call: RecordedCall, of flow: FlowID, _ result: HostWrite, from batch: borrowing DatagramBatch) {
    guard end == nil else { return }
    encoder.put(call)
    encoder.put(result)
    if case .accepted = result {
      encoder.put(count: batch.count == 0 ? 0 : batch.message(of: batch.count - 1) + 1)
      var next = 0
      while next < batch.count { next = put(messageFrom: next, of: batch, flow) }
    }
    closeRecord()
  }

  /// Puts the message of the batch that begins with datagram `first`; returns the first one behind it.
  private func put(messageFrom first: Int, of batch: borrowing DatagramBatch, _ flow: FlowID) -> Int {
    var end = first
    var byteCount = 0
    while end < batch.count, batch.message(of: end) == batch.message(of: first) {
      byteCount += batch[end].byteCount
      end += 1
    }
    let entry = batch[first]
    encoder.put(entry.source)
    encoder.put(entry.destination)
    encoder.put(count: end - first > 1 ? entry.byteCount : 0)
    encoder.put(count: byteCount)
    for index in first..<end {
      let range = encoder.put(batch.payload(index))
      if let redactor, !redactor.isVisible(flow) {
        encoder.change(range) { redactor.redact(datagram: &$0, of: flow) }
      }
    }
    return end
  }

  /// A failure, with what is known of its packet at the start of `quote`.
  func note(_ call: RecordedCall, of flow: FlowID, _ failure: HostFailure?, quote: Span<UInt8>) {
    guard end == nil else { return }
    encoder.put(call)
    encoder.put(failure)
    if let failure {
      let range = encoder.put(quote.extracting(first: failure.quoteLength))
      if let redactor, !redactor.isVisible(flow) {
        encoder.change(range) { redactor.redact(datagram: &$0, of: flow) }
      }
    }
    closeRecord()
  }

  // MARK: Frames

  /// A reservation, and how many slots were lent.
  func noteReservation(_ request: SlotRequest, _ count: Int?) {
    guard end == nil else { return }
    isFilledByHost = false
    encoder.put(RecordedCall.reserve(request))
    encoder.put(count: count ?? 0)
    closeRecord()
  }

  /// Frames that are about to be sent.
  ///
  /// Their headers are recorded, and a fingerprint of their payload; the payload itself where it does not come from a
  /// read of the host's, which has it already.
  func noteFrames<Sink: FrameSink & ~Copyable>(
    of run: borrowing SlotRun, slots: Int, lastPayload: Int, as descriptor: FrameDescriptor, in sink: inout Sink
  ) {
    guard end == nil else { return }
    encoder.put(RecordedCall.commit(slots: slots, lastPayload: lastPayload, descriptor))
    var isPayloadShown = true
    for slot in 0..<slots {
      let header = sink.header(slot, of: run)
      let range = encoder.put(header.span)
      if let redactor {
        encoder.change(range) { isPayloadShown = redactor.mask(header: &$0) }
      }
    }
    let payload = RecordedPayload(isShown: isPayloadShown, isWhole: isPayloadShown && !isFilledByHost)
    encoder.put(byte: payload.rawValue)
    guard payload != .hidden else { return closeRecord() }
    let regions = sink.payload(of: run)
    var digest = RecordDigest()
    for slot in 0..<slots {
      let bytes = regions.bytes(slot)
      let sent = slot == slots - 1 ? bytes.extracting(first: lastPayload) : bytes
      digest.add(sent)
      if payload == .whole { encoder.put(sent) }
    }
    encoder.put(whole: digest.value)
    closeRecord()
  }
}

/// What is recorded of the payload of frames to a guest.
enum RecordedPayload: UInt8 {
  /// Nothing.
  case hidden = 0
  /// A fingerprint.
  case digest = 1
  /// All bytes, and a fingerprint.
  case whole = 2

  init(isShown: Bool, isWhole: Bool) { self = isWhole ? .whole : isShown ? .digest : .hidden }
}
