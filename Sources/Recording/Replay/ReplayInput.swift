import Buffers
import Netstack
import Primitives

/// An input of the core, to be told.
public struct ReplayInput: Hashable, Sendable {
  /// Which one it is, counted from 1.
  public var number: Int
  /// How long after the one before it, in nanoseconds.
  public var delay: Int64
  /// What it is, in words.
  public var words: String
  /// The frames that it brings.
  public var frames: [[UInt8]] = []

  init(from decoder: inout RecordDecoder, number: Int) throws(RecordingError) {
    self.number = number
    guard let kind = RecordKind(rawValue: try decoder.byte()) else { throw .damaged }
    delay = try decoder.signed()
    switch kind {
    case .attach:
      let port = try decoder.value(PortID.self)
      words = "attach(port \(port.rawValue), offloads \(try decoder.value(LinkOffloads.self).rawValue))"
    case .detach: words = "detach(port \(try decoder.value(PortID.self).rawValue))"
    case .receive:
      let isHandedOver = try decoder.value(Bool.self)
      words = ""
      for _ in 0..<(try decoder.count()) { frames.append(try RecordedFrame(from: &decoder).bytes(of: decoder)) }
      words = "receive(\(frames.count) \(frames.count == 1 ? "frame" : "frames")\(isHandedOver ? ", handed over" : ""))"
    case .hostReady:
      let flow = try decoder.value(FlowID.self)
      words = "hostReady(\(flow), \(try decoder.value(HostReadiness.self).words))"
    case .linkReady: words = "linkReady(port \(try decoder.value(PortID.self).rawValue))"
    case .advance: words = "advance"
    case .apply: words = "apply(\(try decoder.value(Command.self)))"
    case .shutDown: words = "shutDown"
    case .undelivered: words = "undeliveredByteCount"
    default: throw .damaged
    }
  }
}

/// A frame of an input, whose bytes are left where they are.
struct RecordedFrame {
  let descriptor: FrameDescriptor
  let pieces: [Int]
  let range: Range<Int>

  /// The most pieces of a frame.
  private static var mostPieces: Int { 1024 }

  init(from decoder: inout RecordDecoder) throws(RecordingError) {
    descriptor = try decoder.value()
    var left = Int(descriptor.byteCount) - Int(descriptor.headerLength)
    let count = try decoder.count(atMost: Self.mostPieces)
    var pieces: [Int] = []
    for _ in 0..<count {
      pieces.append(try decoder.count(atMost: left))
      left -= pieces[pieces.count - 1]
    }
    guard left == 0 else { throw .damaged }
    self.pieces = pieces
    range = try decoder.skip(Int(descriptor.byteCount))
  }

  func bytes(of decoder: RecordDecoder) -> [UInt8] { Array(decoder.bytes[range]) }
}

extension HostReadiness {
  /// What the host reports, in words.
  var words: String {
    let names: [(HostReadiness, String)] = [
      (.readable, "readable"), (.writable, "writable"), (.readClosed, "read closed"), (.failed, "failed"),
      (.hungUp, "hung up"),
    ]
    let present = names.filter { contains($0.0) }.map(\.1)
    return present.isEmpty ? "nothing" : present.joined(separator: " and ")
  }
}
