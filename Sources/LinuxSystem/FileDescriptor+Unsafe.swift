import CLinux
import Glibc

/// An open descriptor that belongs to this value and is closed with it.
public struct FileDescriptor: ~Copyable, Sendable {
  /// The descriptor's number.
  public let rawValue: Int32

  /// Takes over an open descriptor.
  public init(owning rawValue: Int32) { self.rawValue = rawValue }

  // A failed close has closed all the same (Linux); there is nothing to do about it, and nothing to retry.
  deinit { _ = Glibc.close(rawValue) }

  /// Gives the descriptor up, open, to the caller.
  public consuming func take() -> Int32 {
    let number = rawValue
    discard self
    return number
  }

  /// A second descriptor for the same open file, which children do not inherit.
  public func duplicate() throws(SystemError) -> FileDescriptor { try .duplicate(of: rawValue) }

  /// A second descriptor for the file that is open as `number`, which children do not inherit.
  public static func duplicate(of number: Int32) throws(SystemError) -> FileDescriptor {
    FileDescriptor(owning: try checked("duplicate a descriptor") { clinux_duplicate(number, 0) })
  }

  /// The length in bytes of the regular file that is open as `number`; nil for what is none.
  public static func regularLength(of number: Int32) throws(SystemError) -> Int? {
    let length = uninterrupted { clinux_regular_length(number) }
    guard length < 0 else { return Int(length) }
    guard errno == EISDIR else { throw .last("look at a file") }
    return nil
  }

  /// Cuts the regular file that is open as `number` to `length` bytes.
  public static func cut(_ number: Int32, to length: Int) throws(SystemError) {
    try checked("cut a file") { ftruncate(number, off_t(length)) }
  }

  /// Sets the file's permission bits.
  public func setPermissions(to mode: UInt32) throws(SystemError) {
    try checked("set the permissions of a file") { fchmod(rawValue, mode) }
  }

  /// Makes reads and writes return at once when they would wait.
  public func setNonBlocking() throws(SystemError) {
    try checked("make a descriptor non-blocking") { clinux_set_nonblocking(rawValue) }
  }

  /// Makes reads and writes wait.
  public func setBlocking() throws(SystemError) {
    try checked("make a descriptor blocking") { clinux_set_blocking(rawValue) }
  }

  /// Keeps children from inheriting the descriptor.
  public func setCloseOnExec() throws(SystemError) {
    try checked("keep a descriptor from children") { clinux_set_close_on_exec(rawValue) }
  }

  /// Reads to the start of `bytes`.
  /// - Returns: how many bytes came, 0 at the end; nil where it would have to wait.
  public func read(into bytes: inout MutableSpan<UInt8>) throws(SystemError) -> Int? {
    // SAFETY: the system writes only within the span's bounds.
    let count = unsafe bytes.withUnsafeMutableBytes { buffer in
      uninterrupted { unsafe Glibc.read(rawValue, buffer.baseAddress, buffer.count) }
    }
    return try Self.orWait(count, "read from a descriptor")
  }

  /// Reads what is `offset` bytes behind the start of a file to the start of `bytes`, wherever the descriptor stands.
  /// - Returns: how many bytes came, 0 at the end.
  public func read(into bytes: inout MutableSpan<UInt8>, at offset: Int) throws(SystemError) -> Int {
    // SAFETY: the system writes only within the span's bounds.
    let count = unsafe bytes.withUnsafeMutableBytes { buffer in
      uninterrupted { unsafe pread(rawValue, buffer.baseAddress, buffer.count, off_t(offset)) }
    }
    guard count >= 0 else { throw .last("read from a descriptor") }
    return count
  }

  /// Writes from the start of `bytes`.
  /// - Returns: how many bytes were taken; nil where it would have to wait.
  public func write(_ bytes: Span<UInt8>) throws(SystemError) -> Int? {
    // SAFETY: the system reads only within the span's bounds.
    let count = unsafe bytes.withUnsafeBytes { buffer in
      uninterrupted { unsafe Glibc.write(rawValue, buffer.baseAddress, buffer.count) }
    }
    return try Self.orWait(count, "write to a descriptor")
  }

  /// Writes all of `text`, waiting as the descriptor does.
  public func write(_ text: String) throws(SystemError) {
    let bytes = Array(text.utf8)
    var rest = bytes.span
    while !rest.isEmpty {
      guard let written = try write(rest) else { throw SystemError(EAGAIN, "write to a descriptor") }
      rest = rest.extracting(droppingFirst: written)
    }
  }

  /// Empties the file.
  public func empty() throws(SystemError) { try checked("empty a file") { ftruncate(rawValue, 0) } }

  /// Turns a count below 0 into nil, where the call would have had to wait, or into an error.
  static func orWait(_ count: Int, _ operation: StaticString) throws(SystemError) -> Int? {
    if count >= 0 { return count }
    guard errno == EAGAIN || errno == EWOULDBLOCK else { throw .last(operation) }
    return nil
  }

  /// Opens a file to read.
  public static func open(reading path: String) throws(SystemError) -> FileDescriptor {
    FileDescriptor(owning: try checked("open", path) { unsafe clinux_open(path, O_RDONLY, 0) })
  }

  /// Opens a file to read of which it is not known what it is: nothing is waited for, no terminal becomes the session's.
  public static func open(readingAnything path: String) throws(SystemError) -> FileDescriptor {
    let flags = O_RDONLY | O_NONBLOCK | O_NOCTTY
    return FileDescriptor(owning: try checked("open", path) { unsafe clinux_open(path, flags, 0) })
  }

