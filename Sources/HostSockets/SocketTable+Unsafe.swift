import Netstack
import Primitives

/// What is known of a flow's socket: sixteen bytes.
struct SocketState {
  enum Kind: UInt8 {
    case none, stream, datagrams, streamListener, datagramListener
    /// A stream that is no TCP connection: a UNIX socket.
    case localStream
    /// What takes them for a forward.
    case localListener
    /// A ping socket, to which the kernel gives what belongs to its identifier.
    case echo
    /// A raw socket for echo, of which the kernel knows nothing but a filter.
    case rawEcho
    /// A regular file, of which there are no events.
    case file
  }

  /// The descriptor, -1 for none.
  var descriptor: Int32 = -1
  /// A stream's peek offset; the marks and the identifier of others.
  private var detail: UInt32 = 0
  /// Which of the flows that had this place the socket belongs to.
  fileprivate(set) var generation: UInt32 = 0
  private var keptError: UInt16 = 0
  var kind = Kind.none
  private var flags: Flags = []

  init(
    descriptor: Int32 = -1, kind: Kind = .none, family: IPAddress.Family = .ipv4, awaitsWritable: Bool = false
  ) {
    self.descriptor = descriptor
    self.kind = kind
    self[.isIPv6] = family == .ipv6
    self[.awaitsWritable] = awaitsWritable
  }

  /// Where the kernel begins the next peek of a stream, in bytes behind the first unread one (SO_PEEK_OFF).
  var peekOffset: Int32 {
    get { Int32(bitPattern: detail) }
    set { detail = UInt32(bitPattern: newValue) }
  }

  /// The marks that a socket of datagrams or echo gives to what it sends, nil while it was given none.
  var marks: PacketMarks? {
    get {
      guard detail & 0x4000 != 0 else { return nil }
      return PacketMarks(
        hopLimit: UInt8(truncatingIfNeeded: detail), dscp: UInt8(truncatingIfNeeded: detail >> 8) & 0x3f,
        mayFragment: detail & 0x8000 == 0)
    }
    set {
      let low = newValue.map {
        UInt32($0.hopLimit) | UInt32($0.dscp & 0x3f) << 8 | ($0.mayFragment ? 0x4000 : 0xc000)
      }
      detail = detail & 0xffff_0000 | (low ?? 0)
    }
  }

  /// The identifier of a raw echo socket.
  var identifier: UInt16 {
    get { UInt16(truncatingIfNeeded: detail >> 16) }
    set { detail = detail & 0xffff | UInt32(newValue) << 16 }
  }

  /// The family of the socket.
  var family: IPAddress.Family { self[.isIPv6] ? .ipv6 : .ipv4 }

  /// The error number that the socket has reported, kept because it reports it only once; 0 for none.
  var error: Int32 {
    get { Int32(keptError) }
    set { keptError = UInt16(clamping: newValue) }
  }

  /// Whether something holds of the socket.
  subscript(flag: Flags) -> Bool {
    get { flags.contains(flag) }
    set { if newValue { flags.insert(flag) } else { flags.remove(flag) } }
  }

  /// What may hold of a socket.
  struct Flags: OptionSet {
    let rawValue: UInt8
    /// A writable event is of interest.
    static let awaitsWritable = Flags(rawValue: 1)
    /// A read from the front ended at the mark of an urgent byte, which it passes only from there.
    static let stoppedAtMark = Flags(rawValue: 2)
    /// The socket is of IPv6.
    static let isIPv6 = Flags(rawValue: 4)
    /// A connecting stream has what only its SYN is to have.
    static let isMarkedForConnecting = Flags(rawValue: 8)
    /// The system does not cut messages into datagrams on the way that the socket's take.
    static let refusesSegments = Flags(rawValue: 16)
    /// A stream that was connecting has become writable without a failure.
    static let hasConnected = Flags(rawValue: 32)
    /// The end of a stream was seen, behind what it still holds.
    static let hasEnded = Flags(rawValue: 64)
  }
}

/// The sockets of all flows by their index. Memory of indices never used is never touched.
@safe
struct SocketTable: ~Copyable {
  private let states: UnsafeMutableBufferPointer<SocketState>
  private var used = 0

  init(capacity: Int) { unsafe states = .allocate(capacity: capacity) }

  deinit { unsafe states.deallocate() }

  /// The number of indices ever used.
  var count: Int { used }

  /// The state of a flow's socket, or an empty one where there is none, or another flow's.
  subscript(flow: FlowID) -> SocketState {
    get {
      let index = Int(flow.index)
      // SAFETY: everything below `used` was initialised.
      guard index < used, unsafe states[index].generation == flow.generation else { return SocketState() }
      return unsafe states[index]
    }
    set {
      let index = Int(flow.index)
      precondition(unsafe index < states.count, "a flow beyond the table")
      while used <= index {
        // SAFETY: `used` is less than the capacity.
        unsafe states.initializeElement(at: used, to: SocketState())
        used += 1
      }
      unsafe states[index] = newValue
      unsafe states[index].generation = flow.generation
    }
  }

  /// The descriptor at an index, -1 for none.
  func descriptor(at index: Int) -> Int32 { unsafe index < used ? states[index].descriptor : -1 }
}
