import LinuxSystem
import Primitives
import Testing

extension SystemTests {
  /// What a guest sees of its network, with everything as it is by default.
  @Suite(.serialized, .bootedGuest())
  struct GuestTests {
    let booted: BootedGuest
    var guest: Guest { booted.guest }

    init() throws { booted = try .current }

    @Test func `the guest has QEMU's usual lease, and the largest MTU`() throws {
      let lease = try guest.lease()
      #expect(lease["ip"] == "10.0.2.15")
      #expect(lease["subnet"] == "255.255.255.0")
      #expect(lease["router"] == "10.0.2.2")
      #expect(lease["dns"] == "10.0.2.3")
      #expect(lease["serverid"] == "10.0.2.2")
      #expect(lease["mtu"] == "65520")
      #expect(try guest.output(of: "cat /sys/class/net/eth0/mtu") == "65520")
    }

    @Test(arguments: ["10.0.2.2", "10.0.2.3"])
    func `the gateway's addresses answer a ping`(address: String) throws {
      let output = try guest.output(of: "ping -c 3 -i 0.2 -W 2 \(address)")
      #expect(output.contains("3 packets transmitted, 3 received, 0% packet loss"))
    }

    @Test func `a large ping comes back whole`() throws {
      try guest.output(of: "ping -c 1 -W 2 -s 60000 10.0.2.2")
    }

    @Test func `a name is resolved by the host's server`() throws {
      #expect(try guest.output(of: "getent ahostsv4 www.test").hasPrefix("192.0.2.7 "))
    }

    @Test func `an answer too long for UDP comes over TCP`() throws {
      // A question for the TXT records of long.test, after its length: 2451 bytes (0x0993) come back, as many as
      // 12 strings of 200 bytes take.
      let question = #"\0\033\0\7\1\0\0\1\0\0\0\0\0\0\4long\4test\0\0\20\0\1"#
      let hex = try guest.output(
        of: """
          exec 3<>/dev/tcp/10.0.2.3/53
          printf '\(question)' >&3
          timeout 10 head -c 2453 <&3 | od -An -v -tx1 | tr -d ' \\n'
          """)
      #expect(hex.count == 2 * 2453)
      #expect(hex.hasPrefix("09930007"))
      #expect(hex.hasSuffix("c8" + String(repeating: "78", count: 200)))
    }

    @Test func `64 MiB from the host arrive as they were sent`() throws { try booted.expectDownload() }

    @Test func `64 MiB to the host arrive as they were sent`() throws { try booted.expectUpload() }

    @Test func `200 connections are served at once`() throws {
      let answers = try guest.output(
        of: """
          curl --no-progress-meter --parallel --parallel-immediate --parallel-max \(BootedGuest.crowd) -w '%{http_code}\\n' \
            -o '/tmp/page.#1' 'http://10.0.2.2:\(booted.page.port)/together?[1-\(BootedGuest.crowd)]' | sort | uniq -c
          """, seconds: 120)
      #expect(answers.split(separator: " ") == ["\(BootedGuest.crowd)", "200"])
      #expect(try guest.output(of: "cat /tmp/page.* | sort | uniq -c; rm /tmp/page.*").contains("200 hello"))
    }

    @Test(arguments: [1, 1472, 9000, 60000])
    func `a datagram to the host and its answer arrive whole`(byteCount: Int) throws {
      try guest.expectEcho(ofByteCount: byteCount, from: "10.0.2.2", port: booted.echo.port)
    }

    @Test func `a port where nobody listens refuses at once`() throws {
      let tcp = try guest.run("exec 3<>/dev/tcp/10.0.2.2/\(booted.closedPort)", seconds: 10)
      #expect(tcp.output.contains("Connection refused"))
    }

    @Test func `a datagram that nobody takes is answered as refused`() throws {
      let udp = try guest.run(
        "echo x | socat -t 10 - UDP4:10.0.2.2:\(booted.closedPort)", seconds: 20)
      #expect(udp.output.contains("Connection refused"))
    }

    @Test func `a connection from the host's loopback reaches the guest, which sees the gateway`() throws {
      try guest.listen(on: "TCP4-LISTEN:7000,reuseaddr,fork", for: "SYSTEM:echo $SOCAT_PEERADDR; cat")
      var connection = try Connection(to: booted.forwardedPort)
      try connection.write("hello".utf8)
      try connection.finish()
      #expect(String(decoding: try connection.readAll(), as: UTF8.self) == "10.0.2.2\nhello")
    }

    @Test(arguments: [1, 1472, 20000])
    func `a datagram from the host's loopback reaches the guest, and its answer the sender`(byteCount: Int) throws {
      try booted.expectForwardedDatagram(ofByteCount: byteCount)
    }

    @Test func `culvert holds at most 15 MB after all that`() throws {
      #expect(try ProcessStatus(of: booted.culvert.program.processID).number("VmHWM") <= 15 * 1024)
    }
  }
}
