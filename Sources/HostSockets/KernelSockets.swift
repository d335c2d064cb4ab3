public import LinuxSystem
public import Netstack
public import Primitives

/// The host's network by the kernel's own sockets, all non-blocking and watched by one event queue.
///
/// # Theory of operation
/// Sockets are registered edge-triggered with the flow's name as the event's data. What follows from that, and from
/// reading without removing (see `TCPConnection`), is this type's business:
///
/// - Level-triggered events would fire for ever while read but unacknowledged data waits in the socket.
/// - Interest in writing is renewed by `requestWritable` (EPOLL_CTL_MOD): that reports at once if there is room, and
///   lets the kernel grow the send buffer if there is none. Send and receive buffers are never given a size, which
///   would end the kernel's own tuning.
/// - The kernel reports a stream's error once and then pretends that the stream has ended: the error is kept here,
///   and an end behind an error is never reported as an end.
/// - Urgent data is part of the stream (SO_OOBINLINE), or reading over it would repeat one byte and lose another.
/// - Closing with unread bytes would reset the connection and destroy what is queued: a clean close discards first.
///
/// The rules of UNIX sockets are a little different; `KernelSockets+Services.swift` has them.
public struct KernelSockets: ~Copyable {
  /// System calls made, by kind, for tests and measurements.
  public struct CallCounts: Hashable, Sendable {
    /// Reads of streams.
    public var receives = 0
    /// Changes of the peek offset.
    public var peekOffsets = 0
    /// Removals of acknowledged bytes.
    public var discards = 0
    /// Writes to streams.
    public var sends = 0
    /// Questions for the room in a send buffer.
    public var spaceQueries = 0
    /// Renewals of interest in writing.
    public var rearmings = 0
    /// Reads of datagrams, each of many.
    public var datagramReceives = 0
    /// Writes of datagrams, each of many.
    public var datagramSends = 0
    /// Changes of the marks of datagrams.
    public var marks = 0
  }

  /// System calls made so far.
  public internal(set) var calls = CallCounts()
  /// Who is told what passes the sockets; nil for nobody. To be set before there are any.
  public var witness: (any HostWitness)?

  let registrar: EventRegistrar
  let usesPeekOffset: Bool
  /// What is behind each service, by its number.
  let services: [ServiceAddress]
  var table: SocketTable
  var scratch: MessageScratch
  var rawIdentifiers = IdentifierSet()
  /// The commands that run for connections.
  var commands: RunningCommands
  /// The paths of the forwards that listen on UNIX sockets.
  var localPaths: [FlowID: LocalPath] = [:]
  /// The files that are served to guests, nil for none.
  let files: FileTree?
  /// A descriptor to give up when all are used, so that a waiting connection can be taken and refused.
  var spare: Int32

  /// Makes a network whose events go to the queue behind `registrar`.
  ///
  /// `maximumFlows` is the number of flow indices, as in the stack's settings; `services` is what is behind each
  /// `HostService`, by its number; `files` are those that guests may read. After an event with `commandData` a command
  /// has ended: `reapCommands` is due.
  public init(
    registrar: EventRegistrar, maximumFlows: Int, peekMode: PeekMode = .automatic, services: [ServiceAddress] = [],
    files: consuming FileTree? = nil, commandData: UInt64 = .max
  ) throws(SystemError) {
    try self.init(
      registrar: registrar, maximumFlows: maximumFlows, peekMode: peekMode, services: services, files: files,
      commandData: commandData, scratchLength: MessageScratch.defaultIgnoredLength)
  }

  init(
    registrar: EventRegistrar, maximumFlows: Int, peekMode: PeekMode, services: [ServiceAddress] = [],
    files: consuming FileTree?, commandData: UInt64 = .max, scratchLength: Int
  ) throws(SystemError) {
    let usesPeekOffset = peekMode.usesOffset()
    let spare = try FileDescriptor.open(reading: "/dev/null").take()
    self.registrar = registrar
    self.services = services
    commands = RunningCommands(registrar: registrar, data: commandData)
    self.usesPeekOffset = usesPeekOffset
    self.spare = spare
    self.files = files
    table = SocketTable(capacity: maximumFlows)
    scratch = MessageScratch(ignoredLength: scratchLength)
  }

  deinit {
    for index in 0..<table.count where table.descriptor(at: index) >= 0 {
      _ = FileDescriptor(owning: table.descriptor(at: index))
    }
    if spare >= 0 { _ = FileDescriptor(owning: spare) }
  }

