/// What is behind one of the host's services.
public enum ServiceAddress: Hashable, Sendable {
  /// A UNIX stream socket at a path.
  case unix(path: String)
}
