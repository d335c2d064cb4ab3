import Netstack
import Primitives
import Simulation
import Testing

/// What no honest client of TFTP says: answered or not as RFC 1350 wants it, counted, and a running transfer takes no
/// notice.
@Suite struct TFTPBadInputTests {
  private static let messages: [(name: String, bytes: [UInt8])] = [
    ("RRQ", TFTPBench.request("f", "octet", ["blksize", "8"])),
    ("WRQ", TFTPBench.request("f", "octet", ["blksize", "8"], opcode: 2)),
    ("DATA", [0, 3, 0, 1] + pattern(16)), ("ACK", TFTPBench.acknowledgment(1)),
    ("ERROR", [0, 5, 0, 3] + Array("Disk full".utf8) + [0]),
    ("OACK", [0, 6] + Array("blksize\u{0}8\u{0}".utf8)),
  ]

  /// Runs `body` beside a transfer, which has to go on as if nothing had been.
  private func withTransfer(_ body: (TFTPBench) -> Void) {
    withLab(TFTPBench.options) { lab in
      lab.host.files["f"] = SimulatedFile(pattern(1100))
      let client = TFTPBench(lab)
      client.read("f")
      client.expect(.data(1, Array(pattern(512))))
      body(client)
      _ = client.take()
      client.acknowledge(1)
      client.expect(.data(2, Array(pattern(512, from: 512))))
      client.acknowledge(2)
      client.expect(.data(3, Array(pattern(76, from: 1024))))
      client.acknowledge(3)
      #expect(lab.stack.observer.closedFlows.filter { $0.flow.guest.port == 2000 }.map(\.end) == [.finished])
      // A guest that says nothing more.
      lab.advance(by: .seconds(120))
      #expect(lab.flows.isEmpty && lab.openSocketCount == 0)
    }
  }

  /// Sends each of `messages` to the server's port, from a port of its own; what comes back, in order.
  private func answers(to messages: [[UInt8]], at client: TFTPBench) -> [TFTPReply] {
    messages.enumerated().flatMap { index, bytes in
      let other = TFTPBench(client.lab, port: UInt16(10_000 + index))
      other.send(bytes, toPort: 69)
      return other.take()
    }
  }

  /// How often something was dropped while `body` ran, by reason.
  private func drops(_ lab: Lab, _ body: () -> Void) -> [DropReason: Int] {
    let before = lab.stack.observer.drops.count
    body()
    return lab.stack.observer.drops[before...].reduce(into: [:]) { $0[$1, default: 0] += 1 }
  }

  @Test func `a request for a file is cut at every length`() {
    withTransfer { client in
      let request = Self.messages[0].bytes
      var came: [TFTPReply] = []
      let counts = drops(client.lab) {
        came = answers(to: (0..<request.count).map { Array(request[..<$0]) }, at: client)
      }
      // Behind the mode it is whole, behind the option's name faulty; too short to say what it is, it gets no answer.
      let illegal = TFTPReply.error(4, "Illegal TFTP operation")
      let faulty = TFTPReply.error(8, "An option is given twice, or without a value")
      let expected = [TFTPReply](repeating: illegal, count: 6) + [.data(1, Array(pattern(512)))]
      #expect(came == expected + [TFTPReply](repeating: illegal, count: 7) + [faulty, illegal])
      #expect(counts == [.malformed: 18])
    }
  }

  @Test(
    arguments: [
      (1, TFTPReply.error(2, "Files are read only"), DropReason.forbiddenDestination),
      (2, .error(5, "Unknown transfer ID"), .noFlow), (3, .error(5, "Unknown transfer ID"), .noFlow),
      (4, nil, .noFlow), (5, .error(5, "Unknown transfer ID"), .noFlow),
    ] as [(Int, TFTPReply?, DropReason)])
  func `any other message to the server's port is refused, cut at whatever length`(
    index: Int, answer: TFTPReply?, reason: DropReason
  ) {
    withTransfer { client in
      let bytes = Self.messages[index].bytes
      var came: [TFTPReply] = []
      let counts = drops(client.lab) {
        came = answers(to: (0...bytes.count).map { Array(bytes[..<$0]) }, at: client)
      }
      #expect(came == [TFTPReply](repeating: answer ?? .other([]), count: answer == nil ? 0 : bytes.count - 3))
      #expect(counts == [.malformed: 4, reason: bytes.count - 3])
    }
  }

  @Test(arguments: Self.messages.indices)
  func `a message to the port of a transfer is dropped, cut at whatever length, but for what belongs there`(
    index: Int
  ) {
    withTransfer { client in
      let (name, bytes) = Self.messages[index]
      let longest = name == "ACK" || name == "ERROR" ? 3 : bytes.count
      let counts = drops(client.lab) {
        for count in 0...longest { client.send(Array(bytes[..<count])) }
      }
      client.expect()
      #expect(counts == [.malformed: longest + 1])
    }
  }

  @Test(arguments: [UInt8(0x01), 0x20, 0x80, 0xff])
  func `a message with one byte changed does no harm, wherever it is`(flip: UInt8) {
    withTransfer { client in
      let changed = Self.messages.flatMap { message in
        message.bytes.indices.map { place in
          var bytes = message.bytes
          bytes[place] ^= flip
          return bytes
        }
      }
      // One answer to each at most, and where there is none it is counted; but for those that an ERROR may become.
      var came: [TFTPReply] = []
      let counts = drops(client.lab) { came = answers(to: changed, at: client) }
      #expect(came.count <= changed.count)
      #expect(came.count >= changed.count - counts.values.reduce(0, +))
      #expect(client.lab.flows.count <= 16)
    }
  }

  @Test(arguments: UInt64(1)...20)
  func `random messages to either port do no harm`(seed: UInt64) {
    var dice = SeededGenerator(seed: seed)
    withTransfer { client in
      let lab = client.lab
      for index in 0..<200 {
        let count = Int.random(in: 0...(index % 20 == 0 ? 4000 : 60), using: &dice)
        var bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &dice) }
        // Mostly something that looks like a message, but no error nor acknowledgment to the transfer.
        let (isTransfer, opcode) = (Bool.random(using: &dice), UInt8.random(in: 0...7, using: &dice))
        bytes.replaceSubrange(
          ..<min(2, count), with: [0, isTransfer && [4, 5].contains(opcode) ? 6 : opcode].prefix(count))
        lab.guest.sendUDP(
          bytes, from: isTransfer ? 2000 : UInt16(20_000 + index),
          to: Endpoint(client.server.address, port: isTransfer ? client.transferPort : 69))
      }
      lab.settle()
      #expect(lab.stack.observer.drops.count >= 150)
      #expect(lab.flows.count <= 16)
    }
  }
}
