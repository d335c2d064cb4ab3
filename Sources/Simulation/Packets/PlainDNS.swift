public import Primitives

/// A DNS message as a plain value (RFC 1035 section 4).
public struct PlainDNS: Hashable, Sendable {
  /// What is asked.
  public struct Question: Hashable, Sendable {
    /// The name with dots between its labels, its letters as they stand.
    public var name: String
    /// The type's number.
    public var type: UInt16
    /// The class's number, 1 for the Internet.
    public var recordClass: UInt16 = 1

    /// Makes a question of its parts.
    public init(_ name: String, _ type: UInt16, recordClass: UInt16 = 1) {
      self.name = name
      self.type = type
      self.recordClass = recordClass
    }
  }

  /// A record.
  public struct Record: Hashable, Sendable {
    /// The owner's name.
    public var name: String
    /// The type's number.
    public var type: UInt16
    /// The class's number; of EDNS the size of messages that are taken.
    public var recordClass: UInt16 = 1
    /// How long it may be kept, in seconds; of EDNS flags.
    public var timeToLive: UInt32 = 0
    /// The data.
    public var data: [UInt8]

    /// Makes a record of its parts.
    public init(_ name: String, _ type: UInt16, recordClass: UInt16 = 1, timeToLive: UInt32 = 0, data: [UInt8] = []) {
      self.name = name
      self.type = type
      self.recordClass = recordClass
      self.timeToLive = timeToLive
      self.data = data
    }

    /// The record of an address.
    public static func address(_ address: IPAddress, of name: String) -> Record {
      var writer = PlainWriter()
      if let address = address.ipv4 { writer.append(address) } else { writer.append(address.mapped) }
      return Record(name, address.family == .ipv4 ? 1 : 28, data: writer.bytes)
    }

    /// EDNS (RFC 6891 section 6.1), `flags` being the upper response code, the version and DO.
    public static func edns(_ size: UInt16, flags: UInt32 = 0, options: [UInt8] = []) -> Record {
      Record("", 41, recordClass: size, timeToLive: flags, data: options)
    }
  }

  /// The identifier.
  public var identifier: UInt16
  /// The second word of the header.
  public var flags: UInt16
  /// The questions.
  public var questions: [Question]
  /// The answers.
  public var answers: [Record] = []
  /// Who knows.
  public var authorities: [Record] = []
  /// Other records.
  public var additionals: [Record] = []

  /// Makes a query with RD, or a message with other flags.
  public init(_ identifier: UInt16, _ question: Question?, flags: UInt16 = 0x0100) {
    self.identifier = identifier
    self.flags = flags
    questions = question.map { [$0] } ?? []
  }

  /// An answer to this message, with RA beside what was asked for.
  public func answer(code: UInt16 = 0, _ answers: [Record] = []) -> PlainDNS {
    var message = self
    message.flags = flags | 0x8080 | code
    message.answers = answers
    message.additionals = []
    return message
  }

  /// The message's bytes, no name compressed.
  public var encoded: [UInt8] {
    var writer = PlainWriter()
    writer.append(identifier)
    writer.append(flags)
    for count in [questions.count, answers.count, authorities.count, additionals.count] {
      writer.append(UInt16(count))
    }
    for question in questions {
      writer.append(Self.encoded(question.name))
      writer.append(question.type)
      writer.append(question.recordClass)
    }
    for record in answers + authorities + additionals {
      writer.append(Self.encoded(record.name))
      writer.append(record.type)
      writer.append(record.recordClass)
      writer.append(record.timeToLive)
      writer.append(UInt16(record.data.count))
      writer.append(record.data)
    }
    return writer.bytes
  }

  /// A name's labels, each behind its length, and the empty one.
  public static func encoded(_ name: String) -> [UInt8] {
    name.split(separator: ".").reduce(into: []) { bytes, label in
      bytes.append(UInt8(label.utf8.count))
      bytes += label.utf8
    } + [0]
  }

  /// Reads a message, which must end with its last record.
  public init(decoding bytes: [UInt8]) throws(PacketFault) {
    var reader = PlainReader(bytes)
    identifier = try reader.word()
    flags = try reader.word()
    let counts = (try reader.word(), try reader.word(), try reader.word(), try reader.word())
    questions = []
    for _ in 0..<counts.0 {
      let name = try Self.name(&reader)
      questions.append(Question(name, try reader.word(), recordClass: try reader.word()))
    }
    answers = try Self.records(counts.1, &reader)
    authorities = try Self.records(counts.2, &reader)
    additionals = try Self.records(counts.3, &reader)
    guard reader.remaining == 0 else { throw PacketFault("\(reader.remaining) bytes behind the last record") }
  }

  private static func records(_ count: UInt16, _ reader: inout PlainReader) throws(PacketFault) -> [Record] {
    var records: [Record] = []
    for _ in 0..<count {
      var record = Record(try name(&reader), try reader.word())
      record.recordClass = try reader.word()
      record.timeToLive = try reader.long()
      record.data = try reader.take(Int(try reader.word()))
      records.append(record)
    }
    return records
  }

  /// A name, which may end with a pointer to one that stands before it (RFC 1035 section 4.1.4).
  private static func name(_ reader: inout PlainReader) throws(PacketFault) -> String {
    var labels: [String] = []
    while true {
      let start = reader.offset
      let length = try reader.byte()
      if length == 0 { return labels.joined(separator: ".") }
      guard length >= 0xc0 else {
        guard length < 0x40 else { throw PacketFault("a label of kind \(length >> 6)") }
        labels.append(String(decoding: try reader.take(Int(length)), as: UTF8.self))
        continue
      }
      let target = Int(length & 0x3f) << 8 | Int(try reader.byte())
      guard target < start else { throw PacketFault("a pointer that does not point back") }
      var other = PlainReader(reader.bytes)
      _ = try other.take(target)
      return (labels + [try name(&other)]).joined(separator: ".")
    }
  }
}
