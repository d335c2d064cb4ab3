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
  /// The error number that the socket has reported, kept because it reports it only once.
  var error: Int32 = 0
  var kind = Kind.none
  /// Whether a writable event is of interest.
  var awaitsWritable = false
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

  /// The state of a flow's socket, or an empty one.
  subscript(flow: FlowID) -> SocketState {
    get {
      let index = Int(flow.index)
      // SAFETY: everything below `used` was initialised.
      return unsafe index < used ? states[index] : SocketState()
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
    }
  }

  /// The descriptor at an index, -1 for none.
  func descriptor(at index: Int) -> Int32 { unsafe index < used ? states[index].descriptor : -1 }
}
