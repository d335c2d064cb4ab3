import Primitives

/// A value that is written into recordings and read from them.
protocol RecordedValue {
  /// Reads a value that `encode` has written, and refuses what is none.
  init(from decoder: inout RecordDecoder) throws(RecordingError)
  /// Writes the value.
  func encode(to encoder: inout RecordEncoder)
}

extension Bool: RecordedValue {
  init(from decoder: inout RecordDecoder) throws(RecordingError) {
    switch try decoder.byte() {
    case 0: self = false
    case 1: self = true
    default: throw .damaged
    }
  }

  func encode(to encoder: inout RecordEncoder) { encoder.put(byte: self ? 1 : 0) }
}

extension UInt8: RecordedValue {
  init(from decoder: inout RecordDecoder) throws(RecordingError) { self = try decoder.byte() }
  func encode(to encoder: inout RecordEncoder) { encoder.put(byte: self) }
}

extension UInt16: RecordedValue {
  init(from decoder: inout RecordDecoder) throws(RecordingError) {
    self = UInt16(truncatingIfNeeded: try decoder.count(atMost: Int(UInt16.max)))
  }

  func encode(to encoder: inout RecordEncoder) { encoder.put(word: UInt64(self)) }
}

extension UInt64: RecordedValue {
  init(from decoder: inout RecordDecoder) throws(RecordingError) { self = try decoder.word() }
  func encode(to encoder: inout RecordEncoder) { encoder.put(word: self) }
}

extension String: RecordedValue {
  init(from decoder: inout RecordDecoder) throws(RecordingError) {
    guard let text = String(validating: try decoder.counted(), as: UTF8.self) else { throw .damaged }
    self = text
  }

  func encode(to encoder: inout RecordEncoder) { encoder.put(counted: Array(utf8)) }
}

extension Optional: RecordedValue where Wrapped: RecordedValue {
  init(from decoder: inout RecordDecoder) throws(RecordingError) {
    self = try decoder.value(Bool.self) ? try decoder.value(Wrapped.self) : nil
  }

  func encode(to encoder: inout RecordEncoder) {
    encoder.put(self != nil)
    if let self { encoder.put(self) }
  }
}

extension Array: RecordedValue where Element: RecordedValue {
  init(from decoder: inout RecordDecoder) throws(RecordingError) {
    self = []
    // Each element has at least one byte: a count that is a lie ends with the bytes.
    for _ in 0..<(try decoder.count()) { append(try decoder.value()) }
  }

  func encode(to encoder: inout RecordEncoder) {
    encoder.put(count: count)
    for element in self { encoder.put(element) }
  }
}

// MARK: Addresses and times

extension Instant: RecordedValue {
  /// The latest moment that is believed, in nanoseconds: 146 years after the origin. Intervals can be added to it.
  private static var latest: Int64 { 1 << 62 }

  init(from decoder: inout RecordDecoder) throws(RecordingError) {
    let nanoseconds = try decoder.signed()
    guard nanoseconds == .max || nanoseconds.magnitude <= UInt64(Self.latest) else { throw .damaged }
    self.init(nanoseconds: nanoseconds)
  }

  func encode(to encoder: inout RecordEncoder) { encoder.put(signed: nanoseconds) }
}

extension IPAddress.Family: RecordedValue {
  init(from decoder: inout RecordDecoder) throws(RecordingError) {
    switch try decoder.byte() {
    case 4: self = .ipv4
    case 6: self = .ipv6
    default: throw .damaged
    }
  }

  func encode(to encoder: inout RecordEncoder) { encoder.put(byte: self == .ipv4 ? 4 : 6) }
}

extension IPv4Address: RecordedValue {
  init(from decoder: inout RecordDecoder) throws(RecordingError) {
    self.init(bits: UInt32(truncatingIfNeeded: try decoder.count(atMost: Int(UInt32.max))))
  }

  func encode(to encoder: inout RecordEncoder) { encoder.put(word: UInt64(bits)) }
}

extension IPv6Address: RecordedValue {
  init(from decoder: inout RecordDecoder) throws(RecordingError) {
    self.init(high: try decoder.whole(), low: try decoder.whole())
  }

  func encode(to encoder: inout RecordEncoder) {
    encoder.put(whole: high)
    encoder.put(whole: low)
  }
}

extension IPAddress: RecordedValue {
  init(from decoder: inout RecordDecoder) throws(RecordingError) {
    switch try decoder.value(Family.self) {
    case .ipv4: self.init(try decoder.value(IPv4Address.self))
    case .ipv6: self.init(try decoder.value(IPv6Address.self))
    }
  }

  func encode(to encoder: inout RecordEncoder) {
    encoder.put(family)
    if let ipv4 { encoder.put(ipv4) } else { encoder.put(mapped) }
  }
}

extension Endpoint: RecordedValue {
  init(from decoder: inout RecordDecoder) throws(RecordingError) {
    let address = try decoder.value(IPAddress.self)
    self.init(address, port: try decoder.value())
  }

  func encode(to encoder: inout RecordEncoder) {
    encoder.put(address)
    encoder.put(port)
  }
}

extension MACAddress: RecordedValue {
  init(from decoder: inout RecordDecoder) throws(RecordingError) {
    let word = try decoder.word()
    guard word >> 48 == 0 else { throw .damaged }
    self.init(bits: word)
  }

  func encode(to encoder: inout RecordEncoder) { encoder.put(word: bits) }
}

extension IPv4Prefix: RecordedValue {
  init(from decoder: inout RecordDecoder) throws(RecordingError) {
    let network = try decoder.value(IPv4Address.self)
    self.init(containing: network, length: try decoder.count(atMost: 32))
  }

  func encode(to encoder: inout RecordEncoder) {
    encoder.put(network)
    encoder.put(count: length)
  }
}

extension IPv6Prefix: RecordedValue {
  init(from decoder: inout RecordDecoder) throws(RecordingError) {
    let network = try decoder.value(IPv6Address.self)
    self.init(containing: network, length: try decoder.count(atMost: 128))
  }

  func encode(to encoder: inout RecordEncoder) {
    encoder.put(network)
    encoder.put(count: length)
  }
}
