import Glibc
import LinuxSystem
import Testing

extension SystemTests {
  /// The addresses of namespaces, beside those of guests that ask for theirs by DHCP.
  @Suite(.serialized, Requirement.root, Requirement.culvert, Requirement.installed("busybox"))
  struct NamespaceAddressTests {
    @Test func `each namespace of a network has addresses of its own, which nobody gets by DHCP but itself`() throws {
      let (one, other) = (try NetworkNamespace(), try NetworkNamespace())
      let folder = try ScratchFolder()
      let socket = folder["net"]
      let culvert = try NamespaceLinkTests().serve(
        "netns:/run/netns/\(other.name)",
        ["--ipv6-host", "fec0::15", "unix:\(socket)", "netns:/run/netns/\(one.name)"])
      for (namespace, address) in [(one, "15"), (other, "16")] {
        let state = try namespace.run("ip -o address show dev tap0")
        // fec0::15 is the gateway's here.
        let ipv6 = address == "15" ? "fec0::16" : "fec0::17"
        #expect(state.contains("inet 10.0.2.\(address)/24") && state.contains("inet6 \(ipv6)/64"), "\(state)")
      }
      for namespace in [one, other] { try namespace.run("ping -c 1 -W 5 10.0.2.2 && ping -c 1 -W 5 fec0::15") }
      // A client in there that wants another address, and one of somebody else's that wants the namespace's.
      let script = try folder.write("#!/bin/sh\n[ \"$1\" != bound ] || echo \"$ip\"\n", to: "script")
      try Program.run("chmod", "+x", script)
      func lease(_ address: String, in namespace: NetworkNamespace, _ interface: String) throws -> String {
        try namespace.run("busybox udhcpc -f -q -n -i \(interface) -r \(address) -s \(script) 2>/dev/null")
      }
      #expect(try lease("10.0.2.20", in: other, "tap0") == "10.0.2.16")
      let guest = try NetworkNamespace()
      let tap = try TAP(name: "dhcp\(ProcessControl.processID)")
      try guest.adopt(tap, address: "192.0.2.1/24")
      let pump = try FramePump(between: tap, and: socket)
      #expect(try lease("10.0.2.15", in: guest, tap.name) == "10.0.2.17")
      pump.stop()
      #expect(try culvert.isRunning)
    }

    @Test func `a configuration that is read again takes no address from a namespace`() throws {
      let (namespace, folder) = (try NetworkNamespace(), try ScratchFolder())
      let path = try folder.write("", to: "culvert.toml")
      let culvert = try NamespaceLinkTests().serve("netns:\(namespace.name)", ["--config", path])
      try folder.write(
        "lease = ['52:54:00:00:00:01=10.0.2.15', '52:54:00:00:00:02=10.0.2.40']", to: "culvert.toml")
      try culvert.send(signal: SIGHUP)
      try culvert.errors.wait(seconds: 5, "the end of reading") { $0.contains("has been read again") ? () : nil }
      #expect(
        culvert.errors.text.contains(
          "the lease of 10.0.2.15 to 52:54:00:00:00:01 was left out: a namespace has the address"))
      #expect(culvert.errors.text.contains("addresses kept for guests: 1"))
    }

    @Test func `more namespaces than there are addresses are refused in one line`() throws {
      let namespaces = try (0..<17).map { _ in try NetworkNamespace() }
      let program = try Program([Requirement.culvertPath, "serve"] + namespaces.map { "netns:\($0.name)" })
      #expect(try program.waitForExit(seconds: 20) == .status(1))
      let errors = try program.errors.textAtEnd(seconds: 5)
      let words = "there is no address for another namespace: all IPv4 addresses that DHCP gives out are taken; "
      #expect(errors.contains("culvert: \(words)serve fewer links"), "\(errors)")
    }
  }
}
