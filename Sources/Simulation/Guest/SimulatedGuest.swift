import Buffers
import Netstack
public import Primitives

/// A guest on the virtual network: its station, its addresses, and what it has received.
///
/// Without being told it does what any system does: it answers ARP requests and neighbor solicitations for its
/// addresses, notes what routers advertise, and puts fragments together. The rest is for tests: single frames and datagrams, raw TCP segments (`RawConnection`), and whole TCP
/// connections of a stack of its own (`GuestTCP`).
public final class SimulatedGuest {
  /// Its hardware address.
  public var mac = MACAddress(0x52, 0x54, 0x00, 0x12, 0x34, 0x56)
  /// Its address.
  public var address: IPv4Address
  /// Its address in IPv6, made of its hardware address (RFC 4291 appendix A).
  public var ipv6Address: IPv6Address
  /// Its link-local address.
  public var ipv6LinkLocal = IPv6Address(high: 0xfe80 << 48, low: 0x5054_00ff_fe12_3456)
  /// The hardware address that it sends to.
  public var gatewayMAC: MACAddress
  /// The hardware address that it sends to in IPv6.
  public var ipv6GatewayMAC: MACAddress
  /// Whether it answers ARP requests and neighbor solicitations.
  public var answersARP = true
  /// Whether it keeps what it receives beyond TCP, for tests to look at.
  public var keepsFrames = true
  /// Has the frames that the guest sends go out as what it makes of them.
  public var mangler: ((LinkFrame) -> [LinkFrame])?
  /// Sees each frame that is meant for the guest, in the order in which they come, before anything is done with it.
  public var watcher: ((PlainFrame) -> Void)?

  /// What it has received, but for what a TCP connection took and for neighbor discovery.
  public private(set) var inbox: [PlainFrame] = []
  /// The frames of neighbor discovery that it has received, with the messages in them.
  public private(set) var discovery: [(frame: PlainFrame, message: PlainDiscovery)] = []
  /// What it has yet to send.
  var outbox: [LinkFrame] = []
  var connections: [GuestTCP] = []
  var rawConnections: [RawConnection] = []
  /// Ports on which it accepts connections.
  private var listening: [UInt16: GuestTCP.Options] = [:]
  /// Who takes the datagrams that come to a port.
  private var programs: [UInt16: (_ payload: [UInt8], _ source: Endpoint) -> Void] = [:]
  private var fragments: [PlainIPv4] = []
  private var fragmentsV6: [PlainIPv6] = []
  private var nextPort: UInt16 = 49_152
  private var nextSequence: UInt32 = 1_000_000
  /// What time it is; the lab's clock.
  var now = Instant.zero

  init(settings: NetworkSettings) {
    address = settings.ipv4FirstLease
    gatewayMAC = settings.gatewayMAC
    ipv6GatewayMAC = settings.ipv6GatewayMAC
    ipv6Address = IPv6Address(high: settings.ipv6Prefix.network.high, low: 0x5054_00ff_fe12_3456)
  }

  // MARK: Sending

  /// Sends bytes as a frame, whatever they are.
  public func send(_ bytes: [UInt8]) { send(LinkFrame(bytes)) }

  /// Sends a frame with what it leaves to others.
  public func send(_ frame: LinkFrame) {
    guard let mangler else { return outbox.append(frame) }
    outbox += mangler(frame)
  }

  /// Sends a frame.
  public func send(_ frame: PlainFrame) { send(frame.encoded) }

  /// Sends a packet to the gateway's station.
  public func send(_ packet: PlainIPv4) { send(frame(packet)) }

  /// Sends a packet to the gateway's station, or to the group that it is for.
  public func send(_ packet: PlainIPv6) { send(frame(packet)) }

  /// Sends a packet of the destination's family.
  public func send(_ payload: PlainPayload, from source: IPAddress, to destination: IPAddress) {
    send(frame(payload, from: source, to: destination))
  }

  private func frame(_ packet: PlainIPv4) -> PlainFrame {
    PlainFrame(destination: gatewayMAC, source: mac, .ipv4(packet))
  }

  private func frame(_ packet: PlainIPv6) -> PlainFrame {
    let station = packet.destination.isMulticast ? packet.destination.groupStation : ipv6GatewayMAC
    return PlainFrame(destination: station, source: mac, .ipv6(packet))
  }

