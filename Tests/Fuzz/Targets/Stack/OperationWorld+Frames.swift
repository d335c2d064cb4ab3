import Buffers
import Netstack
import Primitives
import Simulation

// What happens to a guest's frames on their way, and frames that no program would send.
extension OperationWorld {
  /// Has the frames of what follows mangled, or makes something of neighbors, fragments or ICMP.
  func beStrange() {
    let choices = input.byte()
    switch choices & 7 {
    case 0, 1:
      let changes = (0...(choices >> 4 & 3)).map { _ in (place: Int(input.byte()), by: input.byte() | 1) }
      mangling = .changed(changes, repaired: choices & 8 != 0)
    case 2: mangling = .resized(input.signed() * (choices & 16 == 0 ? 1 : 8), repaired: choices & 8 != 0)
    case 3: mangling = .repeated(2 + Int(choices >> 6))
    case 4:
      // Where payload is not recorded, each fragment but the first is all payload, so no header may reach into one.
      let length = max(8 * (1 + Int(input.byte())), lab.options.isRedacted ? 64 : 8)
      mangling = .divided(
        length, reversed: choices & 8 != 0, skipping: choices & 16 == 0 ? nil : Int(choices >> 5))
    case 5: reportFailure()
    case 6: sendPart()
    default: speakOfNeighbors()
    }
  }

  /// What becomes of a frame of the guest's.
  func mangle(_ frame: LinkFrame) -> [LinkFrame] {
    guard let how = mangling else { return [frame] }
    mangling = nil
    var bytes = frame.bytes
    switch how {
    case .changed(let changes, let repaired):
      // What is repaired may be accepted, and be the beginning or a part of anything; so may what happens to sum up.
      isContentKnown = false
      for change in changes where !bytes.isEmpty { bytes[change.place % bytes.count] ^= change.by }
      return [LinkFrame(repaired ? FrameRepair.repair(bytes) : bytes)]
    case .resized(let difference, let repaired):
      isContentKnown = isContentKnown && !repaired
      let length = difference < 0 ? max(0, bytes.count + difference) : bytes.count + difference
      bytes = Array(bytes.prefix(length)) + [UInt8](repeating: 0xaa, count: max(0, length - bytes.count))
      return [LinkFrame(repaired ? FrameRepair.repair(bytes) : bytes)]
    case .repeated(let count): return [LinkFrame](repeating: frame, count: count)
    case .divided(let length, let reversed, let skipped):
      var parts = Self.parts(of: bytes, length)
      if let skipped, skipped < parts.count { parts.remove(at: skipped) }
      return (reversed ? parts.reversed() : parts).map { LinkFrame($0) }
    }
  }

  /// A packet in parts of `length` bytes; one that cannot be divided as it is.
  private static func parts(of bytes: [UInt8], _ length: Int) -> [[UInt8]] {
    // What is none that decodes is not divided.
    guard let frame = try? PlainFrame(decoding: bytes, strictly: false) else { return [bytes] }
    let body = frame.ipv4?.payloadBytes ?? frame.ipv6?.payloadBytes ?? []
    // Not so many that putting them together takes long.
    let length = max(length, (body.count / 40 + 7) / 8 * 8)
    guard body.count > length else { return [bytes] }
    return stride(from: 0, to: body.count, by: length).map { start in
      let part = PlainPayload.raw(Array(body[start..<min(start + length, body.count)]))
      var piece = frame
      let moreFollow = start + length < body.count
      if var packet = frame.ipv4 {
        (packet.payload, packet.fragmentOffset, packet.moreFragments) = (part, start, moreFollow)
        (packet.dontFragment, packet.identification) = (false, UInt16(truncatingIfNeeded: body.count))
        piece.body = .ipv4(packet)
      } else if var packet = frame.ipv6 {
        packet.payload = part
        packet.fragment = PlainIPv6.Fragment(
          offset: start, moreFragments: moreFollow, identification: UInt32(body.count))
        piece.body = .ipv6(packet)
      }
      return piece.encoded
    }
  }

