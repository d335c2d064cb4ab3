import Primitives
import Wire

/// A file on its way to a guest (RFC 1350).
///
/// # Theory of operation
/// A request comes to port 69 of the gateway. The transfer has a port of its own there (section 4: its transfer
/// identifier) and lives as a flow of the flow table between that and the guest's port.
///
///     request without options ───────────────▶ sending ──▶ ended ──▶ (forgotten)
///     request with options ──▶ offering ──ACK 0──┘           ▲
///                                  └─────── ERROR, silence ──┘
///
/// - **Offering**: the OACK (RFC 2347) says which options hold, and is sent again until block 0 is acknowledged.
/// - **Sending**: up to a window of blocks (RFC 7440; one without the option) is under way behind the last one that
///   was acknowledged. An acknowledgment from within the window says that what follows was lost, and sending goes on
///   from there; after a time without any, it begins again behind the last block acknowledged. The file is where the
///   blocks are kept: what is sent again is read again.
/// - **Ended**: the file is closed. The port is kept for a while, so that what still comes for it does not go to
///   whoever has that port of the host's.
///
/// RFC 1123 section 4.2.3.1 (the sorcerer's apprentice): an acknowledgment that repeats the last one starts nothing
/// where the window is one block. In a longer window it is what tells that the first block was lost, but it comes, too,
/// from a client that has got all blocks twice; hence it counts once, and then not again before the window after
/// those that were sent twice.
struct TFTPTransfer {
  enum Phase: Hashable {
    case offering, sending, ended
  }

  /// What an acknowledgment has changed.
  enum Progress: Hashable {
    /// Nothing; it is old, or repeats another.
    case none
    /// There is something to send.
    case sendable
    /// The whole file has arrived.
    case complete
  }

  // Whose it is
  let guest: Endpoint
  /// The gateway's address and the port of this transfer.
  let local: Endpoint
  var id = FlowID(index: 0, generation: 0)
  /// Where the guest was found in the neighbor table.
  var neighbor: Int
  /// Whether the place in the table is free.
  var isVacant = false
  /// Whether it waits in the work queue.
  var isQueued = false
  /// When the guest last sent something for it.
  var lastHeard: Instant
  var bytesToGuest: UInt64 = 0

  // What was agreed
  private(set) var mode = TFTPMode.octet
  /// The options that the OACK says.
  private(set) var agreed = TFTPOptions()
  private(set) var blockSize = TFTPTransfer.defaultBlockSize
  private(set) var windowSize: UInt64 = 1
  /// The length of the file when it was opened: so much is sent, even if it grows.
  private(set) var fileSize: UInt64 = 0

  // How far it is; blocks count from 1, and on the wire modulo 2^16
  var phase = Phase.ended
  /// The last block that has arrived.
  private(set) var acknowledged: UInt64 = 0
  /// The last block that was sent since the transfer last went back.
  private(set) var sent: UInt64 = 0
  /// The shorter block, perhaps empty, that ends the file; nil until netascii knows it.
  private(set) var lastBlock: UInt64?
  /// A repeated acknowledgment counts from this block on.
  private var repetitionsCountFrom: UInt64 = 0
  /// How often in a row no acknowledgment came in time.
  private var silences = 0
  /// Where the file is behind `acknowledged`, and behind `sent`, in netascii.
  private var acknowledgedPosition = NetasciiPosition()
  private(set) var position = NetasciiPosition()

  /// RFC 1350 section 2.
  static let defaultBlockSize = 512
  /// The longest window that is agreed to: enough for any link between a guest and its host.
  static let maximumWindowSize = 64
  /// How often something is sent again before the guest is given up.
  static let maximumSilences = 5
  /// How long the port of a transfer that has ended is kept.
  static let lingerTime = Interval.seconds(2)
  /// When a transfer may make room for another: several times what a guest that is there takes.
  static let staleTime = Interval.seconds(5)

  /// Whom it is with.
  var client: TFTPClient { TFTPClient(guest: guest, local: local, neighbor: neighbor) }

  /// Makes a transfer of nothing.
  init(guest: Endpoint, local: Endpoint, neighbor: Int, at now: Instant) {
    self.guest = guest
    self.local = local
    self.neighbor = neighbor
    lastHeard = now
  }

