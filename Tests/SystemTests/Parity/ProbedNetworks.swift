import Primitives
import Simulation

extension ProbedNetwork {
  /// What is compared.
  static var all: [ProbedNetwork] {
    [
      ProbedNetwork(
        options: "hostname=guest,domainname=a.test,dnssearch=a.test,dnssearch=b.test,bootfile=served.txt",
        probes: arp + echo + transports + dns + discovery + dhcpv6 + dhcp + [tftpWithoutFolder]),
      ProbedNetwork(options: "tftp=DIR", probes: tftp),
      ProbedNetwork(
        options: "hostfwd=tcp::4022-:22,hostfwd=udp::4053-:53", probes: forwards),
      ProbedNetwork(options: "restrict=on,hostfwd=tcp::4022-:22", probes: restricted),
      ProbedNetwork(
        options: "net=10.0.2.0/25,dns=10.0.2.10,dhcpstart=10.0.2.50",
        probes: [Probe("dhcp discover, other network", DHCPQuestion(type: 1).frame)]),
      ProbedNetwork(
        options: "guestfwd=tcp:10.0.2.100:80-tcp:127.0.0.1:\(ParityHost.echoPort)",
        probes: guestForwards),
    ]
  }

  private static let (guest, gateway, resolver) = (ProbeAddress.guest, ProbeAddress.gateway, ProbeAddress.resolver)

  private static var arp: [Probe] {
    [2, 3, 4, 15, 77].map { last in Probe("arp .\(last)", .arpRequest(for: IPv4Address(10, 0, 2, last))) }
  }

  private static var echo: [Probe] {
    [
      Probe("ping .2", .ipv4(to: gateway, .echo())),
      Probe("ping .3", .ipv4(to: resolver, .echo())),
      Probe("ping .2, 1472 bytes", .ipv4(to: gateway, .echo(byteCount: 1472))),
      Probe("ping .77", .ipv4(to: IPv4Address(10, 0, 2, 77), .echo())),
      Probe("ping fec0::2", .ipv6(to: ProbeAddress.gateway6, .echo(128))),
      Probe("ping fec0::3", .ipv6(to: ProbeAddress.resolver6, .echo(128))),
      Probe("ping fe80::2", .ipv6(to: ProbeAddress.router, .echo(128))),
      Probe("ping, hop limit 1", .ipv4(to: IPv4Address(192, 0, 2, 1), .echo(), timeToLive: 1)),
    ]
  }

  private static var transports: [Probe] {
    let echoPort = ParityHost.echoPort
    return [
      Probe("tcp open") { conversation in
        try conversation.ask(.ipv4(to: gateway, .segment(.syn, from: ProbePort.tcp, to: echoPort)), late: 1)
        try conversation.tell(.ipv4(to: gateway, .segment(.rst, from: ProbePort.tcp, to: echoPort, sequence: 1001)))
      },
      Probe("tcp closed", .ipv4(to: gateway, .segment(.syn, from: ProbePort.tcp, to: 9)), late: 1),
      Probe("tcp .3 but not DNS", .ipv4(to: resolver, .segment(.syn, from: ProbePort.tcp, to: 9)), late: 1),
      Probe("tcp stray ACK", .ipv4(to: gateway, .segment(.ack, from: ProbePort.tcp + 1, to: echoPort))),
      Probe("tcp echo") { try echo(at: gateway, echoPort, from: ProbePort.tcp + 2, &$0) },
      Probe("udp echo", .ipv4(to: gateway, .udp(ProbePort.udp, echoPort, Array("ping".utf8))), late: 1),
      Probe("udp closed", .ipv4(to: gateway, .udp(ProbePort.udp + 1, 9, Array("ping".utf8))), late: 1),
      Probe("udp .3 but not DNS", .ipv4(to: resolver, .udp(ProbePort.udp + 2, 5353, Array("ping".utf8))), late: 1),
      Probe("udp to the host's 127.0.0.1", .ipv4(to: .loopback, .udp(ProbePort.udp + 3, echoPort, [1])), late: 1),
    ]
  }

  private static var dns: [Probe] {
    let queries: [(String, [UInt8])] = [
      ("a name", dnsQuery(ParityHost.knownName)), ("no such name", dnsQuery("unknown.test")),
      ("AAAA", dnsQuery(ParityHost.knownName, type: 28)), ("odd type", dnsQuery(ParityHost.knownName, type: 65_280)),
      ("EDNS", dnsQuery(ParityHost.knownName, more: [0, 0, 41, 4, 0xd0, 0, 0, 0, 0, 0, 0], additional: 1)),
    ]
    return queries.flatMap { name, query in
      [
        Probe("dns \(name)", .ipv4(to: resolver, .udp(ProbePort.dns, 53, query)), late: 1),
        Probe("dns over v6 \(name)", .ipv6(to: ProbeAddress.resolver6, .udp(ProbePort.dns, 53, query)), late: 1),
      ]
    }
  }

