public import Primitives

/// A TCP segment as a plain value: what the simulation's guest sends and what its checker and tests look at.
///
/// Nothing here comes from `Wire`, so that two independent readings of the RFCs are compared.
public struct PlainTCP: Hashable, Sendable {
  /// The control bits (RFC 9293 section 3.1).
  public struct Flags: OptionSet, Hashable, Sendable {
    /// The bits as on the wire.
    public let rawValue: UInt8
    /// Makes flags of their bits.
    public init(rawValue: UInt8) { self.rawValue = rawValue }
    /// No more data from the sender.
    public static let fin = Flags(rawValue: 1)
    /// Synchronize sequence numbers.
    public static let syn = Flags(rawValue: 2)
    /// Reset the connection.
    public static let rst = Flags(rawValue: 4)
    /// Push.
    public static let psh = Flags(rawValue: 8)
    /// The acknowledgment field counts.
    public static let ack = Flags(rawValue: 16)
    /// The urgent pointer counts.
    public static let urg = Flags(rawValue: 32)
  }

  /// A range of sequence numbers, the second behind its end.
  public struct Block: Hashable, Sendable {
    /// The first number of the range.
    public var start: SequenceNumber
    /// The number behind the last.
    public var end: SequenceNumber

    /// Makes a block of its edges.
    public init(_ start: SequenceNumber, _ end: SequenceNumber) {
      self.start = start
      self.end = end
    }
  }

  /// An option of the header.
  public enum Option: Hashable, Sendable {
    /// The largest payload the sender takes (RFC 9293 section 3.7.1).
    case mss(UInt16)
    /// The shift of the sender's windows (RFC 7323 section 2).
    case windowScale(UInt8)
    /// Selective acknowledgments are welcome (RFC 2018).
    case sackPermitted
    /// What arrived beyond the acknowledgment (RFC 2018 section 3).
    case sack([Block])
    /// The sender's clock, and the last that it heard of the other's (RFC 7323 section 3).
    case timestamps(UInt32, echo: UInt32)
    /// Any other option: its kind and its data.
    case other(UInt8, [UInt8])
  }

  /// The sender's port.
  public var sourcePort: UInt16 = 0
  /// The receiver's port.
  public var destinationPort: UInt16 = 0
  /// The first byte's place in the stream.
  public var sequence = SequenceNumber(0)
  /// The next byte expected; meaningful with `ack`.
  public var acknowledgment = SequenceNumber(0)
  /// The control bits.
  public var flags: Flags = []
  /// The receive window as on the wire, unscaled.
  public var window: UInt16 = 0
  /// The urgent pointer.
  public var urgentPointer: UInt16 = 0
  /// The options in their order, no-operations and padding left out.
  public var options: [Option] = []
  /// The data.
  public var payload: [UInt8] = []

  /// Makes an empty segment.
  public init() {}

  /// The sequence numbers that the segment takes: its data, SYN and FIN.
  public var length: Int { payload.count + (flags.contains(.syn) ? 1 : 0) + (flags.contains(.fin) ? 1 : 0) }
  /// The sequence number after the segment.
  public var end: SequenceNumber { sequence + length }

  /// The MSS option's value.
  public var mss: UInt16? {
    for case .mss(let value) in options { return value }
    return nil
  }

  /// The window scale option's value.
  public var windowScale: UInt8? {
    for case .windowScale(let value) in options { return value }
    return nil
  }

  /// The timestamps option's values.
  public var timestamps: (value: UInt32, echo: UInt32)? {
    for case .timestamps(let value, let echo) in options { return (value, echo) }
    return nil
  }

  /// The blocks of the SACK option, none where there is no option.
  public var sackBlocks: [Block] {
    for case .sack(let blocks) in options { return blocks }
    return []
  }

  /// The segment's bytes with a valid checksum.
  public func encoded(from source: IPAddress, to destination: IPAddress) -> [UInt8] {
    let optionBytes = encodedOptions()
    var writer = PlainWriter()
    writer.append(sourcePort)
    writer.append(destinationPort)
    writer.append(sequence.value)
    writer.append(acknowledgment.value)
    writer.append(UInt8((20 + optionBytes.count) / 4) << 4)
    writer.append(flags.rawValue)
    writer.append(window)
    writer.append(UInt16(0))
    writer.append(urgentPointer)
    writer.append(optionBytes)
    writer.append(payload)
    let pseudo = plainPseudoHeader(source, destination, 6, writer.bytes.count)
    writer.store(plainChecksum(pseudo, writer.bytes), at: 16)
    return writer.bytes
  }

  private func encodedOptions() -> [UInt8] {
    var writer = PlainWriter()
    for option in options {
      switch option {
      case .mss(let value):
        writer.append([2, 4])
        writer.append(value)
      case .windowScale(let shift): writer.append([3, 3, shift])
      case .sackPermitted: writer.append([4, 2])
      case .sack(let blocks):
        writer.append([5, UInt8(2 + 8 * blocks.count)])
        for block in blocks {
          writer.append(block.start.value)
          writer.append(block.end.value)
        }
      case .timestamps(let value, let echo):
        writer.append([8, 10])
        writer.append(value)
        writer.append(echo)
      case .other(let kind, let data): writer.append([kind, UInt8(data.count + 2)] + data)
      }
    }
    while writer.bytes.count % 4 != 0 { writer.append(UInt8(1)) }
    return writer.bytes
  }

