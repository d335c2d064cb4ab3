import Capture
import Configuration
import LinuxSystem
import Netstack
import Primitives
import Runtime
import Simulation

/// What `culvert replay` does with a capture.
struct CaptureReplaying: ~Copyable {
  private let command: ReplayCommand
  private let options: CaptureReplay.Options

  /// Checks the command's options.
  init(_ command: ReplayCommand) throws(ConfigurationError) {
    self.command = command
    let network = try Self.network(command.network)
    var options = CaptureReplay.Options()
    options.settings = NetworkSettings(network)
    options.behavior = try (command.world ?? .recorded).behavior
    options.seed = command.seed
    options.guest = command.guest
    if !network.upstreamResolvers.isEmpty { options.resolvers = network.upstreamResolvers }
    self.options = options
  }

  /// The network, for which nothing of this machine's is needed.
  private static func network(_ arguments: NetworkArguments) throws(ConfigurationError) -> VirtualNetwork {
    let network = try VirtualNetwork(try arguments.options())
    let needs = [
      ("hostfwd", !network.forwards.isEmpty), ("guestfwd", !network.guestForwards.isEmpty),
      ("tftp", !network.tftpFolder.isEmpty), ("smb", network.smbShare != nil),
    ]
    if let (name, _) = needs.first(where: \.1) {
      throw ConfigurationError(name, "a replay uses nothing of this machine's; leave --\(name) out")
    }
    return network
  }

  /// Plays the capture.
  func run() throws {
    var reader = try CaptureReader(path: command.file)
    let canBeReadAgain = reader.canBeReadAgain
    var options = options
    if !canBeReadAgain && options.behavior.repeatsRecording {
      guard command.world == nil else {
        throw ConfigurationError(
          "world", "what was recorded is known from a file that can be read twice; give another, or a file")
      }
      options.behavior = .discard
    }
    var replay = CaptureReplay(options)
    if canBeReadAgain {
      try Self.learn(&replay, from: &reader)
      reader = try CaptureReader(path: command.file)
    }
    var printer = try ReplayPrinter(command)
    var pace = try ReplayPace(command.speed)
    do {
      while let record = try reader.next() {
        try pace.wait(for: record.time)
        replay.play(reader.bytes, record, into: &printer)
        if let failure = printer.failure { throw failure }
      }
    } catch {
      try printer.finish(nil)
      throw error
    }
    try printer.finish(Self.words(replay.counts, replay.drops))
  }

  private static func learn(_ replay: inout CaptureReplay, from reader: inout CaptureReader) throws(CaptureError) {
    do throws(CaptureError) {
      while try reader.next() != nil { replay.learn(reader.bytes) }
    } catch {
      // What is wrong with the file is told when it has been played up to there.
      guard case .damaged = error else { throw error }
    }
  }

  /// What was done, in one line.
  private static func words(
    _ counts: CaptureReplay.Counts, _ drops: [(reason: DropReason, count: UInt64)]
  ) -> String {
    var words = "\(counts.played) frames played, \(counts.answered) answered, \(counts.passedOver) passed over"
    if counts.cutOff > 0 { words += ", \(counts.cutOff) left out that the capture has cut off" }
    if !drops.isEmpty {
      words += "; dropped: " + drops.map { "\($0.reason) \($0.count)" }.joined(separator: ", ")
    }
    return words
  }
}

/// Prints what passes in a replay, and writes it to a file.
struct ReplayPrinter: ReplayTranscript, ~Copyable {
  /// Why the file cannot be written.
  private(set) var failure: CaptureError?
  private let printsFrames: Bool
  /// Whether the standard output is the capture's.
  private let isQuiet: Bool
  private let text = FrameText()
  private var flows = FlowTracker()
  private var output = LineOutput()
  private var writer: CaptureWriter?
  private var start: Int64?

  init(_ command: ReplayCommand) throws(CaptureError) {
    isQuiet = command.output == "-"
    printsFrames = !command.quiet && !isQuiet
    writer = nil
    if let path = command.output { writer = try CaptureWriter(path: path) }
  }

  mutating func passed(_ frame: Span<UInt8>, _ direction: CaptureDirection, at time: Int64) {
    if failure == nil { write(frame, direction, at: time) }
    guard printsFrames else { return }
    let start = self.start ?? time
    self.start = start
    let isFromGuest = direction == .fromGuest
    let flow = flows.note(frame, originalLength: frame.count, at: time, isFromGuest: isFromGuest)
    _ = flows.takeEnded()
    output.print("\(secondsText(time - start)) \(isFromGuest ? ">" : "<") \(text.line(of: frame, flow: flow))")
  }

  private mutating func write(_ frame: Span<UInt8>, _ direction: CaptureDirection, at time: Int64) {
    do throws(CaptureError) {
      try writer?.append(
        CaptureRecord(time: time, originalLength: frame.count, direction: direction), frame)
    } catch {
      failure = error
    }
  }

  /// Ends the printing, with a line of `words`.
  mutating func finish(_ words: String?) throws(CaptureError) {
    if failure == nil { try writer?.flush() }
    output.flush()
    // Where frames are printed, the line is none of them.
    if let words { (isQuiet || printsFrames ? StandardStream.error : .output).write("\(words)\n") }
  }
}

/// Waits until a frame's time has come.
private struct ReplayPace: ~Copyable {
  private let factor: Double?
  private let queue: EventQueue
  private var buffer = EventBuffer(capacity: 1)
  private var start: (capture: Int64, here: Instant)?

  init(_ speed: ReplaySpeed) throws(SystemError) {
    if case .times(let factor) = speed { self.factor = factor } else { factor = nil }
    queue = try EventQueue()
  }

  mutating func wait(for time: Int64) throws(SystemError) {
    guard let factor else { return }
    guard let start else {
      start = (time, MonotonicClock.now)
      return
    }
    // A file may say anything: an hour is the longest that it has somebody wait.
    let elapsed = min(max(0, Double(time &- start.capture)) / factor, 3.6e15)
    let due = start.here + Interval(nanoseconds: Int64(elapsed))
    // Nothing is in the queue: it waits for the time alone.
    while MonotonicClock.now < due { try queue.wait(into: &buffer, until: due) }
  }
}
