import Configuration
import FoundationEssentials
public import LinuxSystem

/// What is written down of a bridge that is up, or was: by this it is taken down again, also after a crash.
struct BridgeJournal: Codable, Hashable {
  /// The version of this form.
  var version = Self.currentVersion
  /// What it was set up with.
  var options: BridgeOptions
  /// The number of the process that serves it; nil where none does.
  var server: Int32?
  /// What was changed, or was about to be, in its order.
  var changes: [BridgeChange] = []

  static let currentVersion = 1
}

/// The files of a bridge: its journal, its leases and its locks, in a folder that belongs to one network namespace.
///
/// They live in memory (`/run`) as what they tell of does: after a start of the machine neither is there.
public struct BridgeState: ~Copyable {
  /// The bridge's name.
  public let bridge: String
  /// The folder.
  public let folder: String

  /// Where the folders of all bridges are.
  public static let root = "/run/culvert"

  /// The files of a bridge of the calling thread's network namespace; none of them need be there.
  public init(of bridge: String, root: String = root) throws(SystemError) {
    self.bridge = bridge
    folder = "\(root)/\(bridge)-\(try NetworkIdentity.cookie())"
  }

  /// The file with the leases of DHCP.
  public var leases: String { "\(folder)/leases" }
  /// The file with the messages of a process in the background: its server, or one that only captures.
  public func log(ofServer isServer: Bool) -> String { "\(folder)/\(isServer ? "log" : "capture.log")" }
  private var journal: String { "\(folder)/journal.json" }
  private var lock: String { "\(folder)/lock" }
  private var serverLock: String { "\(folder)/server.lock" }

  // MARK: Locks

  /// Does `body` while nobody else changes the bridge; waits for who does.
  func whileLocked<Result: ~Copyable>(_ body: () throws -> Result) throws(BridgeError) -> Result {
    try BridgeError.wrapping {
      try makeFolder()
      let lock = try FileLock(path: lock, waits: true)
      defer { withExtendedLifetime(lock) {} }
      return try body()
    }
  }

  /// Makes this process the one that serves the bridge; nil where another one is.
  public func lockForService() throws(SystemError) -> FileLock? {
    try makeFolder()
    return try FileLock(path: serverLock, waits: false)
  }

  /// Whether a process serves the bridge.
  public var isServed: Bool { get throws(SystemError) { try FileLock.isHeld(path: serverLock) } }

  /// Whether it is this process that serves the bridge, as the file of the lock tells that it has open.
  func isServed(by process: borrowing RunningProcess) throws(SystemError) -> Bool {
    guard try isServed else { return false }
    return try process.hasOpen(serverLock)
  }

  private func makeFolder() throws(SystemError) {
    let parent = folder[..<(folder.lastIndex(of: "/") ?? folder.startIndex)]
    for path in [String(parent), folder] where !FileSystem.exists(path) {
      do throws(SystemError) {
        try FileSystem.makeFolder(path, mode: 0o755)
      } catch  where error.isTaken {}
    }
  }

  // MARK: The journal

  /// The longest journal that is read, in bytes.
  private static let longestJournal = 4 << 20

  /// What is written down; nil where nothing is.
  func read() throws(BridgeError) -> BridgeJournal? {
    let text: String
    do throws(SystemError) {
      text = try FileDescriptor.contents(of: journal, limit: Self.longestJournal)
    } catch  where error.isNotFound {
      return nil
    } catch {
      throw BridgeError("\(error)")
    }
    do {
      let found = try JSONDecoder().decode(BridgeJournal.self, from: Data(text.utf8))
      guard found.version == BridgeJournal.currentVersion else {
        throw BridgeError("\(journal) is of another version of culvert (\(found.version)); use that to take it down")
      }
      return found
    } catch let error as BridgeError {
      throw error
    } catch {
      throw BridgeError("\(journal) cannot be understood: \(error); take the bridge down by hand and remove it")
    }
  }

  /// Writes down what is so now, before it is so.
  func write(_ journal: BridgeJournal) throws(BridgeError) {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
    try BridgeError.wrapping {
      try makeFolder()
      let text = String(decoding: try encoder.encode(journal), as: UTF8.self) + "\n"
      try FileSystem.replace(self.journal, with: text, mode: 0o644)
    }
  }

  /// Removes the files of a bridge of which nothing is left. The locks stay, since who holds one that is removed holds
  /// nothing, and the log, which tells of the end.
  func removeFiles() throws(SystemError) {
    for path in [journal, leases] {
      try FileSystem.removeReplacement(of: path)
      if FileSystem.exists(path) { try FileSystem.unlink(path) }
    }
  }
}
