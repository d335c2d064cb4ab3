package import LinuxSystem
import Primitives

/// One conversation on a control socket, as far as it has come.
package final class ControlClient {
  /// What is waited for.
  var watched = Events.readable
  /// When the conversation ends if nothing happens.
  var deadline = Instant.never

  private let socket: Socket
  /// What has come and is not answered.
  private var input: [UInt8] = []
  /// What is to go.
  private var output: [UInt8] = []
  private var sentCount = 0
  /// Whether nothing more will come, or be read.
  private var isEnding = false

  package init(_ socket: consuming Socket) { self.socket = socket }

  /// The socket's number.
  var number: Int32 { socket.rawValue }

  /// Says why nothing is answered, as far as the client takes it at once.
  func refuse(_ failure: ControlFailure) {
    do throws(SystemError) {
      put(ControlJSON.line(failure, id: nil))
      _ = try flush()
    } catch {
      // Gone already: nobody is left to be told.
    }
  }

  /// Reads, answers and writes as far as the socket lets it.
  /// - Returns: what is to be waited for, nil at the conversation's end.
  package func advance(_ answer: ([UInt8]) -> [UInt8]) throws(SystemError) -> Events? {
    while true {
      guard try flush() else { return .writable }
      if let line = takeLine() {
        guard line.count <= ControlRequest.maximumLength else {
          endTooLong()
          continue
        }
        put(answer(line))
      } else if isEnding {
        return nil
      } else if input.count > ControlRequest.maximumLength {
        endTooLong()
      } else {
        guard let count = try read() else { return .readable }
        if count == 0 { isEnding = true }
      }
    }
  }

  private func read() throws(SystemError) -> Int? {
    var chunk = [UInt8](repeating: 0, count: 16 * 1024)
    var span = chunk.mutableSpan
    guard let count = try Socket.receive(into: &span, on: number) else { return nil }
    input += chunk[..<count]
    return count
  }

  /// The next request that is whole; at the end what is left is one, too.
  private func takeLine() -> [UInt8]? {
    while !input.isEmpty {
      guard let end = input.firstIndex(of: UInt8(ascii: "\n")) ?? (isEnding ? input.endIndex : nil) else { return nil }
      let line = Array(input[..<end])
      input.removeSubrange(..<min(end + 1, input.endIndex))
      if !line.isEmpty { return line }
    }
    return nil
  }

  private func endTooLong() {
    input = []
    isEnding = true
    let message = "a request has at most \(ControlRequest.maximumLength) bytes"
    put(ControlJSON.line(ControlFailure(.tooLong, message), id: nil))
  }

  private func put(_ line: [UInt8]) { output += line + [UInt8(ascii: "\n")] }

  /// Writes what is to go; whether that was all.
  private func flush() throws(SystemError) -> Bool {
    let output = output
    while sentCount < output.count {
      guard let count = try socket.send(output.span.extracting(sentCount..<output.count)) else { return false }
      sentCount += count
    }
    self.output = []
    sentCount = 0
    return true
  }
}
