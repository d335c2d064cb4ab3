import Configuration
import LinuxSystem
import Testing

@testable import Bridge

/// The files of a bridge, in a folder of their own.
@Suite final class BridgeStateTests {
  private let folder: PrivateFolder

  init() throws { folder = try PrivateFolder(prefix: "culvert-test") }

  private func state() throws -> BridgeState { try BridgeState(of: "bridge0", root: "\(folder.path)/culvert") }

  @Test func `what is written down is read back, and nothing of it is left in the end`() throws {
    let state = try state()
    func read() throws -> BridgeJournal? { try state.read() }
    #expect(try read() == nil)
    var journal = BridgeJournal(options: BridgeOptions())
    journal.server = 7
    journal.changes = [
      .makeBridge("bridge0", hardware: "52:54:00:12:34:56"),
      .set(.ofInterface("eth0.7", "ipv4", "forwarding"), to: "1", previous: "0"), .bringUp("bridge0"),
    ]
    try state.write(journal)
    #expect(try read() == journal)
    try FileSystem.write("[]", to: state.leases)
    // And what a writer that was killed has left.
    for name in ["journal.json", "leases"] { try FileSystem.write("{", to: "\(state.folder)/\(name).new") }
    try state.removeFiles()
    #expect(try read() == nil)
    let left = try FileSystem.names(in: state.folder)
    #expect(left == [])
    try state.removeFiles()
  }

  @Test(arguments: ["", "{\"version\": 1", "{\"version\": 1}"])
  func `a journal that is damaged is left as it is, and told of in one line`(text: String) throws {
    let state = try state()
    try state.write(BridgeJournal(options: BridgeOptions()))
    let path = "\(state.folder)/journal.json"
    try FileSystem.write(text, to: path)
    func read() throws -> BridgeJournal? { try state.read() }
    let error = #expect(throws: BridgeError.self) { try read() }
    let line = try #require(error?.description)
    #expect(line.hasPrefix("\(path) cannot be understood") && !line.contains("\n"), "\(line)")
    #expect(try FileDescriptor.contents(of: path) == text)
  }

  @Test func `a journal of another version is left to that`() throws {
    let state = try state()
    var journal = BridgeJournal(options: BridgeOptions())
    journal.version = 2
    try state.write(journal)
    func read() throws -> BridgeJournal? { try state.read() }
    let error = #expect(throws: BridgeError.self) { try read() }
    #expect(error?.description.contains("is of another version of culvert (2)") == true)
  }
}
