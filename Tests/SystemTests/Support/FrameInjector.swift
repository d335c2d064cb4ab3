import Foundation
import LinuxSystem
import Primitives
import Synchronization

/// Stands between QEMU and culvert, passes whole frames on both ways, and puts bytes of its own between the guest's
/// frames. When culvert closes the link it connects again, and QEMU notices nothing but lost frames.
final class FrameInjector: @unchecked Sendable {
  /// Where QEMU connects to.
  let path: String
  private let target: String
  private let listener: Socket
  private let wake: EventCounter
  private let orders = Mutex<[Order]>([])
  // Guarded by the condition's lock.
  private let condition = NSCondition()
  private var connections = 0
  private var failure: (any Error)?

  private enum Order {
    case write([UInt8])
    case reconnect
    case stop
  }

  /// Starts to wait for QEMU at `path`, and connects to culvert at `target` when it comes.
  init(at path: String, to target: String) throws {
    self.path = path
    self.target = target
    listener = try Socket(.stream, for: .path(path))
    try listener.bind(to: .path(path))
    try listener.listen()
    wake = try EventCounter()
    Thread.detachNewThread { [self] in
      do {
        try run()
      } catch {
        condition.withLock { failure = error }
      }
    }
  }

  /// Puts bytes between two frames of the guest.
  func inject(_ bytes: [UInt8]) { order(.write(bytes)) }

  /// Closes the link to culvert, whatever was written last, and connects anew.
  func reconnect() throws {
    let before = condition.withLock { connections }
    order(.reconnect)
    try waitForConnection(after: before)
  }

  /// Ends the thread.
  func stop() { order(.stop) }

  /// The number of connections to culvert until now.
  var connectionCount: Int { condition.withLock { connections } }

  /// Waits for one more connection to culvert than `count`.
  func waitForConnection(after count: Int, seconds: Double = 10) throws {
    let limit = Date(timeIntervalSinceNow: seconds)
    try condition.withLock {
      while connections <= count {
        if let failure { throw failure }
        guard condition.wait(until: limit) else { throw Failure("culvert kept the link, \(count) connections so far") }
      }
    }
  }

  private func order(_ order: Order) {
    orders.withLock { $0.append(order) }
    wake.signal()
  }

  private func connect() throws -> Link {
    let deadline = Deadline.after(10)
    while true {
      do {
        let socket = try Socket(.stream, for: .path(target))
        guard try socket.connect(to: .path(target)) else { throw Failure("no connection to \(target)") }
        condition.withLock {
          connections += 1
          condition.broadcast()
        }
        return Link(socket)
      } catch  where !deadline.hasPassed {
        // Culvert has not taken the last client's leave yet, and its queue of clients is full.
        continue
      }
    }
  }

  // Passes frames on until it is told to stop, or QEMU has gone.
  private func run() throws {
    try waitUntil(listener.rawValue, is: .readable, by: .after(60), "QEMU")
    guard let client = try listener.accept() else { throw Failure("QEMU left at once") }
    var qemu = Link(client)
    var culvert = try connect()
    while true {
      try wait(qemu, culvert)
      for order in takeOrders() {
        switch order {
        case .write(let bytes): culvert.queue(bytes[...])
        case .reconnect: culvert = try connect()
        case .stop: return
        }
      }
      guard try qemu.receive(into: &culvert) else { return }
      if try !culvert.receive(into: &qemu) || !culvert.send() { culvert = try connect() }
      guard try qemu.send() else { return }
    }
  }

  private func takeOrders() -> [Order] {
    orders.withLock { orders in
      defer { orders = [] }
      return orders
    }
  }

  private func wait(_ qemu: borrowing Link, _ culvert: borrowing Link) throws {
    let queue = try EventQueue()
    var events = EventBuffer(capacity: 3)
    try queue.registrar.add(wake.descriptor.rawValue, for: .readable, data: 0)
    try queue.registrar.add(qemu.descriptor, for: qemu.interest(while: culvert), data: 0)
    try queue.registrar.add(culvert.descriptor, for: culvert.interest(while: qemu), data: 0)
    try queue.wait(into: &events, timeout: .seconds(60))
    _ = try wake.reset()
  }
}

/// One end of the injector: a socket, the start of a frame that is not whole yet, and what waits to be written.
private struct Link: ~Copyable {
  private static let limit = 1 << 20

  private let socket: Socket
  private var partial: [UInt8] = []
  private var outgoing: [UInt8] = []

  init(_ socket: consuming Socket) { self.socket = socket }

  var descriptor: Int32 { socket.rawValue }

  /// What to wait for: there is something to write, or the other end has room for what comes.
  func interest(while other: borrowing Link) -> Events {
    var interest: Events = []
    if !outgoing.isEmpty { interest.insert(.writable) }
    if other.outgoing.count < Self.limit { interest.insert(.readable) }
    return interest
  }

  mutating func queue(_ bytes: ArraySlice<UInt8>) { outgoing += bytes }

  /// Reads what is there and passes whole frames on.
  /// - Returns: false at the end.
  mutating func receive(into other: inout Link) throws -> Bool {
    guard other.outgoing.count < Self.limit else { return true }
    var buffer = [UInt8](repeating: 0, count: 1 << 18)
    var span = buffer.mutableSpan
    do {
      guard let count = try socket.descriptor.read(into: &span) else { return true }
      guard count > 0 else { return false }
      partial += buffer[..<count]
    } catch {
      return false
    }
    var position = 0
    while partial.count - position >= 4 {
      let length = partial[position..<(position + 4)].reduce(0) { $0 << 8 | Int($1) }
      guard partial.count - position >= 4 + length else { break }
      other.queue(partial[position..<(position + 4 + length)])
      position += 4 + length
    }
    partial.removeFirst(position)
    return true
  }

  /// Writes what the socket takes.
  /// - Returns: false where the peer has gone.
  mutating func send() throws -> Bool {
    while !outgoing.isEmpty {
      do {
        guard let count = try socket.send(outgoing.span) else { return true }
        outgoing.removeFirst(count)
      } catch {
        return false
      }
    }
    return true
  }
}
