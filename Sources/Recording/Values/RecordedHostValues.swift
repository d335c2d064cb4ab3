import Netstack
import Primitives

// What the core and the host say to each other, as recordings have it.

extension FlowID: RecordedValue {
  init(from decoder: inout RecordDecoder) throws(RecordingError) {
    let index = try decoder.count()
    self.init(
      index: UInt32(index), generation: UInt32(truncatingIfNeeded: try decoder.count(atMost: Int(UInt32.max))))
  }

  func encode(to encoder: inout RecordEncoder) {
    encoder.put(word: UInt64(index))
    encoder.put(word: UInt64(generation))
  }
}

extension HostReadiness: RecordedValue {
  init(from decoder: inout RecordDecoder) throws(RecordingError) { self.init(rawValue: try decoder.byte()) }
  func encode(to encoder: inout RecordEncoder) { encoder.put(byte: rawValue) }
}

extension PacketMarks: RecordedValue {
  init(from decoder: inout RecordDecoder) throws(RecordingError) {
    let (hopLimit, dscp) = (try decoder.byte(), try decoder.byte())
    self.init(hopLimit: hopLimit, dscp: dscp, mayFragment: try decoder.value())
  }

  func encode(to encoder: inout RecordEncoder) {
    encoder.put(byte: hopLimit)
    encoder.put(byte: dscp)
    encoder.put(mayFragment)
  }
}

extension HostError: RecordedValue {
  /// Those without a number, in the order of their codes.
  private static let coded: [HostError] = [
    .refused, .reset, .hostUnreachable, .networkUnreachable, .timedOut, .addressInUse, .addressUnavailable, .forbidden,
    .exhausted, .notASocket, .messageTooLong,
  ]
  private static var otherCode: UInt8 { 255 }

  init(from decoder: inout RecordDecoder) throws(RecordingError) {
    let code = try decoder.byte()
    if code == Self.otherCode {
      self = .other(Int32(truncatingIfNeeded: try decoder.signed()))
    } else {
      guard Int(code) < Self.coded.count else { throw .damaged }
      self = Self.coded[Int(code)]
    }
  }

  func encode(to encoder: inout RecordEncoder) {
    switch self {
    case .other(let number):
      encoder.put(byte: Self.otherCode)
      encoder.put(signed: Int64(number))
    case .refused, .reset, .hostUnreachable, .networkUnreachable, .timedOut, .addressInUse, .addressUnavailable,
      .forbidden, .exhausted, .notASocket, .messageTooLong:
      guard let code = Self.coded.firstIndex(of: self) else { preconditionFailure("\(self) has no code") }
      encoder.put(byte: UInt8(code))
    }
  }
}

extension HostOpen: RecordedValue {
  init(from decoder: inout RecordDecoder) throws(RecordingError) {
    switch try decoder.byte() {
    case 0: self = .ready
    case 1: self = .inProgress
    case 2: self = .failed(try decoder.value())
    default: throw .damaged
    }
  }

  func encode(to encoder: inout RecordEncoder) {
    switch self {
    case .ready: encoder.put(byte: 0)
    case .inProgress: encoder.put(byte: 1)
    case .failed(let error):
      encoder.put(byte: 2)
      encoder.put(error)
    }
  }
}

extension HostRead: RecordedValue {
  init(from decoder: inout RecordDecoder) throws(RecordingError) {
    switch try decoder.byte() {
    case 0: self = .bytes(try decoder.count())
    case 1: self = .wouldBlock
    case 2: self = .endOfStream
    case 3: self = .failed(try decoder.value())
    default: throw .damaged
    }
  }

  func encode(to encoder: inout RecordEncoder) {
    switch self {
    case .bytes(let count):
      encoder.put(byte: 0)
      encoder.put(count: count)
    case .wouldBlock: encoder.put(byte: 1)
    case .endOfStream: encoder.put(byte: 2)
    case .failed(let error):
      encoder.put(byte: 3)
      encoder.put(error)
    }
  }
}

extension HostWrite: RecordedValue {
  init(from decoder: inout RecordDecoder) throws(RecordingError) {
    switch try decoder.byte() {
    case 0: self = .accepted(try decoder.count())
    case 1: self = .wouldBlock
    case 2: self = .failed(try decoder.value())
    default: throw .damaged
    }
  }

  func encode(to encoder: inout RecordEncoder) {
    switch self {
    case .accepted(let count):
      encoder.put(byte: 0)
      encoder.put(count: count)
    case .wouldBlock: encoder.put(byte: 1)
    case .failed(let error):
      encoder.put(byte: 2)
      encoder.put(error)
    }
  }
}

