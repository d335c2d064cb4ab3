import Buffers

// What travels with frames, as recordings have it.

extension PortID: RecordedValue {
  init(from decoder: inout RecordDecoder) throws(RecordingError) { self.init(rawValue: try decoder.value()) }
  func encode(to encoder: inout RecordEncoder) { encoder.put(rawValue) }
}

extension LinkOffloads: RecordedValue {
  init(from decoder: inout RecordDecoder) throws(RecordingError) { self.init(rawValue: try decoder.byte()) }
  func encode(to encoder: inout RecordEncoder) { encoder.put(byte: rawValue) }
}

extension ChecksumState: RecordedValue {
  init(from decoder: inout RecordDecoder) throws(RecordingError) {
    switch try decoder.byte() {
    case 0: self = .unverified
    case 1: self = .verified
    case 2:
      let start = try decoder.value(UInt16.self)
      self = .partial(start: start, offset: try decoder.value())
    default: throw .damaged
    }
  }

  func encode(to encoder: inout RecordEncoder) {
    switch self {
    case .unverified: encoder.put(byte: 0)
    case .verified: encoder.put(byte: 1)
    case .partial(let start, let offset):
      encoder.put(byte: 2)
      encoder.put(start)
      encoder.put(offset)
    }
  }
}

extension Segmentation: RecordedValue {
  init(from decoder: inout RecordDecoder) throws(RecordingError) {
    let kind: Kind
    switch try decoder.byte() {
    case 0: kind = .tcp4
    case 1: kind = .tcp6
    case 2: kind = .udp
    default: throw .damaged
    }
    self.init(kind: kind, size: try decoder.value())
  }

  func encode(to encoder: inout RecordEncoder) {
    switch kind {
    case .tcp4: encoder.put(byte: 0)
    case .tcp6: encoder.put(byte: 1)
    case .udp: encoder.put(byte: 2)
    }
    encoder.put(size)
  }
}

extension FrameDescriptor: RecordedValue {
  /// The longest frame: a packet of 65,535 bytes with its headers, and more.
  private static var longest: Int { 1 << 20 }

  init(from decoder: inout RecordDecoder) throws(RecordingError) {
    let port = try decoder.value(PortID.self)
    let headerLength = try decoder.count(atMost: Int(UInt16.max))
    let byteCount = try decoder.count(atMost: Self.longest)
    guard headerLength <= byteCount else { throw .damaged }
    let checksum = try decoder.value(ChecksumState.self)
    let segmentation = try decoder.value(Segmentation?.self)
    self.init(
      port: port, headerLength: headerLength, byteCount: byteCount, checksum: checksum, segmentation: segmentation,
      isReassembled: try decoder.value())
  }

  func encode(to encoder: inout RecordEncoder) {
    encoder.put(port)
    encoder.put(headerLength)
    encoder.put(count: Int(byteCount))
    encoder.put(checksum)
    encoder.put(segmentation)
    encoder.put(isReassembled)
  }
}

extension EgressPorts: RecordedValue {
  init(from decoder: inout RecordDecoder) throws(RecordingError) {
    let isOne = try decoder.value(Bool.self)
    let port = try decoder.value(PortID.self)
    self = isOne ? .one(port) : .allBut(port)
  }

  func encode(to encoder: inout RecordEncoder) {
    switch self {
    case .one(let port):
      encoder.put(true)
      encoder.put(port)
    case .allBut(let port):
      encoder.put(false)
      encoder.put(port)
    }
  }
}

extension SlotRequest: RecordedValue {
  init(from decoder: inout RecordDecoder) throws(RecordingError) {
    let port = try decoder.value(PortID.self)
    let slots = try decoder.count()
    let headerLength = try decoder.count()
    self.init(port: port, maximumSlots: slots, headerLength: headerLength, payloadLength: try decoder.count())
  }

  func encode(to encoder: inout RecordEncoder) {
    encoder.put(port)
    encoder.put(count: maximumSlots)
    encoder.put(count: headerLength)
    encoder.put(count: payloadLength)
  }
}
