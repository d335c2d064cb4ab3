import Netstack
public import Primitives

/// A guest on the virtual network: its station, its addresses, and what it has received.
///
/// Without being told it does what any system does: it answers ARP requests for its address and puts fragments
/// together. The rest is for tests: single frames and datagrams, raw TCP segments (`RawConnection`), and whole TCP
/// connections of a stack of its own (`GuestTCP`).
public final class SimulatedGuest {
  /// Its hardware address.
  public var mac = MACAddress(0x52, 0x54, 0x00, 0x12, 0x34, 0x56)
  /// Its address.
  public var address: IPv4Address
  /// The hardware address that it sends to.
  public var gatewayMAC: MACAddress
  /// Whether it answers ARP requests.
  public var answersARP = true
  /// Whether it keeps what it receives beyond TCP, for tests to look at.
  public var keepsFrames = true

  /// What it has received, but for what a TCP connection took.
  public private(set) var inbox: [PlainFrame] = []
  /// What it has yet to send.
  var outbox: [[UInt8]] = []
  var connections: [GuestTCP] = []
  var rawConnections: [RawConnection] = []
  /// Ports on which it accepts connections.
  private var listening: [UInt16: GuestTCP.Options] = [:]
  private var fragments: [PlainIPv4] = []
  private var nextPort: UInt16 = 49_152
  private var nextSequence: UInt32 = 1_000_000
  /// What time it is; the lab's clock.
  var now = Instant.zero

  init(settings: NetworkSettings) {
    address = settings.ipv4FirstLease
    gatewayMAC = settings.gatewayMAC
  }

  // MARK: Sending

  /// Sends bytes as a frame, whatever they are.
  public func send(_ bytes: [UInt8]) { outbox.append(bytes) }

  /// Sends a frame.
  public func send(_ frame: PlainFrame) { send(frame.encoded) }

  /// Sends a packet to the gateway's station.
  public func send(_ packet: PlainIPv4) {
    send(PlainFrame(destination: gatewayMAC, source: mac, .ipv4(packet)))
  }

  /// Sends a UDP datagram.
  public func sendUDP(_ payload: [UInt8], from port: UInt16, to destination: IPv4Address, port remotePort: UInt16) {
    let datagram = PlainUDP(sourcePort: port, destinationPort: remotePort, payload: payload)
    send(PlainIPv4(from: address, to: destination, .udp(datagram)))
  }

  /// Sends an echo request.
  public func ping(_ destination: IPv4Address, sequence: UInt16 = 1, payload: [UInt8] = Array(0..<56)) {
    let request = PlainICMP(type: 8, rest: 0x1234_0000 | UInt32(sequence), payload: payload)
    send(PlainIPv4(from: address, to: destination, .icmp(request)))
  }

  /// Asks who has an address.
  public func requestARP(for target: IPv4Address) {
    let request = PlainARP(operation: 1, senderMAC: mac, senderAddress: address, targetAddress: target)
    send(PlainFrame(destination: .broadcast, source: mac, .arp(request)))
  }

  /// Sends a DHCP message (RFC 2131) of this type; `options` follow option 53 and are closed by the end option.
  public func sendDHCP(type: UInt8, transaction: UInt32 = 0x1122_3344, options: [UInt8] = []) {
    var writer = PlainWriter()
    writer.append([1, 1, 6, 0])
    writer.append(transaction)
    writer.append([UInt8](repeating: 0, count: 20))
    writer.append(mac)
    writer.append([UInt8](repeating: 0, count: 10 + 192))
    writer.append([99, 130, 83, 99, 53, 1, type] + options + [255])
    let datagram = PlainUDP(sourcePort: 68, destinationPort: 67, payload: writer.bytes)
    let packet = PlainIPv4(from: .any, to: .broadcast, .udp(datagram))
    send(PlainFrame(destination: .broadcast, source: mac, .ipv4(packet)))
  }

  /// A port that no connection of the guest has used.
  public func unusedPort() -> UInt16 {
    nextPort += 1
    return nextPort
  }

  func unusedSequence() -> SequenceNumber {
    nextSequence &+= 0x0101_0101
    return SequenceNumber(nextSequence)
  }

  // MARK: TCP of its own

