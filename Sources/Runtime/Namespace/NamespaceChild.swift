import BasicContainers
import LinuxSystem
import Primitives
import RouteNetlink

/// A running helper process, and the way to it: `takeDevice`, `configure`, then `finish`, or `start` where there is a
/// command.
struct NamespaceChild: ~Copyable {
  /// The port whose link the device is.
  let port: Int
  /// The interface's hardware address, once the device was taken.
  private(set) var hardware: MACAddress?
  /// What is still to be taken: the device's queues, and behind them what tells of the sockets of a new namespace.
  private var descriptors = ReceivedDescriptors()
  private var process: ChildProcess?
  private let socket: Socket

  /// Starts a helper.
  init(_ request: NamespaceRequest, port: Int = 0) throws(SystemError) {
    self.port = port
    let ends = try Socket.pair(.sequencedPacket).take()
    let own = FileDescriptor(owning: ends.first)
    let others = FileDescriptor(owning: ends.second)
    try own.setBlocking()
    var request = request
    request.socket = others.rawValue
    process = try ChildProcess(request.commandLine, inheriting: [.init(others.rawValue)])
    socket = Socket(own)
  }

  /// Takes a queue of the device that the helper hands over; waits for it the first time.
  mutating func takeDevice() throws -> FileDescriptor {
    if hardware == nil { hardware = MACAddress(try awaitAnswer()) }
    guard let queue = descriptors.popFirst(), hardware != nil else {
      throw ServiceError("the process that sets a namespace up handed no device over")
    }
    return queue
  }

  /// Gives up what tells of the sockets of a new namespace, and keeps it, once all queues are taken.
  mutating func takeSockets() -> NamespaceSockets {
    var tables = UniqueArray<FileDescriptor>()
    while let table = descriptors.popFirst() { tables.append(table) }
    return NamespaceSockets(tables: tables)
  }

  /// Has the interface be given its addresses.
  mutating func configure(_ addresses: [InterfaceAddress]) throws {
    try socket.descriptor.write(addresses.map(\.description).joined(separator: " "))
    _ = try awaitAnswer()
  }

  /// Waits for an answer of the helper's, keeps the descriptors beside it, and returns its words.
  private mutating func awaitAnswer() throws -> String {
    var bytes = [UInt8](repeating: 0, count: 4096)
    let count = try receive(&bytes)
    let words = String(decoding: bytes[min(1, count)..<count], as: UTF8.self)
    if count > 0, bytes[0] == 0 { return words }
    let status = try waitUntilExit()
    throw ServiceError(count > 1 ? words : "the process that sets a namespace up ended with \(status)")
  }

  private mutating func receive(_ bytes: inout [UInt8]) throws(SystemError) -> Int {
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
