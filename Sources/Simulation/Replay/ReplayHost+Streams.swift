public import Buffers
public import Netstack
public import Primitives

/// A stream of a replay and who is at its far end.
struct ReplayStream {
  let behavior: ReplayBehavior.Stream
  /// The flow at the far end, where that is one of the core's, too; the behavior means nothing then.
  let partner: FlowID?
  /// That flow is closed.
  var isPartnerGone = false
  /// Which step is next.
  private var step = 0
  /// Bytes that have come and no step has waited for yet.
  private var unclaimed = 0
  /// Bytes for the core that it has not removed.
  private(set) var queue: ByteQueue
  /// How many of them it has seen.
  var seenCount = 0
  /// What of a step's bytes found no room yet.
  private var pending: ArraySlice<UInt8> = []
  private(set) var isFinished = false
  private(set) var isCoreFinished = false
  /// The far end has reset the connection; `hasToldOfReset` once the core knows.
  private(set) var isReset = false
  var hasToldOfReset = false
  /// The core waits for room.
  var wantsWritable = false

  init(_ behavior: ReplayBehavior.Stream, partner: FlowID? = nil) {
    self.behavior = behavior
    self.partner = partner
    queue = ByteQueue(capacity: 64)
    advance()
  }

  var isConnecting: Bool { behavior == .blackhole }

  /// Bytes that may come now.
  var room: Int {
    behavior == .echo ? max(0, ReplayHost.queueLimit - queue.count) : ReplayHost.queueLimit
  }

  /// What the core is told where `room` bytes may come.
  func readiness(room: Int) -> HostReadiness {
    guard !isConnecting else { return [] }
    if isReset { return [.readable, .writable, .readClosed, .failed] }
    var readiness: HostReadiness = room > 0 ? .writable : []
    if queue.count > 0 || isFinished { readiness.insert(.readable) }
    if isFinished { readiness.insert(.readClosed) }
    if isPartnerGone { return readiness.union(.hungUp) }
    if isFinished && isCoreFinished { readiness.insert(.failed) }
    return readiness
  }

  /// The far end, which is a flow of the core's, has written.
  mutating func append(_ bytes: Span<UInt8>) { queue.append(bytes) }

  /// The far end, likewise, has finished.
  mutating func finishPartner() { isFinished = true }

  /// Bytes have come from the core.
  mutating func take(_ bytes: Span<UInt8>) {
    if behavior == .echo { return queue.append(bytes) }
    unclaimed = unclaimed.addingReportingOverflow(bytes.count).partialValue
  }

  /// The core has finished: who waits for bytes that will not come goes on.
  mutating func finishCore() {
    isCoreFinished = true
    guard partner == nil else { return }
    if case .steps = behavior { advance() } else { isFinished = true }
  }

  /// Removes bytes that the core has seen.
  mutating func discard(_ count: Int) {
    queue.removeFirst(count)
    seenCount -= count
  }

  /// Does the steps that can be done.
  mutating func advance() {
    guard case .steps(let steps) = behavior else { return }
    while !isReset {
      if !pending.isEmpty {
        let part = pending.prefix(max(0, ReplayHost.queueLimit - queue.count))
        guard !part.isEmpty else { return }
        queue.append(Array(part))
        pending = pending.dropFirst(part.count)
        continue
      }
      guard step < steps.count, !isFinished else { break }
      switch steps[step] {
      case .receive(let count):
        guard unclaimed >= count || isCoreFinished else { return }
        unclaimed = max(0, unclaimed - count)
      case .send(let bytes): pending = bytes[...]
      case .close: isFinished = true
      case .reset: isReset = true
      }
      step += 1
    }
    if isCoreFinished { isFinished = true }
  }
}

extension ReplayHost {
  /// Connects at once, or is refused at once, or never comes to an end.
  public mutating func connect(_ flow: FlowID, to destination: Endpoint, marks: PacketMarks) -> HostOpen {
    var behavior = behavior.stream(at: destination.port)
    if case .stream(let recorded)? = recorded { behavior = recorded }
    guard behavior != .refuse else { return .failed(.refused) }
    open(flow, .stream(ReplayStream(behavior)))
    guard behavior != .blackhole else { return .inProgress }
    wake(Int(flow.index))
    return .ready
  }

