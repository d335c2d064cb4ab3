import Primitives
import Simulation
import Testing
import Wire

@testable import Netstack

/// Files for guests (RFC 1350 and its extensions), exchange by exchange.
@Suite struct TFTPServerTests {
  /// Runs `body` with a client at a server that has files `f`, of `count` bytes, and `text`.
  private func withServer(
    _ count: Int = 1100, over family: IPAddress.Family = .ipv4, _ body: (TFTPBench) throws -> Void
  ) rethrows {
    try withLab(TFTPBench.options) { lab in
      lab.host.files["f"] = SimulatedFile(pattern(count))
      lab.host.files["text"] = SimulatedFile(Array("one\ntwo\r\n".utf8))
      try body(TFTPBench(lab, over: family))
    }
  }

  // MARK: RFC 1350

  @Test(arguments: families)
  func `a file comes in blocks of 512 bytes from a port of its own, and ends with a shorter one`(
    family: IPAddress.Family
  ) {
    withServer(over: family) { client in
      let content = pattern(1100)
      client.read("f")
      client.expect(.data(1, Array(content[..<512])))
      // RFC 1350 section 4: the server's transfer identifier.
      #expect(client.transferPort >= 49_152)
      client.acknowledge(1)
      client.expect(.data(2, Array(content[512..<1024])))
      client.acknowledge(2)
      client.expect(.data(3, Array(content[1024...])))
      #expect(client.lab.flowStates == [.tftp] && client.lab.openSocketCount == 1)
      client.acknowledge(3)
      client.expect()
      #expect(client.lab.flowEnds == [.finished] && client.lab.openSocketCount == 0)
    }
  }

  @Test(arguments: [0, 512, 1024])
  func `a file that fills its last block ends with an empty one`(count: Int) {
    withServer(count) { client in
      client.read("f")
      #expect(client.receiveRest() == pattern(count))
      // RFC 1350 section 6: one block more than those that are full.
      #expect(client.lab.guest.datagrams.count == count / 512 + 1)
      #expect(client.lab.guest.datagrams.last?.payload.count == 4)
    }
  }

  @Test func `a name that begins with a slash begins at the root`() {
    withServer(10) { client in
      client.read("/f")
      client.expect(.data(1, pattern(10)))
    }
  }

