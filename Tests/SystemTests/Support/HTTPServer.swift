import Foundation
import LinuxSystem
import Primitives

/// An HTTP server on the host's loopback: GET of any path returns `content`, PUT keeps the body in a file, and GET
/// of `/together` answers only once as many requests as asked for wait at the same time.
final class HTTPServer: Sendable {
  var port: UInt16 { server.port }
  private let server: Server

  /// - Parameters:
  ///   - content: what GET returns.
  ///   - uploads: the folder for what PUT brings, under the last part of the path.
  ///   - crowd: the number of requests for `/together` that are answered together.
  init(content: [UInt8], uploads: ScratchFolder, crowd: Int) throws {
    let gate = Gate(crowd)
    server = try Server { connection in
      guard let head = try connection.read(through: "\r\n\r\n") else { return }
      let words = head.prefix { $0 != "\r\n" }.split(separator: " ")
      guard words.count == 3 else { throw Failure("not a request: \(head)") }
      switch words[0] {
      case "PUT":
        let name = String(words[1].split(separator: "/").last ?? "upload")
        try Self.keep(&connection, count: Self.contentLength(head), in: uploads[name])
        try connection.write("HTTP/1.1 201 Created\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".utf8)
      default:
        if words[1].hasPrefix("/together") { try gate.pass() }
        try connection.write(
          "HTTP/1.1 200 OK\r\nContent-Length: \(content.count)\r\nConnection: close\r\n\r\n".utf8)
        try connection.write(content)
      }
      try connection.finish()
      // The client closes first, so that nothing of ours is lost to a reset.
      _ = try connection.readAll()
    }
  }

  private static func contentLength(_ head: String) throws -> Int {
    for line in head.split(separator: "\r\n") where line.lowercased().hasPrefix("content-length:") {
      if let count = Int(line.dropFirst("content-length:".count).filter { $0 != " " }) { return count }
    }
    throw Failure("an upload without a length: \(head)")
  }

  private static func keep(_ connection: inout Connection, count: Int, in path: String) throws {
    guard FileManager.default.createFile(atPath: path, contents: nil), let file = FileHandle(forWritingAtPath: path)
    else { throw Failure("cannot write \(path)") }
    var rest = count
    while rest > 0 {
      let bytes = try connection.read()
      guard !bytes.isEmpty else { throw Failure("an upload ended \(rest) bytes early") }
      try file.write(contentsOf: bytes)
      rest -= bytes.count
    }
    try file.close()
  }
}

/// Opens for all at once, when as many as it was made for stand before it.
private final class Gate: @unchecked Sendable {
  // All state is guarded by the condition's lock.
  private let condition = NSCondition()
  private var missing: Int

  init(_ count: Int) { missing = count }

  func pass() throws {
    let limit = Date(timeIntervalSinceNow: 60)
    condition.lock()
    defer { condition.unlock() }
    missing -= 1
    condition.broadcast()
    while missing > 0 {
      guard condition.wait(until: limit) else { throw Failure("\(missing) requests never came") }
    }
  }
}