  private func frame(_ payload: PlainPayload, from source: IPAddress, to destination: IPAddress) -> PlainFrame {
    if let source = source.ipv4, let destination = destination.ipv4 {
      frame(PlainIPv4(from: source, to: destination, payload))
    } else {
      frame(PlainIPv6(from: source.mapped, to: destination.mapped, payload))
    }
  }

  /// Sends a packet that stands for several of `size` bytes of payload each, with its checksum left to be completed:
  /// what is in the field is of no use to anybody.
  public func send(
    _ payload: PlainPayload, from source: IPAddress, to destination: IPAddress, inSegmentsOf size: UInt16
  ) {
    let isV4 = source.family == .ipv4
    let isTCP = payload.proto(in: source.family) == 6
    var frame = LinkFrame(frame(payload, from: source, to: destination).encoded)
    frame.checksum = .partial(start: isV4 ? 34 : 54, offset: isTCP ? 16 : 6)
    frame.segmentation = Segmentation(kind: !isTCP ? .udp : isV4 ? .tcp4 : .tcp6, size: size)
    send(frame)
  }

  /// Its address in a family.
  public func address(in family: IPAddress.Family) -> IPAddress {
    family == .ipv4 ? IPAddress(address) : IPAddress(ipv6Address)
  }

  /// Sends a UDP datagram.
  public func sendUDP(_ payload: [UInt8], from port: UInt16, to destination: IPv4Address, port remotePort: UInt16) {
    sendUDP(payload, from: port, to: Endpoint(destination, port: remotePort))
  }

  /// Sends a UDP datagram.
  public func sendUDP(_ payload: [UInt8], from port: UInt16, to remote: Endpoint) {
    let datagram = PlainUDP(sourcePort: port, destinationPort: remote.port, payload: payload)
    send(.udp(datagram), from: address(in: remote.address.family), to: remote.address)
  }

  /// Sends an echo request.
  public func ping(_ destination: IPv4Address, sequence: UInt16 = 1, payload: [UInt8] = Array(0..<56)) {
    ping(IPAddress(destination), sequence: sequence, payload: payload)
  }

  /// Sends an echo request.
  public func ping(_ destination: IPAddress, sequence: UInt16 = 1, payload: [UInt8] = Array(0..<56)) {
    let type: UInt8 = destination.family == .ipv4 ? 8 : 128
    let request = PlainICMP(type: type, rest: 0x1234_0000 | UInt32(sequence), payload: payload)
    send(.icmp(request), from: address(in: destination.family), to: destination)
  }

  /// Sends a message of neighbor discovery with the hop limit of 255 that it needs.
  public func send(
    _ message: PlainDiscovery, from source: IPv6Address? = nil, to destination: IPv6Address, hopLimit: UInt8 = 255
  ) {
    var packet = PlainIPv6(from: source ?? ipv6Address, to: destination, .icmp(message.message))
    packet.hopLimit = hopLimit
    send(packet)
  }

  /// Asks who has an address, with its own hardware address.
  public func solicit(_ target: IPv6Address) {
    let message = PlainDiscovery(type: 135, target: target, options: [.linkLayer(1, mac)])
    send(message, to: target.solicitedGroup)
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
    let local = Endpoint(address(in: remote.address.family), port: unusedPort())
    let connection = GuestTCP(self, local: local, remote: remote, initialSequence: unusedSequence(), options: options)
    connections.append(connection)
    connection.open()
    return connection
  }

  /// Accepts connections on a port.
  public func listen(on port: UInt16, options: GuestTCP.Options = GuestTCP.Options()) { listening[port] = options }

  /// Lets `program` take what datagrams bring to a port, and who sent it, instead of the inbox.
  public func bind(_ port: UInt16, to program: @escaping (_ payload: [UInt8], _ source: Endpoint) -> Void) {
    programs[port] = program
  }

  /// The connections that were accepted on a port, the oldest first.
  public func accepted(on port: UInt16) -> [GuestTCP] { connections.filter { $0.isServer && $0.local.port == port } }

  /// When it next does something by itself.
  var nextDeadline: Instant { connections.reduce(.never) { min($0, $1.deadline) } }

  func advance() {
    for connection in connections where connection.deadline <= now { connection.timeout() }
  }

  // MARK: Receiving

  /// Forgets what was received.
  public func clearInbox() {
    inbox.removeAll()
    discovery.removeAll()
  }

