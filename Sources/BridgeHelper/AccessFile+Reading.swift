import LinuxSystem

extension AccessFile {
  /// The longest list, in bytes.
  static let longest = 64 * 1024

  /// Reads the file at a path with the rights of this process.
  ///
  /// A list counts only where nobody but root can have written it: it is a regular file of root's, and neither its group
  /// nor others may write to it.
  public static func read(_ path: String) throws(HelperError) -> AccessFile {
    let found: Found
    do throws(SystemError) {
      found = try Found(path)
    } catch {
      if error.isNotFound { return .missing }
      if error.isForbidden { return .forbidden }
      throw HelperError("\(error)")
    }
    guard found.identity.isRegularFile else { throw HelperError("\(path) is no regular file") }
    guard found.owner == 0 else { throw HelperError("\(path) is not root's; 'chown root \(path)', as root") }
    guard found.identity.permissions & 0o022 == 0 else {
      throw HelperError("\(path) can be written by others than root; 'chmod go-w \(path)', as root")
    }
    guard found.bytes.count <= longest else { throw HelperError("\(path) is longer than \(longest) bytes") }
    return .contents(found.bytes)
  }

  /// What a file is, and what stands in it up to the first byte too many.
  private struct Found {
    let identity: FileIdentity
    let owner: UInt32
    private(set) var bytes: [UInt8] = []

    init(_ path: String) throws(SystemError) {
      let file = try FileDescriptor.open(readingAnything: path)
      identity = try FileIdentity(descriptor: file.rawValue)
      owner = try file.owner()
      guard identity.isRegularFile else { return }
      var buffer = [UInt8](repeating: 0, count: AccessFile.longest + 1)
      while bytes.count <= AccessFile.longest {
        var space = buffer.mutableSpan
        guard let count = try file.read(into: &space), count > 0 else { return }
        bytes += buffer.prefix(count)
      }
    }
  }
}
