import Primitives

/// A message to rtnetlink while it is written (RFC 3549 section 2, netlink(7)): a header, a structure of the family's,
/// attributes. All integers are in the host's byte order.
///
/// ```
/// 0 nlmsg_len   4 nlmsg_type   6 nlmsg_flags   8 nlmsg_seq   12 nlmsg_pid   16 ...
/// ```
struct NetlinkMessage {
  /// What a message asks for.
  struct Flags: OptionSet {
    let rawValue: UInt16
    static let request = Flags(rawValue: 1)
    static let acknowledge = Flags(rawValue: 4)
    static let exclusive = Flags(rawValue: 0x200)
    static let create = Flags(rawValue: 0x400)
    /// In the place of the two above, where something is asked for: all that there is (NLM_F_DUMP).
    static let all = Flags(rawValue: 0x300)
  }

  /// The message, whole once its length was written by `finished`.
  private(set) var bytes: [UInt8] = []

  /// Bytes of the header.
  static let headerLength = 16

  init(_ type: UInt16, _ flags: Flags, sequence: UInt32) {
    append(UInt32(0))
    append(type)
    append(flags.union([.request, .acknowledge]).rawValue)
    append(sequence)
    append(UInt32(0))
  }

  /// Appends an integer of the family's structure.
  mutating func append<Value: FixedWidthInteger>(_ value: Value) {
    // In the host's order: the one whose first byte is the one that this machine puts first.
    let value = value.littleEndian == value ? value : value.byteSwapped
    let shifts = stride(from: 0, to: Value.bitWidth, by: 8)
    for shift in shifts { bytes.append(UInt8(truncatingIfNeeded: value >> shift)) }
  }

  /// Appends an attribute: its length with the header's four bytes, its kind, its value, and what fills it up to four.
  mutating func append(_ kind: UInt16, _ value: [UInt8]) {
    append(UInt16(4 + value.count))
    append(kind)
    bytes += value
    while bytes.count % 4 != 0 { bytes.append(0) }
  }

  /// Appends an attribute that is an integer.
  mutating func append(_ kind: UInt16, integer value: UInt32) {
    append(UInt16(8))
    append(kind)
    append(value)
  }

  /// Appends an attribute that is text with a zero behind it.
  mutating func append(_ kind: UInt16, text: String) { append(kind, Array(text.utf8) + [0]) }

  /// Appends an attribute that is an address, in network byte order.
  mutating func append(_ kind: UInt16, address: IPAddress) { append(kind, address.networkBytes) }

  /// Appends an attribute that is a hardware address.
  mutating func append(_ kind: UInt16, hardware: MACAddress) {
    append(kind, (0..<6).reversed().map { UInt8(truncatingIfNeeded: hardware.bits >> (8 * UInt64($0))) })
  }

  /// Appends an attribute that holds the attributes that `body` appends.
  mutating func append(_ kind: UInt16, nesting body: (inout NetlinkMessage) -> Void) {
    var inner = self
    inner.bytes = []
    body(&inner)
    append(kind, inner.bytes)
  }

  /// The message with its length.
  var finished: [UInt8] {
    var message = self
    message.bytes = []
    message.append(UInt32(bytes.count))
    return message.bytes + bytes.dropFirst(4)
  }
}

/// A message from rtnetlink.
struct NetlinkReply {
  /// The kinds that every family has.
  enum Kind {
    static let error: UInt16 = 2
    static let done: UInt16 = 3
  }

  var type: UInt16
  var flags: UInt16
  var sequence: UInt32
  /// What follows the header.
  var body: ArraySlice<UInt8>

  /// The flag of an error that attributes follow (NLM_F_ACK_TLVS).
  private static let explains: UInt16 = 0x200

  /// Whether what was told changed while it was told (NLM_F_DUMP_INTR): it may have gaps.
  var isInterrupted: Bool { flags & 0x10 != 0 }

