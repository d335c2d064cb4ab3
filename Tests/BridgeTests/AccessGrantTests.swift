import Glibc
import LinuxSystem
import Testing

@testable import Bridge

/// Lists of QEMU's bridge helper, in a folder of their own.
@Suite final class AccessGrantTests {
  private let folder: PrivateFolder

  init() throws { folder = try PrivateFolder(prefix: "culvert-test") }

  private var path: String { "\(folder.path)/qemu/bridge.conf" }

  private func contents() throws -> String { try FileDescriptor.contents(of: path) }

  private func list(_ text: String, mode: UInt32 = 0o640) throws {
    try FileSystem.makeFolder("\(folder.path)/qemu")
    try FileSystem.write(text, to: path)
    try FileSystem.setPermissions(path, to: mode)
  }

  private static let block = """
    # begin of what culvert has added for bridge0
    allow bridge0
    # end of what culvert has added for bridge0

    """

  @Test func `a list that is not there is made, and goes with its folder`() throws {
    let grant = try #require(try AccessGrant(of: "bridge0", in: path))
    try grant.make()
    #expect(try contents() == Self.block)
    // And one that was not written to its end.
    try FileSystem.write("# begin", to: path + ".new")
    try grant.takeBack()
    #expect(!FileSystem.exists("\(folder.path)/qemu"))
    try grant.takeBack()
  }

  @Test(arguments: ["allow virbr0\n", "# mine\n\nallow virbr0", "", "allow bridge\nallow bridge00\n"])
  func `a list keeps what was in it, and its permissions`(text: String) throws {
    try list(text)
    let grant = try #require(try AccessGrant(of: "bridge0", in: path))
    try grant.make()
    try grant.make()
    #expect(try contents() == (text.isEmpty || text.hasSuffix("\n") ? text : text + "\n") + Self.block)
    #expect(try FileIdentity(path: path).permissions == 0o640)
    try grant.takeBack()
    #expect(try contents() == text)
    #expect(try FileIdentity(path: path).permissions == 0o640)
  }

  @Test(arguments: [
    "allow bridge0\n", "allow all\n", "deny virbr0\n  allow\tbridge0", "include FOLDER/more\n",
    "allow bridge0\ndeny bridge0\n",
  ])
  func `nothing is added to a list that allows the bridge, or denies it`(text: String) throws {
    try FileSystem.write("allow bridge0\n", to: "\(folder.path)/more")
    try list(text.replacing("FOLDER", with: folder.path))
    #expect(try AccessGrant(of: "bridge0", in: path) == nil)
  }

  @Test func `what others have added meanwhile stays`() throws {
    try list("allow virbr0\n")
    let grant = try #require(try AccessGrant(of: "bridge0", in: path))
    let other = try #require(try AccessGrant(of: "lab0", in: path))
    try grant.make()
    try other.make()
    try FileSystem.write(try contents() + "deny lab1\n", to: path)
    try grant.takeBack()
    let text = try contents()
    #expect(
      text.hasPrefix("allow virbr0\n# begin of what culvert has added for lab0\n") && text.hasSuffix("deny lab1\n"))
    try other.takeBack()
    #expect(try contents() == "allow virbr0\ndeny lab1\n")
  }

  @Test func `a bridge whose name begins another's has a line of its own`() throws {
    for bridge in ["lab10", "lab1"] { try #require(try AccessGrant(of: bridge, in: path)).make() }
    for bridge in ["lab10", "lab1"] { #expect(try AccessGrant(of: bridge, in: path) == nil, "\(bridge)") }
  }

  @Test(arguments: [true, false])
  func `of several bridges the last takes the list that was made for one of them`(hasFolder: Bool) throws {
    if hasFolder { try FileSystem.makeFolder("\(folder.path)/qemu") }
    var grants: [AccessGrant] = []
    for bridge in ["bridge0", "lab0", "lab1"] {
      let grant = try #require(try AccessGrant(of: bridge, in: path))
      try grant.make()
      grants.append(grant)
    }
    for grant in grants.prefix(2) {
      try grant.takeBack()
      let left = try contents()
      try grant.takeBack()
      #expect(try contents() == left)
    }
    #expect(try AccessGrant(of: "bridge0", in: path) != nil)
    #expect(try AccessGrant(of: "lab1", in: path) == nil)
    let text = try contents()
    try grants[2].takeBack()
    #expect(FileSystem.exists("\(folder.path)/qemu") == hasFolder)
    #expect(!FileSystem.exists(path))
    guard hasFolder else { return }
    // What somebody has written meanwhile stays, and nothing else.
    try FileSystem.write(text + "allow virbr0\n", to: path)
    try grants[2].takeBack()
    #expect(try contents() == "allow virbr0\n")
  }

  @Test func `a folder that was there stays, and so does one that others use meanwhile`() throws {
    try FileSystem.makeFolder("\(folder.path)/qemu")
    var grant = try #require(try AccessGrant(of: "bridge0", in: path))
    try grant.make()
    try grant.takeBack()
    #expect(try FileSystem.names(in: "\(folder.path)/qemu") == [])
    try FileSystem.removeFolder("\(folder.path)/qemu")
    grant = try #require(try AccessGrant(of: "bridge0", in: path))
    try grant.make()
    try FileSystem.write("", to: "\(folder.path)/qemu/other.conf")
    try grant.takeBack()
    #expect(try FileSystem.names(in: "\(folder.path)/qemu") == ["other.conf"])
  }

  @Test(.needsRoot) func `a list keeps its owner`() throws {
    try list("allow virbr0\n")
    try shell("chown 65534:65533 \(path)")
    let grant = try #require(try AccessGrant(of: "bridge0", in: path))
    try grant.make()
    #expect(try shell("stat -c %u:%g \(path)") == "65534:65533\n")
    try grant.takeBack()
    #expect(try shell("stat -c %u:%g \(path)") == "65534:65533\n")
  }

  @Test func `a list that our helper does not understand gets the line all the same`() throws {
    try list("permit virbr0\n")
    let grant = try #require(try AccessGrant(of: "bridge0", in: path))
    try grant.make()
    #expect(try contents() == "permit virbr0\n" + Self.block)
    try grant.takeBack()
    #expect(try contents() == "permit virbr0\n")
  }

  @Test func `a beginning without an end is left to who has changed it`() throws {
    try list("")
    let grant = try #require(try AccessGrant(of: "bridge0", in: path))
    try FileSystem.write("# begin of what culvert has added for bridge0\nallow virbr0\n", to: path)
    try grant.takeBack()
    #expect(try contents().hasSuffix("allow virbr0\n"))
  }

  @Test func `a list behind a symbolic link is changed where it is`() throws {
    try list("")
    try FileSystem.makeLink("\(folder.path)/link.conf", to: path)
    let grant = try #require(try AccessGrant(of: "bridge0", in: "\(folder.path)/link.conf"))
    try grant.make()
    #expect(try contents() == Self.block)
    #expect(try FileIdentity(path: "\(folder.path)/link.conf").isLink)
  }
}
