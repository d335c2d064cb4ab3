import Netstack
import Primitives
import Simulation

/// A whole client of TFTP in the lab's guest: RFC 1350 with the options of RFC 2347 to 2349 and 7440, and a timer of its
/// own.
final class TFTPDownload {
  /// How it goes about it.
  struct Plan {
    var mode = "octet"
    /// What it asks for: names and values.
    var options: [String] = []
    /// How long it waits before it says again what it said last.
    var timeout = Interval.seconds(1)
    /// How often it does so, until something new comes.
    var patience = 15
    /// Whether it repeats its acknowledgment for each block that it does not expect, or once until one that it does.
    var isEager = false
  }

  enum Outcome: Equatable {
    case running, complete
    /// The server said that it ends.
    case told(String)
    case gaveUp
  }

  private(set) var outcome = Outcome.running
  private(set) var content: [UInt8] = []
  /// What the server agreed to; the defaults of RFC 1350 until it says so.
  private(set) var (blockSize, windowSize) = (512, 1)
  private(set) var requestCount = 0

  private let lab: Lab
  private let server: Endpoint
  private let port: UInt16
  private let plan: Plan
  /// The server's end, once it has answered.
  private var peer: Endpoint?
  private var lastWord: [UInt8]
  /// The block that comes next; counted from 1.
  private var next = 1
  private var inWindow = 0
  private var hasAskedAgain = false
  private var silences = 0
  private var timer = 0

  init(_ name: String, _ plan: Plan, on lab: Lab, over family: IPAddress.Family = .ipv4, port: UInt16 = 2000) {
    (self.lab, self.plan, self.port) = (lab, plan, port)
    server = Endpoint(.gateway(family), port: 69)
    lastWord = TFTPBench.request(name, plan.mode, plan.options)
    lab.guest.bind(port) { self.receive($0, from: $1) }
    repeatLastWord()
  }

  // MARK: What it says

  private func repeatLastWord() {
    if peer == nil { requestCount += 1 }
    lab.guest.sendUDP(lastWord, from: port, to: peer ?? server)
    timer += 1
    let number = timer
    lab.schedule(after: plan.timeout) { _ in self.timeout(number) }
  }

  private func timeout(_ number: Int) {
    guard outcome == .running, number == timer else { return }
    silences += 1
    if silences > plan.patience { outcome = .gaveUp } else { repeatLastWord() }
  }

  private func acknowledge() {
    inWindow = 0
    lastWord = TFTPBench.acknowledgment(next - 1)
    repeatLastWord()
  }

  // MARK: What it hears

  private func receive(_ bytes: [UInt8], from source: Endpoint) {
    let reply = TFTPReply(bytes)
    if case .error(_, let text) = reply {
      if outcome == .running, source == peer ?? server { outcome = .told(text) }
      return
    }
    if outcome == .running { peer = peer ?? source }
    // RFC 1350 section 4: from another transfer, of a request that came twice.
    guard source == peer else { return lab.guest.sendUDP([0, 5, 0, 5, 0], from: port, to: source) }
    switch reply {
    case .options(let fields): take(fields)
    case .data(let number, let block): take(number, block)
    default: outcome = .told("\(reply)")
    }
  }

  private func take(_ options: [String]) {
    guard next == 1 else { return }
    for index in stride(from: 0, to: options.count - 1, by: 2) {
      if options[index] == "blksize" { blockSize = Int(options[index + 1]) ?? 0 }
      if options[index] == "windowsize" { windowSize = Int(options[index + 1]) ?? 0 }
    }
    acknowledge()
  }

  private func take(_ number: UInt16, _ block: [UInt8]) {
    let distance = Int16(bitPattern: number &- UInt16(truncatingIfNeeded: next))
    guard distance == 0, outcome == .running else { return takeUnexpected(distance) }
    content += block
    next += 1
    inWindow += 1
    (silences, hasAskedAgain) = (0, false)
    if block.count < blockSize { outcome = .complete }
    if inWindow == windowSize || outcome == .complete { acknowledge() }
  }

  /// RFC 7440 section 4: a gap. RFC 1123 section 4.2.3.1: a block that comes again is acknowledged again; so is the last
  /// one by a client that has done. Within a window nobody awaits an acknowledgment.
  private func takeUnexpected(_ distance: Int16) {
    guard distance > 0 || (distance == -1 && inWindow == 0) else { return }
    if plan.isEager || windowSize == 1 || !hasAskedAgain { acknowledge() }
    hasAskedAgain = true
  }
}
