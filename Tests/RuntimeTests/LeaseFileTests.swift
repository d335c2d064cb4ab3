import Configuration
import Foundation
import Glibc
import LinuxSystem
import Netstack
import Primitives
import Testing

@testable import Runtime

/// Leases that outlast a run, on real files.
struct LeaseFileTests {
  private static let head = #"{"format":"culvert-leases","version":1}"# + "\n"

  /// A line of the file.
  private static func line(_ address: String, _ last: UInt8, endingIn seconds: Int64 = 3600) -> String {
    let family = address.contains(":") ? "ipv6" : "ipv4"
    return #"{"address":"\#(address)","end":\#(WallClock.seconds + seconds),"family":"\#(family)","#
      + #""hardware":"\#(hardware(last))"}"# + "\n"
  }

  private static func hardware(_ last: UInt8) -> MACAddress { MACAddress(0x52, 0x54, 0, 0, 0, last) }

  private func options(_ path: String, _ change: (inout ServiceOptions) -> Void = { _ in }) -> ServiceOptions {
    var options = ServiceOptions()
    options.leaseFile = path
    change(&options)
    return options
  }

  // MARK: Restarts

  @Test(arguments: [true, false])
  func `guests get their addresses again after a restart, however the run before ended`(isOrderly: Bool) throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/leases"
    do {
      let loop = try LoopUnderTest(options(path))
      #expect(try FileDescriptor.text(of: path) == Self.head)
      #expect(try loop.lease(to: 21, calling: "one") == "10.0.2.15")
      #expect(try loop.lease(to: 22) == "10.0.2.16")
      if isOrderly {
        loop.mailbox.send(.stop)
        _ = try loop.run()
      } else {
        try loop.run { try FileDescriptor.text(of: path).contains("10.0.2.16") }
      }
    }
    #expect(try FileIdentity(path: path).permissions == 0o600)
    let lines = try FileDescriptor.text(of: path).split(separator: "\n")
    #expect(lines.count == 3 && lines[0] + "\n" == Self.head)
    #expect(lines[1].hasPrefix(#"{"address":"10.0.2.15","end":"#))
    #expect(lines[1].hasSuffix(#","family":"ipv4","hardware":"52:54:00:00:00:15","hostname":"one"}"#))
    let loop = try LoopUnderTest(options(path))
    #expect(try loop.lease(to: 22) == "10.0.2.16")
    #expect(try loop.lease(to: 23) == "10.0.2.17")
    #expect(try loop.lease(to: 21) == "10.0.2.15")
    #expect(!loop.log.contains("lease-file"))
  }

  @Test func `a change is written at once, but not twice within a second`() throws {
    let start = Instant.zero + .seconds(1000)
    let folder = try TemporaryFolder()
    var file = LeaseFile(path: folder.path + "/leases", revision: 7)
    file.note(7, at: start)
    #expect(file.due == .never && !file.isBehind)
    file.note(8, at: start)
    #expect(file.due == start && file.isBehind)
    try file.write([], at: start)
    #expect(file.due == .never && !file.isBehind)
    file.note(9, at: start + .milliseconds(100))
    file.note(10, at: start + .milliseconds(900))
    #expect(file.due == start + .seconds(1))
    try file.write([], at: start + .seconds(1))
    file.note(11, at: start + .seconds(9))
    #expect(file.due == start + .seconds(9))
  }

  @Test func `the end of a lease is the same moment after a restart`() throws {
    let lease = DHCPLease(
      address: IPAddress(IPv6Address(high: 0xfec0 << 48, low: 0x15)), hardware: Self.hardware(1), hostname: "é\"",
      expiry: Instant.zero + .seconds(5000))
    let text = LeaseFile.text(of: [lease], at: .zero + .seconds(2000), wallClock: 1_790_000_000)
    #expect(
      text == Self.head
        + #"{"address":"fec0::15","end":1790003000,"family":"ipv6","hardware":"52:54:00:00:00:01","hostname":"é\""}"#
        + "\n")
    // 1000 seconds later, with a clock of another origin.
    let again = try LeaseFile.leases(in: text, path: "f", at: .zero + .seconds(10), wallClock: 1_790_001_000)
    var expected = lease
    expected.expiry = Instant.zero + .seconds(2010)
    #expect(again == [expected])
  }

  // MARK: What is left out

  @Test func `what has ended, is of another network or clashes is left out, with a line in the log`() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/leases"
    let lines = [
      Self.line("10.0.2.16", 1, endingIn: 0), Self.line("10.9.2.16", 2), Self.line("10.0.2.17", 3),
      Self.line("10.0.2.20", 4), Self.line("10.0.2.21", 5), Self.line("10.0.2.21", 6), Self.line("10.0.2.22", 5),
      Self.line("fec0::16", 5), Self.line("fec0:1::16", 6),
    ]
    try FileDescriptor.open(replacing: path, mode: 0o600).write(Self.head + lines.joined())
    let loop = try LoopUnderTest(options(path) { $0.network.lease = ["\(Self.hardware(3))=10.0.2.20"] })
    let kept = try FileDescriptor.text(of: path).split(separator: "\n")
    #expect(kept.count == 3 && kept[1].contains("10.0.2.21") && kept[1].contains("00:05"))
    #expect(kept.last?.contains("fec0::16") == true)
    let reserved = "--lease keeps the address for another guest, or another address for this one"
    let taken = "another guest has the address, or the guest another address"
    for (level, address, last, reason) in [
      ("", "10.0.2.16", 1, "it has ended"),
      ("warning: ", "10.9.2.16", 2, "this network does not give out the address"),
      ("warning: ", "10.0.2.17", 3, reserved), ("warning: ", "10.0.2.20", 4, reserved),
      ("warning: ", "10.0.2.21", 6, taken), ("warning: ", "10.0.2.22", 5, taken),
      ("warning: ", "fec0:1::16", 6, "this network does not give out the address"),
    ] as [(String, String, UInt8, String)] {
      let line = "the lease of \(address) to \(Self.hardware(last)) was left out: \(reason)\n"
      #expect(loop.log.contains("\(level)lease-file '\(path)': \(line)"), "\(line)")
    }
  }

  @Test(arguments: [
    ("x", 1, "this is not a file of leases"),
    (#"{"format":"dhcpd","version":1}"#, 1, "this is not a file of leases"),
    (#"{"format":"culvert-leases","version":2}"#, 1, "version 2 is not known here"),
    (head + "{}", 2, "this is not a lease"),
    (head + "\n" + line("10.0.2.15", 1) + "{", 4, "this is not a lease"),
    (head + line("10.0.2", 1), 2, "this is not a lease"),
    (head + line("10.0.2.15", 1).replacing("52:54", with: "53:54"), 2, "this is not a lease"),
    (head + line("10.0.2.15", 1).replacing("ipv4", with: "ipv6"), 2, "this is not a lease"),
    (head + line("10.0.2.15", 1, endingIn: 1 << 40), 2, "this is not a lease"),
    (head + line("10.0.2.15", 1, endingIn: -(1 << 40)), 2, "this is not a lease"),
  ])
  func `a broken file is an error with its line, and is left alone`(text: String, line: Int, reason: String) throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/leases"
    try FileDescriptor.open(replacing: path, mode: 0o600).write(text)
    let message = "lease-file '\(path)': line \(line): \(reason); remove the file to begin without leases"
    #expect(throws: ServiceError(message)) { _ = try LoopUnderTest(options(path)) }
    #expect(try FileDescriptor.text(of: path) == text)
  }

  @Test func `an empty file, and members that nobody knows, are none`() throws {
    for text in [
      "", #"{"format":"culvert-leases","version":1,"by":"me"}"#,
      Self.head + Self.line("10.0.2.15", 1).replacing("}", with: #","more":[]}"#),
    ] {
      let leases = try LeaseFile.leases(in: text, path: "f", at: .zero, wallClock: 0)
      #expect(leases.count == (text.contains("10.0.2.15") ? 1 : 0))
    }
  }

  // MARK: Files that cannot be

  @Test func `a file that cannot be is told before anything starts`() throws {
    let folder = try TemporaryFolder()
    let link = folder.path + "/link"
    try shell("ln -s target \(link)")
    for (path, reason) in [
      ("/nonexistent/leases", "No such file or directory"),
      (folder.path, "it is not an ordinary file; give another path"),
      ("/dev/null", "it is not an ordinary file; give another path"),
      (link, "it is not an ordinary file; give another path"),
    ] {
      var program = try Program("run", "--lease-file", path, "--", "echo", "started")
      let (text, exit) = try program.result()
      #expect(text == "culvert: lease-file '\(path)': \(reason)\n")
      #expect(exit == .status(1))
    }
  }

  @Test func `a file that cannot be written any more is said once, and ends nothing`() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/below/leases"
    try shell("mkdir \(folder.path)/below")
    let loop = try LoopUnderTest(options(path))
    try shell("rm -r \(folder.path)/below")
    #expect(try loop.lease(to: 21) == "10.0.2.15")
    let message = "error: lease-file '\(path)': No such file or directory; leases are kept in memory"
    try loop.run { loop.log.contains(message) }
    #expect(try loop.lease(to: 22) == "10.0.2.16")
    loop.mailbox.send(.stop)
    try shell("mkdir \(folder.path)/below")
    _ = try loop.run()
    #expect(loop.log.components(separatedBy: message).count == 2)
    // The last occasion is the end.
    #expect(try FileDescriptor.text(of: path).contains("10.0.2.16"))
  }

  @Test func `the file is the first one's of several networks, and may be named in a configuration file`() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/leases"
    try FileDescriptor.open(replacing: path, mode: 0o600).write(Self.head + Self.line("10.8.0.16", 1))
    try FileDescriptor.open(replacing: folder.path + "/config", mode: 0o600).write("lease-file = \"\(path)\"")
    let networks = ["-netdev", "user,id=a,net=10.8.0.0/24,dhcpstart=10.8.0.15", "-netdev", "user,id=b,net=10.7.0.0/24"]
    var program = try Program(
      ["run", "--config", folder.path + "/config", "--", "bash", "-c", "exit 3", "qemu-system-x86_64"] + networks)
    let (text, exit) = try program.result()
    #expect(exit == .status(3) && !text.contains("left out"), "\(text)")
    #expect(try FileDescriptor.text(of: path).contains("10.8.0.16"))
  }
}

