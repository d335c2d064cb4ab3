import Testing

@testable import Configuration

struct QEMUCommandLineTests {
  static let stream = ["-netdev", "stream,id=net0,server=off,addr.type=fd,addr.str=7"]

  @Test(arguments: [
    ("qemu-system-x86_64", "virtio-net-pci"),
    ("/usr/local/bin/qemu-system-x86_64 -M q35 -m 512", "virtio-net-pci"),
    ("./start-guest.sh", "virtio-net-pci"),
    ("qemu-system-i386 -machine type=pc,accel=tcg", "virtio-net-pci"),
    ("qemu-system-x86_64 -M microvm", "virtio-net-device"),
    ("qemu-system-x86_64 --machine microvm,rtc=on", "virtio-net-device"),
    ("qemu-system-x86_64-microvm -m 128", "virtio-net-device"),
    ("qemu-system-x86_64 -M microvm,pcie=on", "virtio-net-pci"),
    ("qemu-system-x86_64 -machine accel=tcg -M microvm -machine pcie=on", "virtio-net-pci"),
    ("qemu-system-aarch64 -M virt -cpu max", "virtio-net-pci"),
    ("qemu-system-arm -machine virt-7.2,highmem=off", "virtio-net-pci"),
    ("qemu-system-arm -M vexpress-a15", "virtio-net-device"),
    ("qemu-system-arm -M versatilepb", "virtio-net-pci"),
    ("qemu-system-riscv64 -M virt", "virtio-net-pci"),
    ("qemu-system-s390x", "virtio-net-ccw"),
    ("qemu-system-s390x -M s390-ccw-virtio", "virtio-net-ccw"),
    ("qemu-system-ppc64 -M pseries", "virtio-net-pci"),
    ("qemu-system-m68k -M virt", "virtio-net-device"),
    ("qemu-system-mips -M malta", "virtio-net-pci"),
    ("qemu-system-loongarch64 -M virt", "virtio-net-pci"),
  ])
  func `the device is virtio of the kind that the machine takes`(line: String, model: String) throws {
    let words = line.split(separator: " ").map(String.init)
    let attached = try QEMUCommandLine(words).attached()
    #expect(attached == words + Self.stream + ["-device", "\(model),netdev=net0"])
  }

  @Test(arguments: ["qemu-system-aarch64 -M orangepi-pc", "qemu-system-x86_64 -M isapc", "qemu-system-sparc"])
  func `a board without virtio uses its own device`(line: String) throws {
    let words = line.split(separator: " ").map(String.init)
    let attached = try QEMUCommandLine(words).attached()
    #expect(attached == words + Self.stream + ["-net", "nic,netdev=net0"])
  }

  @Test func `a machine of nothing gets no device`() throws {
    let words = ["qemu-system-x86_64", "-M", "none"]
    #expect(try QEMUCommandLine(words).attached() == words + Self.stream)
  }

  @Test func `the model that was asked for is used`() throws {
    let words = ["qemu-system-x86_64", "-M", "microvm"]
    let attached = try QEMUCommandLine(words).attached(nic: "e1000,mac=52:54:00:00:00:01")
    #expect(attached.suffix(2) == ["-device", "e1000,mac=52:54:00:00:00:01,netdev=net0"])
  }

  @Test(arguments: [
    ["-device", "virtio-net-pci,netdev=net0,mac=52:54:00:00:00:01"],
    ["--device", "e1000,netdev=net0"],
    ["-device", #"{"driver": "e1000", "netdev" : "net0"}"#],
    ["-net", "nic,model=e1000,netdev=net0"],
    ["-netdev", "hubport,id=h0,hubid=0,netdev=net0"],
    ["-global", "e1000.netdev=net0"],
  ])
  func `a device of the caller's own is left alone`(arguments: [String]) throws {
    let words = ["qemu-system-x86_64"] + arguments
    #expect(try QEMUCommandLine(words).attached(nic: "ne2k_pci") == words + Self.stream)
  }

  @Test(arguments: [
    ["-append", "-device x,netdev=net0"],
    ["-append", "-netdev user,id=net0"],
    ["-name", "guest,netdev=net0"],
    ["-drive", "file=a,,netdev=net0"],
    ["-device", "virtio-net-pci,netdev=net01"],
    ["-device", "virtio-blk-pci,serial=x,,netdev=net0"],
    ["-netdev", "tap,id=t", "-device", "e1000,netdev=t"],
    ["-nic", "tap,model=e1000"], ["-net", "nic"],
    ["netdev=net0"],
    ["-nodefaults"], ["-snapshot", "disk.img"],
  ])
  func `what does not refer to the network changes nothing`(arguments: [String]) throws {
    let words = ["qemu-system-x86_64"] + arguments
    let attached = try QEMUCommandLine(words).attached()
    #expect(attached == words + Self.stream + ["-device", "virtio-net-pci,netdev=net0"])
  }

  @Test func `another network's name is used throughout`() throws {
    let words = ["qemu-system-x86_64", "-device", "e1000,netdev=lan"]
    let attached = try QEMUCommandLine(words).attached(netdev: "lan")
    #expect(attached == words + ["-netdev", "stream,id=lan,server=off,addr.type=fd,addr.str=7"])
  }

  @Test(arguments: [
    ["-netdev", "socket,id=net0,fd=3"], ["-nic", "tap,id=net0,model=e1000"],
    ["-netdev", #"{"type": "tap", "id": "net0"}"#], ["--netdev", "tap,ifname=t,id=net0"],
  ])
  func `a second network of the same name is refused`(arguments: [String]) throws {
    let line = try QEMUCommandLine(["qemu-system-x86_64"] + arguments)
    #expect {
      try line.attached()
    } throws: { error in
      "\(error)".contains(arguments[1]) && "\(error)".contains("--netdev-id")
    }
  }

  @Test(arguments: [
    (["-daemonize"], true), (["--daemonize", "-m", "512"], true), (["-append", "-daemonize"], false), ([], false),
    (["-name", "-daemonize"], false),
  ])
  func `going to the background is noticed`(arguments: [String], daemonizes: Bool) throws {
    #expect(try QEMUCommandLine(["qemu-system-x86_64"] + arguments).daemonizes == daemonizes)
  }

  @Test func `a command line has a program`() {
    #expect(throws: ConfigurationError.self) { try QEMUCommandLine([]) }
  }
}

extension QEMUCommandLine {
  /// The words with the networks on descriptors 7, 8 and so on.
  func attached(netdev: String = "net0", nic: String? = nil) throws -> [String] {
    let attachment = try attachment(netdev: netdev, nic: nic)
    return attachment.words(descriptors: attachment.networks.indices.map { 7 + Int32($0) })
  }
}