  /// What an event of the queue means for a flow. An event of a socket that is closed by now means nothing.
  public mutating func readiness(of flow: FlowID, _ events: Events) -> HostReadiness {
    var readiness: HostReadiness = []
    guard table[flow].descriptor >= 0 else { return readiness }
    if events.contains(.readable) { readiness.insert(.readable) }
    if events.contains(.readClosed) { readiness.insert(.readClosed) }
    if !events.isDisjoint(with: table[flow].kind.failureEvents) { readiness.insert(.failed) }
    if events.contains(.hungUp) && table[flow].kind == .localStream { readiness.insert(.hungUp) }
    if events.contains(.writable) && table[flow][.awaitsWritable] {
      table[flow][.awaitsWritable] = false
      table[flow][.hasConnected] = readiness.isDisjoint(with: [.failed, .readClosed])
      readiness.insert(.writable)
    }
    return readiness
  }

  // MARK: Registration

  /// What is watched on every socket; interest in writing changes nothing where none is awaited.
  static var interest: Events { [.readable, .writable, .readClosed, .edgeTriggered] }

  /// Takes a socket into the table and the event queue.
  mutating func register(
    _ flow: FlowID, _ socket: consuming Socket, as kind: SocketState.Kind, family: IPAddress.Family,
    awaitsWritable: Bool = false
  ) throws(SystemError) {
    try registrar.add(socket.rawValue, for: Self.interest, data: flow.rawValue)
    table[flow] = SocketState(
      descriptor: socket.take(), kind: kind, family: family, awaitsWritable: awaitsWritable)
  }

  /// The descriptor of a flow's socket.
  func descriptor(_ flow: FlowID) -> Int32 {
    let descriptor = table[flow].descriptor
    precondition(descriptor >= 0, "a call for a flow without a socket")
    return descriptor
  }

  /// Closes a flow's socket and forgets the flow.
  mutating func forget(_ flow: FlowID) {
    // Before the socket: who finds the path finds who listens.
    if table[flow].kind == .localListener { localPaths[flow] = nil }
    if table[flow].kind == .rawEcho { rawIdentifiers.giveBack(table[flow].identifier) }
    // Closing the only descriptor takes the socket out of the event queue as well.
    _ = FileDescriptor(owning: descriptor(flow))
    table[flow] = SocketState()
  }
}

extension KernelSockets: HostNetwork {
  /// Starts to connect a stream.
  public mutating func connect(_ flow: FlowID, to destination: Endpoint, marks: PacketMarks) -> HostOpen {
    do throws(SystemError) {
      let address = SocketAddress.internet(destination)
      let family = destination.address.family
      let socket = try Socket(.stream, for: address)
      try prepare(socket)
      if marks.dscp != 0 { try socket.set(.trafficClass(family), to: Int32(marks.dscp) << 2) }
      // Nothing on the host's own loopback counts hops or reports by ICMP what a refusal does not say.
      let isFar = !destination.address.isLoopback
      if isFar { try Self.markForConnecting(socket, marks, family) }
      var isConnected = try socket.connect(to: address)
      // The loopback's handshake is over by now, well or badly, though the first call could not say so (connect(2)).
      if !isConnected && !isFar { isConnected = try socket.connect(to: address) }
      try register(flow, socket, as: .stream, family: family, awaitsWritable: !isConnected)
      table[flow][.isMarkedForConnecting] = isFar
      witness?.beginStream(flow, local: localEndpoint(of: flow), remote: destination, isInbound: false)
      guard isConnected else { return .inProgress }
      try endConnecting(flow)
      witness?.connect(flow)
      return .ready
    } catch {
      tellRefusal(of: flow, by: destination)
      if table[flow].descriptor >= 0 { forget(flow) }
      return .failed(HostError(reaching: error))
    }
  }

  /// Tells of an attempt to connect that has failed at once.
  private func tellRefusal(of flow: FlowID, by destination: Endpoint) {
    guard let witness else { return }
    if table[flow].descriptor < 0 {
      // Too early to have an end of its own.
      let nowhere = Endpoint(.any(destination.address.family), port: 0)
      witness.beginStream(flow, local: nowhere, remote: destination, isInbound: false)
    }
    witness.fail(flow)
    witness.close(flow, abortively: false)
  }

