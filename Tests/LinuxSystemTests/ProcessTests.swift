import CLinux
import Primitives
import Testing

@testable import LinuxSystem

@Suite struct ProcessTests {
  /// Starts a shell with `script`, one end of a pipe as descriptor 7, and returns what it wrote there and its end.
  private func output(of script: String) throws -> (text: String, exit: ChildProcess.Exit) {
    let ends = try FileDescriptor.pipe().take()
    let reader = FileDescriptor(owning: ends.first)
    let child: ChildProcess
    do {
      let writer = FileDescriptor(owning: ends.second)
      child = try ChildProcess(["sh", "-c", script], inheriting: [.init(writer.rawValue, as: 7)])
    }
    var text = ""
    var buffer = [UInt8](repeating: 0, count: 4096)
    while true {
      var span = buffer.mutableSpan
      guard let count = try reader.read(into: &span), count > 0 else { break }
      text += String(decoding: buffer.prefix(count), as: UTF8.self)
    }
    return (text, try waitForExit(of: child))
  }

  @Test func `a child inherits what it is given, under the number it is given, and its status is told`() throws {
    let (text, exit) = try output(of: "echo inherited >&7; exit 42")
    #expect(text == "inherited\n")
    #expect(exit == .status(42))
    #expect(exit.shellStatus == 42)
  }

  @Test func `a child inherits none of the descriptors made here`() throws {
    let counter = try EventCounter()
    let secret = FileDescriptor(owning: clinux_duplicate(counter.descriptor.rawValue, 900))
    let (text, _) = try output(of: "ls /proc/self/fd >&7")
    let numbers = Set(text.split(separator: "\n").compactMap { Int32($0) })
    #expect(numbers.isSuperset(of: [0, 1, 2, 7]))
    #expect(secret.rawValue >= 900 && !numbers.contains(secret.rawValue))
  }

  @Test func `descriptors may swap their numbers on the way to the child`() throws {
    let (first, second) = (try FileDescriptor.pipe().take(), try FileDescriptor.pipe().take())
    let firstReader = FileDescriptor(owning: first.first)
    let secondReader = FileDescriptor(owning: second.first)
    do {
      let firstWriter = FileDescriptor(owning: first.second)
      let secondWriter = FileDescriptor(owning: second.second)
      let (a, b) = (firstWriter.rawValue, secondWriter.rawValue)
      let child = try ChildProcess(
        ["bash", "-c", "echo to-a >&\(a); echo to-b >&\(b)"], inheriting: [.init(a, as: b), .init(b, as: a)])
      #expect(try waitForExit(of: child) == .status(0))
    }
    var buffer = [UInt8](repeating: 0, count: 5)
    var span = buffer.mutableSpan
    #expect(try firstReader.read(into: &span) == 5)
    #expect(buffer == bytes("to-b\n"))
    span = buffer.mutableSpan
    #expect(try secondReader.read(into: &span) == 5)
    #expect(buffer == bytes("to-a\n"))
  }

  @Test func `a signal ends a child, and is told as such`() throws {
    let child = try ChildProcess(["sleep", "60"])
    #expect(try child.exit() == nil)
    try child.send(signal: SIGTERM)
    let exit = try waitForExit(of: child)
    #expect(exit == .signal(SIGTERM))
    #expect(exit.shellStatus == 143)
    try child.send(signal: SIGTERM)
  }

  @Test func `a program that does not exist is named in the error`() {
    let error = #expect(throws: SystemError.self) { _ = try ChildProcess(["culvert-no-such-program"]) }
    #expect(error?.description == "cannot start culvert-no-such-program: No such file or directory")
  }

  @Test func `signals are read from a queue, and a child has none of them blocked`() throws {
    // Sent to this thread alone, so that no other test is disturbed. Nothing here suspends: it stays on its thread.
    let queue = try SignalQueue([SIGUSR2, SIGWINCH])
    #expect(try queue.next() == nil)
    #expect(raise(SIGUSR2) == 0)
    #expect(try wait(queue.descriptor.rawValue, for: .readable) == .readable)
    let signal = try queue.next()
    #expect(signal?.number == SIGUSR2)
    #expect(signal?.isFromKernel == false)
    #expect(try queue.next() == nil)

    let (text, _) = try output(of: "grep -E 'Sig(Blk|Ign)' /proc/self/status >&7")
    let sets = text.split(separator: "\n").compactMap { UInt64($0.suffix(16), radix: 16) }
    try #require(sets.count == 2)
    #expect(sets[0] == 0)
    // Signals 32 and 33 belong to the C library, which ignores them in a child until that has its own.
    #expect(sets[1] & ~0x1_8000_0000 == 0)
    try queue.end()
  }

  @Test func `the service manager is told through its socket`() throws {
    let folder = try TemporaryFolder()
    for address in [SocketAddress.path(folder.path + "/notify"), .abstract("culvert" + folder.path)] {
      let manager = try Socket(.datagram, for: address)
      try manager.bind(to: address)
      try ServiceManager.notify("READY=1\nSTATUS=serving", at: address)
      var buffer = [UInt8](repeating: 0, count: 64)
      var span = buffer.mutableSpan
      let count = try #require(try manager.descriptor.read(into: &span))
      #expect(String(decoding: buffer.prefix(count), as: UTF8.self) == "READY=1\nSTATUS=serving")
    }
  }

  @Test(
    arguments: [
      ("10", "2", 3..<5), ("10", "0", 3..<3), ("11", "2", 3..<3), (nil, "2", 3..<3), ("10", nil, 3..<3),
      ("10", "x", 3..<3), ("10", "-1", 3..<3), ("10", "99999999", 3..<3), ("", "1", 3..<3),
    ] as [(String?, String?, Range<Int32>)])
  func `passed descriptors are those the variables name, for this process only`(
    _ process: String?, _ count: String?, _ expected: Range<Int32>
  ) {
    #expect(ServiceManager.descriptors(process: process, count: count, own: 10) == expected)
  }

  @Test func `new privileges and dumps can be forbidden`() throws {
    try ProcessControl.forbidDumps()
    #expect(!ProcessControl.allowsDumps)
    try ProcessControl.forbidNewPrivileges()
    #expect(ProcessControl.forbidsNewPrivileges)
  }

  @Test func `the processors counted are those that the process may run on`() throws {
    var buffer = [UInt8](repeating: 0, count: 16 * 1024)
    var span = buffer.mutableSpan
    let file = try FileDescriptor.open(reading: "/proc/self/status")
    let count = try #require(try file.read(into: &span))
    let lines = String(decoding: buffer.prefix(count), as: UTF8.self).split(separator: "\n")
    let line = try #require(lines.first { $0.hasPrefix("Cpus_allowed:") })
    let digits = line.dropFirst("Cpus_allowed:".count).compactMap(\.hexDigitValue)
    #expect(ProcessControl.processorCount == digits.map(\.nonzeroBitCount).reduce(0, +))
  }
}
