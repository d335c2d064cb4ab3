import Primitives
import Testing

@testable import Configuration

@Suite struct QEMUBridgeTests {
  private let hardware = MACAddress(0x52, 0x54, 0, 0x12, 0x34, 0x59)

  private func added(_ line: String, model: String? = nil) throws -> [String] {
    let words = line.split(separator: " ").map(String.init)
    let bridged = try QEMUCommandLine(words).bridged(
      to: "bridge0", hardware: hardware, helper: "/usr/bin/helper", model: model)
    #expect(bridged.words.starts(with: words))
    return Array(bridged.words.dropFirst(words.count))
  }

  private static let port = ["-netdev", "bridge,id=bridge0,br=bridge0,helper=/usr/bin/helper"]

  @Test func `a machine gets a port and a device with the hardware address`() throws {
    #expect(
      try added("qemu-system-x86_64 -m 512 disk.img")
        == Self.port + ["-device", "virtio-net-pci,netdev=bridge0,mac=52:54:00:12:34:59"])
    #expect(
      try added("qemu-system-x86_64", model: "e1000")
        == Self.port + ["-device", "e1000,netdev=bridge0,mac=52:54:00:12:34:59"])
    #expect(
      try added("qemu-system-sparc") == Self.port + ["-net", "nic,netdev=bridge0,macaddr=52:54:00:12:34:59"])
  }

  @Test func `a network of the bridge's name is refused`() {
    #expect(throws: ConfigurationError.self) { try added("qemu-system-x86_64 -netdev user,id=bridge0") }
  }

  @Test(arguments: [
    ("qemu-system-x86_64 -m 512 disk.img -cdrom x.iso", "disk.img"), ("qemu-system-x86_64 -hda a.img", "a.img"),
    ("qemu-system-x86_64 -drive if=virtio,file=/a,,b.img", "/a,b.img"),
    ("qemu-system-x86_64 -blockdev driver=file,node-name=d,filename=b.img", "b.img"),
    ("qemu-system-x86_64 -kernel vmlinuz -append quiet -drive if=none,id=d -cdrom x.iso", "x.iso"),
    ("qemu-system-x86_64 -kernel vmlinuz -initrd initramfs", "vmlinuz"), ("qemu-system-x86_64 -S", nil),
  ])
  func `a guest is known by its first disk, else by its kernel`(line: String, image: String?) throws {
    #expect(try QEMUCommandLine(line.split(separator: " ").map(String.init)).image == image)
  }

  @Test func `the hardware address of an image is the same each time, and another's another`() {
    let address = MACAddress(guestOf: "/var/lib/images/one.img")
    #expect(address.description == "52:54:00:" + address.description.dropFirst(9))
    #expect(address == MACAddress(guestOf: "/var/lib/images/one.img"))
    #expect(address != MACAddress(guestOf: "/var/lib/images/two.img"))
    #expect(
      MACAddress(ofBridge: "bridge0").isUnicast && MACAddress(ofBridge: "bridge0") != MACAddress(ofBridge: "bridge1"))
  }

  @Test func `user networks beside the port are served, and none is added`() throws {
    let words = ["qemu-system-x86_64", "-nic", "user"]
    let bridged = try QEMUCommandLine(words).bridged(to: "bridge0", hardware: hardware, helper: "h")
    #expect(try bridged.attachment(addsNetwork: false).networks.count == 1)
    let alone = try QEMUCommandLine(["qemu-system-x86_64"]).bridged(to: "bridge0", hardware: hardware, helper: "h")
    #expect(try alone.attachment(addsNetwork: false).networks.isEmpty)
  }
}
