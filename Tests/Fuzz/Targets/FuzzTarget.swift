/// A part of Culvert that is fed with any bytes, by libFuzzer (`Scripts/fuzz`) and, with the inputs that are kept, by
/// the ordinary tests.
///
/// What traps ends the process; what is wrong without a trap is said in words. The same bytes do the same in every
/// process.
public enum FuzzTarget: String, CaseIterable, Sendable {
  /// Every parser of `Wire`, and its writer where there is one.
  case parsers
  /// Bytes as frames of a guest's into the stack.
  case frames
  /// A list of operations of guest, host, time and operator into the stack.
  case operations
  /// QEMU's framing of a byte stream.
  case stream
  /// The control protocol.
  case control
  /// Options, files and texts that an operator writes.
  case configuration
  /// Files of captured frames, what is told of them, and playing them again.
  case capture
  /// Recordings, and replaying them.
  case recording
  /// What guests of a bridge say to its server of addresses.
  case bridge

  /// Feeds the target.
  /// - Returns: what is wrong, nothing where all is well.
  public func run(_ bytes: [UInt8]) -> [String] {
    switch self {
    case .parsers: ParserTarget.run(bytes)
    case .frames: FrameTarget.run(bytes)
    case .operations: OperationTarget.run(bytes)
    case .stream: FramingTarget.run(bytes)
    case .control: ControlTarget.run(bytes)
    case .configuration: ConfigurationTarget.run(bytes)
    case .capture: CaptureTarget.run(bytes)
    case .recording: RecordingTarget.run(bytes)
    case .bridge: BridgeTarget.run(bytes)
    }
  }

  /// Inputs to begin with, where nothing was kept yet.
  public var seeds: [[UInt8]] {
    switch self {
    case .parsers: ParserTarget.seeds
    case .frames: FrameTarget.seeds
    case .operations: OperationTarget.seeds
    case .stream: FramingTarget.seeds
    case .control: ControlTarget.seeds
    case .configuration: ConfigurationTarget.seeds
    case .capture: CaptureTarget.seeds
    case .recording: RecordingTarget.seeds
    case .bridge: BridgeTarget.seeds
    }
  }
}
