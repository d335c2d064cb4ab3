import Configuration
import Testing

@testable import Runtime

/// A file with options, in TOML.
struct ConfigurationFileTests {
  @Test func `options have the names of the command line`() throws {
    let file = try ConfigurationFile(
      text: """
        # One guest
        link = "unix:net.sock"
        net = "192.168.76.0/24"
        ipv6 = false
        mtu = 1500
        hostfwd = ["tcp::2222-:22", "udp::53-:53"]
        no-host-loopback = true
        udp-filtering = "endpoint"
        log-level = "debug"
        pid-file = "/run/culvert.pid"
        lease-file = "/var/lib/culvert/leases"
        """, path: "net.toml")
    var network = NetworkOptions()
    (network.net, network.ipv6, network.mtu) = ("192.168.76.0/24", false, 1500)
    network.hostfwd = ["tcp::2222-:22", "udp::53-:53"]
    (network.noHostLoopback, network.udpFiltering) = (true, "endpoint")
    #expect(file.network == network)
    #expect(file.links == ["unix:net.sock"])
    #expect(file.logLevel == .debug && file.pidFile == "/run/culvert.pid")
    #expect(file.leaseFile == "/var/lib/culvert/leases")
  }

  @Test func `what is recorded may stand in a file`() throws {
    let file = try ConfigurationFile(
      text: "record = \"/var/tmp/r\"\nrecord-limit = \"2GB\"\nrecord-redact = true", path: "net.toml")
    #expect(file.record == "/var/tmp/r" && file.recordLimit == 2_000_000_000 && file.recordRedact == true)
  }

  @Test(arguments: NetworkOptions.names)
  func `every option may stand in a file`(name: String) throws {
    let value = name.hasSuffix("len") || name == "mtu" ? "64" : "true"
    _ = try ConfigurationFile(text: "\(name) = \(value)", path: "f")
  }

