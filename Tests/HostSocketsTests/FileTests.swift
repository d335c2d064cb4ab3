import LinuxSystem
import Netstack
import Primitives
import Testing

@testable import HostSockets

/// A folder that is served, beside one that is not.
private final class ServedFolder {
  let path: String

  init() throws {
    let path = "/tmp/culvert-files-\(String(try ProcessControl.randomSeed().0, radix: 36))"
    try Self.run("mkdir -p \(path)/served/sub/deeper")
    self.path = path
    try shell("echo secret >secret && printf 0123456789 >served/ten && printf x >served/sub/one && mkfifo served/fifo")
  }

  deinit {
    do { try Self.run("rm -rf \(path)") } catch { Issue.record("\(error)") }
  }

  func shell(_ script: String) throws { try Self.run("cd \(path) && \(script)") }

  private static func run(_ script: String) throws {
    let child = try ChildProcess(["sh", "-c", script])
    let queue = try EventQueue()
    var events = EventBuffer(capacity: 1)
    try queue.registrar.add(child.descriptor.rawValue, for: .readable, data: 0)
    try queue.wait(into: &events, timeout: .seconds(20))
    #expect(try child.exit() == .status(0), "\(script)")
  }

  func host() throws -> Host { try Host(files: try FileTree(path: "\(path)/served")) }
}

/// Files that guests may have: those below one folder, whatever they call them.
@Suite struct FileTests {
  @Test(arguments: ["ten", "/ten", "//ten", "./ten", "sub/../ten", "sub/deeper/../../ten", "inside", "sub/inside"])
  func `a file below the folder is opened by any path that stays there`(name: String) throws {
    let folder = try ServedFolder()
    try folder.shell("ln -s ten served/inside && ln -s ../ten served/sub/inside")
    let host = try folder.host()
    let file = host.newFlow()
    #expect(host.openFile(file, name) == .ready(byteCount: 10))
    let (read, bytes) = try host.readFile(file, 10)
    #expect(read == .bytes(10) && bytes == Array("0123456789".utf8))
    host.close(file, abortively: false)
    #expect(!host.holds(file))
  }

  @Test(arguments: [
    "../secret", "/../secret", "sub/../../secret", "sub/../../served/ten", "..", "outside", "absolute",
    "climber/secret",
    "magic", "loop", "fifo", "null", "sub", "sub/", "", "/", ".",
  ])
  func `nothing else is opened, and nothing waits`(name: String) throws {
    let folder = try ServedFolder()
    try folder.shell(
      """
      cd served && ln -s ../secret outside && ln -s "$PWD/ten" absolute && ln -s .. climber && ln -s loop loop
      ln -s /proc/self/fd/0 magic && ln -s /dev/null null
      """)
    let host = try folder.host()
    let file = host.newFlow()
    #expect(host.openFile(file, name) == .failed(.forbidden))
    #expect(!host.holds(file))
  }

  @Test func `a file that is not there, or has a longer name than any, is not found`() throws {
    let folder = try ServedFolder()
    let host = try folder.host()
    for name in [
      "missing", "missing/ten", "ten/x", String(repeating: "x", count: 300), String(repeating: "x/", count: 3000),
    ] {
      #expect(host.openFile(host.newFlow(), name) == .failed(.notFound))
    }
  }

  @Test func `a host that serves no files has none`() throws {
    let host = try Host()
    #expect(host.openFile(host.newFlow(), "ten") == .failed(.forbidden))
  }

  @Test func `a file is read from anywhere, scattered, as far as it goes`() throws {
    let folder = try ServedFolder()
    try folder.shell("head -c 100000 /dev/urandom >served/noise && od -An -v -tu1 served/noise >/dev/null")
    let host = try folder.host()
    let file = host.newFlow()
    #expect(host.openFile(file, "noise") == .ready(byteCount: 100_000))
    let whole = try host.readFile(file, 100_000, piece: 1428)
    #expect(whole.0 == .bytes(100_000))
    for (offset, count) in [(0, 1), (1427, 2), (50_000, 40_000), (99_999, 1)] {
      let (read, bytes) = try host.readFile(file, at: UInt64(offset), count, piece: 512)
      #expect(read == .bytes(count) && bytes == Array(whole.1[offset..<(offset + count)]))
    }
    // Over the end, at it, and behind it.
    #expect(try host.readFile(file, at: 99_990, 100).0 == .bytes(10))
    #expect(try host.readFile(file, at: 100_000, 100).0 == .endOfStream)
    #expect(try host.readFile(file, at: 1 << 40, 100).0 == .endOfStream)
    try folder.shell("truncate -s 50000 served/noise")
    #expect(try host.readFile(file, at: 49_000, 5000).0 == .bytes(1000))
    #expect(try host.readFile(file, at: 60_000, 100).0 == .endOfStream)
  }

  @Test func `without descriptors a file is not opened, and another time it is`() throws {
    try withOwnDescriptors {
      let folder = try ServedFolder()
      let host = try folder.host()
      let file = host.newFlow()
      let taken = exhaustDescriptors()
      #expect(host.openFile(file, "ten") == .failed(.exhausted))
      for descriptor in taken { _ = FileDescriptor(owning: descriptor) }
      #expect(host.openFile(file, "ten") == .ready(byteCount: 10))
    }
  }

  @Test func `a folder that is none is refused with the reason`() throws {
    let missing = #expect(throws: SystemError.self) { _ = try FileTree(path: "/nowhere") }
    #expect(missing?.description == "cannot open the folder /nowhere: No such file or directory")
    let file = #expect(throws: SystemError.self) { _ = try FileTree(path: "/etc/passwd") }
    #expect(file?.description == "cannot open the folder /etc/passwd: Not a directory")
  }
}
