import Primitives
import Wire

/// Takes one frame apart, for a line or for its fields.
///
/// The headers are read by `Wire`; each file beside this one has what is said of a protocol, in both forms, so that the
/// two never differ. Any bytes may come: everything is read only where it was found to lie in the frame.
struct FrameDecoder {
  /// What the decoder gathers.
  enum Purpose { case line, fields }

  let purpose: Purpose
  /// What is known of the frame's flow.
  let flow: FlowReference?
  /// Whether a line begins with the hardware addresses.
  var showsHardware = false
  /// Whether what is decoded now is the packet in an ICMP error, which is cut off somewhere.
  var isQuote = false

  /// The fields so far.
  private(set) var fields: [DecodedField] = []
  private var words = ""
  private var notes: [String] = []
  private var problems: [String] = []

  init(purpose: Purpose, flow: FlowReference?) {
    self.purpose = purpose
    self.flow = flow
  }

  /// The line.
  var line: String {
    var line = words
    if !notes.isEmpty { line += " (\(notes.joined(separator: ", ")))" }
    for problem in problems { line += " {\(problem)}" }
    return line
  }

  // MARK: What is said

  /// Adds words to the line, with a space before them.
  mutating func say(_ text: @autoclosure () -> String) {
    guard purpose == .line else { return }
    if !words.isEmpty { words += " " }
    words += text()
  }

  /// Adds to the line's last word.
  mutating func append(_ text: @autoclosure () -> String) {
    guard purpose == .line else { return }
    words += text()
  }

  /// Adds what is unusual about a packet.
  mutating func note(_ text: @autoclosure () -> String) {
    guard purpose == .line else { return }
    notes.append(text())
  }

  /// Adds a field.
  mutating func field(_ layer: String, _ name: String, _ range: Range<Int>, _ value: @autoclosure () -> String) {
    guard purpose == .fields else { return }
    fields.append(DecodedField(layer: named(layer), name: name, value: value(), range: range))
  }

  /// A layer's name; another one in a quotation.
  private func named(_ layer: String) -> String { isQuote ? "quoted \(layer)" : layer }

  /// Adds what is wrong, with where.
  mutating func problem(_ layer: String, _ range: Range<Int>, _ text: String) {
    switch purpose {
    case .line: problems.append(text)
    case .fields: fields.append(DecodedField(layer: named(layer), name: "problem", value: text, range: range))
    }
  }

  /// Tells that a header is none, and lists its bytes.
  mutating func malformed(_ layer: String, _ extent: Extent, _ error: WireError, _ frame: Span<UInt8>) {
    let cut = extent.missing > 0 || isQuote
    if case .truncated = error, cut {
      say("cut off")
    } else {
      problem(layer, extent.range, "malformed \(layer): \(error.words)")
    }
    bytes(layer, "bytes", extent.range, frame)
  }

  /// A field that is no more than its bytes.
  mutating func bytes(_ layer: String, _ name: String, _ range: Range<Int>, _ frame: Span<UInt8>) {
    guard !range.isEmpty else { return }
    field(layer, name, range, "\(range.count) bytes \(frame.hexadecimal(range, limit: 16))")
  }

  /// Decodes what `body` does as a quotation, in brackets.
  mutating func quote(_ body: (inout FrameDecoder) -> Void) {
    let (outerNotes, wasQuote) = (notes, isQuote)
    (notes, isQuote) = ([], true)
    say("[")
    // The bracket takes the place of the space before the first word.
    var inner = self
    inner.words = ""
    body(&inner)
    let quoted = inner.words + (inner.notes.isEmpty ? "" : " (\(inner.notes.joined(separator: ", ")))")
    let outer = words
    self = inner
    words = outer + quoted + (purpose == .line ? "]" : "")
    (notes, isQuote) = (outerNotes, wasQuote)
  }
}

/// A part of a frame: what of it is there, and how much a capture has cut off behind that.
struct Extent {
  /// Where it lies in the bytes that are there.
  var range: Range<Int>
  /// Bytes behind it that belong to it and are not there.
  var missing = 0

  /// Bytes on the wire.
  var count: Int { range.count + missing }

  /// What is left behind the first `length` bytes.
  /// - Precondition: so many are there.
  func dropping(_ length: Int) -> Extent { Extent(range: range.dropFirst(length), missing: missing) }

  /// The first `length` bytes, as far as they are there.
  func prefix(_ length: Int) -> Extent {
    let present = min(length, range.count)
    return Extent(
      range: range.lowerBound..<(range.lowerBound + present), missing: min(missing, max(0, length - present)))
  }
}

extension Range<Int> {
  /// The `length` numbers that begin `offset` behind the first.
  func part(_ offset: Int, _ length: Int) -> Range<Int> { (lowerBound + offset)..<(lowerBound + offset + length) }
}

extension WireError {
  /// What is wrong, for people.
  var words: String {
    switch self {
    case .truncated(let needed, let available): "\(available) bytes where \(needed) are needed"
    case .badVersion(let version): "version \(version)"
    case .badHeaderLength(let length): "length \(length)"
    case .badTotalLength(let length, let available): "length \(length), but \(available) bytes are there"
    case .unsupportedHardware: "not for Ethernet and IPv4"
    case .repeatedOption(let option): "option \(option) twice"
    case .badName(let offset): "no name at byte \(offset)"
    case .badRecord(let offset): "no record at byte \(offset)"
    }
  }
}
