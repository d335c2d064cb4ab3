import LinuxSystem
import Primitives

/// What a client and a server of the load generator do together, in the words of the command line, which are those that
/// the client sends to the server too.
enum LoadTask: Equatable {
  /// The way of the bytes, as the client sees it.
  enum Direction: String {
    case up, down
  }

  /// Datagrams of `size` bytes at `rate` for each second.
  case datagrams(Direction, size: Int, rate: Int, milliseconds: Int)
  /// Requests of a byte and their responses, one after another.
  case requests(count: Int)
  /// The first bytes of a seeded sequence by TCP, compared where they arrive; their number is a multiple of eight.
  case sequence(Direction, seed: UInt64, count: Int)

  /// Reads a task; nil where the words are none.
  init?(_ words: [Substring]) {
    let numbers = words.compactMap { Int($0) }
    let direction = words.dropFirst().first.flatMap { Direction(rawValue: String($0)) }
    guard numbers.allSatisfy({ $0 >= 0 }) else { return nil }
    switch (words.first, direction, numbers.count) {
    case ("datagrams", let direction?, 3) where numbers[0] > 0 && numbers[1] > 0:
      self = .datagrams(direction, size: numbers[0], rate: numbers[1], milliseconds: numbers[2])
    case ("requests", nil, 1):
      self = .requests(count: numbers[0])
    case ("sequence", let direction?, 2) where numbers[1] & 7 == 0:
      self = .sequence(direction, seed: UInt64(numbers[0]), count: numbers[1])
    default:
      return nil
    }
  }

  /// Which end has to do it.
  enum Role {
    case client, server
  }

  /// Does this end's part.
  /// - Returns: what was measured, as a JSON object.
  func run(as role: Role, over channel: borrowing LoadChannel) throws -> String {
    switch self {
    case .datagrams(let direction, let size, let rate, let milliseconds):
      let stream = try DatagramStream(over: channel, as: role)
      return (direction == .up) == (role == .client)
        ? try stream.send(size: size, rate: rate, for: .milliseconds(Int64(milliseconds)), over: channel)
        : try stream.count(size: size, over: channel)
    case .requests(let count):
      if role == .client { return try channel.measureRequests(count) }
      try channel.answerRequests(count)
      return "{}"
    case .sequence(let direction, let seed, let count):
      return (direction == .up) == (role == .client)
        ? try channel.send(ByteSequence(seed: seed), count: count)
        : try channel.compare(with: ByteSequence(seed: seed), count: count)
    }
  }
}

/// What went wrong between the two ends.
struct LoadError: Error, CustomStringConvertible {
  let description: String

  init(_ description: String) { self.description = description }
}
