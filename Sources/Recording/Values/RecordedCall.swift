import Buffers
import Netstack
import Primitives

/// A call of the host or of the sink by the core, with its arguments. Bytes are their number and their fingerprint.
enum RecordedCall: Hashable {
  case connect(FlowID, to: Endpoint, PacketMarks)
  case connectService(FlowID, to: HostService)
  case openPair(FlowID, FlowID)
  case finishConnecting(FlowID)
  case listen(FlowID, at: ListeningPlace)
  case accept(from: FlowID, as: FlowID)
  case openDatagrams(FlowID, IPAddress.Family, destination: Endpoint?, preferredPort: UInt16)
  case openEcho(FlowID, IPAddress.Family, identifier: UInt16)
  case close(FlowID, abortively: Bool)
  case receiveStream(FlowID, skipping: Int, byteCount: Int)
  case discard(FlowID, count: Int)
  case send(FlowID, byteCount: Int, digest: UInt64)
  case sendSpace(FlowID)
  case requestWritable(FlowID)
  case unacknowledged(FlowID)
  case finishWriting(FlowID)
  case receiveDatagrams(FlowID)
  case sendDatagrams(FlowID, count: Int, byteCount: Int, digest: UInt64)
  case takeError(FlowID, quoteCapacity: Int)
  case openFile(FlowID, named: [UInt8])
  case readFile(FlowID, at: UInt64, byteCount: Int)
  case reserve(SlotRequest)
  case commit(slots: Int, lastPayload: Int, FrameDescriptor)
  case cancel
  case forward(frame: Int, to: EgressPorts)
  case handOver(frame: Int, to: Int, byteCount: Int, digest: UInt64)
}

extension RecordedCall: RecordedValue {
  func encode(to encoder: inout RecordEncoder) {
    switch self {
    case .connect(let flow, let destination, let marks):
      encoder.put(.connect, flow)
      encoder.put(destination)
      encoder.put(marks)
    case .connectService(let flow, let service):
      encoder.put(.connectService, flow)
      encoder.put(service)
    case .openPair(let one, let other):
      encoder.put(.openPair, one)
      encoder.put(other)
    case .finishConnecting(let flow): encoder.put(.finishConnecting, flow)
    case .listen(let flow, let place):
      encoder.put(.listen, flow)
      encoder.put(place)
    case .accept(let listener, let flow):
      encoder.put(.accept, listener)
      encoder.put(flow)
    case .openDatagrams(let flow, let family, let destination, let port):
      encoder.put(.openDatagrams, flow)
      encoder.put(family)
      encoder.put(destination)
      encoder.put(port)
    case .openEcho(let flow, let family, let identifier):
      encoder.put(.openEcho, flow)
      encoder.put(family)
      encoder.put(identifier)
    case .close(let flow, let abortively):
      encoder.put(.close, flow)
      encoder.put(abortively)
    case .receiveStream(let flow, let skipping, let byteCount):
      encoder.put(.receiveStream, flow)
      encoder.put(count: skipping)
      encoder.put(count: byteCount)
    case .discard(let flow, let count):
      encoder.put(.discard, flow)
      encoder.put(count: count)
    case .send(let flow, let byteCount, let digest):
      encoder.put(.send, flow)
      encoder.put(count: byteCount)
      encoder.put(whole: digest)
    case .sendSpace(let flow): encoder.put(.sendSpace, flow)
    case .requestWritable(let flow): encoder.put(.requestWritable, flow)
    case .unacknowledged(let flow): encoder.put(.unacknowledged, flow)
    case .finishWriting(let flow): encoder.put(.finishWriting, flow)
    case .receiveDatagrams(let flow): encoder.put(.receiveDatagrams, flow)
    case .sendDatagrams(let flow, let count, let byteCount, let digest):
      encoder.put(.sendDatagrams, flow)
      encoder.put(count: count)
      encoder.put(count: byteCount)
      encoder.put(whole: digest)
    case .takeError(let flow, let capacity):
      encoder.put(.takeError, flow)
      encoder.put(count: capacity)
    case .openFile(let flow, let name):
      encoder.put(.openFile, flow)
      encoder.put(counted: name)
    case .readFile(let flow, let offset, let byteCount):
      encoder.put(.readFile, flow)
      encoder.put(word: offset)
      encoder.put(count: byteCount)
    case .reserve, .commit, .cancel, .forward, .handOver: encodeSinkCall(to: &encoder)
    }
  }

