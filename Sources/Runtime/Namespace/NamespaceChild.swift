import LinuxSystem
import Primitives
import RouteNetlink

/// A running helper process, and the way to it: `takeDevice`, `configure`, then `finish`, or `start` where there is a
/// command.
struct NamespaceChild: ~Copyable {
  /// The interface's hardware address, once the device was taken.
  private(set) var hardware: MACAddress?
  private var process: ChildProcess?
  private let socket: Socket

  /// Starts a helper.
  init(_ request: NamespaceRequest) throws(SystemError) {
    let ends = try Socket.pair(.sequencedPacket).take()
    let own = FileDescriptor(owning: ends.first)
    let others = FileDescriptor(owning: ends.second)
    try own.setBlocking()
    var request = request
    request.socket = others.rawValue
    process = try ChildProcess(request.commandLine, inheriting: [.init(others.rawValue)])
    socket = Socket(own)
  }

  /// Waits for the device that the helper hands over.
  mutating func takeDevice() throws -> FileDescriptor {
    var descriptors = ReceivedDescriptors()
    hardware = MACAddress(try awaitAnswer(&descriptors))
    guard let device = descriptors.popFirst(), hardware != nil else {
      throw ServiceError("the process that sets a namespace up handed no device over")
    }
    return device
  }

  /// Has the interface be given its addresses.
  mutating func configure(_ addresses: [InterfaceAddress]) throws {
    try socket.descriptor.write(addresses.map(\.description).joined(separator: " "))
    var descriptors = ReceivedDescriptors()
    _ = try awaitAnswer(&descriptors)
  }

  /// Waits for an answer of the helper's and returns its words.
  private mutating func awaitAnswer(_ descriptors: inout ReceivedDescriptors) throws -> String {
    var bytes = [UInt8](repeating: 0, count: 4096)
    let count = try receive(&bytes, &descriptors)
    let words = String(decoding: bytes[min(1, count)..<count], as: UTF8.self)
    if count > 0, bytes[0] == 0 { return words }
    let status = try waitUntilExit()
    throw ServiceError(count > 1 ? words : "the process that sets a namespace up ended with \(status)")
  }

  private func receive(_ bytes: inout [UInt8], _ descriptors: inout ReceivedDescriptors) throws(SystemError) -> Int {
    var space = bytes.mutableSpan
    return try socket.receive(into: &space, descriptors: &descriptors) ?? 0
  }

  /// Waits until a helper without a command has ended.
  mutating func finish() throws { _ = try waitUntilExit() }

  private mutating func waitUntilExit() throws(SystemError) -> Int32 {
    switch process.take() {
    case .none: 0
    case .some(let process): try process.waitUntilExit().shellStatus
    }
  }

  /// Gives up the process, which waits for `start`.
  /// - Precondition: it was not given up before.
  mutating func takeProcess() -> ChildProcess {
    guard let process = process.take() else { preconditionFailure("the process was given up") }
    return process
  }

  /// Lets the helper become its command.
  consuming func start() throws(SystemError) { try socket.descriptor.write("start") }
}
