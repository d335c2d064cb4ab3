import LinuxSystem

/// The standard output, line by line: gathered, and written in large pieces.
struct LineOutput: ~Copyable {
  private var text = ""
  private static let pieceLength = 64 * 1024

  /// Adds a line, without its end.
  mutating func print(_ line: String) {
    text += line
    text += "\n"
    if text.utf8.count >= Self.pieceLength { flush() }
  }

  /// Writes what was gathered.
  mutating func flush() {
    StandardStream.output.write(text)
    text.removeAll(keepingCapacity: true)
  }

  deinit { StandardStream.output.write(text) }
}
