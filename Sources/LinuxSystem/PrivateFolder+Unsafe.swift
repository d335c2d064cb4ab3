import CLinux
import Glibc

/// A folder for this user alone, removed with everything in it at this value's end.
public struct PrivateFolder: ~Copyable, Sendable {
  /// The folder's absolute path.
  public let path: String

  /// Makes a folder in `TMPDIR`, or in `/tmp`, whose name begins with `prefix`.
  public init(prefix: String) throws(SystemError) {
    let parent = ProcessControl.environment("TMPDIR").flatMap { $0.hasPrefix("/") ? $0 : nil } ?? "/tmp"
    var template = Array("\(parent)/\(prefix).XXXXXX".utf8CString)
    // SAFETY: a C string, in which the call replaces the last characters.
    guard unsafe mkdtemp(&template) != nil else { throw .last("make a folder in", parent) }
    path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  // What cannot be removed any more is no reason to fail at the end.
  deinit {
    var name = Array(path.utf8CString)
    // SAFETY: a C string, which the call leaves as it is.
    _ = unsafe clinux_remove_tree(&name)
  }
}
