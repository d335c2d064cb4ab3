import Testing

/// Echo, the path, and what routers say of it.
extension SystemTests.RoutedWorldTests {
  // MARK: Echo

  @Test(arguments: Addresses.all, [0, 56, 1400])
  func `a ping reaches the outside and comes back whole`(of addresses: Addresses, payload: Int) throws {
    let output = try guest.output(of: "ping -n -c 3 -i 0.2 -W 2 -s \(payload) \(addresses.outside)")
    #expect(output.contains("3 packets transmitted, 3 received, 0% packet loss"), "\(output)")
    #expect(output.contains("\(payload + 8) bytes from \(addresses.outside): icmp_seq=3"), "\(output)")
  }

  // RFC 1191, RFC 8201: the guest's MTU is 65520, so that the first goes as one packet, which may not be cut.
  @Test(arguments: Addresses.all)
  func `a ping of 8 KB is too big for the path at first, then comes back whole`(of addresses: Addresses) throws {
    try guest.output(of: "ip route flush cache; ip -6 route flush cache")
    let output = try guest.output(of: "ping -n -c 3 -i 0.2 -W 2 -s 8192 \(addresses.outside)")
    let report = addresses.family == "IPv4" ? "Frag needed and DF set (mtu = 1500)" : "Packet too big: mtu=1500"
    #expect(output.contains("icmp_seq=1 \(report)"), "\(output)")
    for number in 2...3 {
      #expect(output.contains("8200 bytes from \(addresses.outside): icmp_seq=\(number) "), "\(output)")
    }
  }

  @Test(arguments: Addresses.all)
  func `pings at the same time do not take each other's answers`(of addresses: Addresses) throws {
    let output = try guest.output(
      of: """
        for id in 1 2 3 4 5; do ping -n -e $id -c 3 -i 0.2 -W 2 \(addresses.outside) & done | grep -c ' 0% packet loss'
        """)
    #expect(output == "5")
  }

  // MARK: The path

  @Test(arguments: Addresses.all, ["-U", "-I", "-T"])
  func `traceroute shows the true path behind the gateway`(of addresses: Addresses, method: String) throws {
    let output = try guest.output(of: "traceroute \(method) -n -q 1 -w 2 -m 8 \(addresses.outside)", seconds: 60)
    let hops = output.split(separator: "\n").dropFirst().map { $0.split(separator: " ").dropFirst().first ?? "" }
    let path = [addresses.gateway, addresses.first, addresses.second, addresses.outside]
    #expect(hops.map(String.init) == path, "\(output)")
  }

  @Test(arguments: Addresses.all)
  func `tracepath finds the smallest MTU of the path`(of addresses: Addresses) throws {
    let output = try guest.output(of: "tracepath -n -m 8 \(addresses.narrow)", seconds: 60)
    #expect(output.contains("Resume: pmtu \(RoutedWorld.narrowMTU) hops 4"), "\(output)")
  }

  // MARK: Datagrams

  // Where a link on the way is too small for a datagram that may not be cut, the first only tells the guest so.
  @Test(arguments: Addresses.all, [1, 1472, 1473, 9000, 65507])
  func `a datagram to the outside and its echo arrive whole`(of addresses: Addresses, byteCount: Int) throws {
    let address = socat("UDP", addresses.outside, RoutedWorld.echoPort)
    try guest.output(
      of: """
        head -c \(byteCount) /dev/urandom >/tmp/sent
        for attempt in 1 2; do
          socat -b 66000 -t 2 - \(address),readbytes=\(byteCount) </tmp/sent >/tmp/returned
          cmp /tmp/sent /tmp/returned && exit
        done
        exit 1
        """)
  }

  // MARK: What cannot be reached

  @Test(arguments: Addresses.all)
  func `a datagram to a closed port outside is refused`(of addresses: Addresses) throws {
    let reply = try guest.run("echo x | socat -t 5 - \(socat("UDP", addresses.outside, 81))")
    #expect(reply.output.contains("Connection refused"), "\(reply)")
  }

  @Test(arguments: Addresses.all)
  func `ping shows what a router says of an address, and which router`(of addresses: Addresses) throws {
    let isIPv4 = addresses.family == "IPv4"
    let words = [
      (addresses.unreachable, isIPv4 ? "Destination Host Unreachable" : "No route"),
      (addresses.prohibited, isIPv4 ? "Packet filtered" : "Administratively prohibited"),
    ]
    for (address, word) in words {
      let reply = try guest.run("ping -n -c 1 -W 2 \(address)")
      #expect(reply.output.contains("From \(addresses.second) icmp_seq=1"), "\(reply)")
      #expect(reply.output.contains(word), "\(reply)")
    }
  }
}
