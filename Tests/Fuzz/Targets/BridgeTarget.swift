import Bridge
import Netstack
import Primitives
import Simulation

/// What guests of a bridge say to who gives them their addresses: messages of DHCP, answers to its questions by ARP,
/// router solicitations, any of them changed on the way, any bytes at all, and time.
///
/// Whatever they say, no address has two leases, none that is not to be given out has one, and what is answered is a
/// frame that an independent decoder takes.
enum BridgeTarget {
  /// Steps that are made.
  private static let mostSteps = 256

  static func run(_ bytes: [UInt8]) -> [String] {
    var input = FuzzInput(bytes)
    var world = BridgedGuests(&input)
    var count = 0
    while !input.isAtEnd && world.faults.isEmpty && count < mostSteps {
      count += 1
      world.step(&input)
    }
    return world.faults
  }

  /// Guests that are leased addresses, renew them, find them in use and run out of them.
  static var seeds: [[UInt8]] {
    func message(_ type: UInt8, from client: UInt8, _ requested: UInt8 = 0, _ serverID: UInt8 = 0) -> [UInt8] {
      [0, type, client, 0, requested, serverID, 0]
    }
    let wait: [UInt8] = [3, 60]
    func lease(_ client: UInt8, _ address: UInt8) -> [UInt8] {
      message(1, from: client) + wait + message(3, from: client, address, 1)
    }
    return [
      [0] + lease(0, 201) + message(7, from: 0, 0, 1),
      [1] + (0..<9).flatMap { lease($0, 201 + $0) } + [3, 255],
      [0] + message(1, from: 0) + [1, 1, 201] + wait + [2, 0, 0] + message(4, from: 0, 201, 1),
      [1] + [4, 1, 9, 1, 0] + message(1, from: 2) + [2, 5] + [5, 20] + [UInt8](repeating: 255, count: 20),
    ]
  }
}

/// A server of addresses, a clock, and guests of whom each number has one hardware address.
private struct BridgedGuests {
  private(set) var faults: [String] = []
  private var server: AddressServer
  private let settings: BridgeDHCPSettings
  private var now = Instant.zero + .seconds(1000)
  /// How the next frame is changed: byte `place` by `change`, with its checksums made right or not.
  private var change: (place: Int, change: UInt8, isRepaired: Bool)?

  private static let host = IPv4Address(192, 168, 1, 101)
  private static let bridge = MACAddress(0x52, 0x54, 0, 0, 0, 1)
  private static let lan = IPv4Prefix(containing: host, length: 24)

  init(_ input: inout FuzzInput) {
    let choices = input.byte()
    var settings = BridgeDHCPSettings(
      address: Self.host, subnet: Self.lan, first: Self.address(201), last: Self.address(208))
    (settings.domainName, settings.searchDomains) = ("mylan", ["mylan"])
    settings.nameServers = [IPv4Address(8, 8, 8, 8)]
    if choices & 1 != 0 {
      settings.ipv6Prefix = IPv6Prefix(containing: IPv6Address(high: 0xfd00_0007 << 32, low: 0), length: 64)
    }
    if choices & 2 != 0 { settings.givesAddresses = false }
    if choices & 4 != 0 { (settings.first, settings.last) = (Self.address(98), Self.address(103)) }
    self.settings = settings
    server = AddressServer(settings, hardware: Self.bridge, seed: 1, at: now)
  }

  private static func address(_ last: UInt8) -> IPv4Address { IPv4Address(192, 168, 1, last) }

  private static func hardware(_ number: UInt8) -> MACAddress { MACAddress(bits: 0x5254_0012_0000 + UInt64(number)) }

  // MARK: Steps

  mutating func step(_ input: inout FuzzInput) {
    switch input.number(below: 6) {
    case 0: speak(&input)
    case 1:
      let (owner, address) = (Self.hardware(input.byte()), Self.address(input.byte()))
      let answer = PlainARP(
        operation: 2, senderMAC: owner, senderAddress: address, targetMAC: Self.bridge, targetAddress: Self.host)
      send(PlainFrame(destination: Self.bridge, source: owner, .arp(answer)).encoded)
    case 2: change = (Int(input.byte()), input.byte() | 1, input.byte() & 1 == 0)
    case 3:
      let step = Int64(input.byte())
      now = now + .milliseconds(step * step * step)
      server.advance(to: now)
      if server.nextDeadline <= now { faults.append("what is due at \(server.nextDeadline) is not done at \(now)") }
    case 4: solicit(&input)
    default: send(input.take(Int(input.byte()) * 2))
    }
    check()
  }

