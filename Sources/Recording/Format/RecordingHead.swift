public import Netstack
public import Primitives

/// What a recording says of itself: all that a `Stack` is made of.
public struct RecordingHead: Hashable, Sendable {
  /// The version of the format that is written and read here.
  public static let version = 1

  /// The network.
  public var settings: NetworkSettings
  /// What `Stack.init` was given as its seed.
  public var seed: [UInt64]
  /// Which loop of the network it is, counted from 0.
  public var loop: Int
  /// How many loops the network has.
  public var loopCount: Int
  /// The secret of `PacketSteering`.
  public var steeringSecret: [UInt64]
  /// Whether the payload of guests and hosts was replaced.
  public var isRedacted: Bool
  /// What the network is called.
  public var network: String
  /// The program that wrote it, with its version.
  public var program: String
  /// The time of day at the moment `origin`, in nanoseconds since 1970, UTC.
  public var wallClock: Int64
  /// A moment of the recording's own time.
  public var origin: Instant

  /// Describes a recording of a stack that is made of the same things.
  public init(
    settings: NetworkSettings, seed: (UInt64, UInt64, UInt64, UInt64), loop: Int = 0, of loopCount: Int = 1,
    steeringSecret: (UInt64, UInt64) = (0, 0), isRedacted: Bool = false, network: String = "net0",
    program: String = "", wallClock: Int64 = 0, origin: Instant = .zero
  ) {
    self.settings = settings
    self.seed = [seed.0, seed.1, seed.2, seed.3]
    self.loop = loop
    self.loopCount = loopCount
    self.steeringSecret = [steeringSecret.0, steeringSecret.1]
    self.isRedacted = isRedacted
    self.network = network
    self.program = program
    self.wallClock = wallClock
    self.origin = origin
  }

  /// What the stack's seed was.
  var seedWords: (UInt64, UInt64, UInt64, UInt64) { (seed[0], seed[1], seed[2], seed[3]) }

  /// Whose packets are the loop's.
  var steering: PacketSteering {
    loopCount == 1
      ? .alone : PacketSteering(loop: loop, of: loopCount, secret: (steeringSecret[0], steeringSecret[1]))
  }
}

extension RecordingHead: RecordedValue {
  private static var mostLoops: Int { 1024 }

  init(from decoder: inout RecordDecoder) throws(RecordingError) {
    settings = try decoder.value()
    seed = []
    for _ in 0..<4 { seed.append(try decoder.whole()) }
    loopCount = try decoder.count(atMost: Self.mostLoops)
    loop = try decoder.count()
    guard loop < loopCount else { throw .damaged }
    steeringSecret = [try decoder.whole(), try decoder.whole()]
    isRedacted = try decoder.value()
    network = try decoder.value()
    program = try decoder.value()
    wallClock = try decoder.signed()
    origin = try decoder.value()
  }

  func encode(to encoder: inout RecordEncoder) {
    encoder.put(settings)
    for word in seed { encoder.put(whole: word) }
    encoder.put(count: loopCount)
    encoder.put(count: loop)
    for word in steeringSecret { encoder.put(whole: word) }
    encoder.put(isRedacted)
    encoder.put(network)
    encoder.put(program)
    encoder.put(signed: wallClock)
    encoder.put(origin)
  }
}
