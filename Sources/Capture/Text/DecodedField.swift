/// One field of a frame, decoded.
public struct DecodedField: Hashable, Sendable {
  /// Which header or message the field belongs to, as in `IPv4`.
  public var layer: String
  /// The field, as in `time to live`.
  public var name: String
  /// What it says, on one line of printable ASCII.
  public var value: String
  /// Where it lies, in bytes from the frame's first; flags that share bytes have the same range.
  public var range: Range<Int>

  /// Makes a field of its parts.
  public init(layer: String, name: String, value: String, range: Range<Int>) {
    self.layer = layer
    self.name = name
    self.value = value
    self.range = range
  }
}

extension DecodedField: CustomStringConvertible {
  /// `22 IPv4 time to live 64`: the first byte, then what is in the field.
  public var description: String { "\(range.lowerBound) \(layer) \(name) \(value)" }
}
