import ArgumentParser
import Configuration

/// The options of the network, by the names of QEMU's `-netdev user` where QEMU has them.
struct NetworkArguments: ParsableArguments {
  @Option(
    name: .customLong("user"),
    help: ArgumentHelp(
      "The options of a '-netdev user,...' of QEMU, in one word; options beside it come before it (default: none).",
      valueName: "string"))
  var user: String?

  @Option(
    name: .customLong("ipv4"),
    help: ArgumentHelp(
      "Whether guests have IPv4 (default: on, unless IPv6 alone is asked for).", valueName: "on|off"),
    completion: .list(["on", "off"]), transform: readSwitch)
  var ipv4: Bool?

  @Option(
    name: .customLong("ipv6"),
    help: ArgumentHelp(
      "Whether guests have IPv6 (default: on, unless IPv4 alone is asked for or the MTU is below 1280).",
      valueName: "on|off"),
    completion: .list(["on", "off"]), transform: readSwitch)
  var ipv6: Bool?

  @Option(
    name: .customLong("net"),
    help: ArgumentHelp("The guests' network (default: 10.0.2.0/24).", valueName: "address[/length]"))
  var net: String?

  @Option(
    name: .customLong("host"),
    help: ArgumentHelp(
      "The gateway, which leads to the host's loopback (default: the network's x.x.2.2).", valueName: "address"))
  var host: String?

  @Option(
    name: .customLong("dns"),
    help: ArgumentHelp("The name server that guests ask (default: the network's x.x.2.3).", valueName: "address"))
  var dns: String?

  @Option(
    name: .customLong("dhcpstart"),
    help: ArgumentHelp(
      "The first of 16 addresses that DHCP leases (default: the network's x.x.2.15).", valueName: "address"))
  var dhcpstart: String?

  @Option(
    name: .customLong("ipv6-prefix"),
    help: ArgumentHelp("The guests' IPv6 network (default: fec0::).", valueName: "address"))
  var ipv6Prefix: String?

  @Option(
    name: .customLong("ipv6-prefixlen"),
    help: ArgumentHelp(
      "The bits of the guests' addresses that name their network; guests make addresses of their own only with 64, and "
        + "have them by DHCPv6 alone otherwise (default: 64).", valueName: "bits"))
  var ipv6Prefixlen: Int?

  @Option(
    name: .customLong("ipv6-host"),
    help: ArgumentHelp(
      "The gateway's IPv6 address, which leads to the host's loopback (default: the network's ::2).",
      valueName: "address"))
  var ipv6Host: String?

  @Option(
    name: .customLong("ipv6-dns"),
    help: ArgumentHelp(
      "The IPv6 address of the name server that guests ask (default: the network's ::3).", valueName: "address"))
  var ipv6Dns: String?

  @Option(
    name: .customLong("restrict"),
    help: ArgumentHelp(
      "Whether guests reach nothing but the gateway's own services and what --guestfwd leads to, and answer only those "
        + "who come by --hostfwd (default: off).", valueName: "on|off"),
    completion: .list(["on", "off"]), transform: readSwitch)
  var restrict: Bool?

  @Option(
    name: .customLong("hostname"), help: ArgumentHelp("The name that DHCP gives to guests (default: none)."))
  var hostname: String?

  @Option(
    name: .customLong("domainname"), help: ArgumentHelp("The domain that DHCP gives to guests (default: none)."))
  var domainname: String?

  @Option(
    name: .customLong("dnssearch"),
    help: ArgumentHelp(
      "A domain to search that DHCP gives to guests; may be repeated (default: none).", valueName: "domain"))
  var dnssearch: [String] = []

  @Option(
    name: .customLong("bootfile"),
    help: ArgumentHelp(
      "The file to boot that DHCP names, a path at the TFTP server or a URL (default: none).", valueName: "name"))
  var bootfile: String?

  @Option(
    name: .customLong("bootfile-param"),
    help: ArgumentHelp(
      "What DHCPv6 gives out for the file to boot to be told, as a kernel's options; may be repeated (default: none).",
      valueName: "text"))
  var bootfileParam: [String] = []

  @Option(
    name: .customLong("tftp"),
    help: ArgumentHelp(
      "The folder whose files guests may fetch, read only, by TFTP from the gateway (default: none).",
      valueName: "folder"), completion: .directory)
  var tftp: String?

  @Option(
    name: .customLong("tftp-server-name"),
    help: ArgumentHelp(
      "The name of the TFTP server that DHCP gives to guests, besides the gateway's address (default: none)."))
  var tftpServerName: String?

  @Option(
    name: .customLong("lease"),
    help: ArgumentHelp(
      "An address that DHCP keeps for one guest, with a name for it if wanted; may be repeated (default: none).",
      valueName: "mac=address[,hostname]"))
  var lease: [String] = []

