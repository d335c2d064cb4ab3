import ArgumentParser
import Configuration

/// The options of a capture.
struct CaptureArguments: ParsableArguments {
  @Option(
    name: .customLong("capture"),
    help: ArgumentHelp(
      "Write the frames that pass the guest's link, or the bridge, both ways, to this file, or to the standard output for "
        + "'-' (default: none).", valueName: "file|-"), completion: .file(extensions: ["pcap"]))
  var captureFile: String?

  @Option(
    name: .customLong("capture-filter"),
    help: ArgumentHelp(
      "Capture only what this expression of pcap-filter(7) lets pass, as 'tcp port 80' (default: all).",
      valueName: "expression"))
  var captureFilter: String?

  @Option(
    name: .customLong("capture-snaplen"),
    help: ArgumentHelp("Write no more of each captured frame (default: all of it).", valueName: "bytes"))
  var captureSnapLength: String?

  @Option(
    name: .customLong("capture-rotate"),
    help: ArgumentHelp(
      "Begin another file before one becomes longer, and keep so many: FILE is the newest, FILE.1 the one before "
        + "(default: one file of any length).", valueName: "size,count"))
  var captureRotate: String?

  @Flag(
    name: .customLong("capture-segments"),
    help: ArgumentHelp(
      "Write frames that stand for several segments as the segments that a wire would show (default: as they were "
        + "sent)."))
  var captureSegments = false

  /// What is captured, by these options in the place of those of a configuration file.
  func options(over file: CaptureOptions = CaptureOptions()) throws(ConfigurationError) -> CaptureOptions {
    var options = file
    options.file = captureFile ?? options.file
    options.filter = captureFilter ?? options.filter
    if let captureSnapLength {
      options.snapLength = try CaptureOptions.snapLength(captureSnapLength, "capture-snaplen")
    }
    if let captureRotate { options.rotation = try CaptureRotation(captureRotate, "capture-rotate") }
    if captureSegments { options.splitsSegments = true }
    return options
  }
}