  private func encodeSinkCall(to encoder: inout RecordEncoder) {
    switch self {
    case .reserve(let request):
      encoder.put(byte: RecordKind.reserve.rawValue)
      encoder.put(request)
    case .commit(let slots, let lastPayload, let descriptor):
      encoder.put(byte: RecordKind.commit.rawValue)
      encoder.put(count: slots)
      encoder.put(count: lastPayload)
      encoder.put(descriptor)
    case .cancel: encoder.put(byte: RecordKind.cancel.rawValue)
    case .forward(let frame, let ports):
      encoder.put(byte: RecordKind.forward.rawValue)
      encoder.put(count: frame)
      encoder.put(ports)
    case .handOver(let frame, let loop, let byteCount, let digest):
      encoder.put(byte: RecordKind.handOver.rawValue)
      encoder.put(count: frame)
      encoder.put(count: loop)
      encoder.put(count: byteCount)
      encoder.put(whole: digest)
    default: preconditionFailure("a call of the host")
    }
  }

  init(from decoder: inout RecordDecoder) throws(RecordingError) {
    guard let kind = RecordKind(rawValue: try decoder.byte()) else { throw .damaged }
    switch kind {
    case .reserve: self = .reserve(try decoder.value())
    case .commit:
      let slots = try decoder.count()
      let lastPayload = try decoder.count()
      self = .commit(slots: slots, lastPayload: lastPayload, try decoder.value())
    case .cancel: self = .cancel
    case .forward:
      let frame = try decoder.count()
      self = .forward(frame: frame, to: try decoder.value())
    case .handOver:
      let (frame, loop) = (try decoder.count(), try decoder.count())
      let byteCount = try decoder.count()
      self = .handOver(frame: frame, to: loop, byteCount: byteCount, digest: try decoder.whole())
    default: self = try Self.hostCall(kind, of: try decoder.value(), &decoder)
    }
  }

  private static func hostCall(
    _ kind: RecordKind, of flow: FlowID, _ decoder: inout RecordDecoder
  ) throws(RecordingError) -> RecordedCall {
    switch kind {
    case .connect:
      let destination = try decoder.value(Endpoint.self)
      return .connect(flow, to: destination, try decoder.value())
    case .connectService: return .connectService(flow, to: try decoder.value())
    case .openPair: return .openPair(flow, try decoder.value())
    case .finishConnecting: return .finishConnecting(flow)
    case .listen: return .listen(flow, at: try decoder.value())
    case .accept: return .accept(from: flow, as: try decoder.value())
    case .openDatagrams:
      let family = try decoder.value(IPAddress.Family.self)
      let destination = try decoder.value(Endpoint?.self)
      return .openDatagrams(flow, family, destination: destination, preferredPort: try decoder.value())
    case .openEcho:
      let family = try decoder.value(IPAddress.Family.self)
      return .openEcho(flow, family, identifier: try decoder.value())
    case .close: return .close(flow, abortively: try decoder.value())
    case .receiveStream:
      let skipping = try decoder.count()
      return .receiveStream(flow, skipping: skipping, byteCount: try decoder.count())
    case .discard: return .discard(flow, count: try decoder.count())
    case .send:
      let byteCount = try decoder.count()
      return .send(flow, byteCount: byteCount, digest: try decoder.whole())
    case .sendSpace: return .sendSpace(flow)
    case .requestWritable: return .requestWritable(flow)
    case .unacknowledged: return .unacknowledged(flow)
    case .finishWriting: return .finishWriting(flow)
    case .receiveDatagrams: return .receiveDatagrams(flow)
    case .sendDatagrams:
      let (count, byteCount) = (try decoder.count(), try decoder.count())
      return .sendDatagrams(flow, count: count, byteCount: byteCount, digest: try decoder.whole())
    case .takeError: return .takeError(flow, quoteCapacity: try decoder.count())
    case .openFile: return .openFile(flow, named: try decoder.counted())
    case .readFile:
      let offset = try decoder.word()
      return .readFile(flow, at: offset, byteCount: try decoder.count())
    default: throw .damaged
    }
  }
}

extension RecordEncoder {
  /// Puts the beginning of a call for a flow.
  fileprivate mutating func put(_ kind: RecordKind, _ flow: FlowID) {
    put(byte: kind.rawValue)
    put(flow)
  }
}

