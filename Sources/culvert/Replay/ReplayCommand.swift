import ArgumentParser
import Configuration
import Primitives

/// `culvert replay`.
struct ReplayCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "replay",
    abstract: "Play the guest of a capture against a fresh network, or a recording once more.",
    discussion: """
      The frames that a capture's guest has sent go into a network as 'serve' would make it of the same options, but \
      with a clock of the capture's and a simulated host: nothing of this machine is used, and no privilege needed. \
      What passes is printed, a line for each frame as 'inspect' prints them; the same capture, options and seed give \
      the same lines. The capture's other frames are not played: they tell what the guest's acknowledgments are of, \
      which are translated into the numbers of this network's own segments, as are SACK blocks and echoes of timestamps.

      A file is read twice, first for what those have said whom the guest spoke to, and so that a guest whose SYN \
      offered what the recorded network did not take up (timestamps, say) offers it no more. The standard input, '-', and \
      pipes are read once, without that. Connections that the capture shows \
      from outside to the guest have no counterpart: the network answers the guest's part of them by resets.

      The guest is found by the rule of 'culvert help inspect', or said by --from-mac. What those do whom the guest speaks to, \
      --world says:
        recorded     say again what the capture has of them, as far as the guest comes to it, and else nothing
        echo         send back what they get
        discard      take everything and say nothing
        refuse       have nobody behind any port
        blackhole    are not there
        script:FILE  do what FILE says, by port

      A script has a line for each port; the first that fits counts, and who is in none refuses:
        tcp 80 receive 1 send "HTTP/1.0 200 OK\\r\\n\\r\\nhello" close
        tcp 22 reset
        tcp * echo
        udp 53 discard
        udp * answer "\\x00text"
        icmp * blackhole

      A folder that --record has written, or one file of it, is not a capture but all that has happened: the core runs       over it again, as it did then, and everything that it does must be the same. At the first difference the two       frames are printed, or the two calls, with the inputs before them, and the command fails. Of the options it       takes --output.

      EXAMPLES
        What happened, once more, and as a capture:
          culvert replay --output net0.pcap recorded/net0-loop0.recording

        What this network would have said to a guest, as text and as a capture:
          culvert replay --output answer.pcap guest.pcap

        A guest of another network:
          culvert replay --net 192.168.1.0/24 --world script:servers.txt lan.pcapng
      """)

  @OptionGroup(title: "Network Options") var network: NetworkArguments

  @Option(
    name: .customLong("world"),
    help: ArgumentHelp(
      "What those do whom the guest speaks to (default: recorded; discard where the capture cannot be read twice).",
      valueName: "recorded|echo|discard|refuse|blackhole|script:file"))
  var world: ReplayWorld?

  @Option(
    name: .customLong("from-mac"),
    help: ArgumentHelp("The guest's hardware address (default: found by the rule above).", valueName: "mac"),
    transform: readMAC)
  var guest: MACAddress?

  @Option(
    name: .customLong("speed"),
    help: ArgumentHelp(
      "How fast: 'real' as the capture's clock went, a number that many times as fast, 'max' without waiting "
        + "(default: max).", valueName: "real|n|max"))
  var speed = ReplaySpeed.maximum

  @Option(
    name: .customLong("seed"),
    help: ArgumentHelp("The seed of everything that is random (default: 1).", valueName: "n"))
  var seed: UInt64 = 1

  @Option(
    name: .customLong("output"),
    help: ArgumentHelp(
      "Write the frames of both directions to this file in pcap format, '-' for the standard output instead of text "
        + "(default: none).", valueName: "file"), completion: .file(extensions: ["pcap"]))
  var output: String?

  @Flag(name: .customLong("quiet"), help: "Print no line for each frame, only what was done, at the end.")
  var quiet = false

  @Argument(
    help: ArgumentHelp(
      "The capture, '-' for the standard input; or a folder of recordings, or one of them.", valueName: "file"),
    completion: .file(extensions: ["pcap", "pcapng"]))
  var file: String

  func run() throws {
    if let recordings = try RecordingReplaying(self) { return try recordings.run() }
    try CaptureReplaying(self).run()
  }
}
