import CLinux
import Glibc

/// A folder whose regular files are opened by paths that cannot lead out of it.
public struct FileTree: ~Copyable, Sendable {
  private let folder: FileDescriptor

  /// Opens the folder at `path`, which must be there and may be read.
  public init(path: String) throws(SystemError) {
    folder = FileDescriptor(owning: try checked("open the folder", path) { unsafe clinux_open_folder(path) })
  }

  /// Opens a regular file to read.
  ///
  /// `name` is a path of any bytes but zero; one that begins with `/` begins at the folder. The kernel resolves it:
  /// what leads out of the folder, by `..` or by a symbolic link, and every absolute symbolic link, fails with EXDEV,
  /// one of /proc that stands for an open file with ELOOP, and what is no regular file with EISDIR.
  public func open(_ name: Span<UInt8>) throws(SystemError) -> RegularFile {
    var start = 0
    while start < name.count && name[start] == UInt8(ascii: "/") { start += 1 }
    let path = name.extracting(droppingFirst: start)
    guard !path.isEmpty else { throw SystemError(EISDIR, "open a file") }
    guard path.count < Int(PATH_MAX) else { throw SystemError(ENAMETOOLONG, "open a file") }
    var descriptor: Int32 = -1
    var attempts = 0
    repeat {
      descriptor = openBeneath(path)
      attempts += 1
      // The kernel gives up where somebody renames what lies on the way, and asks to be called again.
    } while descriptor < 0 && errno == EAGAIN && attempts < 8
    guard descriptor >= 0 else { throw .last("open a file") }
    return try RegularFile(FileDescriptor(owning: descriptor))
  }

  private func openBeneath(_ path: Span<UInt8>) -> Int32 {
    unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: path.count + 1) { buffer in
      for index in path.indices { unsafe buffer[index] = CChar(bitPattern: path[index]) }
      unsafe buffer[path.count] = 0
      // SAFETY: the buffer ends with a zero and lives through the call.
      guard let base = buffer.baseAddress else { return -1 }
      return uninterrupted { unsafe clinux_open_beneath(folder.rawValue, base) }
    }
  }
}

/// An open regular file.
public struct RegularFile: ~Copyable, Sendable {
  private let descriptor: FileDescriptor
  /// Its length in bytes when it was opened.
  public let byteCount: UInt64

  fileprivate init(_ descriptor: consuming FileDescriptor) throws(SystemError) {
    let number = descriptor.rawValue
    let length = try checked("open a file") { clinux_regular_length(number) }
    clinux_expect_sequential_reads(number)
    self.descriptor = descriptor
    byteCount = UInt64(length)
  }

  /// Gives the open descriptor up to the caller.
  public consuming func take() -> Int32 { descriptor.take() }
}
