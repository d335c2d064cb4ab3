import Foundation
import Testing

extension SystemTests {
  /// Firmware that gets its system by the network.
  @Suite(.serialized)
  struct NetworkBootTests {
    @Test func `iPXE boots Linux by HTTP from the URL that DHCP names, and Linux gets the same address`() throws {
      let (folder, port) = (try ScratchFolder(), try freePort())
      let url = "http://10.0.2.2:\(port)"
      try Guest.bootScript(from: url).write(toFile: folder["boot.ipxe"], atomically: true, encoding: .utf8)
      for file in ["vmlinuz", "initramfs"] {
        try FileManager.default.createSymbolicLink(
          atPath: folder[file], withDestinationPath: "\(Requirement.guestFolder)/\(file)")
      }
      let server = try Program([
        "python3", "-u", "-m", "http.server", "--bind", "127.0.0.1", "--directory", folder.path, "\(port)",
      ])
      try server.output.wait(seconds: 10, "the server's start") { $0.contains("Serving HTTP") ? () : nil }
      let guest = try Guest(
        network: ["-nic", "user,model=virtio-net-pci,bootfile=\(url)/boot.ipxe"], launcher: RunTests.run(),
        bootsFromNetwork: true)
      #expect(try guest.lease()["ip"] == "10.0.2.15")
      #expect(try guest.lease()["boot_file"] == "\(url)/boot.ipxe")
    }
  }
}
