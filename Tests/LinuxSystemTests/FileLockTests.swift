import LinuxSystem
import Testing

@Suite struct FileLockTests {
  @Test func `a lock has one holder, and knows its number`() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/lock"
    #expect(try !FileLock.isHeld(path: path))
    let lock = try FileLock(path: path, waits: false)
    let isTaken = lock != nil
    #expect(isTaken)
    let isTakenTwice = try FileLock(path: path, waits: false) != nil
    #expect(!isTakenTwice)
    #expect(try FileLock.isHeld(path: path) && FileLock.holder(path: path) == ProcessControl.processID)
    _ = consume lock
    #expect(try !FileLock.isHeld(path: path) && FileLock.holder(path: path) == nil)
  }

  @Test func `the number of another process that holds it is known while it does`() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/lock"
    try FileSystem.write("", to: path)
    // It tells that it has the lock by the end of its other descriptor.
    let (near, far) = try FileDescriptor.pipe().take()
    let reading = FileDescriptor(owning: near)
    let writing = FileDescriptor(owning: far)
    let holder = try ChildProcess(
      ["flock", "--no-fork", path, "sh", "-c", "exec 3>&-; exec sleep 60"], inheriting: [.init(writing.rawValue, as: 3)]
    )
    _ = consume writing
    var byte: [UInt8] = [0]
    var span = byte.mutableSpan
    let count = try reading.read(into: &span)
    #expect(count == 0)
    #expect(try FileLock.holder(path: path) == holder.processID)
    try holder.send(signal: 9)
    _ = try waitForExit(of: holder)
    #expect(try FileLock.holder(path: path) == nil)
  }
}
