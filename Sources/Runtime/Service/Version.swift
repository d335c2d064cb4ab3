/// The version of the program.
public enum Version {
  /// The version as `--version` prints it.
  public static let current = "culvert 0.1.0"
}