  /// How far connecting is: the socket's pending error, or whether it has a peer.
  public mutating func finishConnecting(_ flow: FlowID) -> HostOpen {
    let socket = descriptor(flow)
    // A stream with an error says so, and one without a peer is not writable.
    if table[flow][.hasConnected] { return connected(flow) }
    do throws(SystemError) {
      let error = try SocketOption.pendingError.value(on: socket)
      if error != 0 {
        giveUpConnecting(flow)
        return .failed(HostError(number: error))
      }
      _ = try Socket.peerAddress(of: socket)
    } catch {
      // No peer and no error: not yet.
      table[flow][.awaitsWritable] = true
      return .inProgress
    }
    return connected(flow)
  }

  private mutating func connected(_ flow: FlowID) -> HostOpen {
    do throws(SystemError) {
      try endConnecting(flow)
      witness?.connect(flow)
      return .ready
    } catch {
      giveUpConnecting(flow)
      return .failed(HostError(error))
    }
  }

  private mutating func giveUpConnecting(_ flow: FlowID) {
    witness?.fail(flow)
    witness?.close(flow, abortively: false)
    forget(flow)
  }

  /// Starts to listen for a forward.
  public mutating func listen(_ flow: FlowID, at place: ListeningPlace) -> HostOpen {
    do throws(SystemError) {
      switch place {
      case .port(let transport, let local): try listen(flow, for: transport, on: local)
      case .local(let path): try listen(flow, atPath: path)
      }
      return .ready
    } catch {
      return .failed(HostError(error))
    }
  }

  private mutating func listen(
    _ flow: FlowID, for transport: Transport, on local: Endpoint
  ) throws(SystemError) {
    let address = SocketAddress.internet(local)
    let socket = try Socket(transport == .tcp ? .stream : .datagram, for: address)
    if local.address.family == .ipv6 { try socket.set(.ipv6Only, to: true) }
    switch transport {
    case .tcp:
      try prepare(socket)
      try socket.set(.reuseAddress, to: true)
      try socket.bind(to: address)
      try socket.listen(backlog: Self.backlog)
      try register(flow, socket, as: .streamListener, family: local.address.family)
    case .udp:
      let isIPv4 = local.address.family == .ipv4
      try socket.set(isIPv4 ? .ipv4PacketInformation : .ipv6PacketInformation, to: true)
      try socket.set(.errorQueue(local.address.family), to: true)
      Self.receiveTogether(socket)
      try socket.set(.receiveBuffer, to: Self.datagramRoom)
      try socket.bind(to: address)
      try register(flow, socket, as: .datagramListener, family: local.address.family)
      witness?.beginDatagrams(flow, local: localEndpoint(of: flow), remote: nil)
    }
  }

  /// Connections that the kernel lets wait, as far as net.core.somaxconn allows.
  static var backlog: Int32 { 1024 }

  /// Accepts the next connection; without descriptors it is taken and reset, or it would wait and wake us for ever.
  public mutating func accept(from listener: FlowID, as flow: FlowID) -> HostAccept {
    do throws(SystemError) {
      guard let socket = try Socket.accept(from: descriptor(listener)) else { return .wouldBlock }
      guard table[listener].kind != .localListener else {
        try adopt(socket, as: flow)
        return .acceptedLocal
      }
      let number = socket.rawValue
      // The family decides nothing on a stream that is connected.
      try register(flow, socket, as: .stream, family: .ipv4)
      if usesPeekOffset { try SocketOption.peekOffset.set(0, on: number) }
      let ends = try Self.ends(of: number)
      witness?.beginStream(flow, local: ends.local, remote: ends.peer, isInbound: true)
      return .accepted(peer: ends.peer, local: ends.local)
    } catch {
      if table[flow].descriptor >= 0 { forget(flow) }
      return HostError(error) == .exhausted ? refuseOne(listener) : .failed(HostError(error))
    }
  }

  private static func ends(of socket: Int32) throws(SystemError) -> (peer: Endpoint, local: Endpoint) {
    let nowhere = Endpoint(.any(.ipv4), port: 0)
    let (peer, local) = (try Socket.peerAddress(of: socket), try Socket.localAddress(of: socket))
    return (peer.endpoint ?? nowhere, local.endpoint ?? nowhere)
  }

