import LinuxSystem
import Primitives

/// A TAP device as a link has it: there from the start, until its namespace or its owner removes it.
///
/// An interface that is down sends nothing and takes nothing; that is no end.
public struct DeviceAttachment: ~Copyable {
  private let port: UInt16
  private let registrar: EventRegistrar
  private var device: TAPDevice?
  private var isAttached = false
  private var watchesWritable = false
  /// The interface's name.
  let name: String
  /// When `advance` is to be called: at once, and then never again.
  private(set) var nextDeadline: Instant

  init(_ device: consuming TAPDevice, port: UInt16, registrar: EventRegistrar, at now: Instant) {
    name = device.name
    self.port = port
    self.registrar = registrar
    self.device = consume device
    nextDeadline = now
  }

  /// The descriptor that frames pass by, nil while there is none.
  var number: Int32? {
    guard isAttached else { return nil }
    switch device {
    case .none: return nil
    case .some(let device): return device.descriptor.rawValue
    }
  }

  /// Whether the device is gone.
  var isFinished: Bool { device == nil }

  func owns(_ source: LinkSource) -> Bool { source.port == port && source.role == .peer }

  private var source: UInt64 { LinkSource(.peer, port: port, generation: 0).rawValue }

  /// Begins.
  mutating func advance(to now: Instant) -> LinkNotice? {
    guard now >= nextDeadline, !isAttached else { return nil }
    nextDeadline = .never
    isAttached = true
    guard let number else { return nil }
    do throws(SystemError) {
      try registrar.add(number, for: .readable, data: source)
      return .attached
    } catch {
      device = nil
      return .connectFailed(reason: error.description, retryAfter: .zero)
    }
  }

  /// Lets go of the device.
  mutating func detach() {
    device = nil
    isAttached = false
    nextDeadline = .never
  }

  /// Asks to be told, or not, when the device takes frames again.
  mutating func watchWritable(_ wanted: Bool) throws(SystemError) {
    guard wanted != watchesWritable, let number else { return }
    try registrar.modify(number, for: wanted ? [.readable, .writable] : .readable, data: source)
    watchesWritable = wanted
  }
}
