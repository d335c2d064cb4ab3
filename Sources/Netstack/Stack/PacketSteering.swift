public import Primitives

/// Which of the loops that serve one network a packet belongs to.
///
/// A loop is a thread with a `Stack` of its own. All that one endpoint of a guest sends, an address and a port of a
/// transport, or the identifier of an echo, is one loop's: so one socket is the mapping of an endpoint whatever it
/// sends to (RFC 4787 section 4.1), the connections of a forward are where its listener is, and a transfer by TFTP
/// needs no other loop. What a network has but once is the first loop's: DHCP, DNS, router advertisements, the answers
/// to ARP and neighbor solicitations, and fragments until they are whole.
public struct PacketSteering: Sendable {
  /// The loop that asks, counted from 0.
  public let loop: Int
  /// How many there are.
  public let count: Int
  private let hash: SipHash

  /// The loop of a network that has no other.
  public static let alone = PacketSteering(loop: 0, of: 1, secret: (0, 0))

  /// Makes the rule as loop `loop` of `count` uses it. The secret, 128 random bits, is the same for all of them: who
  /// does not know it cannot load one loop on purpose.
  /// - Precondition: `loop` is one of them.
  public init(loop: Int, of count: Int, secret: (UInt64, UInt64)) {
    precondition((0..<count).contains(loop), "no such loop")
    self.loop = loop
    self.count = count
    hash = SipHash(key: secret.0, secret.1)
  }

  /// Whether there are other loops.
  var isShared: Bool { count > 1 }

  /// Whether what the network has but once is this loop's.
  var isFirst: Bool { loop == 0 }

  /// The loop that has all of one endpoint of a guest.
  public func owner(of guest: Endpoint, _ transport: FlowProtocol) -> Int {
    guard count > 1 else { return 0 }
    let address = guest.address.mapped
    let word = UInt64(transport.rawValue) << 16 | UInt64(guest.port)
    let value = hash.hash(address.high, address.low, word, 0, 0)
    return Int(((value >> 32) * UInt64(count)) >> 32)
  }

  /// The loop that has a forward.
  public func owner(of forward: PortForward) -> Int { owner(of: forward.guest, FlowProtocol(forward.transport)) }
}
