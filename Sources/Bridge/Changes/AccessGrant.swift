import BridgeHelper
import LinuxSystem

/// A line in the list of what QEMU's bridge helper may do for users (`/etc/qemu/bridge.conf`), between two marks by
/// which it is found again.
public struct AccessGrant: Codable, Hashable, Sendable {
  /// The list, without symbolic links on its way.
  public var path: String
  /// The bridge that is allowed.
  public var bridge: String
  /// Whether the list was made for it, and may go when nothing else is in it.
  public var makesFile: Bool
  /// Whether the folder was, too.
  public var makesFolder: Bool
  /// Whether the list's last line was without an end, which it is given.
  public var endsLine: Bool

  /// Where QEMU's helper looks, in Debian's and most others' packages.
  static let usualPath = "/etc/qemu/bridge.conf"
  /// The most that is read of a list, in bytes.
  private static let longestList = 1 << 20

  /// The grant of `bridge` that is missing in the list; nil where it is allowed already, or denied, which no other line
  /// changes.
  init?(of bridge: String, in path: String = usualPath) throws(SystemError) {
    guard try Self.verdict(on: bridge, in: path) == .unmentioned else { return nil }
    let real = try FileSystem.realPath(of: path)
    let text = try real.map { path throws(SystemError) in try Self.read(path) } ?? ""
    self.path = real ?? path
    self.bridge = bridge
    makesFile = real == nil
    makesFolder = !FileSystem.exists(Self.folder(of: path))
    endsLine = !text.isEmpty && !text.hasSuffix("\n")
  }

  /// What the list says of a bridge, with the files that it includes.
  static func verdict(on bridge: String, in path: String = usualPath) throws(SystemError) -> AccessList.Verdict {
    guard let real = try FileSystem.realPath(of: path) else { return .unmentioned }
    do throws(HelperError) {
      return try AccessList(paths: [real], reading: contents).verdict(on: bridge)
    } catch {
      // QEMU's helper takes more for a list than ours: a line that is there twice does no harm.
      return .unmentioned
    }
  }

  private static func contents(of path: String) throws(HelperError) -> AccessFile {
    do throws(SystemError) {
      return .contents(Array(try read(path).utf8))
    } catch  where error.isNotFound {
      return .missing
    } catch {
      throw HelperError("\(error)")
    }
  }

  // MARK: Making and taking back

  /// Writes the line, where it is not there.
  func make() throws(SystemError) {
    if makesFolder, !FileSystem.exists(Self.folder(of: path)) { try FileSystem.makeFolder(Self.folder(of: path)) }
    let text = FileSystem.exists(path) ? try Self.read(path) : ""
    guard !text.contains(opening + "\n") else { return }
    try write(text + (endsLine ? "\n" : "") + "\(opening)\nallow \(bridge)\n\(closing)\n")
  }

  /// Removes what stands between the marks, and the file and its folder where they were made for it and nothing else is
  /// in them. Where another bridge's lines are still in it, that is left to the last bridge, by a line that says so.
  func takeBack() throws(SystemError) {
    try FileSystem.removeReplacement(of: path)
    guard FileSystem.exists(path) else { return try removeFolder(isOurs: makesFolder) }
    let text = try Self.read(path)
    var rest = Self.removing(from: opening, to: closing, in: text)
    if rest != text, endsLine, rest.hasSuffix("\n") { rest.removeLast() }
    var (isFileOurs, isFolderOurs) = (makesFile, makesFolder)
    for hasFolder in [false, true] where rest.hasPrefix(Self.legacy(withFolder: hasFolder)) {
      rest.removeFirst(Self.legacy(withFolder: hasFolder).count)
      (isFileOurs, isFolderOurs) = (true, isFolderOurs || hasFolder)
    }
    if isFileOurs && rest.contains(Self.beginning) {
      rest = Self.legacy(withFolder: isFolderOurs) + rest
    } else if isFileOurs && rest.isEmpty {
      try FileSystem.unlink(path)
      return try removeFolder(isOurs: isFolderOurs)
    }
    if rest != text { try write(rest) }
  }

  private func removeFolder(isOurs: Bool) throws(SystemError) {
    guard isOurs, FileSystem.exists(Self.folder(of: path)) else { return }
    do throws(SystemError) { try FileSystem.removeFolder(Self.folder(of: path)) } catch  where error.isNotEmpty {}
  }

  private static let beginning = "# begin of what culvert has added for "
  private var opening: String { Self.beginning + bridge }
  private var closing: String { "# end of what culvert has added for \(bridge)" }

  /// The list's first line, where the bridge for which it was made has gone before others.
  private static func legacy(withFolder hasFolder: Bool) -> String {
    "# culvert has made this list\(hasFolder ? " and its folder" : "")\n"
  }

  /// The text without the lines from one mark to the other. An opening without an end stays: what follows may be
  /// somebody's.
  static func removing(from opening: String, to closing: String, in text: String) -> String {
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    guard let first = lines.firstIndex(where: { $0 == opening }),
      let last = lines[first...].firstIndex(where: { $0 == closing })
    else { return text }
    return (lines[..<first] + lines[(last + 1)...]).joined(separator: "\n")
  }

  // MARK: The file

  private static func read(_ path: String) throws(SystemError) -> String {
    try FileDescriptor.contents(of: path, limit: longestList)
  }

  /// Its owner and its permissions stay: those decide who may read the list.
  private func write(_ text: String) throws(SystemError) {
    let isThere = FileSystem.exists(path)
    try FileSystem.replace(
      path, with: text, mode: isThere ? try FileIdentity(path: path).permissions : 0o644,
      owner: isThere ? try FileOwner(of: path) : nil)
  }

  private static func folder(of path: String) -> String {
    String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)])
  }
}
