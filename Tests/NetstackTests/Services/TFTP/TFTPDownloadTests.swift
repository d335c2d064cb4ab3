import Netstack
import Primitives
import Simulation
import Testing

@testable import Netstack

/// Whole transfers by TFTP over links that misbehave: the file arrives as it is or the client learns that it does not,
/// with a bounded number of datagrams, and nothing is left behind.
@Suite struct TFTPDownloadTests {
  /// Everything at random, but the same at random each time.
  @Test(arguments: families, UInt64(1)...60)
  func `whatever the link loses, repeats or reorders, the file arrives whole`(
    family: IPAddress.Family, seed: UInt64
  ) {
    var dice = SeededGenerator(seed: seed)
    let plan = DownloadPlan(&dice)
    withLab(plan.options(seed: seed)) { download(plan, over: family, on: $0) }
  }

  private func download(_ plan: DownloadPlan, over family: IPAddress.Family, on lab: Lab) {
    lab.host.files["f"] = SimulatedFile(plan.file)
    let begin = lab.now
    let client = TFTPDownload("f", plan.client, on: lab, over: family)
    lab.run(for: .seconds(3600)) { client.outcome != .running }
    #expect(client.outcome == .complete, "\(lab.transcript)")
    #expect(client.content == plan.expected)
    lab.advance(by: .seconds(120))
    #expect(lab.flows.isEmpty && lab.openSocketCount == 0)
    #expect(lab.sentDatagrams.isEmpty)

    let blocks = plan.expected.count / client.blockSize + 1
    // A window goes out for each acknowledgment that brings the transfer on, and for each silence of a second or more.
    let silences = Int((lab.now - begin).nanoseconds / 1_000_000_000) + client.requestCount
    var limit = client.windowSize * (blocks + silences) + 20
    // And, once for each, when an acknowledgment comes again.
    if client.windowSize > 1 { limit += blocks }
    #expect(lab.stack.counters.framesToGuest <= limit)
  }

  @Test(arguments: [nil, "2", "16", "64"], [false, true])
  func `on a link that repeats much but loses nothing there is no sorcerer's apprentice (RFC 1123 section 4.2.3.1)`(
    window: String?, isEager: Bool
  ) throws {
    var options = TFTPBench.options
    options.upLink = LinkModel(delay: .milliseconds(1), duplicatePermille: 500)
    options.downLink = options.upLink
    // So that a copy comes when its original has had its effect.
    options.batchLimit = 1
    try withLab(options) { lab in
      lab.host.files["f"] = SimulatedFile(pattern(512 * 640))
      var plan = TFTPDownload.Plan(isEager: isEager)
      if let window { plan.options = ["windowsize", window] }
      let client = TFTPDownload("f", plan, on: lab)
      // An apprentice would go on for ever.
      lab.run(for: .seconds(60)) { client.outcome != .running || lab.stack.counters.framesToGuest > 2000 }
      try #require(client.outcome == .complete)
      #expect(client.content == pattern(512 * 640))
      lab.advance(by: .seconds(10))
      let sent = lab.stack.observer.closedFlows.reduce(0) { $0 + Int($1.flow.bytesToGuest) }
      // Without windows each block goes out once, the first once more for a copy of the request; with them every other
      // window at most goes out again.
      let limit = 512 * (window.flatMap { Int($0) }.map { 960 + $0 } ?? 641)
      #expect(sent <= limit, "\(sent / 512) of 640 blocks")
    }
  }

  @Test(arguments: families)
  func `a copy of the request that comes late disturbs nothing (RFC 1350 section 4)`(family: IPAddress.Family) {
    withLab(TFTPBench.options) { lab in
      lab.host.files["f"] = SimulatedFile(pattern(5000))
      let client = TFTPBench(lab, over: family)
      let request = TFTPBench.request("f", "octet", ["blksize", "1024"])
      client.send(request, toPort: 69)
      client.expect(.options(["blksize", "1024"]))
      let port = client.transferPort
      client.acknowledge(0)
      client.expect(.data(1, Array(pattern(1024))))
      client.send(request, toPort: 69)
      client.expect(.options(["blksize", "1024"]))
      #expect(client.transferPort != port && lab.flowEnds.isEmpty)
      // What a client says to a transfer that it does not know.
      client.send([0, 5, 0, 5, 0])
      client.send(TFTPBench.acknowledgment(1), toPort: port)
      client.expect(.data(2, Array(pattern(1024, from: 1024))))
      #expect(lab.flowEnds == [.resetByGuest])
    }
  }

  @Test func `the last acknowledgment may be lost: the last block is acknowledged again when it comes again`() {
    withLab(TFTPBench.options) { lab in
      lab.host.files["f"] = SimulatedFile(pattern(100))
      let client = TFTPBench(lab)
      client.read("f")
      client.expect(.data(1, pattern(100)))
      lab.advance(by: .seconds(1))
      client.expect(.data(1, pattern(100)))
      client.acknowledge(1)
      #expect(lab.flowEnds == [.finished])
    }
  }
}

/// One random transfer.
private struct DownloadPlan {
  let file: [UInt8]
  /// What the client is to have in the end.
  let expected: [UInt8]
  var client = TFTPDownload.Plan()
  private let link: LinkModel
  private let slots: Int
  private let isInPieces: Bool

  init(_ dice: inout SeededGenerator) {
    let isText = Int.random(in: 0..<4, using: &dice) == 0
    client.mode = isText ? "netascii" : "octet"
    let blockSize = [nil, 8, 33, 512, 1024, 1428, 65_464].randomElement(using: &dice) ?? nil
    let values: [(String, Int?)] = [
      ("blksize", blockSize), ("windowsize", [nil, 1, 2, 3, 8, 64].randomElement(using: &dice) ?? nil),
      ("timeout", [nil, nil, 1, 3].randomElement(using: &dice) ?? nil),
      ("tsize", [nil, 0].randomElement(using: &dice) ?? nil),
    ]
    for (name, value) in values {
      if let value { client.options += [name, "\(value)"] }
    }
    client.timeout = .milliseconds(Int64.random(in: 300...4000, using: &dice))
    client.isEager = Bool.random(using: &dice)
    let count = Int.random(in: 0...(min(blockSize ?? 512, 1400) * 120), using: &dice)
    // Ends of lines, and blocks that are full at the end, are to come up often.
    let rounded = Bool.random(using: &dice) ? count / (blockSize ?? 512) * (blockSize ?? 512) : count
    file = isText ? pattern(rounded).map { [10, 13, 97, $0][Int($0 >> 6)] } : pattern(rounded)
    expected = isText ? file.flatMap { $0 == 10 ? [13, 10] : $0 == 13 ? [13, 0] : [$0] } : file
    link = LinkModel(
      delay: .microseconds(Int64.random(in: 0...20_000, using: &dice)),
      lossPermille: [0, 10, 50, 150].randomElement(using: &dice) ?? 0,
      duplicatePermille: [0, 20, 300].randomElement(using: &dice) ?? 0,
      reorderPermille: [0, 50, 300].randomElement(using: &dice) ?? 0)
    slots = [1, 3, .max].randomElement(using: &dice) ?? 1
    isInPieces = Bool.random(using: &dice)
  }

  func options(seed: UInt64) -> Lab.Options {
    var options = TFTPBench.options
    options.seed = seed
    (options.upLink, options.downLink) = (link, link)
    options.maximumSlots = slots
    if isInPieces { options.framing = Lab.Framing(headerLength: 134, pieceLength: 3000) }
    return options
  }
}
