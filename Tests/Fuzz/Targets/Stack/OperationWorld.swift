import Netstack
import Primitives
import Simulation

/// The guests, servers, clients and streams of a run of operations, and what they have said to one another.
///
/// What a stream carries follows from its port in the world and the place in it, so that whoever gets a byte knows
/// whether it is the one that belongs there: none comes twice, none is left out, none is another stream's.
final class OperationWorld {
  let lab: Lab
  var input: FuzzInput
  /// What was found wrong.
  var faults: [String] = []

  /// Connections of which every segment is chosen.
  var rawEnds: [RawEnd] = []
  /// Connections of a TCP of the guest's own.
  var guestEnds: [GuestEnd] = []
  /// Connections of a TCP of the guest's own to services, whose content is theirs.
  var others: [GuestTCP] = []
  /// The ports of those streams of which the world's end has finished or reset.
  var ended: Set<UInt16> = []
  /// What the world's end of each stream has said, in bytes, by its port.
  var said: [UInt16: Int] = [:]
  /// What was looked at of what the world's ends have heard, by their ports and how many came before.
  private var heard: [UInt16: [Int]] = [:]
  /// The world's end of each stream.
  var streams: [UInt16: Endpoint] = [:]
  var nextPort: UInt16 = 1000
  /// The listeners that forwards have opened.
  var forwards: [PortForward] = []

  /// What is done to the frames that the guest sends next.
  var mangling: Mangling?
  /// Whether the guest sends only what it means, so that the content of streams is known.
  var isContentKnown = true
  /// Bytes that may be said yet, in streams and datagrams, so that a run takes no longer than a moment.
  var budget = 400_000

  init(_ options: Lab.Options, _ input: FuzzInput) {
    self.input = input
    lab = Lab(options)
    FuzzLab.populate(lab)
    lab.guest.mangler = { [unowned self] in mangle($0) }
    for port in Self.servedPorts { lab.guest.listen(on: port, options: GuestTCP.Options()) }
  }

  /// Ports on which the guest accepts the clients of forwards.
  static let servedPorts: [UInt16] = [80, 81]

  /// What the guest's end of a stream says at a place.
  static func guestByte(_ port: UInt16, _ place: Int) -> UInt8 {
    UInt8(truncatingIfNeeded: place &* 31 &+ place >> 8 &* 17 &+ Int(port) &* 7)
  }

  /// What the world's end says.
  static func worldByte(_ port: UInt16, _ place: Int) -> UInt8 { ~guestByte(port, place) }

  // MARK: Steps

  /// Carries out the next operation.
  func step() {
    let first = input.byte()
    switch first & 0x0f {
    case 0: lab.advance(by: input.choice(of: FuzzLab.steps))
    case 1: openRawEnd()
    case 2, 3: sendSegment()
    case 4: answerInOrder()
    case 5: openGuestEnd()
    case 6: useGuestEnd()
    case 7: usePeer()
    case 8: sendDatagram()
    case 9: deliverDatagram()
    case 10: chooseService()
    case 11: useLink()
    case 12: command()
    case 13: connectClient()
    case 14: askService()
    default: beStrange()
    }
    // With this bit the next operation happens at the same moment, and its frames come in the same batch.
    if first & 0x80 == 0 { lab.settle() }
    check()
  }

  /// Looks whether everything is as it must be.
  func check() {
    faults = FuzzLab.faults(of: lab)
    for index in rawEnds.indices { takeSegments(of: index) }
    guard isContentKnown else { return }
    checkGuestEnds()
    for (port, endpoint) in streams.sorted(by: { $0.key < $1.key }) { checkWorld(port, endpoint) }
  }

  private func checkGuestEnds() {
    for index in guestEnds.indices {
      let end = guestEnds[index]
      let received = end.connection.received
      for place in end.checkedCount..<received.count where received[place] != Self.worldByte(end.port, place) {
        faults.append("the guest's end of \(end.port) heard another byte at \(place) than was said")
        break
      }
      if received.count > said[end.port, default: 0] { faults.append("the guest heard more than was said") }
      guestEnds[index].checkedCount = received.count
    }
  }

  private func checkWorld(_ port: UInt16, _ endpoint: Endpoint) {
    if rawEnds.contains(where: { $0.port == port && !$0.isContentKnown }) { return }
    for (number, peer) in lab.peers(at: endpoint).enumerated() {
      while heard[port, default: []].count <= number { heard[port, default: []].append(0) }
      let bytes = peer.bytes
      let known = heard[port]?[number] ?? 0
      for place in known..<bytes.count where bytes[place] != Self.guestByte(port, place) {
        faults.append("the world's end of \(port) heard another byte at \(place) than the guest said")
        break
      }
      heard[port]?[number] = bytes.count
    }
  }

  // MARK: Ends

  /// The world's end of a stream to `address`, which no other stream has, and who is there for the host.
  func unusedEndpoint(_ address: IPAddress) -> Endpoint {
    nextPort += 1
    let remote = Endpoint(address, port: nextPort)
    streams[nextPort] = hostEnd(of: remote)
    return remote
  }

  /// Where the host finds what the guest calls `remote`.
  func hostEnd(of remote: Endpoint) -> Endpoint {
    let settings = lab.options.settings
    if remote.address == IPAddress(settings.ipv4Gateway) { return Endpoint(.loopback, port: remote.port) }
    if remote.address == IPAddress(settings.ipv6Gateway) {
      return Endpoint(IPAddress(.loopback as IPv6Address), port: remote.port)
    }
    return remote
  }

  /// An address that a guest may want to reach.
  func someAddress() -> IPAddress {
    let settings = lab.options.settings
    return input.choice(
      of: FuzzLab.remotes + [
        IPAddress(settings.ipv4Gateway), IPAddress(settings.ipv6Gateway), FuzzLab.remotes[0], FuzzLab.remotes[2],
      ])
  }

  /// A number of bytes that the budget allows: mostly few, sometimes many.
  func length() -> Int {
    let byte = Int(input.byte())
    let length = byte < 128 ? byte : byte < 200 ? (byte - 127) * 40 : (byte - 199) * 1000
    let allowed = min(length, max(budget, 0))
    budget -= allowed
    return allowed
  }
}

/// A connection of the guest's of which every segment is chosen by the input.
struct RawEnd {
  let connection: RawConnection
  /// The world's port of it.
  let port: UInt16
  /// The sequence number behind what was sent, from the guest's SYN on.
  var sent = 1
  /// The sequence number behind what came in order, from the stack's SYN on.
  var received = 0
  /// How often the stack has begun the connection.
  var beginnings = 0
  /// Whether the stream is what the guest means: a SYN at another place begins another stream.
  var isContentKnown = true
}

/// A connection of the guest's own TCP.
struct GuestEnd {
  let connection: GuestTCP
  /// The world's port of it.
  let port: UInt16
  /// Bytes written by the guest.
  var written = 0
  /// Bytes received that were looked at.
  var checkedCount = 0
}

/// What is done to frames on their way to the stack.
enum Mangling {
  /// Bytes at these places, modulo the frame's length, are changed by exclusive or.
  case changed([(place: Int, by: UInt8)], repaired: Bool)
  /// Only so many bytes are left, or so many more come behind them.
  case resized(Int, repaired: Bool)
  /// It comes so often.
  case repeated(Int)
  /// The packet comes in parts of so many bytes, from the last to the first or not, one of them left out or not.
  case divided(Int, reversed: Bool, skipping: Int?)
}
