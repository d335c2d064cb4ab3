/// Why the host does not open a file.
public enum HostFileError: Error, Hashable, Sendable {
  /// There is no such file (ENOENT, ENOTDIR, ENAMETOOLONG).
  case notFound
  /// It lies outside of what is served, may not be read, or is no regular file (EXDEV, ELOOP, EACCES, EPERM, EISDIR).
  case forbidden
  /// No descriptors or memory left.
  case exhausted
  /// Any other error number of the host.
  case other(Int32)
}

/// What came of opening a file.
public enum HostFileOpen: Hashable, Sendable {
  /// It is open, and so many bytes long now.
  case ready(byteCount: UInt64)
  /// It failed; nothing is held for the flow.
  case failed(HostFileError)
}
