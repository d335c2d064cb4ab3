import Testing

@testable import Configuration

/// Command lines with user networks of QEMU's, which become Culvert's.
struct QEMUAttachmentTests {
  /// A command line behind `qemu-system-x86_64`, and what becomes of it; `<0>` stands for the end of the stream's
  /// option on the first descriptor.
  static let commands: [(given: String, attached: String)] = [
    (
      "-netdev user,id=n0 -device e1000,netdev=n0",
      "-netdev stream,id=n0,<0> -device e1000,netdev=n0"
    ),
    (
      #"-netdev {"type":"user","id":"n0"} -device {"driver":"e1000","netdev":"n0"}"#,
      #"-netdev stream,id=n0,<0> -device {"driver":"e1000","netdev":"n0"}"#
    ),
    ("-netdev user,id=net0 -device e1000,netdev=net0", "-netdev stream,id=net0,<0> -device e1000,netdev=net0"),
    ("-nic user", "-netdev stream,id=culvert0,<0> -net nic,netdev=culvert0"),
    ("-nic", "-netdev stream,id=culvert0,<0> -net nic,netdev=culvert0"),
    ("-nic model=e1000", "-netdev stream,id=culvert0,<0> -net nic,netdev=culvert0,model=e1000"),
    (
      "-m 512 -nic user,id=lan,model=virtio-net-pci,mac=52:54:00:00:00:07 disk.img",
      "-m 512 -netdev stream,id=lan,<0> -net nic,netdev=lan,model=virtio-net-pci,macaddr=52:54:00:00:00:07 disk.img"
    ),
    (
      "-net nic,model=e1000 -net user",
      "-net nic,model=e1000 -netdev stream,id=culvert0,<0> -netdev hubport,id=culvert0-hub,hubid=0,netdev=culvert0"
    ),
    (
      "-net user,name=lan -net nic",
      "-netdev stream,id=lan,<0> -netdev hubport,id=lan-hub,hubid=0,netdev=lan -net nic"
    ),
    (
      "-nic user,model=e1000 -nic tap -netdev user,id=b -device virtio-net-pci,netdev=b",
      "-netdev stream,id=culvert0,<0> -net nic,netdev=culvert0,model=e1000 -nic tap "
        + "-netdev stream,id=b,<1> -device virtio-net-pci,netdev=b"
    ),
    ("-nic none", "-nic none"),
    ("-net none -m 64", "-net none -m 64"),
    ("-nic user,model=help", "-nic user,model=help <default>"),
  ]

  @Test(arguments: commands)
  func `user networks become streams under their names, and devices are left`(given: String, attached: String) throws {
    let line = try QEMUCommandLine(["qemu-system-x86_64"] + given.split(separator: " ").map(String.init))
    var expected = "qemu-system-x86_64 " + attached
    for index in 0...1 {
      expected = expected.replacing("<\(index)>", with: "server=off,addr.type=fd,addr.str=\(7 + index)")
    }
    let added = QEMUCommandLineTests.stream + ["-device", "virtio-net-pci,netdev=net0"]
    #expect(
      try line.attached().joined(separator: " ") == expected.replacing("<default>", with: added.joined(separator: " ")))
  }

  @Test func `their options become Culvert's`() throws {
    let line = try QEMUCommandLine([
      "qemu-system-x86_64", "-netdev", #"{"type":"user","id":"a","hostfwd":[{"str":"tcp::2222-:22"}],"ipv6":false}"#,
      "-nic", "user,net=10.9.0.0/24,dnssearch=a.test,dnssearch=b.test,mac=52:54:00:00:00:07",
    ])
    var (first, second) = (NetworkOptions(), NetworkOptions())
    (first.hostfwd, first.ipv6) = (["tcp::2222-:22"], false)
    (second.net, second.dnssearch) = ("10.9.0.0/24", ["a.test", "b.test"])
    #expect(try line.attachment().networks == [first, second])
  }

  @Test func `options beside the command come in the place of its own, or behind them`() {
    var (own, beside) = (NetworkOptions(), NetworkOptions())
    (own.net, own.host, own.hostfwd) = ("10.9.0.0/24", "10.9.0.7", ["tcp::1-:1"])
    (beside.net, beside.mtu, beside.hostfwd) = ("10.8.0.0/24", 1500, ["tcp::2-:2"])
    let both = own.overlaid(by: beside)
    #expect(both.net == "10.8.0.0/24" && both.host == "10.9.0.7" && both.mtu == 1500)
    #expect(both.hostfwd == ["tcp::1-:1", "tcp::2-:2"])
  }

  @Test(arguments: [
    ("-netdev user", "-netdev user: 'id' is missing"),
    ("-nic user,nett=x", "user.nett: there is no such option"),
    ("-nic user,samba=/srv", "user.samba: there is no such option"),
  ])
  func `what cannot be taken over is refused with its name`(given: String, start: String) throws {
    let line = try QEMUCommandLine(["qemu-system-x86_64"] + given.split(separator: " ").map(String.init))
    #expect {
      try line.attachment()
    } throws: { error in
      "\(error)".hasPrefix(start)
    }
  }

  @Test func `a model for the network to be added is refused where the command has its own`() throws {
    let line = try QEMUCommandLine(["qemu-system-x86_64", "-nic", "user"])
    #expect(throws: ConfigurationError.self) { try line.attachment(nic: "e1000") }
  }
}