extension HostAccept: RecordedValue {
  init(from decoder: inout RecordDecoder) throws(RecordingError) {
    switch try decoder.byte() {
    case 0:
      let peer = try decoder.value(Endpoint.self)
      self = .accepted(peer: peer, local: try decoder.value())
    case 1: self = .acceptedLocal
    case 2: self = .wouldBlock
    case 3: self = .failed(try decoder.value())
    default: throw .damaged
    }
  }

  func encode(to encoder: inout RecordEncoder) {
    switch self {
    case .accepted(let peer, let local):
      encoder.put(byte: 0)
      encoder.put(peer)
      encoder.put(local)
    case .acceptedLocal: encoder.put(byte: 1)
    case .wouldBlock: encoder.put(byte: 2)
    case .failed(let error):
      encoder.put(byte: 3)
      encoder.put(error)
    }
  }
}

extension HostFileOpen: RecordedValue {
  init(from decoder: inout RecordDecoder) throws(RecordingError) {
    switch try decoder.byte() {
    case 0: self = .ready(byteCount: try decoder.word())
    case 1: self = .failed(.notFound)
    case 2: self = .failed(.forbidden)
    case 3: self = .failed(.exhausted)
    case 4: self = .failed(.other(Int32(truncatingIfNeeded: try decoder.signed())))
    default: throw .damaged
    }
  }

  func encode(to encoder: inout RecordEncoder) {
    switch self {
    case .ready(let byteCount):
      encoder.put(byte: 0)
      encoder.put(word: byteCount)
    case .failed(.notFound): encoder.put(byte: 1)
    case .failed(.forbidden): encoder.put(byte: 2)
    case .failed(.exhausted): encoder.put(byte: 3)
    case .failed(.other(let number)):
      encoder.put(byte: 4)
      encoder.put(signed: Int64(number))
    }
  }
}

extension NetworkReport: RecordedValue {
  /// Those without a number, in the order of their codes.
  private static let coded: [NetworkReport] = [
    .networkUnreachable, .hostUnreachable, .protocolUnreachable, .portUnreachable, .prohibited, .timeExceeded,
    .reassemblyTimeExceeded, .parameterProblem,
  ]
  private static var tooBigCode: UInt8 { 255 }

  init(from decoder: inout RecordDecoder) throws(RecordingError) {
    let code = try decoder.byte()
    if code == Self.tooBigCode {
      self = .tooBig(mtu: try decoder.count())
    } else {
      guard Int(code) < Self.coded.count else { throw .damaged }
      self = Self.coded[Int(code)]
    }
  }

  func encode(to encoder: inout RecordEncoder) {
    switch self {
    case .tooBig(let mtu):
      encoder.put(byte: Self.tooBigCode)
      encoder.put(count: max(mtu, 0))
    case .networkUnreachable, .hostUnreachable, .protocolUnreachable, .portUnreachable, .prohibited, .timeExceeded,
      .reassemblyTimeExceeded, .parameterProblem:
      guard let code = Self.coded.firstIndex(of: self) else { preconditionFailure("\(self) has no code") }
      encoder.put(byte: UInt8(code))
    }
  }
}

extension HostFailure: RecordedValue {
  init(from decoder: inout RecordDecoder) throws(RecordingError) {
    let error = try decoder.value(HostError.self)
    let report = try decoder.value(NetworkReport?.self)
    let reporter = try decoder.value(IPAddress?.self)
    let destination = try decoder.value(Endpoint?.self)
    self.init(
      error, report: report, reporter: reporter, destination: destination, quoteLength: try decoder.count())
  }

  func encode(to encoder: inout RecordEncoder) {
    encoder.put(error)
    encoder.put(report)
    encoder.put(reporter)
    encoder.put(destination)
    encoder.put(count: quoteLength)
  }
}

extension Transport: RecordedValue {
  init(from decoder: inout RecordDecoder) throws(RecordingError) {
    guard let transport = Transport(rawValue: try decoder.byte()) else { throw .damaged }
    self = transport
  }

  func encode(to encoder: inout RecordEncoder) { encoder.put(byte: rawValue) }
}

extension ListeningPlace: RecordedValue {
  init(from decoder: inout RecordDecoder) throws(RecordingError) {
    if try decoder.value(Bool.self) {
      let transport = try decoder.value(Transport.self)
      self = .port(transport, try decoder.value())
    } else {
      self = .local(try decoder.value())
    }
  }

  func encode(to encoder: inout RecordEncoder) {
    switch self {
    case .port(let transport, let endpoint):
      encoder.put(true)
      encoder.put(transport)
      encoder.put(endpoint)
    case .local(let name):
      encoder.put(false)
      encoder.put(name)
    }
  }
}

extension HostService: RecordedValue {
  init(from decoder: inout RecordDecoder) throws(RecordingError) {
    let number = try decoder.count()
    self.init(number, name: try decoder.value())
  }

  func encode(to encoder: inout RecordEncoder) {
    encoder.put(count: number)
    encoder.put(name)
  }
}
