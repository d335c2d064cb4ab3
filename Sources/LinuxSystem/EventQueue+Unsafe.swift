import CLinux
import Glibc
public import Primitives

/// What to be told of a descriptor, and what is told.
public struct Events: OptionSet, Hashable, Sendable {
  /// The bits, those of epoll.
  public let rawValue: UInt32

  /// Makes a set of its bits.
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// There is something to read or to accept.
  public static let readable = Events(rawValue: CLINUX_EPOLLIN)
  /// There is room to write, or connecting has ended.
  public static let writable = Events(rawValue: CLINUX_EPOLLOUT)
  /// The peer has finished sending.
  public static let readClosed = Events(rawValue: CLINUX_EPOLLRDHUP)
  /// An error is pending. Always told, asked or not.
  public static let failed = Events(rawValue: CLINUX_EPOLLERR)
  /// Both directions have ended. Always told, asked or not.
  public static let hungUp = Events(rawValue: CLINUX_EPOLLHUP)
  /// Told once for each change, not for as long as the state lasts. Only to ask for.
  public static let edgeTriggered = Events(rawValue: CLINUX_EPOLLET)
  /// Told once, then silent until the interest is renewed by `modify`. Only to ask for.
  public static let oneShot = Events(rawValue: CLINUX_EPOLLONESHOT)
}

/// The means to register descriptors with a queue, apart from the right to wait on it.
///
/// Valid while its queue lives. Descriptors leave the queue by themselves when they are closed (all duplicates too).
public struct EventRegistrar: Hashable, Sendable {
  let queue: Int32

  /// Adds a descriptor; its events carry `data`.
  public func add(_ descriptor: Int32, for events: Events, data: UInt64) throws(SystemError) {
    try checked("watch a descriptor") {
      clinux_epoll_control(queue, EPOLL_CTL_ADD, descriptor, events.rawValue, data)
    }
  }

  /// Changes what to be told of a descriptor. Under edge triggering what holds already is told again.
  public func modify(_ descriptor: Int32, for events: Events, data: UInt64) throws(SystemError) {
    try checked("watch a descriptor for something else") {
      clinux_epoll_control(queue, EPOLL_CTL_MOD, descriptor, events.rawValue, data)
    }
  }

  /// Removes a descriptor.
  public func remove(_ descriptor: Int32) throws(SystemError) {
    try checked("stop watching a descriptor") { clinux_epoll_control(queue, EPOLL_CTL_DEL, descriptor, 0, 0) }
  }
}

/// A set of watched descriptors to wait on (epoll).
public struct EventQueue: ~Copyable, Sendable {
  private let descriptor: FileDescriptor
  /// The means to register descriptors.
  public let registrar: EventRegistrar

  /// Makes an empty queue.
  public init() throws(SystemError) {
    descriptor = FileDescriptor(
      owning: try checked("make an event queue") { epoll_create1(Int32(EPOLL_CLOEXEC)) })
    registrar = EventRegistrar(queue: descriptor.rawValue)
  }

  /// Waits until something happens, or `timeout` has passed (for ever where it is nil), and puts what happened into
  /// `buffer`, which is empty after a timeout.
  public func wait(into buffer: inout EventBuffer, timeout: Interval?) throws(SystemError) {
    let limit = timeout.map { max($0.nanoseconds, 0) } ?? -1
    try unsafe buffer.fill { memory, capacity throws(SystemError) in
      // SAFETY: the buffer has room for `capacity` events.
      var count = unsafe clinux_epoll_wait(registrar.queue, memory, capacity, limit)
      if count < 0 && errno == ENOSYS {
        // Before Linux 5.11: whole milliseconds, rounded up, so that a deadline has passed when the wait ends.
        let milliseconds = limit < 0 ? -1 : Int32(clamping: (limit + 999_999) / 1_000_000)
        unsafe count = epoll_wait(registrar.queue, memory, capacity, milliseconds)
      }
      // A signal ends the wait like a timeout: the time that is left is the caller's to reckon.
      guard count >= 0 || errno == EINTR else { throw .last("wait for events") }
      return max(count, 0)
    }
  }

  /// Waits as `wait(into:timeout:)` does, until `deadline` of the monotonic clock at the latest.
  public func wait(into buffer: inout EventBuffer, until deadline: Instant) throws(SystemError) {
    try wait(into: &buffer, timeout: deadline == .never ? nil : deadline - MonotonicClock.now)
  }
}

/// Events that one wait returned, in memory that is used again by the next.
@safe
public struct EventBuffer: ~Copyable {
  /// One event.
  public struct Event: Hashable, Sendable {
    /// What happened.
    public let events: Events
    /// What the descriptor was registered with.
    public let data: UInt64

    /// Makes an event of its parts.
    public init(events: Events, data: UInt64) {
      self.events = events
      self.data = data
    }
  }

  private let memory: UnsafeMutablePointer<epoll_event>
  /// The most events of one wait.
  public let capacity: Int
  /// The number of events held.
  public private(set) var count = 0

  /// Makes an empty buffer.
  public init(capacity: Int = 256) {
    unsafe memory = .allocate(capacity: capacity)
    self.capacity = capacity
  }

  deinit { unsafe memory.deallocate() }

  /// Event `index`.
  /// - Precondition: `index` is less than `count`.
  public subscript(index: Int) -> Event {
    precondition(index >= 0 && index < count, "no such event")
    // SAFETY: the system filled the first `count` events.
    let events = unsafe clinux_epoll_events(memory, Int32(index))
    let data = unsafe clinux_epoll_data(memory, Int32(index))
    return Event(events: Events(rawValue: events), data: data)
  }

  mutating func fill(
    _ body: (UnsafeMutablePointer<epoll_event>, Int32) throws(SystemError) -> Int32
  ) throws(SystemError) {
    count = 0
    count = Int(try unsafe body(memory, Int32(capacity)))
  }
}

/// The system's monotonic clock, which does not jump and does not count time asleep.
public enum MonotonicClock {
  /// The present, in nanoseconds since an origin of the system's choice.
  public static var now: Instant { Instant(nanoseconds: clinux_monotonic_nanoseconds()) }
}
