import LinuxSystem
import Testing

@Suite struct FileLockTests {
  @Test func `a lock has one holder at a time`() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/lock"
    #expect(try !FileLock.isHeld(path: path))
    let lock = try FileLock(path: path, waits: false)
    let isTaken = lock != nil
    let isTakenTwice = try FileLock(path: path, waits: false) != nil
    #expect(isTaken && !isTakenTwice)
    #expect(try FileLock.isHeld(path: path))
    _ = consume lock
    // A child that another test starts may have it for a moment.
    let isTakenAgain = try FileLock(path: path, waits: true) != nil
    #expect(isTakenAgain)
  }

  @Test func `it can be told which process has a file open`() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/lock"
    try FileSystem.write("", to: path)
    try FileSystem.makeLink(folder.path + "/link", to: path)
    // It tells that it has the file by the end of its other descriptor.
    let (near, far) = try FileDescriptor.pipe().take()
    let reading = FileDescriptor(owning: near)
    let writing = FileDescriptor(owning: far)
    let holder = try ChildProcess(
      ["sh", "-c", "exec 4<\(path) 3>&-; exec sleep 60"], inheriting: [.init(writing.rawValue, as: 3)])
    _ = consume writing
    var byte: [UInt8] = [0]
    var span = byte.mutableSpan
    let count = try reading.read(into: &span)
    #expect(count == 0)
    guard let process = try RunningProcess(holder.processID) else {
      Issue.record("it has ended")
      return
    }
    let (hasFile, hasTarget) = (try process.hasOpen(path), try process.hasOpen(folder.path + "/link"))
    let hasFolder = try process.hasOpen(folder.path)
    #expect(hasFile && hasTarget && !hasFolder)
    try holder.send(signal: 9)
    _ = try waitForExit(of: holder)
    let hasStill = try process.hasOpen(path)
    #expect(!hasStill)
  }
}
