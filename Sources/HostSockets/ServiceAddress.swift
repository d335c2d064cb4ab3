/// What is behind one of the host's services.
public enum ServiceAddress: Hashable, Sendable {
  /// A UNIX stream socket at a path.
  case unix(path: String)
  /// A command and its arguments, which is started for each connection: its standard input and output.
  case command([String])
}