  /// Takes a segment apart. Strictly, everything that it says of itself is checked; else what a receiver may overlook
  /// is overlooked.
  init(
    decoding bytes: [UInt8], from source: IPAddress, to destination: IPAddress, strictly: Bool
  ) throws(PacketFault) {
    var reader = PlainReader(bytes)
    sourcePort = try reader.word()
    destinationPort = try reader.word()
    sequence = SequenceNumber(try reader.long())
    acknowledgment = SequenceNumber(try reader.long())
    let offset = try reader.byte()
    let bits = try reader.byte()
    flags = Flags(rawValue: bits & 0x3f)
    window = try reader.word()
    _ = try reader.word()
    urgentPointer = try reader.word()
    let headerLength = Int(offset >> 4) * 4
    guard headerLength >= 20 && headerLength <= bytes.count else {
      throw PacketFault("TCP data offset \(headerLength) in \(bytes.count) bytes")
    }
    guard !strictly || offset & 0x0f == 0 else { throw PacketFault("TCP reserved bits are not zero") }
    guard !strictly || bits & 0xc0 == 0 else { throw PacketFault("TCP ECN bits without ECN") }
    let optionBytes = try reader.take(headerLength - 20)
    do throws(PacketFault) {
      try readOptions(in: optionBytes)
    } catch {
      if strictly { throw error }
    }
    payload = reader.rest()
    let pseudo = plainPseudoHeader(source, destination, 6, bytes.count)
    guard plainChecksum(pseudo, bytes) == 0 else { throw PacketFault("TCP checksum is wrong") }
    // Nothing is at port 0, as the reset says that answers a segment to it or from it.
    let mayBeZero = !strictly || flags.contains(.rst)
    guard mayBeZero || (sourcePort != 0 && destinationPort != 0) else { throw PacketFault("TCP port 0") }
  }

  private static func blocks(in data: [UInt8]) throws(PacketFault) -> [Block] {
    var reader = PlainReader(data)
    var blocks: [Block] = []
    while reader.remaining > 0 {
      blocks.append(Block(SequenceNumber(try reader.long()), SequenceNumber(try reader.long())))
    }
    return blocks
  }

  /// Appends the options to `options`, up to the first that is broken.
  private mutating func readOptions(in bytes: [UInt8]) throws(PacketFault) {
    var reader = PlainReader(bytes)
    while reader.remaining > 0 {
      let kind = try reader.byte()
      if kind == 1 { continue }
      if kind == 0 {
        guard reader.rest().allSatisfy({ $0 == 0 }) else { throw PacketFault("TCP options behind their end") }
        break
      }
      let length = Int(try reader.byte())
      guard length >= 2 else { throw PacketFault("TCP option \(kind) of length \(length)") }
      let data = try reader.take(length - 2)
      switch (kind, data.count) {
      case (2, 2): options.append(.mss(UInt16(data[0]) << 8 | UInt16(data[1])))
      case (3, 1): options.append(.windowScale(data[0]))
      case (4, 0): options.append(.sackPermitted)
      case (5, 8), (5, 16), (5, 24), (5, 32): options.append(.sack(try Self.blocks(in: data)))
      case (8, 8):
        var reader = PlainReader(data)
        options.append(.timestamps(try reader.long(), echo: try reader.long()))
      case (2, _), (3, _), (4, _), (5, _), (8, _): throw PacketFault("TCP option \(kind) of length \(length)")
      default: options.append(.other(kind, data))
      }
    }
  }
}

extension PlainTCP: CustomStringConvertible {
  /// As packetdrill writes segments: `S. 100:101(0) ack 1 win 65535 <mss 1460>`.
  public var description: String {
    var letters = ""
    for (flag, letter) in [(Flags.syn, "S"), (.fin, "F"), (.rst, "R"), (.psh, "P"), (.urg, "U"), (.ack, ".")]
    where flags.contains(flag) {
      letters += letter
    }
    var text = "\(letters.isEmpty ? "-" : letters) \(sequence.value):\(end.value)(\(payload.count))"
    if flags.contains(.ack) { text += " ack \(acknowledgment.value)" }
    text += " win \(window)"
    if !options.isEmpty { text += " <" + options.map(\.text).joined(separator: ",") + ">" }
    return text
  }
}

extension PlainTCP.Option {
  fileprivate var text: String {
    switch self {
    case .mss(let value): "mss \(value)"
    case .windowScale(let shift): "wscale \(shift)"
    case .sackPermitted: "sackOK"
    case .sack(let blocks): "sack " + blocks.map { "\($0.start.value):\($0.end.value)" }.joined(separator: " ")
    case .timestamps(let value, let echo): "TS val \(value) ecr \(echo)"
    case .other(let kind, let data): "kind \(kind) length \(data.count + 2)"
    }
  }
}