  @Test func `block numbers go on from 65535 to 0`() {
    let client = Endpoint(IPv4Address(10, 0, 2, 15), port: 2000)
    var transfer = TFTPTransfer(guest: client, local: client, neighbor: 0, at: .zero)
    transfer.begin(TFTPOptions(), .octet, fileSize: 512 * 65_537, longestBlock: 1468)
    for block in 1...65_537 {
      #expect(transfer.sendableBlocks == 1 && transfer.offset == UInt64(block - 1) * 512)
      transfer.send(blocks: 1)
      let progress = transfer.acknowledge(UInt16(truncatingIfNeeded: block))
      guard progress == .sendable else { return #expect(progress == .sendable, "block \(block)") }
    }
    #expect(transfer.byteCount(ofBlocks: 1) == 0)
    transfer.send(blocks: 1)
    let progress = transfer.acknowledge(2)
    #expect(progress == .complete)
  }

  @Test(arguments: [
    (HostFileError.notFound, TFTPReply.error(1, "File not found")), (.forbidden, .error(2, "Access violation")),
    (.exhausted, .error(0, "The file cannot be opened")), (.other(5), .error(0, "The file cannot be opened")),
  ])
  func `a file that cannot be had is refused in libslirp's words, from port 69`(
    failure: HostFileError, reply: TFTPReply
  ) {
    withServer { client in
      client.lab.host.files["g"] = SimulatedFile([], failure: failure)
      client.read("g")
      client.expect(reply)
      #expect(client.transferPort == 69 && client.lab.flows.isEmpty)
    }
  }

  @Test func `nothing can be written, and no mode but octet and netascii is known`() {
    withServer { client in
      client.send(TFTPBench.request("f", opcode: 2), toPort: 69)
      client.expect(.error(2, "Files are read only"))
      client.read("f", "mail")
      client.expect(.error(4, "Unsupported transfer mode"))
      #expect(client.lab.flows.isEmpty)
    }
  }

  @Test func `what belongs to no transfer is refused, but an error never`() {
    withServer { client in
      client.send(TFTPBench.acknowledgment(1), toPort: 69)
      client.expect(.error(5, "Unknown transfer ID"))
      client.send([0, 3, 0, 1, 7], toPort: 69)
      client.expect(.error(5, "Unknown transfer ID"))
      client.send([0, 9, 0, 0], toPort: 69)
      client.expect(.error(4, "Illegal TFTP operation"))
      client.send([0, 5, 0, 0, 0], toPort: 69)
      client.expect()
    }
  }

  @Test func `a stranger at a transfer's port is refused, and the transfer goes on (RFC 1350 section 4)`() {
    withServer { client in
      client.read("f")
      client.expect(.data(1, Array(pattern(512))))
      let stranger = TFTPBench(client.lab, port: 3000)
      stranger.send(TFTPBench.acknowledgment(1), toPort: client.transferPort)
      stranger.expect(.error(5, "Unknown transfer ID"))
      client.expect()
      client.acknowledge(1)
      client.expect(.data(2, Array(pattern(512, from: 512))))
    }
  }

  @Test func `an error from the guest ends the transfer`() {
    withServer { client in
      client.read("f")
      _ = client.take()
      client.send([0, 5, 0, 3] + Array("Disk full".utf8) + [0])
      client.acknowledge(1)
      client.expect()
      #expect(client.lab.flowEnds == [.resetByGuest] && client.lab.openSocketCount == 0)
    }
  }

  @Test func `what comes late for a transfer goes nowhere, and its port is given back`() {
    withServer(10) { client in
      client.read("f")
      _ = client.take()
      client.acknowledge(1)
      client.acknowledge(1)
      #expect(client.lab.drops(.noFlow) == 1 && client.lab.sentDatagrams.isEmpty)
      #expect(client.lab.flowStates == [.timeWait])
      client.lab.advance(by: .milliseconds(2001))
      #expect(client.lab.flows.isEmpty)
      #expect(client.lab.flowEnds == [.finished])
    }
  }

  // MARK: Losses

  @Test
  func `a block that is not acknowledged is sent again, ever more rarely, and given up (RFC 1123 section 4.2.3.2)`() {
    withServer { client in
      client.read("f")
      _ = client.take()
      for seconds in [1, 2, 4, 8, 8] as [Int64] {
        client.lab.advance(by: .seconds(seconds) - .milliseconds(1))
        client.expect()
        client.lab.advance(by: .milliseconds(1))
        client.expect(.data(1, Array(pattern(512))))
      }
      client.lab.advance(by: .seconds(8))
      client.expect(.error(0, "No acknowledgment has come"))
      #expect(client.lab.flowEnds == [.timedOut] && client.lab.openSocketCount == 0)
    }
  }

  @Test func `an acknowledgment that comes twice starts nothing (RFC 1123 section 4.2.3.1)`() {
    withServer { client in
      client.read("f")
      _ = client.take()
      client.acknowledge(1)
      client.expect(.data(2, Array(pattern(512, from: 512))))
      client.acknowledge(1)
      client.acknowledge(1)
      client.acknowledge(0)
      client.acknowledge(7)
      client.expect()
      client.acknowledge(2)
      client.expect(.data(3, Array(pattern(76, from: 1024))))
    }
  }

  @Test func `a request that comes again before anything was acknowledged begins again at the same port`() {
    withServer { client in
      client.read("f", "octet", "tsize", "0")
      client.expect(.options(["tsize", "1100"]))
      let port = client.transferPort
      client.read("f")
      client.expect(.data(1, Array(pattern(512))))
      #expect(client.transferPort == port && client.lab.flows.count == 1 && client.lab.openSocketCount == 1)
      client.acknowledge(1)
      _ = client.take()
      // A new transfer of a client that always has the same port, or a copy of the request that was late.
      client.read("f")
      client.expect(.data(1, Array(pattern(512))))
      #expect(client.transferPort != port && client.lab.flows.count == 2)
    }
  }

  // MARK: Options

  @Test func `options are accepted before the first block, which comes when that is acknowledged (RFC 2347)`() {
    withServer { client in
      client.read("f", "octet", "tsize", "0", "blksize", "1024", "multicast", "")
      client.expect(.options(["blksize", "1024", "tsize", "1100"]))
      client.acknowledge(0)
      client.expect(.data(1, Array(pattern(1024))))
      client.acknowledge(1)
      client.expect(.data(2, Array(pattern(76, from: 1024))))
    }
  }

  @Test func `where no option is accepted the first block comes at once (RFC 2347)`() {
    withServer(10) { client in
      client.read("f", "octet", "blksize", "7", "timeout", "0", "windowsize", "0", "other", "1")
      client.expect(.data(1, pattern(10)))
    }
  }

  @Test(arguments: families)
  func `no block is longer than the guest takes in one packet (RFC 2348)`(family: IPAddress.Family) {
    withServer(9000, over: family) { client in
      let size = family == .ipv4 ? 1500 - 20 - 8 - 4 : 1500 - 40 - 8 - 4
      client.read("f", "octet", "blksize", "65464")
      client.expect(.options(["blksize", "\(size)"]))
      client.acknowledge(0)
      client.expect(.data(1, Array(pattern(size))))
    }
  }

  @Test func `a guest that has shown that it takes long packets gets long blocks`() {
    withServer(9000) { client in
      client.lab.guest.ping(client.server.address, payload: [UInt8](repeating: 0, count: 8972))
      client.read("f", "octet", "blksize", "65464")
      client.expect(.options(["blksize", "8968"]))
      client.acknowledge(0)
      client.expect(.data(1, Array(pattern(8968))))
    }
  }

  @Test func `options are offered again until they are acknowledged, as often as the client asks (RFC 2349)`() {
    withServer { client in
      client.read("f", "octet", "timeout", "3")
      client.expect(.options(["timeout", "3"]))
      for _ in 0..<2 {
        client.lab.advance(by: .milliseconds(2999))
        client.expect()
        client.lab.advance(by: .milliseconds(1))
        client.expect(.options(["timeout", "3"]))
      }
      client.acknowledge(0)
      client.expect(.data(1, Array(pattern(512))))
      client.lab.advance(by: .seconds(3))
      client.expect(.data(1, Array(pattern(512))))
    }
  }

  @Test(arguments: [["blksize", "512", "blksize", "1024"], ["blksize"]])
  func `options that contradict themselves are refused (RFC 2347)`(options: [String]) {
    withServer { client in
      client.send(TFTPBench.request("f", "octet", options), toPort: 69)
      client.expect(.error(8, "An option is given twice, or without a value"))
      #expect(client.lab.flows.isEmpty)
    }
  }

  @Test func `a client that refuses the options ends the transfer (RFC 2347)`() {
    withServer { client in
      client.read("f", "octet", "blksize", "1024")
      _ = client.take()
      client.send([0, 5, 0, 8, 0])
      #expect(client.lab.flowEnds == [.resetByGuest])
    }
  }

  // MARK: Windows (RFC 7440)

  /// DATA of these blocks of `f`, 512 bytes each.
  private func blocks(_ numbers: ClosedRange<Int>, of count: Int) -> [TFTPReply] {
    numbers.map { .data(UInt16($0), Array(pattern(count)[(($0 - 1) * 512)..<min($0 * 512, count)])) }
  }

  @Test func `a window of blocks comes for each acknowledgment, read by one call`() {
    withServer(5000) { client in
      client.read("f", "octet", "windowsize", "4")
      client.expect(.options(["windowsize", "4"]))
      client.acknowledge(0)
      #expect(client.take() == blocks(1...4, of: 5000))
      #expect(client.lab.host.calls.fileReads == 1)
      client.acknowledge(4)
      #expect(client.take() == blocks(5...8, of: 5000))
      client.acknowledge(8)
      #expect(client.take() == blocks(9...10, of: 5000))
      client.acknowledge(10)
      #expect(client.lab.flowEnds == [.finished])
    }
  }

  @Test func `a longer window than 64 blocks is not agreed to`() {
    withServer(65_000) { client in
      client.read("f", "octet", "windowsize", "65535")
      client.expect(.options(["windowsize", "64"]))
      client.acknowledge(0)
      #expect(client.take().count == 64)
    }
  }

  @Test func `an acknowledgment within the window goes back to behind it (RFC 7440 section 4)`() {
    withServer(5000) { client in
      client.read("f", "octet", "windowsize", "4")
      _ = client.take()
      client.acknowledge(0)
      _ = client.take()
      // Block 3 was lost.
      client.acknowledge(2)
      #expect(client.take() == blocks(3...6, of: 5000))
    }
  }

  @Test func `a repeated acknowledgment says once that the first block of a window was lost`() {
    withServer(65_000) { client in
      client.read("f", "octet", "windowsize", "4")
      _ = client.take()
      client.acknowledge(0)
      _ = client.take()
      client.acknowledge(4)
      #expect(client.take() == blocks(5...8, of: 65_000))
      client.acknowledge(4)
      #expect(client.take() == blocks(5...8, of: 65_000))
      // What a client that has got them twice says: it must not get everything twice from now on.
      client.acknowledge(4)
      client.expect()
      client.acknowledge(8)
      #expect(client.take() == blocks(9...12, of: 65_000))
      client.acknowledge(8)
      client.expect()
      client.acknowledge(12)
      #expect(client.take() == blocks(13...16, of: 65_000))
      client.acknowledge(12)
      #expect(client.take() == blocks(13...16, of: 65_000))
    }
  }

  @Test func `after a silence the whole window comes again`() {
    withServer(5000) { client in
      client.read("f", "octet", "windowsize", "4")
      _ = client.take()
      client.acknowledge(0)
      #expect(client.take() == blocks(1...4, of: 5000))
      client.lab.advance(by: .seconds(1))
      #expect(client.take() == blocks(1...4, of: 5000))
    }
  }

  // MARK: Netascii

  @Test func `netascii ends lines with CR LF, and CR goes as CR NUL (RFC 764)`() {
    withServer { client in
      client.read("text", "netascii")
      client.expect(.data(1, Array("one\r\ntwo\r\u{0}\r\n".utf8)))
    }
  }

  @Test func `netascii has neither a length nor a window to tell of`() {
    withServer { client in
      client.read("text", "netascii", "tsize", "0", "windowsize", "4", "blksize", "8", "timeout", "2")
      client.expect(.options(["blksize", "8", "timeout", "2"]))
      client.acknowledge(0)
      client.expect(.data(1, Array("one\r\ntwo".utf8)))
      client.acknowledge(1)
      client.expect(.data(2, Array("\r\u{0}\r\n".utf8)))
    }
  }

  /// Every way in which an end of a line can lie across the end of a block.
  @Test(arguments: 0..<64)
  func `netascii is the same however it is cut, and however often a block is sent`(shape: Int) {
    withServer { client in
      let text = (0..<6).flatMap { (shape >> $0) & 1 == 0 ? Array("\n".utf8) : Array("ab\rc\r\n".utf8) }
      client.lab.host.files["t"] = SimulatedFile(text)
      client.read("t", "netascii", "blksize", "8")
      _ = client.take()
      client.acknowledge(0)
      var content: [UInt8] = []
      for block in 1... {
        guard case .data(let number, let bytes)? = client.take().last else { break }
        client.lab.advance(by: .seconds(1))
        client.expect(.data(number, bytes))
        #expect(number == UInt16(block))
        content += bytes
        client.acknowledge(block)
        if bytes.count < 8 { break }
      }
      let expected = text.flatMap { $0 == 10 ? [13, 10] : $0 == 13 ? [13, 0] : [$0] } as [UInt8]
      #expect(content == expected)
      #expect(client.lab.flowEnds == [.finished])
    }
  }
}
