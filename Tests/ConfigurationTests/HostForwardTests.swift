import Primitives
import Testing

@testable import Configuration

struct HostForwardTests {
  @Test(arguments: [
    ("tcp::8080-:80", "tcp:0.0.0.0:8080-:80"),
    ("::2222-:22", "tcp:0.0.0.0:2222-:22"),
    ("udp:127.0.0.1:5353-10.0.2.16:53", "udp:127.0.0.1:5353-10.0.2.16:53"),
    ("tcp:127.1:0x1f90-:0120", "tcp:127.0.0.1:8080-:80"),
    ("tcp::0-:65535", "tcp:0.0.0.0:0-:65535"),
    ("tcp::8000-8010-:80", "tcp:0.0.0.0:8000-8010-:80"),
    ("udp:[::1]:7-7-[fec0::15]:7", "udp:[::1]:7-[fec0::15]:7"),
    ("tcp:[::1]:8080-:80", "tcp:[::1]:8080-:80"),
    ("tcp:[2001:db8::7]:443-[fec0::15]:443", "tcp:[2001:db8::7]:443-[fec0::15]:443"),
    ("unix:/run/guest.sock-:22", "unix:/run/guest.sock-:22"),
    ("unix:/run/my-guest:1/ssh-10.0.2.16:0x16", "unix:/run/my-guest:1/ssh-10.0.2.16:22"),
    ("unix:/s-[fec0::15]:22", "unix:/s-[fec0::15]:22"),
  ])
  func `a rule in QEMU's syntax is read`(rule: String, canonical: String) throws {
    let forward = try HostForward(rule: rule)
    #expect(forward.description == canonical)
    #expect(try HostForward(rule: canonical) == forward)
  }

  @Test func `a range leads port by port to as many of the guest`() throws {
    let forward = try HostForward(rule: "tcp:127.0.0.1:8000-8002-10.0.2.16:80")
    #expect(
      forward.ports.map(\.description) == [
        "tcp:127.0.0.1:8000-10.0.2.16:80", "tcp:127.0.0.1:8001-10.0.2.16:81", "tcp:127.0.0.1:8002-10.0.2.16:82",
      ])
    #expect(try HostForward(rule: "tcp::61440-65535-:61440").ports.last?.description == "tcp:0.0.0.0:65535-:65535")
  }

  @Test func `a socket is as little a range as a port`() throws {
    let forward = try HostForward(rule: "unix:/" + String(repeating: "x", count: 106) + "-:22")
    #expect(forward.path?.utf8.count == 107)
    #expect(forward.ports == [forward])
    #expect(try HostForward(rule: "tcp::22-:22").path == nil)
  }

  @Test func `what a rule leaves out has QEMU's defaults`() throws {
    let forward = try HostForward(rule: "::2222-:22")
    #expect(forward.host == .port(.tcp, Endpoint(.any, port: 2222)))
    #expect(forward.guestAddress == nil)
    #expect(forward.guestPort == 22)
  }

  @Test(arguments: [
    ("bogus", "No : separators"),
    ("", "No : separators"),
    ("sctp::1-:1", "Bad protocol name"),
    ("TCP::1-:1", "Bad protocol name"),
    ("tcp:8080", "Missing : separator"),
    ("tcp:localhost:8080-:80", "Bad host address"),
    ("tcp:1.2.3.256:8080-:80", "Bad host address"),
    ("tcp:[::1:8080-:80", "Bad host address"),
    ("tcp:[1.2.3.4]:8080-:80", "Bad host address"),
    ("tcp::8080", "Bad host port separator"),
    ("tcp::-:80", "Bad host port"),
    ("tcp::65536-:80", "Bad host port"),
    ("tcp::-1-:80", "Bad host port"),
    ("tcp::http-:80", "Bad host port"),
    ("tcp::8080-80", "Missing guest address"),
    ("tcp::8080-guest:80", "Bad guest address"),
    ("tcp::8080-:", "Bad guest port"),
    ("tcp::8080-:0", "Bad guest port"),
    ("tcp::8080-:80x", "Bad guest port"),
    ("tcp::8080-:65536", "Bad guest port"),
    ("tcp::8010-8000-:80", "Bad host port range"),
    ("tcp::0-5-:80", "Bad host port"),
    ("tcp::1-4097-:1", "More than 4096 ports"),
    ("tcp::8000-8010-:65530", "Guest ports beyond 65535"),
    ("tcp::8000-8001-8002-:80", "Bad guest address"),
    ("unix", "No : separators"),
    ("unix:/run/guest.sock", "Missing - separator"),
    ("unix:-:22", "Missing unix socket path"),
    ("unix:guest.sock-:22", "unix socket path must be absolute"),
    ("unix::/run/guest.sock-:22", "unix socket path must be absolute"),
    ("unix:/" + String(repeating: "x", count: 107) + "-:22", "Unix socket path is too long"),
    ("unix:/a\0b-:22", "Zero byte in unix socket path"),
    ("unix:/run/guest.sock-22", "Missing guest address"),
    ("unix:/run/guest.sock-guest:22", "Bad guest address"),
    ("unix:/run/guest.sock-:0", "Bad guest port"),
    ("unix:/run/guest.sock-:22-23", "Missing guest address"),
  ])
  func `a wrong rule is refused in QEMU's words`(rule: String, reason: String) {
    #expect {
      try HostForward(rule: rule)
    } throws: { error in
      "\(error)" == "Invalid host forwarding rule '\(rule)' (\(reason))"
    }
  }
}
