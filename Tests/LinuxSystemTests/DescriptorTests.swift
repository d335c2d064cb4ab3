import CLinux
import LinuxSystem
import Primitives
import Testing

@Suite struct DescriptorTests {
  @Test func `a descriptor is closed at the end of its owner, and not when it was given away`() throws {
    let pair = try FileDescriptor.pipe().take()
    do {
      let writer = FileDescriptor(owning: pair.second)
      #expect(try writer.write(bytes("x").span) == 1)
      #expect(writer.take() == pair.second)
    }
    // Given away: still open.
    _ = try FileIdentity(descriptor: pair.second)
    do { _ = FileDescriptor(owning: pair.second) }
    var buffer: [UInt8] = [0, 0]
    let reader = FileDescriptor(owning: pair.first)
    var span = buffer.mutableSpan
    #expect(try reader.read(into: &span) == 1)
    // The only writing end is closed: the end of the pipe.
    span = buffer.mutableSpan
    #expect(try reader.read(into: &span) == 0)
  }

  @Test func `reading and writing that would wait give nil`() throws {
    let pair = try FileDescriptor.pipe().take()
    let reader = FileDescriptor(owning: pair.first)
    let writer = FileDescriptor(owning: pair.second)
    try reader.setNonBlocking()
    try writer.setNonBlocking()
    var buffer = [UInt8](repeating: 0, count: 65536)
    var span = buffer.mutableSpan
    #expect(try reader.read(into: &span) == nil)
    var written = 0
    while let count = try writer.write(buffer.span) { written += count }
    #expect(written >= 4096)
  }

  @Test func `errors say what was tried, on what, and why not`() throws {
    let missing = #expect(throws: SystemError.self) { _ = try FileDescriptor.open(reading: "/nowhere/x") }
    #expect(missing?.description == "cannot open /nowhere/x: No such file or directory")
    #expect(missing?.number == ENOENT)
    let nameless = SystemError(EMFILE, "make a socket")
    #expect(nameless.description == "cannot make a socket: Too many open files")
    #expect(SystemError(12345, "try").reason.contains("12345"))
  }

  @Test func `a name is removed only while it stands for the same file`() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/file"
    try FileDescriptor.open(replacing: path, mode: 0o600).write("first")
    let first = try FileIdentity(path: path)
    #expect(first.permissions == 0o600)
    #expect(!first.isSocket)

    // A second file under the same name, while the first still exists, so that its inode cannot be used again.
    #expect(try run("ln", path, folder.path + "/kept") == .status(0))
    try FileSystem.unlink(path)
    try FileDescriptor.open(replacing: path, mode: 0o600).write("second")
    try FileSystem.unlink(path, ifStill: first)
    let second = try FileIdentity(path: path)
    #expect(second != first)

    try FileSystem.unlink(path, ifStill: second)
    #expect(throws: SystemError.self) { _ = try FileIdentity(path: path) }
    try FileSystem.unlink(path, ifStill: second)
  }

  @Test func `the process's file holds its number and goes with its owner`() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/pid"
    do {
      let file = try ProcessIDFile(path: path)
      defer { withExtendedLifetime(file) {} }
      var buffer = [UInt8](repeating: 0, count: 32)
      var span = buffer.mutableSpan
      let count = try #require(try FileDescriptor.open(reading: path).read(into: &span))
      #expect(String(decoding: buffer.prefix(count), as: UTF8.self) == "\(ProcessControl.processID)\n")
    }
    #expect(throws: SystemError.self) { _ = try FileIdentity(path: path) }
  }

  @Test func `random seeds differ`() throws {
    let first = try ProcessControl.randomSeed()
    let second = try ProcessControl.randomSeed()
    #expect(first.0 != second.0 && first.1 != second.1 && first.2 != second.2 && first.3 != second.3)
  }

  @Test func `the limit of descriptors rises to the hard limit`() throws {
    let limit = try ProcessControl.raiseDescriptorLimit()
    #expect(limit == (try ProcessControl.raiseDescriptorLimit()))
    // A descriptor just below the limit can be had, one at the limit cannot.
    let counter = try EventCounter()
    let highest = clinux_duplicate(counter.descriptor.rawValue, Int32(limit - 1))
    #expect(highest == Int32(limit - 1))
    _ = FileDescriptor(owning: highest)
    #expect(clinux_duplicate(counter.descriptor.rawValue, Int32(limit)) == -1)
  }
}
