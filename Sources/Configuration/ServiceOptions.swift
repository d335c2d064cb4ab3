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
  /// What is captured of the network's frames.
  public var capture = CaptureOptions()
  /// How much to log.
  public var logLevel = LogLevel.info
  /// How to look at a socket's data beyond what was already looked at.
  public var peek = PeekOption.automatic
  /// What a TAP device is used for.
  public var mode = LinkMode.auto
  /// The file that says what the bridge is set up with; nil for none.
  public var bridgeFile: String?
  /// What that file says; nil where a bridge is set up only for devices that are left to one.
  public var bridge: BridgeOptions?
  /// What is left to the kernel of a TAP device's frames at most.
  public var offload = OffloadOption.all
  /// How long events are looked for before sleeping during a conversation, in microseconds; 0 for not at all, nil for
  /// what suits the links.
  public var busyPoll: Int?
  /// How many queues each TAP device has, and as many threads serve them.
  public var queues = 1
  /// The folder that recordings of the networks go to; nil for none.
  public var record: String?
  /// How long the recording of a loop may be, in bytes.
  public var recordLimit = ServiceOptions.defaultRecordLimit
  /// Whether recordings have hashes in the place of what guests and hosts say to each other.
  public var recordRedact = false
  /// The MTU of a network whose options say nothing of it, in bytes.
  public var defaultMTU = 65_520
  /// How long events are looked for where the options say nothing of it, in microseconds. A virtual machine that has no
  /// processor to itself needs the one that looks.
  public var defaultBusyPoll = 0

  /// The defaults, without a link.
  public init() {}
}

extension ServiceOptions {
  /// The MTU of an interface of the kernel's whose options say nothing of it: the ordinary one. With segmentation left
  /// to the kernel a longer one wins nothing, and what a guest sends by UDP fits the path outside.
  public static let deviceMTU = 1500
  /// How long events are looked for that come by an interface of the kernel's, in microseconds: long enough for a
  /// neighbor to be woken and to answer.
  public static let deviceBusyPoll = 50

  /// Reads how long to look for events, in microseconds. What that is to save is a wake-up, which costs a few.
  public static func busyPoll(_ text: String, _ path: String) throws(ConfigurationError) -> Int {
    guard let microseconds = Int(text), (0...1000).contains(microseconds) else {
      throw ConfigurationError(path, "'\(text)' is out of range; give 0 to 1000 microseconds")
    }
    return microseconds
  }

  /// Reads how many queues a TAP device is to have. More than these share one guest's work no better.
  public static func queues(_ text: String, _ path: String) throws(ConfigurationError) -> Int {
    guard let count = Int(text), (1...16).contains(count) else {
      throw ConfigurationError(path, "'\(text)' is out of range; give 1 to 16")
    }
    return count
  }

  /// The length of a recording unless told otherwise, in bytes.
  public static let defaultRecordLimit = 500_000_000

  /// Reads how long a recording may be, as `250MB`; without a unit it is in bytes.
  public static func recordLimit(_ text: String, _ path: String) throws(ConfigurationError) -> Int {
    guard let size = CaptureRotation.size(text), size >= 1_000_000 else {
      throw ConfigurationError(path, "'\(text)' is not a size, as 250MB, from 1MB on")
    }
    return size
  }

  /// Refuses options of a recording without one.
  public func checkRecording(hasLimit: Bool) throws(ConfigurationError) {
    guard record == nil else { return }
    if hasLimit { throw ConfigurationError("record-limit", "nothing is recorded; give 'record' as well") }
    if recordRedact { throw ConfigurationError("record-redact", "nothing is recorded; give 'record' as well") }
  }

  /// Refuses several queues for links that have but one.
  public func checkQueues(of links: [LinkAddress]) throws(ConfigurationError) {
    guard queues > 1, let other = links.first(where: { !$0.isDevice }) else { return }
    throw ConfigurationError("queues", "\(other) has one queue; give tap:NAME or netns:PLACE, or leave it out")
  }

  /// Refuses a bridge where there is nobody to serve it.
  public func checkHasNoBridge(for command: String) throws(ConfigurationError) {
    guard bridgeFile == nil else {
      throw ConfigurationError("bridge-config", "only 'serve' sets a bridge up; leave it out with '\(command)'")
    }
  }

  /// Refuses options of a network of ours where there is none, since every link is left to a bridge.
  public func checkIsForBridge() throws(ConfigurationError) {
    for (name, isGiven) in [
      ("control", control != nil), ("record", record != nil),
      ("lease-file", leaseFile != nil),
      ("capture-host", capture.hostFile != nil),
    ] where isGiven {
      throw ConfigurationError(
        name, "every link is left to the bridge, and there is no user-mode network that it could be of; leave it out")
    }
  }

  /// Fills in what the links of a network say of what its options leave open.
  public mutating func adoptDefaults(of links: [LinkAddress]) {
    if !links.isEmpty && links.allSatisfy(\.isDevice) { adoptDeviceDefaults() }
  }

  /// Fills in what suits a network whose links are all devices of the kernel's.
  public mutating func adoptDeviceDefaults() {
    defaultMTU = Self.deviceMTU
    defaultBusyPoll = Self.deviceBusyPoll
  }

  /// The network of these options, checked.
  public var checkedNetwork: VirtualNetwork {
    get throws(ConfigurationError) { try VirtualNetwork(network, defaultMTU: defaultMTU) }
  }
}

/// What a TAP device is used for.
public enum LinkMode: String, Codable, CaseIterable, Hashable, Sendable {
  /// `user`, unless the device is a bridge's port or another process holds it.
  case auto
  /// Its frames end in our stack.
  case user
  /// They are left to a bridge of the kernel's.
  case bridge
}

/// What is left to the kernel of a TAP device's frames at most; each step includes those behind it.
public enum OffloadOption: String, Codable, CaseIterable, Hashable, Sendable {
  /// Cutting frames into datagrams of UDP.
  case all
  /// Cutting them into segments of TCP.
  case tcp
  /// Summing them.
  case checksum
  /// Nothing: frames have no header.
  case none
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
