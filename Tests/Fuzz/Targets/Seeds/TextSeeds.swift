extension FramingTarget {
  /// Streams of several frames, in one read, byte by byte, and cut in the middle; one with a frame that is too long.
  static var seeds: [[UInt8]] {
    let frames: [[UInt8]] = [[1], [], Array(0..<60), [UInt8](repeating: 3, count: 300)]
    return [
      input(frames, cuts: []), input(frames, cuts: [0]), input(frames, cuts: [2, 6, 60]),
      input(frames, cuts: [3]) + [0, 1, 0x10, 1, 9], input([], cuts: []) + [0, 0, 0],
    ]
  }
}

extension ControlTarget {
  /// A request of each method.
  static var seeds: [[UInt8]] {
    let lines = [
      #"{"version":1,"id":7,"method":"status"}"#, #"{"version":1,"method":"forwards","params":{"network":"net0"}}"#,
      #"{"version":1,"id":"a","method":"add-forward","params":{"rule":"tcp:127.0.0.1:2222-2230-10.0.2.15:22"}}"#,
      #"{"version":1,"method":"add-forward","params":{"rule":"unix:/run/ssh.sock-:22"}}"#,
      #"{"version":1,"method":"remove-forward","params":{"rule":"udp:[::1]:53"}}"#,
      #"{"version":1,"method":"flows","params":{"transport":"tcp","state":"ESTABLISHED"}}"#,
      #"{"version":1,"method":"log-level","params":{"level":"debug"}}"#,
      #"{"version":2,"method":"leases"}"#, #"{"method":1e99}"#, "{",
    ]
    let single = lines.enumerated().map { number, line in
      [UInt8(number % 3)] + [UInt8](repeating: 4, count: number % 3) + Array(line.utf8)
    }
    return single + [[2, 9, 30] + Array((lines[0] + "\n\n" + lines[2] + "\n" + lines[3]).utf8)]
  }
}

extension ConfigurationTarget {
  /// Texts of each kind.
  static var seeds: [[UInt8]] {
    let texts: [(UInt8, String)] = [
      (0, "net = \"10.0.2.0/24\"\nhostfwd = [\"tcp::2222-:22\"]\nlink = [\"unix:/tmp/a\"]\nrestrict = true\n"),
      (0, "log-level = \"debug\"\nqueues = 2\nmode = \"user\"\ndnssearch = [\"a.example\", \"b.example\"]\n"),
      (1, "net=10.0.2.0/24,host=10.0.2.2,dhcpstart=10.0.2.15,hostfwd=tcp::8080-:80,guestfwd=tcp:10.0.2.100:7-cmd:cat"),
      (1, "id=net0,ipv6-net=fd00::/64,ipv6-host=fd00::2,restrict=on,hostname=a,domainname=b,tftp=/srv,bootfile=x"),
      (2, "qemu-system-x86_64\n-nic\nuser,model=e1000,id=n\n-netdev\nuser,id=a\n-device\nvirtio-net-pci,netdev=a"),
      (2, "qemu-system-arm\n-M\nvirt\n-net\nnic\n-net\nuser"),
      (3, "tcp:127.0.0.1:2222-10.0.2.15:22"), (3, "udp:[::1]:1000-1010-[fec0::15]:1000"), (3, "unix:/run/a-:22"),
      (4, "connect:tcp:[::1]:1234"), (4, "netns:blue"), (4, "unix:/tmp/x"), (4, "fd:3"), (4, "tap:tap0"),
      (
        5,
        """
        {"format":"culvert-leases","version":1}
        {"address":"10.0.2.15","end":1790000000,"family":"ipv4","hardware":"52:54:00:12:34:56","hostname":"web"}
        {"address":"fec0::15","end":1790000900,"family":"ipv6","hardware":"52:54:00:12:34:56"}

        """
      ),
      (6, "# a comment\nnameserver 192.0.2.53\nnameserver fe80::1%eth0\nsearch example.org\n"),
      (7, "net=192.168.7.0/29\nlease=52:54:00:12:34:56=192.168.7.4,web\nroute=10.0.0.0/8,192.168.7.3\nmtu=1500\n"),
      (8, "# a\ntcp 80 receive 1 send \"a\\x41\\n\" send 9 close\ntcp * refuse\nudp 53 answer \"b\"\nicmp * echo\n"),
      (7, "ipv6-prefix=fd00::\nmtu=576\nhostfwd=udp::53-:53\nudp-filtering=endpoint\nhostname=guest\n"),
      (9, "bridge = \"lab0\"\naddress = \"10.7.0.1/24\"\ndhcp = \"10.7.0.50-10.7.0.90\"\nlease = 60\n"),
      (9, "uplink = \"none\"\nipv6 = \"fd00:7::/64\"\nport = [\"eth1\"]\nglobal-forward = true\n"),
      (10, "# mine\nallow br0\ninclude /b\ninclude /c\n\ndeny all\nallow virbr0\n"), (10, "allow all\ninclude /a\n"),
      (
        11,
        #"""
        {"nftables":[{"table":{"family":"inet","name":"filter","handle":1}},{"chain":{"family":"inet","table":"filter",
        "name":"forward","handle":1,"type":"filter","hook":"forward","prio":0,"policy":"drop"}},{"rule":{"family":"inet",
        "table":"filter","chain":"forward","handle":2,"expr":[{"match":{"op":"==","left":{"meta":{"key":"iifname"}},
        "right":"bridge0"}},{"counter":{"packets":1,"bytes":84}},{"jump":{"target":"other"}}]}},{"chain":{"family":"inet",
        "table":"filter","name":"other","handle":3}},{"rule":{"family":"inet","table":"filter","chain":"other","handle":4,
        "expr":[{"match":{"op":"in","left":{"ct":{"key":"state"}},"right":["established","related"]}},{"accept":null}]}}]}
        """#
      ),
    ]
    return texts.map { [$0.0] + Array($0.1.utf8) }
  }
}
