/// How a running instance serves its network, as an operator writes it.
public struct ServiceOptions: Codable, Hashable, Sendable {
  /// Where guests are, one `LinkAddress` each.
  public var links: [String] = []
  /// The network they find there.
  public var network = NetworkOptions()
  /// The file that some of these options come from; nil for none.
  public var configurationFile: String?
  /// What the command line says of the network, which comes in the place of what the file says, or behind it.
  public var commandLineNetwork = NetworkOptions()
  /// The descriptor on which to report that everything is ready.
  public var readyDescriptor: Int32?
  /// The file to write the process identifier to.
  public var pidFile: String?
  /// The file that keeps DHCP leases from one run to the next; nil for none.
  public var leaseFile: String?
  /// Where the operator's requests are listened for, `unix:PATH`; nil for nowhere.
  public var control: String?
  /// How much to log.
  public var logLevel = LogLevel.info
  /// How to look at a socket's data beyond what was already looked at.
  public var peek = PeekOption.automatic

  /// The defaults, without a link.
  public init() {}
}

/// How much to log; each level includes those before it.
public enum LogLevel: String, Codable, CaseIterable, Hashable, Sendable {
  /// What went wrong.
  case error
  /// What may be wrong.
  case warning
  /// What an operator wants to know: links, forwards, start and end.
  case info
  /// Every flow, lease and guest.
  case debug
  /// Every dropped frame as well.
  case trace
}

/// How to look at a socket's data beyond what was already looked at.
public enum PeekOption: String, Codable, CaseIterable, Hashable, Sendable {
  /// SO_PEEK_OFF where the kernel has it for TCP (Linux 6.9 and later), else rewinding.
  case automatic
  /// SO_PEEK_OFF.
  case offset
  /// Peeking again from the first byte, with a skipped region in front.
  case skip
}