  /// Opens a datagram socket.
  public mutating func openDatagrams(
    _ flow: FlowID, family: IPAddress.Family, destination: Endpoint?, preferredPort: UInt16
  ) -> HostOpen {
    do throws(SystemError) {
      let everywhere = IPAddress.any(family)
      let socket = try Socket(.datagram, for: .internet(destination ?? Endpoint(everywhere, port: 0)))
      try socket.set(.errorQueue(family), to: true)
      Self.receiveTogether(socket)
      try socket.set(.receiveBuffer, to: Self.datagramRoom)
      if let destination {
        _ = try socket.connect(to: .internet(destination))
      } else {
        // The same port of the other family belongs to another flow.
        if family == .ipv6 { try socket.set(.ipv6Only, to: true) }
        try Self.bind(socket, everywhere, preferredPort: preferredPort)
      }
      try register(flow, socket, as: .datagrams, family: family)
      witness?.beginDatagrams(flow, local: localEndpoint(of: flow), remote: destination)
      return .ready
    } catch {
      return .failed(HostError(reaching: error))
    }
  }

  /// Keeps the guest's port where that is free; never one that the host reserves for its services.
  static func bind(
    _ socket: borrowing Socket, _ address: IPAddress, preferredPort: UInt16, least: UInt16 = firstUnprivilegedPort
  ) throws(SystemError) {
    if preferredPort >= least {
      do throws(SystemError) {
        return try socket.bind(to: .internet(Endpoint(address, port: preferredPort)))
      } catch  where HostError(error) == .addressInUse {
        // Another guest or program has it.
      }
    }
    try socket.bind(to: .internet(Endpoint(address, port: 0)))
  }

  static var firstUnprivilegedPort: UInt16 { 1024 }

  /// Closes a flow's socket, cleanly or by a reset.
  public mutating func close(_ flow: FlowID, abortively: Bool) {
    witness?.close(flow, abortively: abortively)
    if abortively { commands.hangUp(flow) }
    switch (table[flow].kind, abortively) {
    case (.stream, true): Self.resetOnClose(descriptor(flow))
    case (.stream, false), (.localStream, false): if !isKnownEmpty(flow) { discardUnread(flow) }
    // A UNIX socket has no reset of its own: its peer is told of one by what was left unread.
    case (.localStream, true), (.none, _), (.streamListener, _), (.localListener, _), (.datagrams, _),
      (.datagramListener, _), (.echo, _), (.rawEcho, _), (.file, _):
      break
    }
    forget(flow)
    renewSpare()
  }

  // MARK: Sockets

  /// Lets datagrams of one length that came together be read as one message; a system that does not know how gives
  /// each by itself.
  private static func receiveTogether(_ socket: borrowing Socket) {
    do throws(SystemError) { try socket.set(.receivesTogether, to: true) } catch { return }
  }

  /// Room for a burst of datagrams, in bytes, as far as net.core.rmem_max allows: nobody sends again what is lost here.
  /// (The buffers of streams are left to the kernel, which fits them to the path.)
  private static var datagramRoom: Int32 { 512 * 1024 }

  /// What every stream socket is given before it connects or listens.
  func prepare(_ socket: borrowing Socket) throws(SystemError) {
    try socket.set(.urgentInline, to: true)
    // The guest's TCP decides when segments go; delaying them again would add to its delay.
    try socket.set(.noDelay, to: true)
    if usesPeekOffset { try socket.set(.peekOffset, to: 0) }
  }

  /// Takes one waiting connection with the spare descriptor and resets it.
  ///
  /// Without descriptors the system fails to accept even where nobody waits, so that only this tells whether somebody
  /// did: a failure reported for nobody would be tried again for ever.
  private mutating func refuseOne(_ listener: FlowID) -> HostAccept {
    guard spare >= 0 else { return .wouldBlock }
    _ = FileDescriptor(owning: spare)
    spare = -1
    let result = Self.refuseNext(descriptor(listener))
    renewSpare()
    return result
  }

  private static func refuseNext(_ listener: Int32) -> HostAccept {
    do throws(SystemError) {
      guard let socket = try Socket.accept(from: listener) else { return .wouldBlock }
      resetOnClose(socket.rawValue)
      return .failed(.exhausted)
    } catch {
      // Somebody else took the descriptor: the client waits until there is one.
      return .wouldBlock
    }
  }

  /// Sets a descriptor aside again, where there is one to be had.
  private mutating func renewSpare() {
    guard spare < 0 else { return }
    do throws(SystemError) { spare = try FileDescriptor.open(reading: "/dev/null").take() } catch { return }
  }

  /// A reset on close cannot be had on a socket that is no longer connected, and is not needed there.
  private static func resetOnClose(_ socket: Int32) {
    do throws(SystemError) { try Socket.resetOnClose(socket) } catch { return }
  }
}