  private static var discovery: [Probe] {
    [("fec0::2", ProbeAddress.gateway6), ("fec0::3", ProbeAddress.resolver6), ("fe80::2", ProbeAddress.router)].map {
      Probe("neighbor solicitation for \($0.0)", .neighborSolicitation(for: $0.1))
    } + [
      Probe("neighbor solicitation for fec0::99", .neighborSolicitation(for: ProbeAddress.site(0x99))),
      Probe("router solicitation") { conversation in
        conversation.listensToAdvertisements = true
        try conversation.ask(.routerSolicitation, late: 1)
      },
    ]
  }

  private static var forwards: [Probe] {
    [
      Probe("forward, tcp client", ask: connectByForward),
      Probe("forward, udp client") { conversation in
        let client = try conversation.run(["bash", "-c", "echo ping | socat -u - UDP4:127.0.0.1:4053,sourceport=4001"])
        try conversation.listen(late: 1)
        try client.expectSuccess()
      },
    ]
  }

  /// A client of the host's port 4022, which the guest resets.
  private static func connectByForward(_ conversation: inout Conversation) throws {
    let client = try conversation.run([
      "socat", "-u", "OPEN:/dev/null", "TCP4:127.0.0.1:4022,sourceport=4000,reuseaddr",
    ])
    guard case .tcp(let syn)? = try conversation.listen(late: 1)?.payload else { return }
    try conversation.tell(
      .ipv4(
        to: gateway,
        .segment([.rst, .ack], from: 22, to: syn.sourcePort, sequence: 0, acknowledging: syn.sequence + 1)))
    _ = try client.waitForExit(seconds: 10)
  }

  private static var guestForwards: [Probe] {
    let given = IPv4Address(10, 0, 2, 100)
    return [
      Probe("guestfwd, arp .100", .arpRequest(for: given)),
      Probe("guestfwd, ping .100", .ipv4(to: given, .echo())),
      Probe("guestfwd, server") { try echo(at: given, 80, from: ProbePort.tcp, &$0) },
      Probe("guestfwd, another port", .ipv4(to: given, .segment(.syn, from: ProbePort.tcp + 2, to: 81)), late: 1),
      Probe("guestfwd, udp", .ipv4(to: given, .udp(ProbePort.udp, 80, [1])), late: 1),
    ]
  }

  /// A connection to a server that sends back what it gets.
  private static func echo(
    at address: IPv4Address, _ remote: UInt16, from port: UInt16, _ conversation: inout Conversation
  ) throws {
    let greeting = try conversation.ask(.ipv4(to: address, .segment(.syn, from: port, to: remote)), late: 1)
    guard case .tcp(let synAck)? = greeting?.payload, synAck.flags.contains(.syn) else { return }
    // The handshake's options are another probe's.
    conversation.begin()
    let data = PlainPayload.segment(
      [.ack, .psh], from: port, to: remote, sequence: 1001, acknowledging: synAck.sequence + 1, Array("ping".utf8))
    // The acknowledgment may come alone or with the echo, as time has it.
    var answer = try conversation.ask(.ipv4(to: address, data), late: 1)
    while case .tcp(let segment)? = answer?.payload, segment.payload.isEmpty {
      conversation.begin()
      answer = try conversation.listen(late: 1)
    }
    try conversation.tell(.ipv4(to: address, .segment(.rst, from: port, to: remote, sequence: 1005)))
  }

  private static var restricted: [Probe] {
    [
      Probe("dhcp discover, restricted", DHCPQuestion(type: 1).frame),
      Probe("restricted, tcp open", .ipv4(to: gateway, .segment(.syn, from: ProbePort.tcp, to: ParityHost.echoPort))),
      Probe("restricted, udp", .ipv4(to: gateway, .udp(ProbePort.udp, ParityHost.echoPort, [1]))),
      Probe("restricted, dns", .ipv4(to: resolver, .udp(ProbePort.dns, 53, dnsQuery(ParityHost.knownName))), late: 1),
      Probe("restricted, ping .3", .ipv4(to: resolver, .echo())),
      Probe("restricted, ping outside", .ipv4(to: IPv4Address(192, 0, 2, 1), .echo())),
      Probe("restricted, forward", ask: connectByForward),
    ]
  }
}
