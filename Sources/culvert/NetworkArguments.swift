import ArgumentParser
import Configuration

/// The options of the network, by the names of QEMU's `-netdev user` where QEMU has them.
struct NetworkArguments: ParsableArguments {
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
    name: .customLong("mtu"),
    help: ArgumentHelp(
      "The longest packet that guests are advised to send; a guest that ignores the advice loses nothing "
        + "(default: 65520).", valueName: "bytes"))
  var mtu: Int?

  @Option(
    name: .customLong("hostfwd"),
    help: ArgumentHelp(
      "Lead a port of the host to a guest; may be repeated. Without HOSTADDR every IPv4 address of the host listens, "
        + "without GUESTADDR the first lease is meant; IPv6 addresses stand in brackets (default: none).",
      valueName: "[tcp|udp]:[hostaddr]:port-[guestaddr]:port"))
  var hostfwd: [String] = []

  @Option(
    name: .customLong("dns-upstream"),
    help: ArgumentHelp(
      "The name server that is asked on the guests' behalf (default: the first of /etc/resolv.conf, of which changes "
        + "are followed).", valueName: "address[:port]"))
  var dnsUpstream: String?

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
        + "to, or the addresses and ports (default: address).", valueName: "endpoint|address|port"))
  var udpFiltering: String?

  /// The options as plain values.
  var options: NetworkOptions {
    var options = NetworkOptions()
    options.net = net
    options.host = host
    options.dns = dns
    options.dhcpstart = dhcpstart
    options.hostname = hostname
    options.domainname = domainname
    options.dnssearch = dnssearch
    options.mtu = mtu
    options.hostfwd = hostfwd
    options.dnsUpstream = dnsUpstream
    options.noHostLoopback = noHostLoopback
    options.allowLinkLocal = allowLinkLocal
    options.udpFiltering = udpFiltering
    return options
  }
}
