import LinuxSystem
import Primitives
import Testing

struct PrivateFolderTests {
  @Test func `a folder is its user's alone, and removed with all that is in it, but not what links lead to`() throws {
    let path: String
    let other = try PrivateFolder(prefix: "culvert-test")
    try FileDescriptor.open(replacing: other.path + "/kept", mode: 0o600).write("kept")
    do {
      let folder = try PrivateFolder(prefix: "culvert-test")
      path = folder.path
      #expect(try FileIdentity(path: path).permissions == 0o700)
      let script = "cd $0 && mkdir -p a/b && touch a/b/c .d && mkfifo e && ln -s $1 f && ln -s $1/kept g"
      #expect(try run("sh", "-c", script, path, other.path) == .status(0))
      _ = consume folder
    }
    let error = #expect(throws: SystemError.self) { _ = try FileIdentity(path: path) }
    #expect(error?.reason == "No such file or directory")
    _ = try FileIdentity(path: other.path + "/kept")
  }

  @Test func `a pair over the loopback is two ends of one connection`() throws {
    let (near, far) = try Socket.loopbackPair().take()
    let one = Socket(FileDescriptor(owning: near))
    let two = Socket(FileDescriptor(owning: far))
    #expect(try one.peerAddress() == two.localAddress())
    #expect(try two.peerAddress() == one.localAddress())
    #expect(try one.localAddress().endpoint?.address == IPAddress(.loopback as IPv4Address))
  }
}
