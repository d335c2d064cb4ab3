import Primitives
import Wire

// Flows as text: a line each, for `culvert inspect --summary`, made for comparing as frames are (`FrameText`).
//
//     TCP 10.0.2.15:43210 > 10.0.2.2:80 at 0.001234 for 1.500000 up 5 frames 78 bytes down 4 frames 1460 bytes
//       handshake 0.000050 + 0.000020 rtt up 0.000060/0.000070 closed, the guest first
//
// The guest's end comes first; `>` tells that it has opened the flow, `<` that the other end has. What is zero is left
// out. A round trip is the least and the mean time until what one side has sent was acknowledged, as seen where the
// capture was made; the handshake is the way to the other end and back, and to the opener and back.

extension FlowRecord {
  /// The flow on one line, without an end of line.
  ///
  /// - Parameters:
  ///   - start: What times count from, in nanoseconds since 1970.
  ///   - end: When the capture ends, likewise.
  public func line(since start: Int64, until end: Int64) -> String {
    let (guest, outside) = isOpenedByGuest ? (opener, other) : (other, opener)
    var words = ["\(proto.words) \(text(guest)) \(isOpenedByGuest ? ">" : "<") \(text(outside))"]
    if proto == .icmp || proto == .icmpv6 { words.append("id \(opener.port)") }
    words.append("at \(secondsText(firstTime - start)) for \(secondsText(lastTime - firstTime))")
    words.append("up \(fromGuest.amount) down \(toGuest.amount)")
    if let answerTime {
      words.append("handshake \(secondsText(answerTime))")
      if let acknowledgmentTime { words.append("+ \(secondsText(acknowledgmentTime))") }
    }
    words += pair("rtt") { $0.roundTripText }
    words += pair("retransmitted") { nonzero($0.retransmissions) }
    words += pair("out of order") { nonzero($0.outOfOrder) }
    words += pair("zero windows") { nonzero($0.zeroWindows) }
    words += pair("keep-alives") { nonzero($0.keepAlives) }
    if let text = endText(until: end) { words.append(text) }
    return words.joined(separator: " ")
  }

  private func text(_ endpoint: Endpoint) -> String {
    proto == .tcp || proto == .udp ? "\(endpoint)" : "\(endpoint.address)"
  }

  private func pair(_ name: String, _ value: (FlowHalf) -> String?) -> [String] {
    let (up, down) = (value(fromGuest).map { "up \($0)" }, value(toGuest).map { "down \($0)" })
    let values = [up, down].compactMap { $0 }
    return values.isEmpty ? [] : ["\(name) \(values.joined(separator: " "))"]
  }

  private func nonzero(_ count: Int) -> String? { count == 0 ? nil : "\(count)" }

  /// How it has ended; nil of datagrams and echoes, which have no end, unless somebody has reported one.
  private func endText(until end: Int64) -> String? {
    switch self.end {
    case .open where proto != .tcp: return nil
    case .open, .halfClosed:
      var words = "open at the end"
      if case .halfClosed(let side) = self.end { words = "half closed by \(name(side)), " + words }
      // Silence of a minute says more than that the capture has ended.
      let silence = end - lastTime
      return silence >= 60_000_000_000 ? "\(words), silent for \(secondsText(silence))" : words
    case .closed(let side): return "closed, \(name(side)) first"
    case .reset(let side): return "reset by \(name(side))"
    case .refused(let side): return "refused by \(name(side))"
    case .reported(let words, let reporter): return "\(words), says \(reporter)"
    case .unanswered(let count): return "no answer to \(count) SYN\(count == 1 ? "" : "s")"
    }
  }

  private func name(_ side: FlowOutcome.Side) -> String {
    (side == .opener) == isOpenedByGuest ? "the guest" : "the network"
  }
}

extension FlowHalf {
  fileprivate var amount: String { "\(frames) frame\(frames == 1 ? "" : "s") \(bytes) bytes" }

  fileprivate var roundTripText: String? {
    roundTrips.count == 0 ? nil : "\(secondsText(roundTrips.least))/\(secondsText(roundTrips.mean))"
  }
}

/// Nanoseconds as seconds with six decimals, what is less cut off: `1.500000`.
public func secondsText(_ nanoseconds: Int64) -> String {
  let microseconds = nanoseconds.magnitude / 1000
  let fraction = String(microseconds % 1_000_000 + 1_000_000).dropFirst()
  return "\(nanoseconds < 0 && microseconds > 0 ? "-" : "")\(microseconds / 1_000_000).\(fraction)"
}
