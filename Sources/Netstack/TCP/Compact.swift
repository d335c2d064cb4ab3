import Primitives

/// A count of bytes, kept in four bytes: a connection has many, and no window reaches 4 GiB.
@propertyWrapper
struct Compact: Equatable {
  private var bits: UInt32

  @inline(__always)
  init(wrappedValue: Int) { bits = UInt32(clamping: wrappedValue) }

  var wrappedValue: Int {
    @inline(__always) get { Int(bits) }
    @inline(__always) set { bits = UInt32(clamping: newValue) }
  }
}

/// A length of time of at most an hour, kept in four bytes as whole microseconds.
@propertyWrapper
struct CompactInterval: Equatable {
  private var microseconds: UInt32

  @inline(__always)
  init(wrappedValue: Interval) { microseconds = UInt32(clamping: wrappedValue.nanoseconds / 1000) }

  var wrappedValue: Interval {
    @inline(__always) get { .microseconds(Int64(microseconds)) }
    @inline(__always) set { microseconds = UInt32(clamping: newValue.nanoseconds / 1000) }
  }
}