  /// Begins a connection.
  public func connect(to remote: Endpoint, options: GuestTCP.Options = GuestTCP.Options()) -> GuestTCP {
    let local = Endpoint(address, port: unusedPort())
    let connection = GuestTCP(self, local: local, remote: remote, initialSequence: unusedSequence(), options: options)
    connections.append(connection)
    connection.open()
    return connection
  }

  /// Accepts connections on a port.
  public func listen(on port: UInt16, options: GuestTCP.Options = GuestTCP.Options()) { listening[port] = options }

  /// The connections that were accepted on a port, the oldest first.
  public func accepted(on port: UInt16) -> [GuestTCP] { connections.filter { $0.isServer && $0.local.port == port } }

  /// When it next does something by itself.
  var nextDeadline: Instant { connections.reduce(.never) { min($0, $1.deadline) } }

  func advance() {
    for connection in connections where connection.deadline <= now { connection.timeout() }
  }

  // MARK: Receiving

  /// Forgets what was received.
  public func clearInbox() { inbox.removeAll() }

  /// The datagrams received, the oldest first.
  public var datagrams: [PlainUDP] {
    inbox.compactMap { frame in
      if case .udp(let datagram)? = frame.ipv4?.payload { return datagram }
      return nil
    }
  }

  /// The ICMP messages received, the oldest first.
  public var icmpMessages: [PlainICMP] {
    inbox.compactMap { frame in
      if case .icmp(let message)? = frame.ipv4?.payload { return message }
      return nil
    }
  }

  /// The ARP messages received, the oldest first.
  public var arpMessages: [PlainARP] {
    inbox.compactMap { frame in
      if case .arp(let message) = frame.body { return message }
      return nil
    }
  }

  func receive(_ bytes: [UInt8]) {
    // The checker has reported what does not decode; a guest drops it.
    guard let frame = try? PlainFrame(decoding: bytes) else { return }
    guard frame.destination == mac || frame.destination.isGroup else { return }
    if case .arp(let request) = frame.body, request.operation == 1, request.targetAddress == address, answersARP {
      let reply = PlainARP(
        operation: 2, senderMAC: mac, senderAddress: address, targetMAC: request.senderMAC,
        targetAddress: request.senderAddress)
      send(PlainFrame(destination: request.senderMAC, source: mac, .arp(reply)))
    }
    guard let packet = frame.ipv4 else { return keep(frame) }
    if packet.isFragment { return receiveFragment(packet, in: frame) }
    guard case .tcp(let segment) = packet.payload else { return keep(frame) }
    receive(segment, from: Endpoint(packet.source, port: segment.sourcePort), in: frame)
  }

  private func keep(_ frame: PlainFrame) {
    if case .icmp(let message)? = frame.ipv4?.payload { connections.forEach { $0.receive(message) } }
    if keepsFrames { inbox.append(frame) }
  }

  private func receiveFragment(_ packet: PlainIPv4, in frame: PlainFrame) {
    if keepsFrames { inbox.append(frame) }
    fragments.append(packet)
    let parts = fragments.filter { $0.identification == packet.identification && $0.source == packet.source }
    guard let whole = joinFragments(parts), let decoded = try? PlainIPv4(decoding: whole.encoded) else { return }
    fragments.removeAll { $0.identification == packet.identification && $0.source == packet.source }
    inbox.append(PlainFrame(destination: frame.destination, source: frame.source, .ipv4(decoded)))
  }

  private func receive(_ segment: PlainTCP, from remote: Endpoint, in frame: PlainFrame) {
    if let raw = rawConnections.last(where: { $0.matches(remote, port: segment.destinationPort) }) {
      return raw.receive(segment, at: now)
    }
    let local = Endpoint(address, port: segment.destinationPort)
    if let connection = connections.last(where: { $0.local == local && $0.remote == remote }) {
      return connection.receive(segment)
    }
    guard let options = listening[local.port], segment.flags.intersection([.syn, .ack, .rst]) == .syn else {
      return keep(frame)
    }
    let connection = GuestTCP(self, local: local, remote: remote, initialSequence: unusedSequence(), options: options)
    connections.append(connection)
    connection.accept(segment)
  }
}
