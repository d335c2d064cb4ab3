import Netstack
import Primitives
import Simulation
import Testing

/// A message of TFTP, as a client sees it.
enum TFTPReply: Equatable, CustomStringConvertible {
  case data(UInt16, [UInt8])
  case options([String])
  case error(UInt16, String)
  case other([UInt8])

  init(_ bytes: [UInt8]) {
    let fields = bytes.dropFirst(2).split(separator: 0, omittingEmptySubsequences: false).dropLast()
    let number = bytes.count >= 4 ? UInt16(bytes[2]) << 8 | UInt16(bytes[3]) : 0
    switch bytes.prefix(2) {
    case [0, 3] where bytes.count >= 4: self = .data(number, Array(bytes[4...]))
    case [0, 5] where bytes.count >= 5 && bytes.last == 0:
      self = .error(number, String(decoding: bytes[4...].dropLast(), as: UTF8.self))
    case [0, 6] where bytes.last == 0: self = .options(fields.map { String(decoding: $0, as: UTF8.self) })
    default: self = .other(bytes)
    }
  }

  var description: String {
    switch self {
    case .data(let block, let bytes): "DATA \(block) (\(bytes.count))"
    case .options(let fields): "OACK \(fields)"
    case .error(let code, let text): "ERROR \(code) '\(text)'"
    case .other(let bytes): "\(bytes)"
    }
  }
}

/// A TFTP client of the lab's guest, of which the test sends every message.
final class TFTPBench {
  let lab: Lab
  let server: Endpoint
  let port: UInt16
  /// The server's port of the transfer, as its latest message told; 69 before.
  private(set) var transferPort: UInt16 = 69
  private var taken = 0

  init(_ lab: Lab, over family: IPAddress.Family = .ipv4, port: UInt16 = 2000) {
    self.lab = lab
    self.port = port
    server = Endpoint(.gateway(family), port: 69)
  }

  static var options: Lab.Options {
    var options = Lab.Options()
    options.settings.servesFiles = true
    return options
  }

  // MARK: The guest's messages

  func send(_ bytes: [UInt8], toPort remote: UInt16? = nil, from port: UInt16? = nil) {
    lab.guest.sendUDP(bytes, from: port ?? self.port, to: Endpoint(server.address, port: remote ?? transferPort))
    lab.settle()
  }

  /// Sends bytes without letting time or the stack go on.
  func queue(_ bytes: [UInt8], toPort remote: UInt16? = nil) {
    lab.guest.sendUDP(bytes, from: port, to: Endpoint(server.address, port: remote ?? transferPort))
  }

  static func request(_ name: String, _ mode: String = "octet", _ options: [String] = [], opcode: UInt8 = 1) -> [UInt8]
  {
    ([name, mode] + options).reduce(into: [0, opcode]) { $0 += Array($1.utf8) + [0] }
  }

  func read(_ name: String, _ mode: String = "octet", _ options: String...) {
    send(Self.request(name, mode, options), toPort: 69)
  }

  static func acknowledgment(_ block: Int) -> [UInt8] {
    [0, 4, UInt8(truncatingIfNeeded: block >> 8), UInt8(truncatingIfNeeded: block)]
  }

  func acknowledge(_ block: Int) { send(Self.acknowledgment(block)) }

  // MARK: The server's messages

  /// What came since this was last asked, with the port it came from.
  func takeDatagrams() -> [PlainUDP] {
    let all = lab.guest.datagrams.filter { $0.destinationPort == port }
    defer { taken = all.count }
    if let last = all.last, taken < all.count, last.sourcePort != 69 { transferPort = last.sourcePort }
    return Array(all[min(taken, all.count)...])
  }

  /// What came since this was last asked.
  func take() -> [TFTPReply] { takeDatagrams().map { TFTPReply($0.payload) } }

  /// The server has sent these, and nothing else.
  func expect(_ replies: TFTPReply..., sourceLocation: SourceLocation = #_sourceLocation) {
    let came = take()
    if came != replies {
      Issue.record("expected \(replies)\n     got \(came)\n\(lab.transcript)", sourceLocation: sourceLocation)
    }
  }

  /// Acknowledges block after block until the one that is short, and returns the content.
  func receiveRest(blockSize: Int = 512) -> [UInt8] {
    var content: [UInt8] = []
    var block = 1
    while true {
      for reply in take() {
        guard case .data(let number, let bytes) = reply, number == UInt16(truncatingIfNeeded: block) else { continue }
        content += bytes
        acknowledge(block)
        if bytes.count < blockSize { return content }
        block += 1
      }
      guard
        lab.run(for: .seconds(10), until: { lab.guest.datagrams.count(where: { $0.destinationPort == port }) > taken })
      else { return content }
    }
  }
}