  /// Takes the next message off the front of `bytes`; nil where there is no whole one.
  init?(takingFrom bytes: inout ArraySlice<UInt8>) {
    guard bytes.count >= NetlinkMessage.headerLength else { return nil }
    let length = Int(bytes.native(at: 0) as UInt32)
    guard length >= NetlinkMessage.headerLength, length <= bytes.count else { return nil }
    type = bytes.native(at: 4)
    flags = bytes.native(at: 6)
    sequence = bytes.native(at: 8)
    body = bytes.prefix(length).dropFirst(NetlinkMessage.headerLength)
    bytes = bytes.dropFirst((length + 3) & ~3)
  }

  /// The number of an error message's error, 0 for an acknowledgment and for the end of a list; nil where it is none.
  var errorNumber: Int32? {
    guard type == Kind.error || type == Kind.done, body.count >= 4 else { return nil }
    return 0 &- (body.native(at: 0) as Int32)
  }

  /// The kernel's words about an error (NLMSGERR_ATTR_MSG), where it has any.
  var explanation: String? {
    guard flags & Self.explains != 0 else { return nil }
    // Behind the number and, but for a list's end, the header of the message that it is about.
    let start = type == Kind.error ? 4 + NetlinkMessage.headerLength : 4
    return NetlinkAttributes(body.dropFirst(start)).text(1)
  }
}

/// The attributes of a message.
struct NetlinkAttributes {
  private let bytes: ArraySlice<UInt8>

  init(_ bytes: ArraySlice<UInt8>) { self.bytes = bytes }

  /// The value of the first attribute of a kind; the flag for nested ones does not count.
  func first(_ kind: UInt16) -> ArraySlice<UInt8>? {
    var rest = bytes
    while rest.count >= 4 {
      let length = Int(rest.native(at: 0) as UInt16)
      guard length >= 4, length <= rest.count else { return nil }
      let found: UInt16 = rest.native(at: 2)
      if found & 0x3fff == kind { return rest.prefix(length).dropFirst(4) }
      rest = rest.dropFirst((length + 3) & ~3)
    }
    return nil
  }

  /// The integer of the first attribute of a kind.
  func integer(_ kind: UInt16) -> UInt32? {
    guard let value = first(kind), value.count >= 4 else { return nil }
    return value.native(at: 0)
  }

  /// The text of the first attribute of a kind, up to the zero at its end.
  func text(_ kind: UInt16) -> String? {
    first(kind).map { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
  }

  /// The attributes in the first attribute of a kind; none where there is none.
  func nested(_ kind: UInt16) -> NetlinkAttributes { NetlinkAttributes(first(kind) ?? []) }

  /// The address in the first attribute of a kind, of four bytes or of sixteen.
  func address(_ kind: UInt16) -> IPAddress? {
    guard let value = first(kind).map(Array.init) else { return nil }
    switch value.count {
    case 4: return IPAddress(IPv4Address(value.span, at: 0))
    case 16: return IPAddress(IPv6Address(value.span, at: 0))
    default: return nil
    }
  }

  /// The hardware address in the first attribute of a kind, where it is one of Ethernet's.
  func hardware(_ kind: UInt16) -> MACAddress? {
    guard let value = first(kind), value.count == 6 else { return nil }
    return MACAddress(Array(value).span, at: 0)
  }
}

extension ArraySlice<UInt8> {
  /// An integer in the host's byte order, `offset` bytes from the slice's first.
  /// - Precondition: it lies in the slice.
  func native<Value: FixedWidthInteger>(at offset: Int) -> Value {
    var value: Value = 0
    let size = Value.bitWidth / 8
    for index in (0..<size).reversed() {
      value = value << 8 | Value(truncatingIfNeeded: self[startIndex + offset + index])
    }
    return value.littleEndian == value ? value : value.byteSwapped
  }
}

extension IPAddress {
  /// The address's bytes as they stand in a packet.
  var networkBytes: [UInt8] {
    func bytes(_ value: UInt64, _ count: Int) -> [UInt8] {
      (0..<count).reversed().map { UInt8(truncatingIfNeeded: value >> (8 * UInt64($0))) }
    }
    if let ipv4 { return bytes(UInt64(ipv4.bits), 4) }
    return bytes(mapped.high, 8) + bytes(mapped.low, 8)
  }

  /// AF_INET or AF_INET6.
  var netlinkFamily: UInt8 { family == .ipv4 ? 2 : 10 }
}
