import Netstack

/// What is known of a flow's socket: sixteen bytes.
struct SocketState {
  enum Kind: UInt8 {
    case none, stream, datagrams, streamListener, datagramListener
  }

  /// The descriptor, -1 for none.
  var descriptor: Int32 = -1
  /// Where the kernel begins the next peek, in bytes behind the first unread one (SO_PEEK_OFF).
  var peekOffset: Int32 = 0
  /// Which of the flows that had this place the socket belongs to.
  fileprivate(set) var generation: UInt32 = 0
  private var keptError: UInt16 = 0
  var kind = Kind.none
  private var marks: UInt8 = 0

  init(descriptor: Int32 = -1, kind: Kind = .none, awaitsWritable: Bool = false) {
    self.descriptor = descriptor
    self.kind = kind
    self.awaitsWritable = awaitsWritable
  }

  /// The error number that the socket has reported, kept because it reports it only once; 0 for none.
  var error: Int32 {
    get { Int32(keptError) }
    set { keptError = UInt16(clamping: newValue) }
  }

  /// Whether a writable event is of interest.
  var awaitsWritable: Bool {
    get { marks & 1 != 0 }
    set { marks = newValue ? marks | 1 : marks & ~1 }
  }

  /// Whether a read from the front ended at the mark of an urgent byte, which it passes only from there.
  var stoppedAtMark: Bool {
    get { marks & 2 != 0 }
    set { marks = newValue ? marks | 2 : marks & ~2 }
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
