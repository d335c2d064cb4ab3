import BasicContainers
import LinuxSystem
import Logging
import RouteNetlink
import Synchronization

/// An interface of the kernel's whose frames are captured.
struct CapturedInterface: Hashable, Sendable {
  /// Its name.
  let name: String
  /// Whether it is a bridge, of which everything is captured that it forwards; else what passes the interface itself.
  let isBridge: Bool

  /// The port of a bridge.
  static func port(_ name: String) -> CapturedInterface { CapturedInterface(name: name, isBridge: false) }

  /// A bridge with all of its ports.
  static func bridge(_ name: String) -> CapturedInterface { CapturedInterface(name: name, isBridge: true) }
}

/// The thread that reads the frames of interfaces for a capture.
final class InterfaceCapture: Sendable {
  private let stopping: StopSignal
  private let thread: Mutex<Thread?>

  /// Starts to read: what passes `interfaces`, whose taps are open, goes to one feed each.
  init(
    _ interfaces: [CapturedInterface], _ taps: consuming UniqueArray<OpenTap>, _ feeds: [CaptureFeed], logger: Logger
  ) throws(SystemError) {
    stopping = try StopSignal()
    let passage = Passage(try InterfaceReader(interfaces, taps, feeds, stopping: stopping, logger: logger))
    thread = Mutex(try Thread { passage.run() })
  }

  /// Has it read what waits, and waits for its end. Done once more it does nothing.
  func stop() {
    switch thread.withLock({ $0.take() }) {
    case .some(let thread):
      stopping.give()
      thread.join()
    case .none: break
    }
  }

  /// Holds the reader on its way to its thread, the only one that uses it from then on.
  private final class Passage: @unchecked Sendable {
    private var reader: InterfaceReader

    init(_ reader: consuming InterfaceReader) { self.reader = reader }

    func run() { reader.run() }
  }
}

/// A tap that is open, and the number of its interface.
struct OpenTap: ~Copyable {
  let tap: InterfaceTap
  let interface: UInt32

  /// Gives the tap up to the caller.
  consuming func takeTap() -> InterfaceTap { tap }

  /// Opens the taps of interfaces, which must be there.
  static func open(_ interfaces: [CapturedInterface]) throws -> UniqueArray<OpenTap> {
    var taps = UniqueArray<OpenTap>()
    guard !interfaces.isEmpty else { return taps }
    var routes = try RouteSocket()
    for interface in interfaces {
      let index = try routes.require(interface.name).index
      taps.append(
        OpenTap(tap: try InterfaceTap(interface: index, isPromiscuous: interface.isBridge), interface: index))
    }
    return taps
  }
}
