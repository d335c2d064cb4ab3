import Netstack
import Primitives
import Simulation

// What guests ask the gateway's own services for, and what name servers answer.
extension OperationWorld {
  func askService() {
    let choices = input.byte()
    switch choices & 7 {
    case 0: askDHCP(choices)
    case 1: askDHCPv6(choices)
    case 2: askForName(choices)
    case 3: askForFile(choices)
    case 4: acknowledgeFile(choices)
    case 5, 6: answerQuery(choices)
    default: askByStream(choices)
    }
  }

  // MARK: Addresses

  private func askDHCP(_ choices: UInt8) {
    let type: UInt8 = [1, 3, 4, 7, 8, 3, 1, 0][Int(choices >> 3 & 7)]
    var options: [UInt8] = []
    let more = input.byte()
    if more & 1 != 0 { options += [50, 4, 10, 0, 2, 14 + (more >> 5)] }
    if more & 2 != 0 { options += [54, 4, 10, 0, 2, 2] }
    if more & 4 != 0 { options += [57, 2, more, 0] }
    if more & 8 != 0 { options += [55, 6, 1, 3, 6, 15, 119, 121] }
    if more & 16 != 0 {
      let text = input.take(6)
      options += [12, UInt8(text.count)] + text
    }
    lab.guest.sendDHCP(type: type, transaction: UInt32(choices), options: options)
  }

  private func askDHCPv6(_ choices: UInt8) {
    let more = input.byte()
    let type: UInt8 = [1, 3, 5, 6, 8, 9, 11, 4][Int(choices >> 3 & 7)]
    func option(_ code: UInt8, _ data: [UInt8]) -> [UInt8] { [0, code, 0, UInt8(data.count)] + data }
    var message: [UInt8] = [type, 0, 0, choices]
    if more & 1 == 0 { message += option(1, [0, 3, 0, 1, 0x52, 0x54, 0, 0, 0, more >> 6]) }
    if more & 2 != 0 { message += option(2, [0, 3, 0, 1, 0x52, 0x55, 10, 0, 2, 2]) }
    if more & 4 == 0 {
      let address: [UInt8] = [0xfe, 0xc0] + [UInt8](repeating: 0, count: 13) + [more]
      let wanted = more & 8 == 0 ? [] : option(5, address + [0, 0, 0, 60, 0, 0, 0, 60])
      message += option(3, [0, 0, 0, more >> 6] + [UInt8](repeating: 0, count: 8) + wanted)
    }
    if more & 16 != 0 { message += option(6, [0, 23, 0, 24, 0, 59]) }
    if more & 32 != 0 { message += option(14, []) }
    let group = Endpoint(IPAddress(IPv6Address(high: 0xff02 << 48, low: 0x1_0002)), port: 547)
    let datagram = PlainUDP(sourcePort: 546, destinationPort: group.port, payload: message)
    lab.guest.send(.udp(datagram), from: IPAddress(lab.guest.ipv6LinkLocal), to: group.address)
  }

  // MARK: Names

  private static let names = ["www.example.com", "gateway.culvert.internal", "guest", "2.2.0.10.in-addr.arpa", ""]

  private func query(_ choices: UInt8) -> [UInt8] {
    let types: [UInt16] = [1, 28, 12, 255, 252, 16, 6, 65]
    var query = PlainDNS(UInt16(choices), PlainDNS.Question(input.choice(of: Self.names), types[Int(choices >> 5)]))
    if choices & 8 != 0 { query.additionals.append(.edns(UInt16(choices) << 5)) }
    return query.encoded
  }

  private func askForName(_ choices: UInt8) {
    let settings = lab.options.settings
    let resolver =
      choices & 16 == 0 ? IPAddress(settings.ipv4Resolver) : IPAddress(settings.ipv6Resolver)
    lab.guest.sendUDP(query(choices), from: 5353 + UInt16(choices & 3), to: Endpoint(resolver, port: 53))
  }

  /// A name server answers one of the queries that it was sent, or something like one.
  private func answerQuery(_ choices: UInt8) {
    let queries = lab.sentDatagrams.filter { $0.destination.port == 53 && $0.payload.count >= 12 }
    guard !queries.isEmpty else { return }
    let sent = queries[queries.count - 1 - input.number(below: min(queries.count, 4))]
    var answer = sent.payload
    answer[2] |= 0x80 | (choices & 8) >> 2
    answer[3] = choices & 0x0f
    if choices & 16 != 0 { answer[input.number(below: 12)] ^= input.byte() }
    if choices & 32 != 0 {
      answer[7] = 1
      answer += [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 7]
    }
    if choices & 64 != 0 { answer += [UInt8](repeating: 0, count: min(length(), 4000)) }
    let source = choices & 128 == 0 ? sent.destination : Endpoint(sent.destination.address, port: 54)
    for loop in lab.loops where lab[host: loop].isOpen(sent.flow) {
      lab[host: loop].deliver(answer, from: source, to: sent.flow)
    }
  }

  /// The guest asks by a stream: names, or whoever is behind a service's address.
  private func askByStream(_ choices: UInt8) {
    let settings = lab.options.settings
    let resolver = Endpoint(settings.ipv4Resolver, port: 53)
    let services = [resolver, resolver] + settings.guestForwards.map(\.endpoint)
    let connection = lab.guest.connect(to: services[Int(choices >> 3 & 7) % services.count])
    others.append(connection)
    let message = query(input.byte())
    let cut = choices & 64 == 0 ? message.count : Int(choices & 15)
    connection.write([UInt8(message.count >> 8), UInt8(message.count & 255)] + message.prefix(cut))
    if choices & 128 != 0 { connection.finish() }
  }

  // MARK: Files

  private func askForFile(_ choices: UInt8) {
    let name = ["boot.img", "empty", "absent", "/boot.img"][Int(choices >> 3 & 3)]
    let mode = choices & 32 == 0 ? "octet" : "netascii"
    var words = [name, mode]
    if choices & 64 != 0 { words += ["blksize", "\(8 + Int(input.byte()) * 6)", "tsize", "0"] }
    if choices & 128 != 0 { words += ["windowsize", "\(input.byte())", "timeout", "1"] }
    let message = words.reduce(into: [0, 1] as [UInt8]) { $0 += Array($1.utf8) + [0] }
    let server = Endpoint(lab.options.settings.ipv4Gateway, port: 69)
    lab.guest.sendUDP(message, from: 2000 + UInt16(choices & 8), to: server)
  }

  /// The guest acknowledges what came last of a file, or something else, or gives up.
  private func acknowledgeFile(_ choices: UInt8) {
    lab.settle()
    let data = lab.guest.datagrams.last { (2000...2015).contains($0.destinationPort) && $0.payload.count >= 4 }
    guard let data else { return }
    let isOptions = data.payload[1] == 6
    let block = isOptions ? [0, 0] : Array(data.payload[2..<4])
    var message: [UInt8] = [0, 4] + block
    if choices & 8 != 0 { message[3] &+= choices >> 4 }
    if choices & 0xf0 == 0xf0 { message = [0, 5, 0, 0, 0] }
    let server = Endpoint(lab.options.settings.ipv4Gateway, port: data.sourcePort)
    lab.guest.sendUDP(message, from: data.destinationPort, to: server)
  }
}
