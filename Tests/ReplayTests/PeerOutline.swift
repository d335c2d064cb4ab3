import Capture
import Primitives
import Simulation

/// What a session comes to, without what is chance or a matter of time: two networks are compared by it.
///
/// A line says something for the first time: who says it again adds nothing. Of TCP a line stands for all data in one
/// direction until the other speaks, and acknowledgments alone are left out. Identifiers, ports of the network's choice,
/// sequence numbers, times and hardware addresses of both ends are left out, too.
struct PeerOutline {
  private(set) var lines: [String] = []
  private var said: Set<String> = []
  private var streams: [Stream: Progress] = [:]
  private var latest: Stream?

  /// One direction of a TCP connection.
  private struct Stream: Hashable {
    let sender, receiver: Endpoint
    var isFromGuest: Bool
    var words: String { "\(isFromGuest ? ">" : "<") \(sender) > \(receiver) TCP" }
  }

  /// How far a stream is.
  private struct Progress {
    var first: SequenceNumber
    var byteCount = 0
    /// The bytes that the last line stands for.
    var told = 0
    var isClosed = false
    var hasEnded = false
  }

  init(_ frames: [SessionFrame]) throws {
    let texts = SessionText.lines(of: frames, showsTimes: false)
    for (frame, text) in zip(frames, texts) {
      let plain = try PlainFrame(decoding: frame.bytes, strictly: false)
      if case .tcp(let segment)? = plain.payload {
        note(segment, plain, isFromGuest: frame.isFromGuest)
      } else {
        say(text)
      }
    }
    tellData()
    orderEnds()
  }

  /// Which end of a connection is first where both follow each other is chance.
  private mutating func orderEnds() {
    for index in lines.indices.dropFirst()
    where lines[index - 1].hasPrefix(">") && lines[index].hasPrefix("<")
      && lines[index - 1...index].allSatisfy({
        $0.hasSuffix(" TCP FIN")
      })
    {
      lines.swapAt(index - 1, index)
    }
  }

  private mutating func say(_ line: String) {
    tellData()
    note(line)
  }

  private mutating func note(_ line: String) {
    let line = Self.withoutChance(line)
    if said.insert(line).inserted { lines.append(line) }
  }

  // MARK: TCP

  private mutating func note(_ segment: PlainTCP, _ frame: PlainFrame, isFromGuest: Bool) {
    guard let source = frame.packetSource,
      let destination = frame.ipv4.map({ IPAddress($0.destination) }) ?? frame.ipv6.map({ IPAddress($0.destination) })
    else { return }
    let stream = Stream(
      sender: Endpoint(source, port: segment.sourcePort),
      receiver: Endpoint(destination, port: segment.destinationPort), isFromGuest: isFromGuest)
    if segment.flags.contains(.syn) {
      streams[stream] = Progress(first: segment.sequence + 1)
      let options = segment.options.map(\.outline).joined(separator: ", ")
      return say("\(stream.words) \(segment.flags.contains(.ack) ? "SYN ACK" : "SYN") with \(options)")
    }
    if segment.flags.contains(.rst) { return say("\(stream.words) RST") }
    guard var progress = streams[stream] else { return say("\(stream.words) of no connection") }
    defer { streams[stream] = progress }
    let end = segment.sequence + segment.payload.count - progress.first
    if !segment.payload.isEmpty && end > progress.byteCount {
      if latest != stream { tellData() }
      latest = stream
      progress.byteCount = end
    }
    if segment.flags.contains(.fin) && !progress.hasEnded {
      progress.hasEnded = true
      streams[stream] = progress
      tellData()
      progress = streams[stream] ?? progress
      say("\(stream.words) FIN")
    }
    guard progress.isClosed != (segment.window == 0) else { return }
    progress.isClosed.toggle()
    // How much had come by then is a matter of time.
    note("\(stream.words) \(progress.isClosed ? "closes" : "opens") its window")
  }

  /// Says how much has come since the last time, if anything has.
  private mutating func tellData() {
    guard let stream = latest, let progress = streams[stream] else { return }
    latest = nil
    let count = progress.byteCount - progress.told
    guard count > 0 else { return }
    streams[stream]?.told = progress.byteCount
    lines.append(Self.withoutChance("\(stream.words) \(count) bytes"))
  }

  // MARK: The rest

  private static func withoutChance(_ line: String) -> String {
    var line = line
    line.replace(#/ xid 0x[0-9a-f]+/#, with: "")
    line.replace(#/ (secs|elapsed) [0-9]+/#, with: "")
    line.replace(#/IA_NA 0x[0-9a-f]+/#, with: "IA_NA")
    line.replace(#/fragment of 0x[0-9a-f]+,/#, with: "fragment,")
    line.replace(#/ id [0-9]+/#, with: "")
    line.replace(#/block [0-9]+/#, with: "block")
    line.replace(#/DNS (query|answer) 0x[0-9a-f]{4}/#) { "DNS \($0.output.1)" }
    line.replace(#/nonce [0-9a-f]+/#, with: "nonce")
    // But for the ports of the sessions' servers and of the forwards' clients.
    line.replace(#/(\]|\.[0-9]+):([0-9]{4,5})\b/#) { match in
      let isKnown = ["400", "700", "799", "896"].contains { match.output.2.hasPrefix($0) } && match.output.2.count == 4
      return isKnown ? String(match.output.0) : "\(match.output.1):port"
    }
    return line
  }
}

extension PlainTCP.Option {
  /// What it offers, without what changes from one connection to the next.
  fileprivate var outline: String {
    switch self {
    case .mss(let value): "mss \(value)"
    case .windowScale(let shift): "window scale \(shift)"
    case .sackPermitted: "SACK"
    case .sack: "SACK blocks"
    case .timestamps: "timestamps"
    case .other(let kind, _): "option \(kind)"
    }
  }
}
