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
    // Nobody's; that of Culvert is its own business.
    let server: [UInt8] = [0, 2, 0, 10, 0, 3, 0, 1, 0x52, 0x54, 0, 0x77, 0x77, 0x77]
    func question(_ type: UInt8, _ options: [UInt8]) -> PlainFrame {
      .ipv6(
        from: ProbeAddress.guestLinkLocal, to: ProbeAddress.allServers,
        .udp(546, 547, [type, 0xaa, 0xbb, 0xcc] + options))
    }
    return [
      Probe("dhcpv6 information-request", question(11, client + wishes)),
      Probe("dhcpv6 solicit", question(1, client + wishes + association)),
      Probe("dhcpv6 request", question(3, client + server + wishes + association)),
    ]
  }

  static var tftp: [Probe] {
    let file = ParityHost.servedName
    let families = [("", ProbeAddress.gateway as IPv4Address?), (" over v6", nil)]
    return families.flatMap { suffix, gateway in
      [
        Probe("tftp last block\(suffix)") { try fetch(file, from: gateway, &$0) },
        Probe("tftp blksize, tsize\(suffix)") {
          try read(file, options: ["blksize", "2048", "tsize", "0"], from: gateway, &$0)
        },
      ]
    } + [
      Probe("tftp small blksize") { try read(file, options: ["blksize", "8"], &$0) },
      Probe("tftp timeout") { try read(file, options: ["timeout", "3"], &$0) },
      Probe("tftp windowsize") { try read(file, options: ["windowsize", "2"], &$0) },
      Probe("tftp unknown option") { try read(file, options: ["multicast", ""], &$0) },
      Probe("tftp OcTeT") { try read(file, mode: "OcTeT", &$0) },
      Probe("tftp netascii") { try read(file, mode: "netascii", &$0) },
      Probe("tftp mail") { try read(file, mode: "mail", &$0) },
      Probe("tftp missing") { try read("missing.txt", &$0) },
      Probe("tftp ../") { try read("../\(file)", &$0) },
      Probe("tftp inner ../") { try read("folder/../../\(file)", &$0) },
      Probe("tftp /") { try read("/", &$0) },
      // Of a folder libslirp says "File not found" from UDP port 0, which nobody can compare.
      Probe("tftp leading slash") { try read("/\(file)", &$0) },
      Probe("tftp in folder") { try read("folder/inner.txt", &$0) },
      Probe("tftp write", .ipv4(to: ProbeAddress.gateway, request(file, opcode: 2))),
      Probe("tftp stray ACK", .ipv4(to: ProbeAddress.gateway, .udp(ProbePort.tftp, 69, [0, 4, 0, 1]))),
      Probe("tftp stray ERROR", .ipv4(to: ProbeAddress.gateway, .udp(ProbePort.tftp, 69, [0, 5, 0, 0, 0]))),
    ]
  }

  static var tftpWithoutFolder: Probe { Probe("tftp without a folder") { try read(ParityHost.servedName, &$0) } }

  /// A request (RFC 1350 section 5) with options (RFC 2347).
  private static func request(
    _ name: String, mode: String = "octet", options: [String] = [], opcode: UInt8 = 1
  ) -> PlainPayload {
    .udp(ProbePort.tftp, 69, ([name, mode] + options).reduce(into: [0, opcode]) { $0 += Array($1.utf8) + [0] })
  }

  /// A frame to the gateway over IPv4, or over IPv6 where there is no address.
  private static func frame(to gateway: IPv4Address?, _ payload: PlainPayload) -> PlainFrame {
    gateway.map { .ipv4(to: $0, payload) } ?? .ipv6(to: ProbeAddress.gateway6, payload)
  }

  /// Asks for a file, and gives it up at once.
  private static func read(
    _ name: String, mode: String = "octet", options: [String] = [],
    from gateway: IPv4Address? = ProbeAddress.gateway, _ conversation: inout Conversation
  ) throws {
    let answer = try conversation.ask(frame(to: gateway, request(name, mode: mode, options: options)), late: 1)
    guard case .udp(let datagram)? = answer?.payload else { return }
    // Or it would come again, as an answer to something else.
    try conversation.tell(frame(to: gateway, .udp(ProbePort.tftp, datagram.sourcePort, [0, 5, 0, 0, 0])))
  }

  /// Asks for a file, and acknowledges block after block; the last one is the answer.
  private static func fetch(
    _ name: String, from gateway: IPv4Address?, _ conversation: inout Conversation
  ) throws {
    var answer = try conversation.ask(frame(to: gateway, request(name)), late: 1)
    while case .udp(let datagram)? = answer?.payload, datagram.payload.count >= 4 {
      let acknowledgment = frame(
        to: gateway, .udp(ProbePort.tftp, datagram.sourcePort, [0, 4] + datagram.payload[2..<4]))
      guard datagram.payload.count == 4 + 512 else { return try conversation.tell(acknowledgment) }
      conversation.begin()
      answer = try conversation.ask(acknowledgment, late: 1)
    }
  }
}