  /// The datagrams received, the oldest first.
  public var datagrams: [PlainUDP] {
    inbox.compactMap { frame in
      if case .udp(let datagram)? = frame.payload { return datagram }
      return nil
    }
  }

  /// The ICMP messages received, the oldest first.
  public var icmpMessages: [PlainICMP] {
    inbox.compactMap { frame in
      if case .icmp(let message)? = frame.payload { return message }
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
    watcher?(frame)
    if case .arp(let request) = frame.body, request.operation == 1, request.targetAddress == address, answersARP {
      let reply = PlainARP(
        operation: 2, senderMAC: mac, senderAddress: address, targetMAC: request.senderMAC,
        targetAddress: request.senderAddress)
      send(PlainFrame(destination: request.senderMAC, source: mac, .arp(reply)))
    }
    guard let payload = frame.payload, let source = frame.packetSource else { return keep(frame) }
    if frame.ipv4?.isFragment == true || frame.ipv6?.isFragment == true { return receiveFragment(frame) }
    switch payload {
    case .tcp(let segment): receive(segment, from: Endpoint(source, port: segment.sourcePort), in: frame)
    case .icmp(let message) where frame.ipv6 != nil && (133...136).contains(message.type):
      receiveDiscovery(message, in: frame)
    case .udp(let datagram):
      guard let program = programs[datagram.destinationPort] else { return keep(frame) }
      program(datagram.payload, Endpoint(source, port: datagram.sourcePort))
    default: keep(frame)
    }
  }

  private func keep(_ frame: PlainFrame) {
    if case .icmp(let message)? = frame.payload { connections.forEach { $0.receive(message) } }
    if keepsFrames { inbox.append(frame) }
  }

  private func receiveDiscovery(_ icmp: PlainICMP, in frame: PlainFrame) {
    // The checker has reported what does not decode; a guest drops it.
    guard let message = try? PlainDiscovery(icmp) else { return }
    discovery.append((frame, message))
    guard message.type == 135, let target = message.target, target == ipv6Address || target == ipv6LinkLocal,
      let asker = frame.ipv6?.source, let station = message.linkLayer(1), answersARP
    else { return }
    let answer = PlainDiscovery(type: 136, rest: 0x6000_0000, target: target, options: [.linkLayer(2, mac)])
    var packet = PlainIPv6(from: target, to: asker, .icmp(answer.message))
    packet.hopLimit = 255
    send(PlainFrame(destination: station, source: mac, .ipv6(packet)))
  }

  private func receiveFragment(_ frame: PlainFrame) {
    if keepsFrames { inbox.append(frame) }
    var whole: PlainFrame.Body?
    if let packet = frame.ipv4 {
      fragments.append(packet)
      let isPart = { (other: PlainIPv4) in
        other.identification == packet.identification && other.source == packet.source
      }
      guard let joined = joinFragments(fragments.filter(isPart)) else { return }
      fragments.removeAll(where: isPart)
      whole = (try? PlainIPv4(decoding: joined.encoded)).map { .ipv4($0) }
    } else if let packet = frame.ipv6 {
      fragmentsV6.append(packet)
      let isPart = { (other: PlainIPv6) in
        other.fragment?.identification == packet.fragment?.identification && other.source == packet.source
      }
      guard let joined = joinFragments(fragmentsV6.filter(isPart)) else { return }
      fragmentsV6.removeAll(where: isPart)
      whole = (try? PlainIPv6(decoding: joined.encoded)).map { .ipv6($0) }
    }
    guard let whole else { return }
    inbox.append(PlainFrame(destination: frame.destination, source: frame.source, whole))
  }

  private func receive(_ segment: PlainTCP, from remote: Endpoint, in frame: PlainFrame) {
    if let raw = rawConnections.last(where: { $0.matches(remote, port: segment.destinationPort) }) {
      return raw.receive(segment, at: now)
    }
    let local = Endpoint(address(in: remote.address.family), port: segment.destinationPort)
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

extension IPv6Address {
  /// The group to which solicitations for the address go (RFC 4291 section 2.7.1).
  public var solicitedGroup: IPv6Address {
    IPv6Address(high: 0xff02_0000_0000_0000, low: 0x1_ff00_0000 | low & 0xff_ffff)
  }

  /// The hardware address of a group (RFC 2464 section 7).
  public var groupStation: MACAddress { MACAddress(bits: 0x3333_0000_0000 | low & 0xffff_ffff) }
}
