import Netstack
import Primitives
import Simulation

/// A piece of the world in one family: a server behind two routers.
struct OutsideWorld {
  let family: IPAddress.Family
  let server: IPAddress
  let routers: [IPAddress]

  init(_ family: IPAddress.Family) {
    self.family = family
    func address(_ number: UInt8) -> IPAddress {
      family == .ipv4
        ? IPAddress(IPv4Address(198, 51, 100, number))
        : IPAddress(IPv6Address(high: 0x2001_0db8_0000_0001, low: UInt64(number)))
    }
    server = address(80)
    routers = [address(1), address(2)]
  }

  /// Puts the routers between the host and the server.
  func build(in lab: Lab, mtu: Int = .max, refusal: NetworkReport? = nil) {
    lab.host.paths[server] = NetworkPath(through: routers, mtu: mtu, refusal: refusal)
  }

  /// The ICMP type and code of a report in the family (RFC 792, RFC 1812 section 5.2.7; RFC 4443 section 3).
  func message(_ report: NetworkReport) -> [UInt8] {
    let isV4 = family == .ipv4
    switch report {
    case .networkUnreachable: return isV4 ? [3, 0] : [1, 0]
    case .hostUnreachable: return isV4 ? [3, 1] : [1, 3]
    case .protocolUnreachable: return isV4 ? [3, 2] : [4, 1]
    case .portUnreachable: return isV4 ? [3, 3] : [1, 4]
    case .prohibited: return isV4 ? [3, 13] : [1, 1]
    case .tooBig: return isV4 ? [3, 4] : [2, 0]
    case .timeExceeded: return isV4 ? [11, 0] : [3, 0]
    case .reassemblyTimeExceeded: return isV4 ? [11, 1] : [3, 1]
    case .parameterProblem: return isV4 ? [12, 0] : [4, 0]
    }
  }
}

/// An ICMP error that the guest has received.
struct ReceivedError: Equatable {
  let from: IPAddress
  let message: [UInt8]
  let rest: UInt32
  /// The bytes behind the quoted packet's IP header.
  let quoted: [UInt8]
}

extension PlainTCP {
  /// The first segment of a connection from port 50,000.
  static func synchronize(to port: UInt16) -> PlainTCP {
    var segment = PlainTCP()
    (segment.sourcePort, segment.destinationPort) = (50_000, port)
    segment.sequence = SequenceNumber(0x1122_3344)
    segment.flags = .syn
    segment.window = 65_535
    segment.options = [.mss(1200)]
    return segment
  }
}

extension Lab {
  /// The ICMP errors that the guest has received, the oldest first.
  var receivedErrors: [ReceivedError] {
    guest.inbox.compactMap { frame in
      guard case .icmp(let icmp)? = frame.payload else { return nil }
      let isV4 = frame.ipv4 != nil
      guard isV4 ? [3, 11, 12].contains(icmp.type) : icmp.type < 128 else { return nil }
      guard let source = frame.ipv4.map({ IPAddress($0.source) }) ?? frame.ipv6.map({ IPAddress($0.source) }) else {
        return nil
      }
      return ReceivedError(
        from: source, message: [icmp.type, icmp.code], rest: icmp.rest,
        quoted: Array(icmp.payload.dropFirst(isV4 ? 20 : 40)))
    }
  }

  /// The guest sends a packet with these marks.
  func guestSends(
    _ payload: PlainPayload, to destination: IPAddress, hopLimit: UInt8 = 64, trafficClass: UInt8 = 0,
    mayFragment: Bool = false
  ) {
    if let destination = destination.ipv4 {
      var packet = PlainIPv4(from: guest.address, to: destination, payload)
      (packet.timeToLive, packet.trafficClass, packet.dontFragment) = (hopLimit, trafficClass, !mayFragment)
      guest.send(packet)
    } else {
      var packet = PlainIPv6(from: guest.ipv6Address, to: destination.mapped, payload)
      (packet.hopLimit, packet.trafficClass) = (hopLimit, trafficClass)
      guest.send(packet)
    }
    settle()
  }

  /// An echo request of the guest.
  func echoRequest(
    _ family: IPAddress.Family, identifier: UInt16, sequence: UInt16, _ data: [UInt8] = pattern(56)
  ) -> PlainPayload {
    let rest = UInt32(identifier) << 16 | UInt32(sequence)
    return .icmp(PlainICMP(type: family == .ipv4 ? 8 : 128, rest: rest, payload: data))
  }

  /// Payload bytes as they go from the guest to `destination`.
  func encoded(_ payload: PlainPayload, to destination: IPAddress) -> [UInt8] {
    payload.encoded(from: guest.address(in: destination.family), to: destination)
  }

  /// The echo replies that the guest has received, the oldest first.
  func echoReplies(_ family: IPAddress.Family) -> [PlainICMP] {
    guest.icmpMessages.filter { $0.type == (family == .ipv4 ? 0 : 129) }
  }

  var sentEchoes: [SentDatagram] { host.sentEchoes }
  var echoWarnings: Int { stack.observer.echoWarnings }
}