  /// A part of a packet of which the others may never come: of any length, at any place, with headers of any length.
  private func sendPart() {
    let choices = input.byte()
    let place = Int(input.word()) & 0x1fff * 8
    let content = PlainPayload.raw([UInt8](repeating: input.byte(), count: min(length(), 60_000)))
    let proto: UInt8 = [17, 6, 1, 58][Int(choices & 3)]
    let destination = someAddress()
    let moreFollow = choices & 4 != 0
    if let destination = destination.ipv4 {
      var packet = PlainIPv4(from: lab.guest.address, to: destination, content, proto: proto)
      (packet.fragmentOffset, packet.moreFragments, packet.dontFragment) = (place, moreFollow, false)
      packet.identification = UInt16(choices >> 3 & 1)
      packet.options = [UInt8](repeating: 1, count: 4 * Int(choices >> 4 % 11))
      lab.guest.send(packet)
    } else {
      var packet = PlainIPv6(from: lab.guest.ipv6Address, to: destination.mapped, content, proto: proto)
      packet.fragment = PlainIPv6.Fragment(
        offset: place, moreFragments: moreFollow, identification: UInt32(choices >> 3 & 1))
      for _ in 0..<(choices >> 4 & 3) { packet.extensions.append(.options(60, [UInt8](repeating: 0, count: 30))) }
      lab.guest.send(packet)
    }
  }

  /// The guest reports that a segment or a datagram of the stack's has not arrived.
  private func reportFailure() {
    let choices = input.byte()
    guard !rawEnds.isEmpty else { return }
    let end = rawEnds[input.number(below: rawEnds.count)]
    guard let initial = end.connection.remoteInitial else { return }
    let remote = end.connection.remote
    let guest = lab.guest.address(in: remote.address.family)
    var quoted = PlainTCP()
    (quoted.sourcePort, quoted.destinationPort) = (remote.port, end.connection.port)
    quoted.sequence = initial + (end.received + input.signed() * 100)
    quoted.payload = [UInt8](repeating: 0, count: 40)
    let quote: [UInt8]
    let message: (type: UInt8, code: UInt8)
    if let source = remote.address.ipv4 {
      quote = Array(PlainIPv4(from: source, to: lab.guest.address, .tcp(quoted)).encoded.prefix(28))
      message = (choices & 1 == 0 ? 3 : input.byte(), choices >> 4)
    } else {
      quote = Array(PlainIPv6(from: remote.address.mapped, to: guest.mapped, .tcp(quoted)).encoded.prefix(60))
      message = (choices & 1 == 0 ? 2 : input.byte(), choices >> 4)
    }
    let icmp = PlainICMP(type: message.type, code: message.code, rest: UInt32(input.word()), payload: quote)
    lab.guest.send(.icmp(icmp), from: guest, to: remote.address)
  }

  private func speakOfNeighbors() {
    let choices = input.byte()
    let settings = lab.options.settings
    switch choices & 7 {
    case 0: lab.guest.requestARP(for: choices & 8 == 0 ? settings.ipv4Gateway : IPv4Address(10, 0, 2, choices))
    case 1: lab.guest.solicit(choices & 8 == 0 ? settings.ipv6Gateway : settings.ipv6LinkLocal)
    case 2: lab.guest.send(PlainDiscovery(type: 133), to: IPv6Address(high: 0xff02 << 48, low: 2))
    case 3:
      lab.guest.send(
        PlainDiscovery(
          type: 136, rest: UInt32(choices) << 24, target: lab.guest.ipv6Address,
          options: [.linkLayer(2, lab.guest.mac)]), to: settings.ipv6Gateway)
    case 4: lab.guest.answersARP.toggle()
    case 5: lab.guest.address = IPv4Address(10, 0, 2, 15 + (choices >> 3) % 8)
    case 6: lab.guest.mac = MACAddress(0x52, 0x54, 0, 0, 0, choices >> 3)
    default:
      let own = lab.guest.ipv6Address
      lab.guest.ipv6Address = IPv6Address(high: own.high, low: own.low &+ UInt64(choices >> 3))
    }
  }
}
