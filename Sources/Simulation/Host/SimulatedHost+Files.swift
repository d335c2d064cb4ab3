public import Buffers
public import Netstack

/// A file of the simulated host.
public struct SimulatedFile: Hashable, Sendable {
  /// What it holds; a test may change that while the file is open.
  public var bytes: [UInt8]
  /// Why it cannot be opened, nil where it can.
  public var failure: HostFileError?
  /// Why reading it fails, nil where it does not.
  public var readFailure: HostError?

  /// Makes a file.
  public init(_ bytes: [UInt8], failure: HostFileError? = nil) {
    self.bytes = bytes
    self.failure = failure
  }
}

extension SimulatedHost {
  /// Opens a file.
  public mutating func openFile(_ flow: FlowID, named name: Span<UInt8>) -> HostFileOpen {
    var path: [UInt8] = []
    for index in name.indices where !path.isEmpty || name[index] != UInt8(ascii: "/") { path.append(name[index]) }
    let key = String(decoding: path, as: UTF8.self)
    guard let file = files[key] else { return .failed(.notFound) }
    if let failure = file.failure { return .failed(failure) }
    guard open(flow, .file(key)) else { return .failed(.exhausted) }
    return .ready(byteCount: UInt64(file.bytes.count))
  }

  /// Reads a file, as long as it is now.
  public mutating func readFile(_ flow: FlowID, at offset: UInt64, into regions: inout ByteRegions) -> HostRead {
    calls.fileReads += 1
    guard case .file(let key)? = socket(flow)?.kind, let file = files[key] else {
      misuse("readFile of a file that is not open", of: flow)
      return .endOfStream
    }
    if regions.byteCount == 0 { misuse("readFile into no memory", of: flow) }
    if let failure = file.readFailure { return .failed(failure) }
    guard offset < UInt64(file.bytes.count) else { return .endOfStream }
    let end = min(Int(offset) + regions.byteCount, file.bytes.count)
    return .bytes(regions.write(file.bytes.span.extracting(Int(offset)..<end)))
  }
}
