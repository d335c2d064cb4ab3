extension FileDescriptor {
  /// The text of the file at `path`, as far as `limit` bytes.
  public static func contents(of path: String, limit: Int = 65_536) throws(SystemError) -> String {
    let file = try FileDescriptor.open(reading: path)
    var bytes = [UInt8](repeating: 0, count: limit)
    var count = 0
    while count < limit {
      var span = bytes.mutableSpan
      var rest = span._mutatingExtracting(count..<limit)
      guard let read = try file.read(into: &rest), read > 0 else { break }
      count += read
    }
    return String(decoding: bytes[..<count], as: UTF8.self)
  }
}
