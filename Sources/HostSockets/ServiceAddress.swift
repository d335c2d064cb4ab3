/// What is behind one of the host's services.
public enum ServiceAddress: Hashable, Sendable {
  /// A UNIX stream socket at a path.
  case unix(path: String)
  /// A command and its arguments, which is started for each connection: its standard input and output.
  case command([String])
  /// The same of a command that looks who is at the other end, as those of inetd may: its connection is one of TCP, over
  /// the loopback.
  case internetCommand([String])
}