  /// A client's message: its type, who sends it, from which address, and what it asks for.
  private mutating func speak(_ input: inout FuzzInput) {
    let (type, client, source) = (input.byte() % 12, Self.hardware(input.byte() & 15), input.byte())
    let (requested, serverID) = (input.byte(), input.byte() & 3)
    var options: [UInt8] = [53, 1, type]
    if requested != 0 { options += [50, 4, 192, 168, 1, requested] }
    if serverID != 0 { options += [54, 4, 192, 168, 1, serverID == 1 ? 101 : serverID] }
    options += input.take(Int(input.byte()) % 64) + [255]
    let address = source == 0 ? IPv4Address.any : Self.address(source)
    var message: [UInt8] = [1, 1, 6, 0, 0, 0, 0, 7, 0, 0, 0, 0]
    message += (0..<4).map { UInt8(truncatingIfNeeded: address.bits >> UInt32(24 - 8 * $0)) }
    message += [UInt8](repeating: 0, count: 12)
    message += (0..<6).map { UInt8(truncatingIfNeeded: client.bits >> UInt64(40 - 8 * $0)) }
    message += [UInt8](repeating: 0, count: 10 + 192) + [99, 130, 83, 99] + options
    let datagram = PlainUDP(sourcePort: 68, destinationPort: 67, payload: message)
    let packet = PlainIPv4(from: address, to: source == 0 ? .broadcast : Self.host, .udp(datagram))
    send(PlainFrame(destination: .broadcast, source: client, .ipv4(packet)).encoded)
  }

  private mutating func solicit(_ input: inout FuzzInput) {
    let (choices, guest) = (input.byte(), input.byte())
    let station = Self.hardware(guest)
    var message = PlainDiscovery(type: 133)
    if choices & 1 != 0 { message.options.append(.linkLayer(1, Self.hardware(input.byte()))) }
    let source = choices & 2 == 0 ? IPv6Address.any : IPv6Address(high: 0xfe80 << 48, low: UInt64(guest) + 1)
    let routers = IPv6Address(high: 0xff02 << 48, low: 2)
    var packet = PlainIPv6(from: source, to: routers, .icmp(message.message))
    packet.hopLimit = choices & 4 == 0 ? 255 : 64
    send(PlainFrame(destination: MACAddress(0x33, 0x33, 0, 0, 0, 2), source: station, .ipv6(packet)).encoded)
  }

  private mutating func send(_ frame: [UInt8]) {
    var bytes = frame
    if let change, !bytes.isEmpty {
      bytes[change.place % bytes.count] ^= change.change
      if change.isRepaired { bytes = FrameRepair.repair(bytes) }
    }
    change = nil
    server.receive(bytes.span, isChecksumPending: false, at: now)
  }

  // MARK: What must hold

  private mutating func check() {
    for frame in server.takeOutput() {
      do throws(PacketFault) {
        let plain = try PlainFrame(decoding: frame)
        if plain.source != Self.bridge { faults.append("a frame from \(plain.source)") }
        if case .arp(let question) = plain.body, question.targetAddress == Self.host {
          faults.append("it asks for its own address")
        }
      } catch {
        faults.append("\(error): \(frame)")
      }
    }
    _ = server.takeEvents()
    let leases = server.leases(at: now)
    let addresses = Set(leases.map(\.address))
    if addresses.count != leases.count { faults.append("one address has two leases: \(leases)") }
    if Set(leases.map(\.hardware)).count != leases.count { faults.append("one guest has two leases: \(leases)") }
    for lease in leases {
      guard let address = lease.address.ipv4, settings.givesAddresses, settings.first <= address,
        address <= settings.last, address != Self.host
      else {
        faults.append("a lease of \(lease.address), which is not to be given out")
        continue
      }
      if lease.expiry > now + settings.maximumLeaseTime { faults.append("\(address) is leased for too long") }
    }
  }
}
