/// What the simulated host of a replay does with what the guest sends.
public struct ReplayBehavior: Hashable, Sendable {
  /// What a stream's far end does.
  public enum Stream: Hashable, Sendable {
    /// Sends back what it reads, and finishes when the guest does.
    case echo
    /// Reads everything and says nothing, and finishes when the guest does.
    case discard
    /// Nobody listens.
    case refuse
    /// Nobody ever answers.
    case blackhole
    /// Does one thing after the other, and then reads everything.
    case steps([Step])
  }

  /// What a stream's far end does next.
  public enum Step: Hashable, Sendable {
    /// Waits until so many bytes more have come.
    case receive(Int)
    /// Sends bytes.
    case send([UInt8])
    /// Finishes.
    case close
    /// Resets the connection.
    case reset
  }

  /// What is behind an address and port to which datagrams go.
  public enum Datagrams: Hashable, Sendable {
    /// Sends each datagram back.
    case echo
    /// Says nothing.
    case discard
    /// Nobody has the port, which ICMP says.
    case refuse
    /// Answers each datagram with this one.
    case answer([UInt8])
  }

  /// What is done for a destination port, or for all of them.
  public struct Rule<Action: Hashable & Sendable>: Hashable, Sendable {
    /// The port; nil for any.
    public var port: UInt16?
    /// What is done.
    public var action: Action

    /// Makes a rule of its parts.
    public init(port: UInt16?, action: Action) {
      self.port = port
      self.action = action
    }
  }

  /// For streams; the first that fits counts.
  public var streams: [Rule<Stream>] = []
  /// For datagrams; the first that fits counts.
  public var datagrams: [Rule<Datagrams>] = []
  /// Whether echo requests are answered.
  public var answersEcho = true
  /// Whether those who said something in the capture say it again; the rules are for the others.
  public var repeatsRecording = false

  /// Makes a host with nobody behind any port.
  public init() {}

  /// A host that does the same everywhere.
  public init(streams: Stream, datagrams: Datagrams, answersEcho: Bool = true) {
    self.streams = [Rule(port: nil, action: streams)]
    self.datagrams = [Rule(port: nil, action: datagrams)]
    self.answersEcho = answersEcho
  }

  /// Sends everything back.
  public static let echo = ReplayBehavior(streams: .echo, datagrams: .echo)
  /// Takes everything and says nothing.
  public static let discard = ReplayBehavior(streams: .discard, datagrams: .discard)
  /// Has nobody behind any port.
  public static let refuse = ReplayBehavior(streams: .refuse, datagrams: .refuse)
  /// Says what was said in the capture, and else nothing.
  public static let recorded = {
    var behavior = ReplayBehavior(streams: .blackhole, datagrams: .discard)
    behavior.repeatsRecording = true
    return behavior
  }()
  /// Is not there.
  public static let blackhole = ReplayBehavior(streams: .blackhole, datagrams: .discard, answersEcho: false)

  func stream(at port: UInt16) -> Stream {
    streams.first { $0.port == nil || $0.port == port }?.action ?? .refuse
  }

  func datagrams(at port: UInt16) -> Datagrams {
    datagrams.first { $0.port == nil || $0.port == port }?.action ?? .refuse
  }
}