  @Option(
    name: .customLong("route"),
    help: ArgumentHelp(
      "A route that DHCP gives to guests besides the default one, by the network's gateway unless it says another; may "
        + "be repeated (default: none).", valueName: "prefix[,gateway]"))
  var route: [String] = []

  @Option(
    name: .customLong("mtu"),
    help: ArgumentHelp(
      "The longest packet that guests are advised to send; a guest that ignores the advice loses nothing "
        + "(default: 65520; 1500 where every link is 'tap:' or 'netns:', and with 'exec').", valueName: "bytes"))
  var mtu: Int?

  @Option(
    name: .customLong("hostfwd"),
    help: ArgumentHelp(
      "Lead a port of the host to a guest, or a range FIRST-LAST of them; may be repeated. Without HOSTADDR every IPv4 "
        + "address of the host listens, without GUESTADDR the first lease is meant; IPv6 addresses stand in brackets. "
        + "With 'unix:PATH' before the dash a UNIX socket leads to a TCP port, for the same user only (default: none).",
      valueName: "[tcp|udp]:[hostaddr]:port-[guestaddr]:port"))
  var hostfwd: [String] = []

  @Option(
    name: .customLong("guestfwd"),
    help: ArgumentHelp(
      "Lead a TCP port in the guests' network to a server or a UNIX socket of the host, or to the standard input and "
        + "output of a command that is started for each connection; may be repeated. Without ADDR it is the network's "
        + "x.x.2.4 (default: none).",
      valueName: "[tcp]:[addr]:port-cmd:command|tcp:host:port|unix:path"))
  var guestfwd: [String] = []

  @Option(
    name: .customLong("smb"),
    help: ArgumentHelp(
      "A folder that guests find as \\\\10.0.2.4\\qemu, and may write to; needs Samba's smbd (default: none).",
      valueName: "folder"), completion: .directory)
  var smb: String?

  @Option(
    name: .customLong("smbserver"),
    help: ArgumentHelp(
      "The address at which guests find the folder of --smb (default: the network's x.x.2.4).", valueName: "address"))
  var smbserver: String?

  @Option(
    name: .customLong("dns-upstream"),
    help: ArgumentHelp(
      "A name server that is asked on the guests' behalf, the next one where one has no answer; may be repeated "
        + "(default: those of /etc/resolv.conf, of which changes are followed).", valueName: "address[:port]"))
  var dnsUpstream: [String] = []

  @Option(
    name: .customLong("dns-host"),
    help: ArgumentHelp(
      "A name that the guests' name server knows, and an address of it; may be repeated (default: none).",
      valueName: "name=address"))
  var dnsHost: [String] = []

  @Flag(
    name: .customLong("no-host-loopback"),
    help: "Keep guests from the host's loopback (default: the gateway's address leads there).")
  var noHostLoopback = false

  @Flag(
    name: .customLong("allow-link-local"),
    help: "Let guests reach 169.254.0.0/16, where clouds keep their credentials (default: kept from it).")
  var allowLinkLocal = false

  @Option(
    name: .customLong("udp-filtering"),
    help: ArgumentHelp(
      "Who may send datagrams to a port of a guest from which it has sent some: everybody, the addresses it has sent "
        + "to, or the addresses and ports (default: address).", valueName: "endpoint|address|port"),
    completion: .list(["endpoint", "address", "port"]))
  var udpFiltering: String?

  /// The options as plain values: those of `--user`, and those beside it in their place or behind them.
  func options() throws(ConfigurationError) -> NetworkOptions {
    var options = NetworkOptions()
    options.ipv4 = ipv4
    options.ipv6 = ipv6
    options.net = net
    options.host = host
    options.dns = dns
    options.dhcpstart = dhcpstart
    options.ipv6Prefix = ipv6Prefix
    options.ipv6Prefixlen = ipv6Prefixlen
    options.ipv6Host = ipv6Host
    options.ipv6Dns = ipv6Dns
    options.restrict = restrict
    options.hostname = hostname
    options.domainname = domainname
    options.dnssearch = dnssearch
    options.bootfile = bootfile
    options.bootfileParam = bootfileParam
    options.tftp = tftp
    options.tftpServerName = tftpServerName
    options.lease = lease
    options.route = route
    options.mtu = mtu
    options.hostfwd = hostfwd
    options.guestfwd = guestfwd
    options.smb = smb
    options.smbserver = smbserver
    options.dnsUpstream = dnsUpstream
    options.dnsHost = dnsHost
    options.noHostLoopback = noHostLoopback ? true : nil
    options.allowLinkLocal = allowLinkLocal ? true : nil
    options.udpFiltering = udpFiltering
    guard let user else { return options }
    return try NetworkOptions(user: user).overlaid(by: options)
  }

  /// Reads the value of a switch.
  private static func readSwitch(_ text: String) throws -> Bool {
    guard let value = Bool(qemuSwitch: text) else { throw ValidationError("'\(text)' is not on or off.") }
    return value
  }
}
