import Primitives
import Simulation

/// The gateway's own services.
extension ProbedNetwork {
  static var dhcp: [Probe] {
    let stranger = MACAddress(bits: 0x5254_0012_0001)
    return [
      Probe("dhcp discover", DHCPQuestion(type: 1).frame),
      Probe("dhcp request", DHCPQuestion.request(ProbeAddress.guest).frame),
      Probe("dhcp request for another's address", DHCPQuestion.request(IPv4Address(10, 0, 2, 99)).frame),
      Probe("dhcp renew") { conversation in
        var question = DHCPQuestion(type: 3)
        question.ciaddr = ProbeAddress.guest
        try conversation.ask(question.frame)
      },
      Probe("dhcp bootp", DHCPQuestion().frame),
      Probe("dhcp second client", DHCPQuestion(type: 1, client: stranger).frame),
      Probe("dhcp inform") { conversation in
        var question = DHCPQuestion(type: 8)
        question.ciaddr = ProbeAddress.guest
        try conversation.ask(question.frame)
      },
      Probe("dhcp release") { conversation in
        var question = DHCPQuestion(type: 7, options: [(54, ProbeAddress.gateway.bytes)])
        question.ciaddr = ProbeAddress.guest
        try conversation.ask(question.frame)
      },
    ]
  }

  static var dhcpv6: [Probe] {
    let client: [UInt8] = [0, 1, 0, 10, 0, 3, 0, 1, 0x52, 0x54, 0, 0x12, 0x34, 0x56]
    let wishes: [UInt8] = [0, 6, 0, 6, 0, 23, 0, 24, 0, 59]
    let association: [UInt8] = [0, 3, 0, 12, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]
    func question(_ type: UInt8, _ options: [UInt8]) -> PlainFrame {
      .ipv6(
        from: ProbeAddress.guestLinkLocal, to: ProbeAddress.allServers,
        .udp(546, 547, [type, 0xaa, 0xbb, 0xcc] + options))
    }
    return [
      Probe("dhcpv6 information-request", question(11, client + wishes)),
      Probe("dhcpv6 solicit", question(1, client + wishes + association)),
    ]
  }
}
