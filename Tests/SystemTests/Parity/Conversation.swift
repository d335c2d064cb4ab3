import Primitives
import Simulation

/// What a guest asks one of the two networks, and what it is answered.
struct Conversation: ~Copyable {
  private var link: FrameLink
  private let host: ParityHost
  private var fences: UInt16 = 0
  /// What has been answered since `begin`.
  private(set) var answers: [PlainFrame] = []
  /// Whether router advertisements to everybody, which come when they like, are answers.
  var listensToAdvertisements = false

  /// A guest that the network has heard of, over both families.
  init(_ link: consuming FrameLink, on host: ParityHost) throws {
    self.link = link
    self.host = host
    try ask(.arpRequest(for: ProbeAddress.gateway))
    try ask(.neighborSolicitation(for: ProbeAddress.gateway6))
    begin()
  }

  /// Forgets what has been answered.
  mutating func begin() {
    answers = []
    listensToAdvertisements = false
  }

  /// Sends a frame and takes what is answered to it.
  ///
  /// Both networks answer what is their own business before they read the next frame, and so before a ping that is
  /// sent behind the question. `late` is for answers that somebody on the host has a part in: how many to wait for.
  /// - Returns: the first answer.
  @discardableResult
  mutating func ask(_ question: PlainFrame, late: Int = 0) throws -> PlainFrame? {
    try link.send(question)
    return try listen(late: late)
  }

  /// Sends nothing, but takes what comes.
  @discardableResult
  mutating func listen(late: Int) throws -> PlainFrame? {
    var received: [PlainFrame] = []
    try fence(into: &received)
    let deadline = Deadline.after(1)
    while received.count < late, let frame = try next(by: deadline) { received.append(frame) }
    if late > 0 { try fence(into: &received) }
    answers += received
    return received.first
  }

  /// Sends a frame, and forgets what is answered to it.
  mutating func tell(_ word: PlainFrame) throws {
    let before = answers
    try ask(word)
    answers = before
  }

  /// Starts a program on the host.
  func run(_ command: [String]) throws -> Program { try host.run(command) }

  /// Takes everything that comes before the answer to a ping of its own.
  private mutating func fence(into received: inout [PlainFrame]) throws {
    fences += 1
    let mark = UInt32(0xfe9c) << 16 | UInt32(fences)
    try link.send(.ipv4(to: ProbeAddress.gateway, .icmp(PlainICMP(type: 8, rest: mark))))
    let deadline = Deadline.after(10)
    while let frame = try next(by: deadline) {
      if case .icmp(let message)? = frame.payload, message.type == 0, message.rest == mark { return }
      received.append(frame)
    }
    throw Failure("the gateway does not answer a ping")
  }

  /// The next frame of interest. Questions for the guest's hardware address are answered in passing.
  private mutating func next(by deadline: Deadline) throws -> PlainFrame? {
    while let frame = try link.next(by: deadline) {
      if case .arp(let message) = frame.body, message.operation == 1 {
        try link.send(.arpReply(to: message))
        continue
      }
      if let packet = frame.ipv6, case .icmp(let message) = packet.payload, let discovery = try PlainDiscovery(message)
      {
        if discovery.type == 135 {
          try link.send(.neighborAdvertisement(to: packet.source, of: discovery.target ?? ProbeAddress.guest6))
          continue
        }
        if discovery.type == 134 && !listensToAdvertisements { continue }
      }
      return frame
    }
    return nil
  }
}
