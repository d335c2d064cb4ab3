import Foundation
import LinuxSystem

/// The lines that come from a descriptor, collected by a thread of their own, so that no writer ever waits for us.
final class LineLog: @unchecked Sendable {
  // All state is guarded by the condition's lock.
  private let condition = NSCondition()
  private var lines: [String] = []
  private var partial: [UInt8] = []
  private var ended = false

  /// Starts to collect from a descriptor, which may be non-blocking, until its end.
  init(reading descriptor: consuming FileDescriptor) {
    let number = descriptor.take()
    Thread.detachNewThread { [self] in
      collect(from: FileDescriptor(owning: number))
      condition.withLock {
        ended = true
        condition.broadcast()
      }
    }
  }

  /// Everything until now.
  var text: String {
    condition.withLock { (lines + [String(decoding: partial, as: UTF8.self)]).joined(separator: "\n") }
  }

  /// Waits for a line, from line `start` on, of which `find` makes something.
  func wait<Found>(seconds: Double, from start: Int = 0, _ what: String, for find: (String) -> Found?) throws -> Found {
    let limit = Date(timeIntervalSinceNow: seconds)
    condition.lock()
    defer { condition.unlock() }
    var next = start
    while true {
      while next < lines.count {
        if let found = find(lines[next]) { return found }
        next += 1
      }
      guard !ended else { throw Failure("the output ended before \(what)") }
      guard condition.wait(until: limit) else { throw Failure("timed out after \(seconds) s: no \(what)") }
    }
  }

  /// Everything, once the writer has closed its end.
  func textAtEnd(seconds: Double) throws -> String {
    let limit = Date(timeIntervalSinceNow: seconds)
    try condition.withLock {
      while !ended {
        guard condition.wait(until: limit) else { throw Failure("timed out after \(seconds) s: the output goes on") }
      }
    }
    return text.hasSuffix("\n") ? String(text.dropLast()) : text
  }

  /// The number of whole lines until now.
  var count: Int { condition.withLock { lines.count } }

  private func collect(from descriptor: consuming FileDescriptor) {
    var buffer = [UInt8](repeating: 0, count: 65536)
    do {
      while true {
        var span = buffer.mutableSpan
        guard let count = try descriptor.read(into: &span) else {
          try waitUntil(descriptor.rawValue, is: .readable, by: .after(3600), "output")
          continue
        }
        if count == 0 { return }
        append(buffer[..<count])
      }
    } catch {
      append(Array("\n(reading failed: \(error))\n".utf8)[...])
    }
  }

  private func append(_ bytes: ArraySlice<UInt8>) {
    condition.withLock {
      for byte in bytes {
        if byte == UInt8(ascii: "\n") {
          lines.append(String(decoding: partial, as: UTF8.self))
          partial.removeAll(keepingCapacity: true)
        } else {
          partial.append(byte)
        }
      }
      condition.broadcast()
    }
  }
}
