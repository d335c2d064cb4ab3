import Primitives
import Testing

@testable import Configuration

/// Where an instance is asked, and the forwards that it is asked to remove.
struct ControlTests {
  @Test func `a control socket is a path`() throws {
    #expect(try ControlAddress("unix:/run/ctl").path == "/run/ctl")
    #expect(try ControlAddress("unix:ctl").description == "unix:ctl")
  }

  @Test(arguments: [
    ("/run/ctl", "control: '/run/ctl' is not the path of a socket; write unix:/run/ctl"),
    (
      "tcp:127.0.0.1:5",
      "control: 'tcp:127.0.0.1:5' is not the path of a socket; write unix:/run/user/1000/culvert.sock"
    ),
    ("fd:3", "control: 'fd:3' is not the path of a socket; write unix:/run/user/1000/culvert.sock"),
    ("", "control: '' is not the path of a socket; write unix:/run/user/1000/culvert.sock"),
    ("unix:", "control: unix:: the path of the socket is missing"),
    (
      "unix:" + String(repeating: "x", count: 108),
      "control: unix:\(String(repeating: "x", count: 108)): the path of a socket has at most 107 bytes; choose a shorter one"
    ),
  ])
  func `anything else is told what to write`(text: String, message: String) {
    #expect {
      try ControlAddress(text)
    } throws: { error in
      "\(error)" == message
    }
  }

  @Test(arguments: [
    ("tcp::2222", "tcp:0.0.0.0:2222", ["tcp::2222-:22"], ["udp::2222-:22", "tcp:127.0.0.1:2222-:22", "tcp::2223-:22"]),
    ("::2222", "tcp:0.0.0.0:2222", ["tcp::2222-10.0.2.16:9"], []),
    ("udp:127.1:53", "udp:127.0.0.1:53", ["udp:127.0.0.1:53-:53"], ["udp::53-:53"]),
    ("tcp:[::1]:80", "tcp:[::1]:80", ["tcp:[::1]:80-:80"], ["tcp::80-:80"]),
    ("unix:/run/a-b", "unix:/run/a-b", ["unix:/run/a-b-:22"], ["unix:/run/a-:22", "tcp::1-:22"]),
    ("tcp::80-82", "tcp:0.0.0.0:80-82", ["tcp::80-:1", "tcp::82-:1"], ["tcp::79-:1", "tcp::83-:1", "unix:/a-:1"]),
  ])
  func `a removal names forwards by their host's side`(
    rule: String, description: String, named: [String], others: [String]
  ) throws {
    let removal = try ForwardRemoval(rule: rule)
    #expect(removal.description == description)
    for rule in named { #expect(removal.names(try HostForward(rule: rule)), "\(rule)") }
    for rule in others { #expect(!removal.names(try HostForward(rule: rule)), "\(rule)") }
  }

  @Test(arguments: [
    ("", "No : separators"), ("2222", "No : separators"), ("tcp:2222", "Missing : separator"),
    ("sctp::1", "Bad protocol name"), ("tcp:a:1", "Bad host address"), ("tcp::", "Bad host port"),
    ("tcp::x", "Bad host port"), ("tcp::70000", "Bad host port"), ("tcp::9-8", "Bad host port range"),
    ("tcp::2222-:22", "Bad host port range"), ("unix:", "Missing unix socket path"),
    ("unix:a", "unix socket path must be absolute"), ("unix", "No : separators"),
  ])
  func `a removal that cannot be read is told as a forward is`(rule: String, reason: String) {
    #expect {
      try ForwardRemoval(rule: rule)
    } throws: { error in
      "\(error)" == "Invalid host forwarding rule '\(rule)' (\(reason))"
    }
  }
}
