public import Primitives

/// A message of IPv6 neighbor discovery (RFC 4861) as a plain value.
public struct PlainDiscovery: Hashable, Sendable {
  /// An option: its type and its bytes behind the length.
  public struct Option: Hashable, Sendable {
    /// The type.
    public var type: UInt8
    /// The bytes behind the length field, which with it make a multiple of 8.
    public var bytes: [UInt8]

    /// Makes an option of its parts.
    public init(type: UInt8, bytes: [UInt8]) {
      self.type = type
      self.bytes = bytes
    }

    /// The sender's (1) or the target's (2) hardware address.
    public static func linkLayer(_ type: UInt8, _ mac: MACAddress) -> Option {
      var writer = PlainWriter()
      writer.append(mac)
      return Option(type: type, bytes: writer.bytes)
    }
  }

  /// 133 router solicitation, 134 router advertisement, 135 neighbor solicitation, 136 neighbor advertisement.
  public var type: UInt8
  /// The second word: an advertisement's flags.
  public var rest: UInt32
  /// The target, in neighbor messages.
  public var target: IPv6Address?
  /// Reachable time and retrans timer, in a router advertisement.
  public var timers: [UInt32]
  /// The options.
  public var options: [Option]

  /// Makes a message of its parts.
  public init(type: UInt8, rest: UInt32 = 0, target: IPv6Address? = nil, options: [Option] = []) {
    self.type = type
    self.rest = rest
    self.target = target
    self.options = options
    timers = type == 134 ? [0, 0] : []
  }

  /// The message as one of ICMPv6.
  public var message: PlainICMP {
    var writer = PlainWriter()
    if let target { writer.append(target) }
    for timer in timers { writer.append(timer) }
    for option in options { writer.append([option.type, UInt8((option.bytes.count + 2) / 8)] + option.bytes) }
    return PlainICMP(type: type, rest: rest, payload: writer.bytes)
  }

  /// Reads a message; nil where it is none of neighbor discovery.
  public init?(_ message: PlainICMP) throws(PacketFault) {
    guard (133...136).contains(message.type) else { return nil }
    var reader = PlainReader(message.payload)
    type = message.type
    rest = message.rest
    target = nil
    timers = []
    options = []
    if type >= 135 { target = try reader.ipv6() }
    if type == 134 { timers = [try reader.long(), try reader.long()] }
    while reader.remaining > 0 {
      let option = try reader.byte()
      let units = Int(try reader.byte())
      guard units > 0 else { throw PacketFault("an option of length zero") }
      options.append(Option(type: option, bytes: try reader.take(units * 8 - 2)))
    }
  }

  /// The bytes of the first option of a type.
  public func option(_ type: UInt8) -> [UInt8]? { options.first { $0.type == type }?.bytes }

  /// The hardware address of the first option of a type.
  public func linkLayer(_ type: UInt8) -> MACAddress? {
    option(type).flatMap { $0.count == 6 ? MACAddress($0.span, at: 0) : nil }
  }
}