extension LoopUnderTest {
  /// Has the guest with this last byte in its hardware address ask for an address, and returns what it gets.
  fileprivate func lease(to last: UInt8, calling name: String = "") throws -> String {
    let request = GuestEnd.discover(from: last, calling: name)
    #expect(try guest(0).write(request) == request.count)
    var address: String?
    try run {
      address = try guest(0).frames().lazy.compactMap { GuestEnd.address(grantedBy: $0, to: last) }.last
      return address != nil
    }
    return try #require(address)
  }
}

extension GuestEnd {
  /// A framed DISCOVER that takes an ACK at once (RFC 4039).
  fileprivate static func discover(from last: UInt8, calling name: String) -> [UInt8] {
    func bytes(_ number: Int) -> [UInt8] { [UInt8(number >> 8), UInt8(number & 0xff)] }
    func zeroes(_ count: Int) -> [UInt8] { [UInt8](repeating: 0, count: count) }
    let hardware: [UInt8] = [0x52, 0x54, 0, 0, 0, last]
    let options: [UInt8] =
      [0x63, 0x82, 0x53, 0x63, 53, 1, 1, 80, 0]
      + (name.isEmpty ? [] : [12, UInt8(name.utf8.count)] + Array(name.utf8)) + [255]
    let message = [1, 1, 6, 0, 0, 0, 0, last] + zeroes(20) + hardware + zeroes(10 + 64 + 128) + options
    let udp = [0, 68, 0, 67] + bytes(8 + message.count) + [0, 0] + message
    var ip = [0x45, 0] + bytes(20 + udp.count) + [0, 0, 0, 0, 64, 17, 0, 0] + zeroes(4) + [255, 255, 255, 255]
    var sum = stride(from: 0, to: 20, by: 2).reduce(0) { $0 + Int(ip[$1]) << 8 + Int(ip[$1 + 1]) }
    while sum > 0xffff { sum = sum & 0xffff + sum >> 16 }
    ip.replaceSubrange(10..<12, with: bytes(~sum & 0xffff))
    let frame = [UInt8](repeating: 0xff, count: 6) + hardware + [0x08, 0x00] + ip + udp
    return [0, 0] + bytes(frame.count) + frame
  }

  /// The address in a frame that is the server's message to the guest with this last byte, nil for any other.
  fileprivate static func address(grantedBy frame: [UInt8], to last: UInt8) -> String? {
    guard frame.count > 14 + 20 + 8 + 240, frame[12...13] == [0x08, 0x00], frame[23] == 17, frame[34...35] == [0, 67],
      frame[70..<76] == [0x52, 0x54, 0, 0, 0, last]
    else { return nil }
    return frame[58..<62].map { String($0) }.joined(separator: ".")
  }
}
