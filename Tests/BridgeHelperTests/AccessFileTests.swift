import LinuxSystem
import Testing

@testable import BridgeHelper

/// Files in a folder of the test's own; as root, who alone may own an access list.
@Suite(.enabled(if: ProcessControl.effectiveUser == 0 || ProcessControl.environment("CI") == "true", "root only"))
struct AccessFileTests {
  private let folder: Folder

  init() throws { folder = try Folder() }

  private func refusal(_ path: String) -> String? {
    #expect(throws: HelperError.self) { try AccessFile.read(path) }?.description
  }

  @Test func `a file of root's is read to its end, and one that is missing is told apart`() throws {
    let path = folder.path + "/list"
    #expect(try AccessFile.read(path) == .missing)
    try FileSystem.write("allow br0\n", to: path, mode: 0o640)
    #expect(try AccessFile.read(path) == .contents(Array("allow br0\n".utf8)))
    #expect(try AccessFile.read(path + "/below") == .missing)
    try FileSystem.write(String(repeating: "#", count: AccessFile.longest), to: path)
    #expect(try AccessFile.read(path) == .contents([UInt8](repeating: UInt8(ascii: "#"), count: AccessFile.longest)))
    try FileSystem.write(String(repeating: "#", count: AccessFile.longest + 1), to: path)
    #expect(refusal(path) == "\(path) is longer than 65536 bytes")
  }

  @Test(arguments: [0o664, 0o646] as [UInt32])
  func `a file that others may write to is none`(mode: UInt32) throws {
    let path = folder.path + "/list"
    try FileSystem.write("allow br0\n", to: path)
    try FileSystem.setPermissions(path, to: mode)
    #expect(refusal(path) == "\(path) can be written by others than root; 'chmod go-w \(path)', as root")
  }

  @Test func `a file of another's is none`() throws {
    let path = folder.path + "/list"
    try FileSystem.write("allow br0\n", to: path)
    try run("chown", "65534", path)
    #expect(refusal(path) == "\(path) is not root's; 'chown root \(path)', as root")
  }

  @Test func `what is no file is none, and nothing is waited for`() throws {
    let path = folder.path + "/fifo"
    try run("mkfifo", path)
    for path in [path, folder.path, "/dev/zero"] { #expect(refusal(path) == "\(path) is no regular file") }
  }

  private func run(_ words: String...) throws {
    let child = try ChildProcess(words)
    let exit = try child.waitUntilExit()
    try #require(exit == .status(0), "\(words)")
  }

  /// A folder that goes with the test.
  private final class Folder {
    let path: String
    private let folder: PrivateFolder

    init() throws {
      folder = try PrivateFolder(prefix: "culvert-access")
      path = folder.path
    }
  }
}