  /// The number of the user who owns the file.
  public func owner() throws(SystemError) -> UInt32 {
    var user: UInt32 = 0
    try checked("look at a file") { unsafe clinux_owner(rawValue, &user) }
    return user
  }

  /// Opens a device to read and to write, without waiting for either.
  public static func open(device path: String) throws(SystemError) -> FileDescriptor {
    FileDescriptor(owning: try checked("open", path) { unsafe clinux_open(path, O_RDWR | O_NONBLOCK, 0) })
  }

  /// Opens a file to write, emptied, made with `mode` where there is none.
  public static func open(replacing path: String, mode: UInt32) throws(SystemError) -> FileDescriptor {
    let flags = O_WRONLY | O_CREAT | O_TRUNC
    return FileDescriptor(owning: try checked("write", path) { unsafe clinux_open(path, flags, mode) })
  }

  /// The same, but where the file is a FIFO that nobody reads it fails (ENXIO) instead of waiting for somebody.
  public static func open(replacingReadyFile path: String, mode: UInt32) throws(SystemError) -> FileDescriptor {
    let flags = O_WRONLY | O_CREAT | O_TRUNC | O_NONBLOCK
    let file = FileDescriptor(owning: try checked("write", path) { unsafe clinux_open(path, flags, mode) })
    try file.setBlocking()
    return file
  }

  /// Makes a file to write, with `mode`. There must be nothing at the path. What is written is added to its end.
  public static func create(_ path: String, mode: UInt32) throws(SystemError) -> FileDescriptor {
    let flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_APPEND
    return FileDescriptor(owning: try checked("make", path) { unsafe clinux_open(path, flags, mode) })
  }

  /// The two ends of a pipe.
  public static func pipe() throws(SystemError) -> DescriptorPair {
    var pair: (Int32, Int32) = (-1, -1)
    // SAFETY: a pair of Int32 has the layout of `int[2]`.
    try checked("make a pipe") {
      unsafe withUnsafeMutableBytes(of: &pair) { bytes in
        unsafe clinux_pipe(bytes.assumingMemoryBound(to: Int32.self).baseAddress)
      }
    }
    return DescriptorPair(first: FileDescriptor(owning: pair.0), second: FileDescriptor(owning: pair.1))
  }
}

/// Two descriptors that were made together: the ends of a pipe (reading, writing) or of a pair of sockets.
public struct DescriptorPair: ~Copyable, Sendable {
  /// The first end.
  public let first: FileDescriptor
  /// The second end.
  public let second: FileDescriptor

  /// Makes a pair of its ends.
  public init(first: consuming FileDescriptor, second: consuming FileDescriptor) {
    self.first = first
    self.second = second
  }

  /// Gives the ends up to the caller.
  public consuming func take() -> (first: Int32, second: Int32) { (first.take(), second.take()) }
}

/// Which file a path or a descriptor stands for, however it is named.
public struct FileIdentity: Hashable, Sendable {
  /// The device that holds the file.
  public let device: UInt64
  /// The file's inode on that device.
  public let inode: UInt64
  /// The file's type and permissions (`st_mode`).
  public let mode: UInt32

  /// Looks up what `path` names; a symbolic link stands for itself.
  public init(path: String) throws(SystemError) { try self.init(path, followsLink: false) }

  /// Looks up what `path` leads to; a symbolic link stands for that.
  public init(target path: String) throws(SystemError) { try self.init(path, followsLink: true) }

  private init(_ path: String, followsLink: Bool) throws(SystemError) {
    var (device, inode, mode): (UInt64, UInt64, UInt32) = (0, 0, 0)
    try checked("look up", path) { unsafe clinux_path_identity(path, followsLink, &device, &inode, &mode) }
    (self.device, self.inode, self.mode) = (device, inode, mode)
  }

  /// Looks up what a descriptor stands for.
  public init(descriptor: Int32) throws(SystemError) {
    var (device, inode, mode): (UInt64, UInt64, UInt32) = (0, 0, 0)
    try checked("look up descriptor", "\(descriptor)") { unsafe clinux_identity(descriptor, &device, &inode, &mode) }
    (self.device, self.inode, self.mode) = (device, inode, mode)
  }

  /// Whether it is a socket, or a socket's path.
  public var isSocket: Bool { clinux_is_socket_mode(mode) != 0 }
  /// Whether it is a folder.
  public var isFolder: Bool { mode & S_IFMT == S_IFDIR }
  /// Whether it is a symbolic link.
  public var isLink: Bool { mode & S_IFMT == S_IFLNK }
  /// Whether it is an ordinary file.
  public var isRegularFile: Bool { mode & S_IFMT == S_IFREG }
  /// The permission bits.
  public var permissions: UInt32 { mode & 0o7777 }
}

/// Operations on paths.
public enum FileSystem {
  /// Removes a file's name.
  public static func unlink(_ path: String) throws(SystemError) {
    try checked("remove", path) { unsafe Glibc.unlink(path) }
  }

  /// Removes a file's name if it still stands for `identity`; whatever took its place stays.
  public static func unlink(_ path: String, ifStill identity: FileIdentity) throws(SystemError) {
    do {
      let current = try FileIdentity(path: path)
      guard current.device == identity.device, current.inode == identity.inode else { return }
      try unlink(path)
    } catch  where error.number == ENOENT {
      return
    }
  }

  /// Gives a file another name, in the place of what has that.
  public static func rename(_ path: String, to other: String) throws(SystemError) {
    try checked("rename", path) { unsafe Glibc.rename(path, other) }
  }

  /// Sets a file's permission bits.
  public static func setPermissions(_ path: String, to mode: UInt32) throws(SystemError) {
    try checked("set the permissions of", path) { unsafe chmod(path, mode) }
  }
}
