import Primitives
import Testing

@testable import Configuration

struct SMBShareTests {
  private static func share(_ text: String) throws(ConfigurationError) -> SMBShare? {
    try VirtualNetwork(NetworkOptions(user: text)).smbShare
  }

  @Test func `a folder is at the network's x.x.2.4, as QEMU has it, or where it is wanted`() throws {
    #expect(try Self.share("smb=/srv")?.server == IPv4Address(10, 0, 2, 4))
    #expect(try Self.share("net=192.168.76.0/28,smb=/srv")?.server == IPv4Address(192, 168, 76, 4))
    #expect(try Self.share("smb=/a,,b,smbserver=10.0.2.9")?.server == IPv4Address(10, 0, 2, 9))
    #expect(try Self.share("smb=/a,,b")?.folder == "/a,b")
    #expect(try Self.share("net=10.0.2.0/24") == nil)
  }

  @Test(arguments: [
    ("smb=/srv,smbserver=files", "smbserver: Failed to parse SMB address"),
    ("smb=/srv,smbserver=10.0.3.1", "smbserver: Conflicting/invalid smbserver address"),
    ("smb=/srv,smbserver=10.0.2.2", "smbserver: Conflicting/invalid smbserver address"),
    ("smb=/srv,smbserver=10.0.2.3", "smbserver: Conflicting/invalid smbserver address"),
    ("smb=/srv,smbserver=10.0.2.15", "smbserver: Conflicting/invalid smbserver address"),
    ("smb=/srv,guestfwd=tcp::445-cmd:cat", "smbserver: Conflicting/invalid smbserver address"),
    ("smb=/srv,guestfwd=tcp::139-cmd:cat", "smbserver: Conflicting/invalid smbserver address"),
    ("smbserver=10.0.2.9", "smbserver: there is no folder to serve (smb)"),
    ("ipv4=off,smb=/srv", "smb: the server has an address of IPv4, which is disabled"),
    ("smb=", "smb: '' is not a folder whose name Samba takes"),
    ("smb=/srv/%u", "smb: '/srv/%u' is not a folder whose name Samba takes"),
    ("smb=/srv\npath = /", "smb: '/srv\\u{a}path = /' is not a folder whose name Samba takes"),
  ])
  func `what cannot be is told in QEMU's words, as far as it has any`(text: String, message: String) {
    let error = #expect(throws: ConfigurationError.self) { try Self.share(text) }
    #expect(error?.description == message)
  }

  @Test func `another port of the server may lead elsewhere`() throws {
    #expect(try Self.share("smb=/srv,guestfwd=tcp::80-cmd:cat") != nil)
  }

  @Test func `what comes of it is printed`() throws {
    let settings = try VirtualNetwork(NetworkOptions(user: "smb=/srv")).settings.filter { $0.name.hasPrefix("smb") }
    #expect(settings.map { "\($0.name) \($0.value)" } == ["smb \"/srv\"", "smbserver \"10.0.2.4\""])
  }
}
