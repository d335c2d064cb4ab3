import Buffers
import Netstack
import Primitives
import Simulation

// What happens in the world behind the host's sockets, on the link, and by an operator.
extension OperationWorld {
  // MARK: Streams

  /// The far end of a stream says something, reads, or ends.
  func usePeer() {
    guard !streams.isEmpty else { return }
    let port = 1001 + UInt16(input.number(below: streams.count))
    let choices = input.byte()
    guard let endpoint = streams[port], let peer = lab.peers(at: endpoint).last else { return }
    switch choices & 7 {
    case 0, 1:
      ended.insert(port)
      if choices & 7 == 0 { peer.finish() } else { peer.reset() }
    case 2: peer.read(Int(input.word()))
    case 3: peer.setReadsAtOnce(choices & 8 == 0)
    default: say(length(), by: peer, port)
    }
  }

  private func say(_ count: Int, by peer: Peer, _ port: UInt16) {
    // One stream at each port: a second, of a connection that begins again, would not say the same.
    guard let endpoint = streams[port], lab.peers(at: endpoint).count == 1, !ended.contains(port) else { return }
    let start = said[port, default: 0]
    peer.write((0..<count).map { Self.worldByte(port, start + $0) })
    said[port] = start + count
  }

  /// How those behave who are connected to next.
  func chooseService() {
    let choices = input.byte()
    var service = RemoteService()
    switch choices & 7 {
    case 0, 1: service.answer = .accepts
    case 2, 3: service.answer = .acceptsAfter(.milliseconds(Int64(input.byte()) * 8))
    case 4: service.answer = .fails(someError())
    case 5: service.answer = .failsAfter(someError(), .milliseconds(Int64(input.byte()) * 8))
    case 6: service.answer = .isSilent
    default: lab.setWorld { $0.paths = choices & 8 == 0 ? [:] : [FuzzLab.remotes[0]: path(choices)] }
    }
    service.readsAtOnce = choices & 16 == 0
    if choices & 32 != 0 { service.sendBufferSize = input.choice(of: [4608, 16_384, 1000]) }
    if choices & 64 != 0 { service.receiveBufferSize = input.choice(of: [2304, 16_384]) }
    if choices & 128 != 0 { service.memoryPercent = 240 }
    lab.setWorld { $0.defaultService = service }
  }

  private func path(_ choices: UInt8) -> NetworkPath {
    let router = IPAddress(IPv4Address(203, 0, 113, 1))
    return NetworkPath(
      through: [router], mtu: choices & 16 == 0 ? 1400 : .max,
      refusal: choices & 32 == 0 ? nil : input.choice(of: [.prohibited, .hostUnreachable, .portUnreachable]))
  }

  private func someError() -> HostError {
    input.choice(of: [
      .refused, .reset, .hostUnreachable, .networkUnreachable, .timedOut, .forbidden, .exhausted, .other(71),
    ])
  }

  // MARK: Datagrams

  func sendDatagram() {
    let choices = input.byte()
    let address = someAddress()
    if choices & 3 == 3 { return lab.guest.ping(address, sequence: UInt16(choices), payload: input.take(8)) }
    let remote = Endpoint(address, port: 2000 + UInt16(choices & 3))
    let (port, payload) = (5000 + UInt16(choices >> 2 & 15), [UInt8](repeating: choices, count: length()))
    if choices & 64 != 0 && !payload.isEmpty && payload.count < 40_000 {
      let datagram = PlainUDP(sourcePort: port, destinationPort: remote.port, payload: payload)
      let source = lab.guest.address(in: address.family)
      return lab.guest.send(.udp(datagram), from: source, to: address, inSegmentsOf: 1 + UInt16(choices >> 2))
    }
    lab.guest.sendUDP(Array(payload.prefix(60_000)), from: port, to: remote)
  }

  /// Datagrams come from the world, or what was sent is told to have failed.
  func deliverDatagram() {
    let choices = input.byte()
    let port = 5000 + UInt16(choices & 15)
    let source = Endpoint(someAddress(), port: 2000 + UInt16(choices >> 4 & 3))
    for loop in lab.loops {
      guard let flow = lab[host: loop].datagramFlow(onPort: port) else { continue }
      switch choices >> 6 {
      case 0:
        // Of what was sent nowhere nothing can be told.
        guard let sent = lab[host: loop].sentDatagrams.last(where: { $0.flow == flow }) else { break }
        let failure = HostFailure(
          someError(), report: .portUnreachable, reporter: source.address, destination: sent.destination)
        lab[host: loop].fail(flow, failure, quote: sent.payload)
      case 1: lab[host: loop].limitDatagrams(of: flow, to: input.byte() & 1 == 0 ? nil : 0)
      default:
        let payload = [UInt8](repeating: choices, count: min(length(), 60_000))
        for _ in 0...(input.byte() & 7) { lab[host: loop].deliver(payload, from: source, to: flow) }
      }
    }
    if choices >> 6 == 3 {
      let service: DatagramService = choices & 1 == 0 ? .echoes : .answers([UInt8](repeating: 1, count: length()))
      lab.setWorld { $0.datagramServices[source] = service }
    }
  }