extension RecordedCall: CustomStringConvertible {
  /// The call in words.
  var description: String {
    switch self {
    case .connect(let flow, let destination, let marks):
      "host.connect(\(flow), to: \(destination), hop limit \(marks.hopLimit), DSCP \(marks.dscp)"
        + "\(marks.mayFragment ? "" : ", in one piece"))"
    case .connectService(let flow, let service): "host.connect(\(flow), to: \(service.name))"
    case .openPair(let one, let other): "host.openPair(\(one), \(other))"
    case .finishConnecting(let flow): "host.finishConnecting(\(flow))"
    case .listen(let flow, let place): "host.listen(\(flow), at: \(place.words))"
    case .accept(let listener, let flow): "host.accept(from: \(listener), as: \(flow))"
    case .openDatagrams(let flow, let family, let destination, let port):
      "host.openDatagrams(\(flow), \(family), to: \(destination.map { "\($0)" } ?? "any"), port \(port))"
    case .openEcho(let flow, let family, let identifier): "host.openEcho(\(flow), \(family), \(identifier))"
    case .close(let flow, let abortively): "host.close(\(flow), abortively: \(abortively))"
    case .receiveStream(let flow, let skipping, let byteCount):
      "host.receive(\(flow), skipping: \(skipping), into \(byteCount) bytes)"
    case .discard(let flow, let count): "host.discard(\(flow), \(count) bytes)"
    case .send(let flow, let byteCount, let digest):
      "host.send(\(byteCount) bytes, digest \(digest.hexadecimal), on: \(flow))"
    case .sendSpace(let flow): "host.sendSpace(\(flow))"
    case .requestWritable(let flow): "host.requestWritable(\(flow))"
    case .unacknowledged(let flow): "host.unacknowledgedByteCount(\(flow))"
    case .finishWriting(let flow): "host.finishWriting(\(flow))"
    case .receiveDatagrams(let flow): "host.receiveDatagrams(\(flow))"
    case .sendDatagrams(let flow, let count, let byteCount, let digest):
      "host.sendDatagrams(\(count) with \(byteCount) bytes, digest \(digest.hexadecimal), on: \(flow))"
    case .takeError(let flow, let capacity): "host.takeError(\(flow), quote of \(capacity) bytes at most)"
    case .openFile(let flow, let name): "host.openFile(\(flow), \(String(decoding: name, as: UTF8.self)))"
    case .readFile(let flow, let offset, let byteCount):
      "host.readFile(\(flow), at: \(offset), into \(byteCount) bytes)"
    case .reserve(let request):
      "sink.reserve(port \(request.port.rawValue), \(request.maximumSlots) slots at most, "
        + "\(request.headerLength) + \(request.payloadLength) bytes each)"
    case .commit(let slots, let lastPayload, let descriptor):
      "sink.commit(\(slots) frames, the last with \(lastPayload) bytes of payload, \(descriptor.words))"
    case .cancel: "sink.cancel"
    case .forward(let frame, .one(let port)): "sink.forward(frame \(frame), to port \(port.rawValue))"
    case .forward(let frame, .allBut(let port)): "sink.forward(frame \(frame), to all but port \(port.rawValue))"
    case .handOver(let frame, let loop, let byteCount, let digest):
      "sink.handOver(frame \(frame) of \(byteCount) bytes, digest \(digest.hexadecimal), to loop \(loop))"
    }
  }
}

extension UInt64 {
  /// Sixteen digits.
  var hexadecimal: String {
    let digits = String(self, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }
}

extension ListeningPlace {
  /// The place in words.
  var words: String {
    switch self {
    case .port(let transport, let endpoint): "\(transport) \(endpoint)"
    case .local(let name): name
    }
  }
}

extension FrameDescriptor {
  /// What travels with the frame, in words.
  var words: String {
    let sum =
      switch checksum {
      case .unverified: "whole sum"
      case .verified: "verified"
      case .partial(let start, let offset): "partial sum from \(start) at \(offset)"
      }
    let cut = segmentation.map { ", \($0.kind) in segments of \($0.size)" } ?? ""
    return "port \(port.rawValue), \(headerLength) of \(byteCount) bytes in the header part, \(sum)\(cut)"
  }
}
