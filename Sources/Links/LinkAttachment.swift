import LinuxSystem
public import Primitives

/// How a link comes to its peer and loses it, by the kind of the link.
public enum LinkAttachment: ~Copyable {
  /// A byte stream, from one peer to the next.
  case stream(StreamAttachment)
  /// A TAP device.
  case device(DeviceAttachment)
}

extension LinkAttachment {
  /// The descriptor that frames pass by, nil while there is no peer.
  public var peerNumber: Int32? {
    switch self {
    case .stream(let stream): stream.peerNumber
    case .device(let device): device.number
    }
  }

  /// Whether no peer is there and none will come.
  public var isFinished: Bool {
    switch self {
    case .stream(let stream): stream.isFinished
    case .device(let device): device.isFinished
    }
  }

  /// When `advance` is to be called.
  public var nextDeadline: Instant {
    switch self {
    case .stream(let stream): stream.nextDeadline
    case .device(let device): device.nextDeadline
    }
  }

  /// The link as it is given on the command line.
  public var name: String {
    switch self {
    case .stream(let stream): stream.endpoint.description
    case .device(let device): "tap:\(device.name)"
    }
  }

  /// The port that a link listens on, for one that asked for any.
  public var localEndpoint: Endpoint? {
    get throws(SystemError) {
      switch self {
      case .stream(let stream): try stream.localEndpoint
      case .device: nil
      }
    }
  }

  /// Whether `source` means a descriptor that this link has now, and not one that it had.
  func owns(_ source: LinkSource) -> Bool {
    switch self {
    case .stream(let stream): stream.owns(source)
    case .device(let device): device.owns(source)
    }
  }

  /// Does what is due.
  mutating func advance(to now: Instant) -> LinkNotice? {
    let notice: LinkNotice?
    switch consume self {
    case .stream(var stream):
      notice = stream.advance(to: now)
      self = .stream(stream)
    case .device(var device):
      notice = device.advance(to: now)
      self = .device(device)
    }
    return notice
  }

  /// Takes an event that is not about frames; nil where it is.
  mutating func handle(_ source: LinkSource, at now: Instant) -> Handled {
    let handled: Handled
    switch consume self {
    case .stream(var stream):
      if source.role == .listener {
        handled = .done(stream.acceptClient(at: now))
      } else if stream.awaitsConnection {
        handled = .done(stream.finishConnecting(at: now))
      } else {
        handled = .isAboutFrames
      }
      self = .stream(stream)
    case .device(let device):
      handled = .isAboutFrames
      self = .device(device)
    }
    return handled
  }

  /// What became of an event.
  enum Handled {
    /// It is dealt with; there may be something to tell.
    case done(LinkNotice?)
    /// Frames can be read or written.
    case isAboutFrames
  }

  /// Lets go of the peer.
  mutating func detach(at now: Instant) {
    switch consume self {
    case .stream(var stream):
      stream.detach(at: now)
      self = .stream(stream)
    case .device(var device):
      device.detach()
      self = .device(device)
    }
  }

  /// Asks to be told, or not, when there is room to write.
  mutating func watchWritable(_ wanted: Bool) throws(SystemError) {
    var failure: SystemError?
    switch consume self {
    case .stream(var stream):
      do throws(SystemError) { try stream.watchWritable(wanted) } catch { failure = error }
      self = .stream(stream)
    case .device(var device):
      do throws(SystemError) { try device.watchWritable(wanted) } catch { failure = error }
      self = .device(device)
    }
    if let failure { throw failure }
  }
}