  @Test(arguments: [
    ("nett = 1", "f: nett: there is no such option; give ipv4, "),
    ("net = ", "f:1: "),
    ("net = \"a\"\nnet = \"b\"", "f:2: "),
    ("mtu = \"many\"", "f: mtu: 'many' is not a number"),
    ("ipv4 = 3", "f: ipv4: '3' is not on or off"),
    ("log-level = \"loud\"", "f: log-level: 'loud' is not one of error, warning, info, debug, trace"),
    ("mode = \"both\"", "f: mode: 'both' is not one of auto, user, bridge"),
    ("queues = 0", "f: queues: '0' is out of range; give 1 to 16"),
    ("busy-poll = 1001", "f: busy-poll: '1001' is out of range; give 0 to 1000 microseconds"),
    ("[network]\nnet = \"10.0.0.0/8\"", "f:1: '[' begins a table, which options do not stand in"),
    ("ipv4 = true\n[=]", "f:2: '[' begins a table"), ("[[ [a]]", "f:1: '[' begins a table"), ("[", "f:1: '[' begins a"),
    ("hostfwd = [[\"a\"]]", "f: hostfwd: an array in an array means nothing here"),
    ("record-limit = \"much\"", "f: record-limit: 'much' is not a size, as 250MB, from 1MB on"),
    ("samba = \"/srv\"", "f: samba: there is no such option"), ("net\n", "f:1: Error while parsing key-value pair: "),
    ("\"ne\\nt\" = 1", "f: ne\\u{a}t: there is no such option"),
    ("net = 10.0.2.0/24", "f:1: '10.0.2.0/24' is neither a whole number nor true or false"),
    ("mtu = 1.5", "f:1: '1.5' is neither"), ("mtu = _1", "f:1: '_1' is neither"),
    ("ipv4 = on", "f:1: 'on' is neither"), ("mtu = 0x5g", "f:1: '0x5g' is neither"),
    ("net.mtu = 1", "f:1: a '.' in a name makes a table"), ("\n'net' . mtu = 1", "f:2: a '.' in a name makes a table"),
    ("net = \"a\"\n\0mtu = 1", "f:2: there is a zero byte"), ("net = '\0'", "f:1: there is a zero byte"),
    ("net = \"\"\"a\n\n\"\"", "f:1: a text has no end"), ("net = 'a\n'", "f:1: a text has no end on its line"),
  ])
  func `a mistake is told with the file and the option`(text: String, start: String) {
    #expect {
      try ConfigurationFile(text: text, path: "f")
    } throws: { error in
      "\(error)".hasPrefix(start)
    }
  }

  /// What the library would end the process at.
  @Test(arguments: [
    ("hostfwd = [}", "f:1: '}' ends nothing"), ("hostfwd = [\n'a', # {\n}]", "f:3: '}' ends nothing"),
    ("net = {a = [}]}", "f:1: '{' begins a table"), ("hostfwd = [\u{2028}]", "f:1: '\\u{2028}' is neither"),
    ("hostfwd = [\u{85}]", "f:1: '\\u{85}' is neither"), ("mtu = 2020-01-01 1\n", "f:1: '2020-01-01' is neither"),
    ("mtu = 2020-01-01T:0", "f:1: '2020-01-01T:0' is neither"), ("net = \"\"\"a\"\"\"\n[=]", "f:2: '[' begins a table"),
    ("mtu = 2020-01-01" + String(repeating: "_", count: 117) + " 12", "f:1: '2020-01-01__"),
    (String(repeating: "a.", count: 400_000) + "a = 1", "f:1: a '.' in a name"),
  ])
  func `what the library cannot bear is refused before it gets it`(text: String, start: String) {
    #expect {
      try ConfigurationFile(text: text, path: "f")
    } throws: { error in
      "\(error)".hasPrefix(start)
    }
  }

  @Test func `texts and comments may hold what is refused elsewhere`() throws {
    let text = #"""
      # [=] } a.b \"
      hostname = "[=] } # a.b \"" # {
      domainname = 'a"b\'
      bootfile = """
      [=]
      \""" } """""
      dnssearch = [ # }
        'x', """y""", '''
      ]''', "",
      ]
      mtu = 0x5_dc
      """#
    let network = try ConfigurationFile(text: "\u{feff}" + text, path: "f").network
    #expect(network.hostname == "[=] } # a.b \"" && network.domainname == "a\"b\\")
    #expect(network.bootfile == "[=]\n\"\"\" } \"\"")
    #expect(network.dnssearch == ["x", "y", "]", ""] && network.mtu == 1500)
  }

  @Test func `a file that cannot be read is named`() {
    #expect {
      try ConfigurationFile(path: "/nonexistent/net.toml")
    } throws: { error in
      "\(error)" == "/nonexistent/net.toml: No such file or directory"
    }
  }

  @Test func `what is printed of a network makes the same network again`() throws {
    var options = NetworkOptions()
    (options.net, options.hostname, options.restrict) = ("10.9.0.0/16", "quote \" and \\ and \t", true)
    (options.hostfwd, options.dnssearch) = (["udp:[::1]:7-:7"], ["a.test", "b.test"])
    options.lease = ["52:54:00:00:00:01=10.9.0.7,web"]
    (options.bootfile, options.mtu, options.dnsUpstream) = ("http://a/b", 1400, ["[::1]:5353", "192.0.2.53"])
    options.dnsHost = ["db.example=192.0.2.7", "db.example=2001:db8::7"]
    let network = try VirtualNetwork(options)
    let text = network.settings.map { "\($0) = \($1)\n" }.joined()
    #expect(try VirtualNetwork(ConfigurationFile(text: text, path: "f").network) == network)
    var small = NetworkOptions()
    small.mtu = 600
    let ipv4Only = try VirtualNetwork(small)
    let again = ipv4Only.settings.map { "\($0) = \($1)\n" }.joined()
    #expect(try VirtualNetwork(ConfigurationFile(text: again, path: "f").network) == ipv4Only)
  }
}
