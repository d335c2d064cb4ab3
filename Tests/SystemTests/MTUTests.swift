import Testing

extension SystemTests {
  /// A guest that ignores the MTU it was advised of, and whose device drops every longer frame.
  @Suite(.serialized, .bootedGuest("--mtu", "65520", device: "mrg_rxbuf=off"))
  struct SmallMTUTests {
    let booted: BootedGuest
    var guest: Guest { booted.guest }

    init() throws {
      booted = try .current
      // Before anything else is sent: nothing has shown culvert that more would pass.
      try guest.output(of: "ip link set eth0 mtu 1500")
    }

    @Test func `64 MiB from the host arrive as they were sent`() throws { try booted.expectDownload() }

    @Test func `64 MiB to the host arrive as they were sent`() throws { try booted.expectUpload() }

    @Test(arguments: [1472, 1473, 9000, 60000])
    func `a datagram to the host and its answer arrive whole, in fragments`(byteCount: Int) throws {
      try guest.expectEcho(ofByteCount: byteCount, from: "10.0.2.2", port: booted.echo.port)
    }

    @Test(arguments: [1473, 20000])
    func `a datagram from the host and its answer arrive whole, in fragments`(byteCount: Int) throws {
      try booted.expectForwardedEcho(ofByteCount: byteCount)
    }

    @Test func `a ping in fragments is answered in fragments`() throws {
      try guest.output(of: "ping -c 1 -W 2 -s 20000 10.0.2.2")
    }
  }
}