  /// The host of a replay has no services of its own.
  public mutating func connect(_ flow: FlowID, to service: HostService) -> HostOpen { .failed(.refused) }

  /// Opens a stream between two flows: what is written to one is there to read at the other.
  public mutating func openPair(_ one: FlowID, _ other: FlowID) -> HostOpen {
    open(one, .stream(ReplayStream(.discard, partner: other)))
    open(other, .stream(ReplayStream(.discard, partner: one)))
    wake(Int(one.index))
    wake(Int(other.index))
    return .ready
  }

  /// Bytes that may come from the core now.
  func room(of stream: ReplayStream) -> Int {
    guard let partner = stream.partner else { return stream.room }
    guard let place = place(of: partner), case .stream(let peer)? = sockets[place]?.kind else { return 0 }
    return max(0, Self.queueLimit - peer.queue.count)
  }

  /// The far end of a flow's stream, which is one of the core's, has finished or is closed.
  mutating func tellOfEnd(_ flow: FlowID, isGone: Bool) {
    let isThere: Void? = withStream(flow) { stream in
      stream.finishPartner()
      if isGone { stream.isPartnerGone = true }
    }
    if isThere != nil { wake(Int(flow.index)) }
  }

  /// How far a flow is that is connecting.
  public mutating func finishConnecting(_ flow: FlowID) -> HostOpen {
    guard case .stream(let stream)? = place(of: flow).flatMap({ sockets[$0]?.kind }) else { return .failed(.reset) }
    return stream.isConnecting ? .inProgress : .ready
  }

  /// Changes the stream of a flow in place; nil where it has none.
  mutating func withStream<Result>(_ flow: FlowID, _ body: (inout ReplayStream) -> Result) -> Result? {
    guard let place = place(of: flow), case .stream(var stream)? = sockets[place]?.kind else { return nil }
    // Not two owners of what the stream holds, or it would be copied.
    sockets[place]?.kind = .listener
    defer { sockets[place]?.kind = .stream(stream) }
    return body(&stream)
  }

  /// Reads without removing.
  public mutating func receive(_ flow: FlowID, skipping: Int, into regions: inout ByteRegions) -> HostRead {
    guard let place = place(of: flow), case .stream(let stream)? = sockets[place]?.kind else { return .wouldBlock }
    let end = min(stream.queue.count, skipping + regions.byteCount)
    guard end > skipping else { return endOfQueue(flow, isReset: stream.isReset, isFinished: stream.isFinished) }
    var writer = RegionWriter()
    stream.queue.forEachSpan(in: skipping..<end) { writer.write($0, to: &regions) }
    let seen = max(stream.seenCount, end)
    _ = withStream(flow) { $0.seenCount = seen }
    return .bytes(end - skipping)
  }

  private mutating func endOfQueue(_ flow: FlowID, isReset: Bool, isFinished: Bool) -> HostRead {
    guard isReset else { return isFinished ? .endOfStream : .wouldBlock }
    let hasTold = withStream(flow) { stream in
      defer { stream.hasToldOfReset = true }
      return stream.hasToldOfReset
    }
    return hasTold == true ? .endOfStream : .failed(.reset)
  }

  /// Removes bytes that were read, which makes room.
  public mutating func discard(_ flow: FlowID, count: Int) {
    let outcome = withStream(flow) { stream in
      let (before, room) = (stream.readiness(room: stream.room), stream.room)
      stream.discard(min(count, stream.seenCount))
      stream.advance()
      let hasRoom = stream.wantsWritable && room == 0 && stream.room > 0
      if hasRoom { stream.wantsWritable = false }
      let isNews = stream.readiness(room: stream.room) != before || stream.queue.count > stream.seenCount
      return (mustWake: isNews || hasRoom, partner: stream.partner)
    }
    if outcome?.mustWake == true { wake(Int(flow.index)) }
    if let partner = outcome?.partner { wakeWaiting(partner) }
  }

