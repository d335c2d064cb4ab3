import ArgumentParser
import Capture
import Primitives

/// `culvert inspect`.
struct InspectCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect",
    abstract: "Print the frames of a capture, one on each line, or its flows.",
    discussion: """
      Reads Ethernet frames from a file in pcap or pcapng format, '-' for the standard input. A line begins with the \
      seconds since the first frame, and '>' for a frame of the guest's or '<' for one to it. It is always the same for \
      the same frame, so that two captures can be compared with 'diff'. TCP's sequence numbers count from the \
      connection's first, and its windows are in bytes, where the capture has the SYNs. What is wrong with a frame \
      stands at the end, in braces.

      The guest is who --from-mac says; else who is on the other side of the first frame from or to an address that \
      begins with 52:55 or 52:56, as a gateway of Culvert's or QEMU's has; else who has sent the first frame.

      With --summary there is a line for each flow: its ends, the guest's first; when it began and for how long it \
      lasted; frames and bytes of payload up (from the guest) and down; the time of the handshake and of round trips, \
      least and mean, in seconds; what was sent again, came out of order or found no room; and how it has ended.

      EXAMPLES
        What a guest has asked for:
          culvert inspect --filter 'udp port 53' guest.pcap

        The flows of a capture that is being made:
          tcpdump -i tap0 -w - -c 1000 | culvert inspect --summary -

        Two runs, compared:
          diff <(culvert inspect a.pcap) <(culvert inspect b.pcap)
      """)

  @Option(
    name: .customLong("filter"),
    help: ArgumentHelp(
      "Which frames count, as a filter of libpcap's, see pcap-filter(7) (default: all).", valueName: "expression"))
  var filter: String?

  @Option(
    name: .customLong("from-mac"),
    help: ArgumentHelp("The guest's hardware address (default: found by the rule above).", valueName: "mac"),
    transform: readMAC)
  var guest: MACAddress?

  @Flag(name: .customLong("summary"), help: "Print a line for each flow, and one for all.")
  var summary = false

  @Flag(name: .customLong("fields"), help: "Print each frame field by field, with the field's first byte.")
  var fields = false

  @Flag(name: .customLong("count"), help: "Print the number of frames, nothing else.")
  var count = false

  @Flag(name: .customLong("hardware"), help: "Print the hardware addresses before each frame.")
  var hardware = false

  @Argument(
    help: ArgumentHelp("The capture, '-' for the standard input.", valueName: "file"),
    completion: .file(extensions: ["pcap", "pcapng"]))
  var file: String

  func validate() throws {
    guard [summary, fields, count].count(where: { $0 }) <= 1 else {
      throw ValidationError("Give one of --summary, --fields and --count.")
    }
  }

  func run() throws {
    // A mistake in the filter is told before the file is waited for.
    let filter = try CaptureFilter(filter ?? "")
    var reader = try CaptureReader(path: file)
    var inspection = Inspection(self)
    while let record = try reader.next() {
      let passes = filter.matches(reader.bytes, originalLength: record.originalLength)
      inspection.take(reader.bytes, record, passes: passes)
    }
    inspection.finish()
  }
}

/// Reads a hardware address of the command line.
func readMAC(_ text: String) throws -> MACAddress {
  guard let address = MACAddress(text) else {
    throw ValidationError("'\(text)' is not a hardware address like 52:54:00:12:34:56.")
  }
  return address
}

/// What one run of `culvert inspect` has seen.
private struct Inspection: ~Copyable {
  private let command: InspectCommand
  private let text: FrameText
  private var guest: GuestFinder
  private var flows = FlowTracker()
  private var output = LineOutput()
  private var totals = CaptureTotals()

  init(_ command: InspectCommand) {
    self.command = command
    text = FrameText(showsHardware: command.hardware)
    guest = GuestFinder(guest: command.guest)
  }

  mutating func take(_ frame: Span<UInt8>, _ record: CaptureRecord, passes: Bool) {
    let isFromGuest = guest.isFromGuest(frame)
    totals.begin(at: record.time)
    // What a line counts from, the frames that are not shown tell as well.
    var flow: FlowReference?
    if !command.count && !command.fields && (passes || !command.summary) {
      flow = flows.note(
        frame, originalLength: record.originalLength, at: record.time, isFromGuest: isFromGuest)
    }
    let ended = flows.takeEnded()
    guard passes else { return }
    totals.add(record)
    if command.count { return }
    if command.summary {
      // The tracker has no more room for these.
      for flow in ended { print(flow) }
      return
    }
    let mark = "\(secondsText(record.time - totals.start)) \(isFromGuest ? ">" : "<")"
    output.print("\(mark) \(text.line(of: frame, originalLength: record.originalLength, flow: flow))")
    guard command.fields else { return }
    for field in text.fields(of: frame, originalLength: record.originalLength) { output.print("  \(field)") }
  }

  private mutating func print(_ flow: FlowRecord) {
    output.print(flow.line(since: totals.start, until: totals.end))
  }

  mutating func finish() {
    if command.count { output.print("\(totals.frames)") }
    guard command.summary else { return }
    for flow in flows.flows { print(flow) }
    output.print("\(totals.line), \(flows.flowCount) flow\(flows.flowCount == 1 ? "" : "s")")
  }
}
