import LinuxSystem
import Primitives
import Testing

@Suite struct EventTests {
  @Test func `a counter wakes a queue with the data it was registered with, and resets`() throws {
    let queue = try EventQueue()
    let counter = try EventCounter()
    var events = EventBuffer(capacity: 8)
    try queue.registrar.add(counter.descriptor.rawValue, for: .readable, data: 0xfedc_ba98_7654_3210)

    try queue.wait(into: &events, timeout: .zero)
    #expect(events.count == 0)

    counter.signal()
    counter.signal()
    try queue.wait(into: &events, timeout: nil)
    try #require(events.count == 1)
    #expect(events[0] == EventBuffer.Event(events: .readable, data: 0xfedc_ba98_7654_3210))
    #expect(try counter.reset() == 2)
    #expect(try counter.reset() == 0)
    try queue.wait(into: &events, timeout: .zero)
    #expect(events.count == 0)
  }

  @Test func `an edge is told once, and again after the interest is renewed`() throws {
    let queue = try EventQueue()
    let counter = try EventCounter()
    var events = EventBuffer()
    try queue.registrar.add(counter.descriptor.rawValue, for: [.readable, .edgeTriggered], data: 1)
    counter.signal()
    try queue.wait(into: &events, timeout: .zero)
    #expect(events.count == 1)
    try queue.wait(into: &events, timeout: .zero)
    #expect(events.count == 0)
    try queue.registrar.modify(counter.descriptor.rawValue, for: [.readable, .edgeTriggered], data: 2)
    try queue.wait(into: &events, timeout: .zero)
    try #require(events.count == 1)
    #expect(events[0].data == 2)
    try queue.registrar.remove(counter.descriptor.rawValue)
    counter.signal()
    try queue.wait(into: &events, timeout: .zero)
    #expect(events.count == 0)
  }

  @Test(arguments: [Interval.microseconds(300), .milliseconds(20)])
  func `a wait ends at its deadline, not before`(_ length: Interval) throws {
    let queue = try EventQueue()
    var events = EventBuffer(capacity: 1)
    let deadline = MonotonicClock.now + length
    try queue.wait(into: &events, until: deadline)
    #expect(events.count == 0)
    #expect(MonotonicClock.now >= deadline)
  }

  @Test func `a deadline in the past does not wait`() throws {
    let queue = try EventQueue()
    var events = EventBuffer(capacity: 1)
    try queue.wait(into: &events, until: MonotonicClock.now - .seconds(1))
    #expect(events.count == 0)
  }

  @Test func `the end of a pipe is told as hung up though nobody asked`() throws {
    let ends = try FileDescriptor.pipe().take()
    let reader = FileDescriptor(owning: ends.first)
    do { _ = FileDescriptor(owning: ends.second) }
    #expect(try wait(reader.rawValue, for: .readable)?.contains(.hungUp) == true)
  }

  @Test func `a folder's watch names a file replaced by renaming, as resolv.conf is`() throws {
    let folder = try TemporaryFolder()
    let resolvers = folder.path + "/resolv.conf"
    try FileDescriptor.open(replacing: resolvers, mode: 0o644).write("nameserver 127.0.0.1\n")
    let watch = try DirectoryWatch(path: folder.path)
    #expect(try watch.changedNames() == [])

    try FileDescriptor.open(replacing: folder.path + "/new", mode: 0o644).write("nameserver 127.0.0.2\n")
    #expect(try run("mv", folder.path + "/new", resolvers) == .status(0))
    #expect(try wait(watch.descriptor.rawValue, for: .readable) != nil)
    #expect(try watch.changedNames() == ["new", "resolv.conf"])

    try FileSystem.unlink(resolvers)
    #expect(try watch.changedNames() == ["resolv.conf"])
  }

  @Test func `a folder's watch says by the empty name that the folder itself went away`() throws {
    let folder = try TemporaryFolder()
    let inner = folder.path + "/inner"
    #expect(try run("mkdir", inner) == .status(0))
    let watch = try DirectoryWatch(path: inner)
    #expect(try run("rmdir", inner) == .status(0))
    #expect(try watch.changedNames() == [""])
  }

  @Test func `what is no folder cannot be watched, and the error says so`() throws {
    let error = #expect(throws: SystemError.self) { _ = try DirectoryWatch(path: "/proc/self/status") }
    #expect(error?.description == "cannot watch the folder /proc/self/status: Not a directory")
  }
}
