public import LinuxSystem

/// Why the kernel refused a change.
public struct RouteError: Error, Hashable, Sendable, CustomStringConvertible {
  /// What was tried, on what, and the kernel's error.
  public let error: SystemError
  /// The kernel's own words, where it has any.
  public let explanation: String?

  /// "cannot add the address 10.0.2.15/24: File exists (Address already assigned)".
  public var description: String { error.description + (explanation.map { " (\($0))" } ?? "") }
}

/// Interfaces, addresses, routes and bridges of the network namespace in which the socket was made, by rtnetlink(7).
///
/// Each question and each change waits for the kernel's answer. What each is, is in a file of its own:
/// `RouteSocket+Interfaces.swift`, `RouteSocket+Addresses.swift`, `RouteSocket+Routes.swift`,
/// `RouteSocket+Forwarding.swift`. What changes by itself, `RouteMonitor` tells.
public struct RouteSocket: ~Copyable {
  private let descriptor: FileDescriptor
  private var sequence: UInt32 = 0

  /// Opens a socket in the network namespace of the calling thread.
  public init() throws(SystemError) { descriptor = try FileDescriptor.routeSocket() }

  // MARK: Messages

  /// How often a list is asked for that has changed meanwhile.
  private static let attempts = 8

  /// Begins a message, which is then finished and given to `exchange` or `list`.
  mutating func begin(_ kind: UInt16, _ flags: NetlinkMessage.Flags = []) -> NetlinkMessage {
    sequence &+= 1
    return NetlinkMessage(kind, flags, sequence: sequence)
  }

  /// Sends a message and waits until the kernel has answered it.
  /// - Returns: what came before the acknowledgment, if anything did.
  @discardableResult
  func exchange(
    _ message: NetlinkMessage, _ operation: StaticString, _ subject: String
  ) throws(RouteError) -> NetlinkReply? { try answers(message, operation, subject).replies.last }

  /// Asks for a list of all that there is of something, of which `read` makes one element of each message; nil leaves
  /// one out.
  ///
  /// A list that changed while it was told is asked for again, a few times; the last one is taken as it is.
  mutating func list<Element>(
    _ kind: UInt16, _ operation: StaticString, _ body: (inout NetlinkMessage) -> Void,
    read: (NetlinkReply) -> Element?
  ) throws(RouteError) -> [Element] {
    var answer = Answer()
    for _ in 0..<Self.attempts {
      var message = begin(kind, .all)
      body(&message)
      answer = try answers(message, operation, "")
      if !answer.isInterrupted { break }
    }
    return answer.replies.compactMap(read)
  }

  /// What the kernel says to a message.
  private struct Answer {
    /// Everything before the end.
    var replies: [NetlinkReply] = []
    /// Whether it changed while it was told.
    var isInterrupted = false
  }

  /// Sends a message and collects what comes before its end.
  private func answers(
    _ message: NetlinkMessage, _ operation: StaticString, _ subject: String
  ) throws(RouteError) -> Answer {
    var answer = Answer()
    try send(message)
    while true {
      var rest = try receive()[...]
      while let reply = NetlinkReply(takingFrom: &rest) {
        guard reply.sequence == sequence else { continue }
        answer.isInterrupted = answer.isInterrupted || reply.isInterrupted
        guard let number = reply.errorNumber else {
          answer.replies.append(reply)
          continue
        }
        if number == 0 { return answer }
        throw RouteError(error: SystemError(number, operation, subject), explanation: reply.explanation)
      }
    }
  }

  private func send(_ message: NetlinkMessage) throws(RouteError) {
    do throws(SystemError) {
      _ = try descriptor.write(message.finished.span)
    } catch {
      throw RouteError(error: error, explanation: nil)
    }
  }

  private func receive() throws(RouteError) -> [UInt8] {
    do throws(SystemError) {
      return try descriptor.readRouteMessages() ?? []
    } catch {
      throw RouteError(error: error, explanation: nil)
    }
  }
}

extension FileDescriptor {
  /// What a netlink socket has, as much as one read gives; nil where it would have to wait.
  func readRouteMessages() throws(SystemError) -> [UInt8]? {
    // The kernel fills no more than 32 KiB at a time (NLMSG_GOODSIZE is less), and one message is never divided.
    var buffer = [UInt8](repeating: 0, count: 32 * 1024)
    var space = buffer.mutableSpan
    guard let count = try read(into: &space) else { return nil }
    return Array(buffer.prefix(count))
  }
}