  /// There is room again for who writes to the other end of a pair.
  private mutating func wakeWaiting(_ flow: FlowID) {
    let waited = withStream(flow) { stream in
      defer { stream.wantsWritable = false }
      return stream.wantsWritable
    }
    if waited == true { wake(Int(flow.index)) }
  }

  /// Hands the bytes to the far end, as far as it has room.
  public mutating func send(
    _ slices: Span<PayloadSlice>, of batch: borrowing FrameBatch, on flow: FlowID
  ) -> HostWrite {
    guard let place = place(of: flow), case .stream(var stream)? = sockets[place]?.kind else { return .wouldBlock }
    guard !stream.isReset, !stream.isPartnerGone else { return .failed(.reset) }
    if let partner = stream.partner { return carry(slices, of: batch, from: flow, to: partner) }
    sockets[place]?.kind = .listener
    var room = stream.room
    var (offered, taken) = (0, 0)
    for index in slices.indices {
      offered += slices[index].count
      var slice = slices[index]
      slice.count = min(slice.count, room)
      guard slice.count > 0 else { continue }
      batch.forEachSpan(of: slice) { stream.take($0) }
      room -= slice.count
      taken += slice.count
    }
    let before = stream.queue.count
    stream.advance()
    stream.wantsWritable = taken < offered
    let hasSomething = stream.queue.count > before || stream.isFinished || stream.isReset || behavior.echoes(stream)
    sockets[place]?.kind = .stream(stream)
    if hasSomething { wake(place) }
    return taken > 0 ? .accepted(taken) : .wouldBlock
  }

  /// Hands the bytes to the other end of a pair, as far as it has room.
  private mutating func carry(
    _ slices: Span<PayloadSlice>, of batch: borrowing FrameBatch, from flow: FlowID, to partner: FlowID
  ) -> HostWrite {
    guard let place = place(of: partner), case .stream(var peer)? = sockets[place]?.kind else { return .failed(.reset) }
    sockets[place]?.kind = .listener
    var (offered, taken) = (0, 0)
    for index in slices.indices {
      offered += slices[index].count
      var slice = slices[index]
      slice.count = min(slice.count, Self.queueLimit - peer.queue.count)
      guard slice.count > 0 else { continue }
      batch.forEachSpan(of: slice) { peer.append($0) }
      taken += slice.count
    }
    sockets[place]?.kind = .stream(peer)
    if taken > 0 { wake(place) }
    if taken < offered { _ = withStream(flow) { $0.wantsWritable = true } }
    return taken > 0 ? .accepted(taken) : .wouldBlock
  }

  /// Free space: as much as may come.
  public mutating func sendSpace(_ flow: FlowID) -> Int {
    guard let place = place(of: flow), case .stream(let stream)? = sockets[place]?.kind else { return 0 }
    return room(of: stream)
  }

  /// Asks for a writable event: at once if there is room, else when there is.
  public mutating func requestWritable(_ flow: FlowID) {
    let hasRoom = sendSpace(flow) > 0
    let isThere: Void? = withStream(flow) { $0.wantsWritable = !hasRoom }
    if hasRoom && isThere != nil { wake(Int(flow.index)) }
  }

  /// The far end has everything at once.
  public mutating func unacknowledgedByteCount(_ flow: FlowID) -> Int { 0 }

  /// Ends the stream towards the far end.
  public mutating func finishWriting(_ flow: FlowID) {
    let partner = withStream(flow) { stream in
      stream.finishCore()
      return stream.partner
    }
    guard let partner else { return }
    wake(Int(flow.index))
    if let partner { tellOfEnd(partner, isGone: false) }
  }
}

extension ReplayBehavior {
  /// Whether what a stream has taken is there to read again.
  fileprivate func echoes(_ stream: ReplayStream) -> Bool { stream.behavior == .echo }
}