  // MARK: The link

  func useLink() {
    let choices = input.byte()
    switch choices & 7 {
    case 0: lab.openLink(room: nil)
    case 1: lab.openLink(room: Int(choices >> 3))
    case 2: lab.sink.room = 0
    case 3: lab.sink.maximumSlots = 1 + Int(choices >> 3)
    case 4: lab.detach()
    case 5: lab.attach()
    case 6: lab.setWorld { $0.descriptorsLeft = choices & 8 == 0 ? nil : Int(choices >> 4) }
    default: lab.sink.loopRoom = choices & 8 == 0 ? nil : Int(choices >> 4)
    }
  }

  // MARK: Commands

  func command() {
    let choices = input.byte()
    do throws(CommandError) {
      try lab.apply(someCommand(choices))
    } catch {
      // A refusal is an answer.
    }
  }

  private func someCommand(_ choices: UInt8) -> Command {
    let number = choices >> 4 & 3
    let hardware = MACAddress(0x52, 0x54, 0, 0x12, 0x34, 0x56 &+ number)
    switch choices & 7 {
    case 0, 1, 2:
      let forward = someForward(number, isLocal: choices & 8 != 0)
      if !forwards.contains(forward) { forwards.append(forward) }
      return .addForward(forward)
    case 3:
      return .removeForward(forwards.isEmpty ? .local("none") : forwards[Int(number) % forwards.count].host)
    case 4: return .setResolvers(Array(Self.resolvers.prefix(Int(choices >> 3 & 3))))
    case 5:
      let lease = StaticLease(hardware: hardware, address: IPv4Address(10, 0, 2, 15 + number), hostname: "one")
      return choices & 8 == 0 ? .setStaticLeases([lease]) : .assignAddresses(to: hardware)
    case 6: return .setLocalNames([LocalName(name: "name.example", address: IPAddress(IPv4Address(10, 0, 2, number)))])
    default:
      return .restoreLease(
        DHCPLease(
          address: IPAddress(IPv4Address(10, 0, 2, 14 + number)), hardware: hardware, hostname: "two",
          expiry: lab.now + .seconds(Int64(choices))))
    }
  }

  static let resolvers = [
    Endpoint(IPv4Address(192, 0, 2, 53), port: 53),
    Endpoint(IPAddress(IPv6Address(high: 0x2001_0db8 << 32, low: 0x53)), port: 53),
  ]

  private func someForward(_ number: UInt8, isLocal: Bool) -> PortForward {
    let guest = Endpoint(lab.guest.address(in: number == 3 ? .ipv6 : .ipv4), port: Self.servedPorts[Int(number & 1)])
    if isLocal { return PortForward(from: .local("place \(number)"), to: guest) }
    let absent = Endpoint(IPv4Address(10, 0, 2, 99), port: 80)
    switch number {
    case 0: return PortForward(transport: .tcp, host: Endpoint(.any(.ipv4), port: 8080), guest: guest)
    case 1: return PortForward(transport: .tcp, host: Endpoint(.loopback, port: 8081), guest: absent)
    case 2: return PortForward(transport: .udp, host: Endpoint(.any(.ipv4), port: 8082), guest: guest)
    default: return PortForward(transport: .tcp, host: Endpoint(.any(.ipv6), port: 8083), guest: guest)
    }
  }

  /// A client of a forward comes.
  func connectClient() {
    let choices = input.byte()
    guard !forwards.isEmpty else { return }
    let forward = forwards[Int(choices & 15) % forwards.count]
    switch forward.host {
    case .local(let name): _ = lab.connectClient(toLocal: name)
    case .port(.udp, let host):
      lab.deliver([UInt8](repeating: choices, count: length()), from: client(host.address.family), toPort: host.port)
    case .port(.tcp, let host):
      let endpoint = client(host.address.family)
      streams[endpoint.port] = endpoint
      _ = lab.connectClient(from: endpoint, to: host)
    }
    if choices & 16 == 0 {
      lab.advance(by: .milliseconds(30))
      adoptAccepted()
    }
  }

  /// An endpoint in the world that no other stream has.
  private func client(_ family: IPAddress.Family) -> Endpoint {
    unusedEndpoint(family == .ipv4 ? FuzzLab.remotes[1] : FuzzLab.remotes[2])
  }
}
