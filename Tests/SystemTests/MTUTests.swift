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
    func `a datagram from the host arrives whole, in fragments`(byteCount: Int) throws {
      try booted.expectForwardedDatagram(ofByteCount: byteCount)
    }
  }
}
