import Primitives

/// How far a file has been sent as netascii (RFC 764, RFC 1350 section 1): LF goes as CR LF, CR as CR NUL.
struct NetasciiPosition: Hashable {
  /// The first byte of the file that was not sent.
  var offset: UInt64 = 0
  /// The second of two bytes, of which the first was the last of its block.
  var pending: UInt8?

  /// Turns the first `count` bytes of `block` into netascii where they are, as far as that fits the block, and moves
  /// on behind what was sent.
  /// - Returns: the length of the block's content in bytes.
  mutating func encode(_ block: inout MutableSpan<UInt8>, count: Int) -> Int {
    let first = pending
    var length = first == nil ? 0 : 1
    var taken = 0
    pending = nil
    while taken < count && length < block.count && pending == nil {
      let second = Self.second(of: block[taken])
      if second != nil && length + 2 > block.count { pending = second }
      length += second == nil || pending != nil ? 1 : 2
      taken += 1
    }
    offset += UInt64(taken)
    // From the end, since what is written never lies before what is yet to be read.
    var end = length
    for index in stride(from: taken - 1, through: 0, by: -1) {
      let byte = block[index]
      if let second = Self.second(of: byte), pending == nil || index < taken - 1 {
        end -= 1
        block[end] = second
      }
      end -= 1
      block[end] = Self.second(of: byte) == nil ? byte : UInt8(ascii: "\r")
    }
    if let first { block[0] = first }
    return length
  }

  /// The byte behind CR that a byte of the file becomes, nil where it goes as it is.
  private static func second(of byte: UInt8) -> UInt8? {
    switch byte {
    case UInt8(ascii: "\n"): UInt8(ascii: "\n")
    case UInt8(ascii: "\r"): 0
    default: nil
    }
  }
}
