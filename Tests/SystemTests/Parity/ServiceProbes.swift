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
}
