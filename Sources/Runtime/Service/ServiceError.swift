import Netstack

/// Why an instance could not be started or go on, in one line: what was tried, on what, and what to do.
public struct ServiceError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The line.
  public let description: String

  /// Makes an error of its line.
  public init(_ description: String) { self.description = description }

  /// Does `body`; what it throws says in its description what was tried, on what, and what to do.
  static func wrapping<Result>(_ body: () throws -> Result) throws(ServiceError) -> Result {
    do {
      return try body()
    } catch let error as ServiceError {
      throw error
    } catch {
      throw ServiceError("\(error)")
    }
  }

  /// A forward that the host or the network refused, in QEMU's words, and what to do.
  init(_ error: CommandError, rule: String) {
    self.init("Could not set up host forwarding rule '\(rule)': \(error.words)")
  }
}

extension CommandError {
  /// The error in words, and what to do about it.
  var words: String {
    switch self {
    case .cannotListen(let forward, let error):
      "cannot listen on \(forward.host): \(error.words)\(error.advice)"
    case .noSuchForward(let transport, let endpoint):
      "nothing is forwarded from \(transport) \(endpoint)"
    case .tableFull:
      "the table of flows is full"
    }
  }
}

extension HostError {
  /// What to do about an address that cannot be listened on.
  fileprivate var advice: String {
    switch self {
    case .addressInUse: "; choose another port, or stop what listens there"
    case .addressUnavailable: "; give an address of this host, or none for all of them"
    case .forbidden: "; choose a port from 1024 on, or lower net.ipv4.ip_unprivileged_port_start"
    default: ""
    }
  }
}
