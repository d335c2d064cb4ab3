import Foundation
import Testing

extension SystemTests {
  /// Firmware that gets its system by the network.
  @Suite(.serialized)
  struct NetworkBootTests {
    /// QEMU's options to boot by the network card's own firmware, which is iPXE.
    static let cardFirmware = ["-boot", "n"]

    @Test func `iPXE boots Linux by HTTP from the URL that DHCP names, and Linux gets the same address`() throws {
      let folder = try BootFolder()
      let (server, port) = try folder.serve(at: "127.0.0.1")
      let url = "http://10.0.2.2:\(port)"
      try folder.writeScript(kernel: "\(url)/vmlinuz", initramfs: "\(url)/initramfs")
      let guest = try Guest(
        network: ["-nic", "user,model=virtio-net-pci,bootfile=\(url)/boot.ipxe"], launcher: RunTests.run(),
        firmware: Self.cardFirmware)
      #expect(try server.isRunning)
      #expect(try guest.lease()["ip"] == "10.0.2.15")
      #expect(try guest.lease()["boot_file"] == "\(url)/boot.ipxe")
    }

    @Test func `QEMU's words for TFTP, a boot file and a forward are enough to boot and reach a guest`() throws {
      let folder = try BootFolder()
      // Names without a place are files where the script came from.
      try folder.writeScript(kernel: "vmlinuz", initramfs: "initramfs")
      let port = try freePort()
      let guest = try Guest(
        network: [
          "-nic", "user,model=virtio-net-pci,hostfwd=tcp::\(port)-:22,tftp=\(folder.name),bootfile=boot.ipxe",
        ], launcher: ["env", "--chdir", folder.parent] + RunTests.run(), firmware: Self.cardFirmware)
      #expect(try guest.lease()["ip"] == "10.0.2.15")
      try guest.listen(on: "TCP4-LISTEN:22,reuseaddr", for: "SYSTEM:echo $SOCAT_PEERADDR; cat")
      var connection = try Connection(to: port)
      try connection.write("hello".utf8)
      try connection.finish()
      #expect(String(decoding: try connection.readAll(), as: UTF8.self) == "10.0.2.2\nhello")
    }

    @Test(Requirement.installed("/usr/lib/PXELINUX/pxelinux.0", "/usr/lib/syslinux/modules/bios/ldlinux.c32"))
    func `the card's PXE boots PXELINUX, and that Linux, though most files it asks for are missing`() throws {
      let folder = try BootFolder()
      try folder.add("/usr/lib/PXELINUX/pxelinux.0")
      try folder.add("/usr/lib/syslinux/modules/bios/ldlinux.c32")
      try FileManager.default.createDirectory(
        atPath: folder.path + "/pxelinux.cfg", withIntermediateDirectories: false)
      // The last of the names: before it come those of the machine's UUID, its MAC address and its IPv4 address.
      try folder.write(
        """
        DEFAULT linux
        LABEL linux
          KERNEL vmlinuz
          INITRD initramfs
          APPEND \(Guest.commandLine)

        """, to: "pxelinux.cfg/default")
      // It asks for a block at a time, of 1408 bytes: the smaller the better.
      try Program.run("gzip", "-1", folder.path + "/initramfs")
      try FileManager.default.moveItem(atPath: folder.path + "/initramfs.gz", toPath: folder.path + "/initramfs")
      let guest = try Guest(
        network: ["-nic", "user,model=virtio-net-pci,tftp=\(folder.path),bootfile=pxelinux.0"],
        launcher: RunTests.run(), firmware: Self.cardFirmware)
      #expect(try guest.lease()["ip"] == "10.0.2.15")
      // It tells the kernel of the interface only where asked to; that it was PXELINUX is in the kernel's words.
      #expect(try guest.output(of: "cat /proc/cmdline").hasPrefix("BOOT_IMAGE=vmlinuz "))
    }

    /// How iPXE is told to configure itself, and the gateway as it stands in a URL.
    struct Family: CustomTestStringConvertible {
      let (configurator, gateway, loopback): (String, String, String)
      var testDescription: String { configurator }
      static let all = [
        Family(configurator: "dhcp", gateway: "10.0.2.2", loopback: "127.0.0.1"),
        Family(configurator: "ipv6", gateway: "[fec0::2]", loopback: "::1"),
      ]
    }

    @Test(Requirement.installed("/boot/ipxe.lkrn"), arguments: Family.all)
    func `iPXE with drivers of its own boots Linux by TFTP and HTTP over either family`(family: Family) throws {
      let folder = try BootFolder()
      let (server, port) = try folder.serve(at: family.loopback)
      try folder.writeScript(
        kernel: "tftp://\(family.gateway)/vmlinuz", initramfs: "http://\(family.gateway):\(port)/initramfs")
      // Without the shell a failure would lead to what it tries by itself, over both families.
      let guest = try Guest(
        network: ["-nic", "user,model=virtio-net-pci,tftp=\(folder.path),bootfile=boot.ipxe"],
        launcher: RunTests.run(),
        firmware: [
          "-kernel", "/boot/ipxe.lkrn", "-append", "ifconf -c \(family.configurator) && chain ${filename} || shell",
        ])
      #expect(try server.isRunning)
      #expect(try guest.lease()["ip"] == "10.0.2.15")
    }

    /// How UEFI firmware comes to its file, and what it must be told not to try before.
    enum FirmwareBoot: CaseIterable {
      case tftp, http

      var without: [String] { self == .tftp ? ["IPv4PXE"] : ["IPv4PXE", "IPv6PXE"] }
    }

    @Test(
      Requirement.installed("/usr/share/ovmf/OVMF.fd", "/usr/lib/ipxe/snponly.efi"), arguments: FirmwareBoot.allCases)
    func `UEFI firmware runs a program that it gets over IPv6 by TFTP or HTTP`(boot: FirmwareBoot) throws {
      let folder = try BootFolder()
      try folder.add("/usr/lib/ipxe/snponly.efi")
      let (server, port) = try folder.serve(at: "::1")
      let file = (boot == .tftp ? "" : "http://[fec0::2]:\(port)/") + "snponly.efi"
      let switches = boot.without.flatMap { ["-fw_cfg", "name=opt/org.tianocore/\($0)Support,string=n"] }
      // Without iPXE of the card's own the firmware's drivers are used, and its network.
      let network = [
        "-netdev", "user,id=lan,tftp=\(folder.path),bootfile=\(file)",
        "-device", "virtio-net-pci,netdev=lan,romfile=",
      ]
      let machine = [
        "qemu-system-x86_64", "-accel", "tcg", "-m", "256", "-no-user-config", "-nodefaults", "-display", "none",
        "-bios", "/usr/share/ovmf/OVMF.fd", "-serial", "stdio",
      ]
      let program = try Program(RunTests.run() + machine + switches + network)
      do {
        try program.output.wait(seconds: 60, "iPXE's start") { $0.contains("iPXE initialising devices") ? () : nil }
      } catch {
        throw Failure("\(error)\n\(program.errors.text)\n\(program.output.text)")
      }
      let name = boot == .tftp ? "UEFI PXEv6" : "UEFI HTTPv6"
      #expect(program.output.text.contains("BdsDxe: starting Boot") && program.output.text.contains(name))
      #expect(try server.isRunning)
    }
  }
}