  /// Begins to send a file of `fileSize` bytes in answer to a request, in blocks of `longestBlock` bytes at most.
  mutating func begin(_ options: TFTPOptions, _ mode: TFTPMode, fileSize: UInt64, longestBlock: Int) {
    self.mode = mode
    self.fileSize = fileSize
    if let asked = options.blockSize {
      // RFC 2348: the server may answer with less.
      blockSize = min(asked, longestBlock)
      agreed.blockSize = blockSize
    }
    agreed.timeout = options.timeout
    if mode == .octet {
      // RFC 2349: the length in bytes as they are sent, which netascii does not know before. Nor could it go back to
      // any block of a window without a note of each.
      agreed.transferSize = options.transferSize.map { _ in fileSize }
      agreed.windowSize = options.windowSize.map { min($0, Self.maximumWindowSize) }
      windowSize = UInt64(agreed.windowSize ?? 1)
      lastBlock = fileSize / UInt64(blockSize) + 1
    }
    phase = agreed.isEmpty ? .sending : .offering
  }

  // MARK: Sending

  /// Whether the guest has not acknowledged anything yet, be it the options that were accepted.
  var isUnanswered: Bool { phase == .offering || (phase == .sending && agreed.isEmpty && acknowledged == 0) }

  /// How many blocks may be sent now.
  var sendableBlocks: Int {
    guard phase == .sending else { return 0 }
    return Int(min(acknowledged + windowSize, lastBlock ?? .max) - sent)
  }

  /// Where the next blocks begin in the file, sent as it is.
  var offset: UInt64 { sent * UInt64(blockSize) }

  /// Bytes of the file in the next `blocks` blocks.
  func byteCount(ofBlocks blocks: Int) -> Int { Int(min(UInt64(blocks * blockSize), fileSize - offset)) }

  /// So many blocks were sent.
  mutating func send(blocks: Int) { sent += UInt64(blocks) }

  /// A block of netascii was sent; `isLast` where the file ends with it.
  mutating func send(netasciiTo position: NetasciiPosition, isLast: Bool) {
    self.position = position
    sent += 1
    if isLast { lastBlock = sent }
  }

  // MARK: Acknowledgments

  /// Takes the acknowledgment of block `number`.
  mutating func acknowledge(_ number: UInt16) -> Progress {
    let distance = UInt64(number &- UInt16(truncatingIfNeeded: acknowledged))
    guard phase != .ended, distance <= sent - acknowledged else { return .none }
    if phase == .offering {
      // RFC 2347: the acknowledgment of the options has block 0.
      phase = .sending
      silences = 0
      return .sendable
    }
    guard distance > 0 else { return takeRepetition() }
    silences = 0
    acknowledged += distance
    if acknowledged == lastBlock { return .complete }
    if acknowledged < sent {
      goBack()
    } else {
      acknowledgedPosition = position
    }
    return .sendable
  }

  /// The last acknowledgment once more: in a window, that its first block was lost.
  private mutating func takeRepetition() -> Progress {
    guard windowSize > 1, acknowledged < sent, acknowledged >= repetitionsCountFrom else { return .none }
    goBack()
    return .sendable
  }

  /// RFC 7440 section 4: goes on behind the last block that has arrived.
  private mutating func goBack() {
    repetitionsCountFrom = sent + windowSize
    sent = acknowledged
    position = acknowledgedPosition
  }

  // MARK: Time

  /// How long to wait for an acknowledgment: as the client asks (RFC 2349), or twice as long each time (RFC 1123 section
  /// 4.2.3.2).
  var timeout: Interval {
    if let seconds = agreed.timeout { return .seconds(Int64(seconds)) }
    return .seconds(Int64(1) << Int64(min(silences, 3)))
  }

  /// No acknowledgment came in time: goes back, to send again.
  /// - Returns: false where that was tried often enough.
  mutating func passSilence() -> Bool {
    guard silences < Self.maximumSilences else { return false }
    silences += 1
    if acknowledged < sent { goBack() }
    return true
  }
}
