import Glibc
import LinuxSystem
import Testing

/// Files that are replaced as a whole.
struct FileReplacementTests {
  private func text(of path: String) throws -> String {
    var buffer = [UInt8](repeating: 0, count: 100)
    var span = buffer.mutableSpan
    let count = try #require(try FileDescriptor.open(reading: path).read(into: &span))
    return String(decoding: buffer.prefix(count), as: UTF8.self)
  }

  private func isAbsent(_ path: String) -> Bool {
    do {
      _ = try FileIdentity(path: path)
      return false
    } catch {
      return error.number == ENOENT
    }
  }

  @Test func `a file takes the place of another, which whoever has it open keeps`() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/file"
    try FileSystem.replace(path, with: "first", mode: 0o600)
    let first = try FileIdentity(path: path)
    #expect(first.isRegularFile && first.permissions == 0o600)
    let reader = try FileDescriptor.open(reading: path)
    try FileSystem.replace(path, with: "second", mode: 0o600)
    #expect(try text(of: path) == "second")
    var buffer = [UInt8](repeating: 0, count: 100)
    var span = buffer.mutableSpan
    #expect(try reader.read(into: &span) == 5)
    #expect(isAbsent(path + ".new"))
  }

  @Test func `what stands where the new file is made is not written to`() throws {
    let folder = try TemporaryFolder()
    let (path, precious) = (folder.path + "/file", folder.path + "/precious")
    try FileDescriptor.open(replacing: precious, mode: 0o600).write("precious")
    #expect(try run("ln", "-s", precious, path + ".new") == .status(0))
    try FileSystem.replace(path, with: "text", mode: 0o600)
    #expect(try text(of: precious) == "precious")
    #expect(try text(of: path) == "text")
    #expect(try FileIdentity(path: path).isRegularFile)
  }

  @Test func `where it fails the old one is left, and nothing beside it`() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/file"
    #expect(try run("mkdir", path) == .status(0))
    #expect(throws: SystemError(EISDIR, "write", path)) { try FileSystem.replace(path, with: "text", mode: 0o600) }
    #expect(isAbsent(path + ".new"))
    #expect(try !FileIdentity(path: path).isRegularFile)
    let nowhere = folder.path + "/absent/file"
    #expect(throws: SystemError(ENOENT, "write", nowhere)) { try FileSystem.replace(nowhere, with: "", mode: 0o600) }
  }
}
