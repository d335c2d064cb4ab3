import Bridge
import Netstack
import Primitives

/// Why an instance could not be started or go on, in one line: what was tried, on what, and what to do.
public struct ServiceError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The line.
  public let description: String

  /// Whether it is somebody else's rules that are in a bridge's way, and not a mistake.
  public let isObstruction: Bool

  /// Makes an error of its line.
  public init(_ description: String) { self.init(description, isObstruction: false) }

  private init(_ description: String, isObstruction: Bool) {
    (self.description, self.isObstruction) = (description, isObstruction)
  }

  /// Does `body`; what it throws says in its description what was tried, on what, and what to do.
  static func wrapping<Result>(_ body: () throws -> Result) throws(ServiceError) -> Result {
    do {
      return try body()
    } catch let error as ServiceError {
      throw error
    } catch let error as BridgeError {
      throw ServiceError(error.description, isObstruction: error.isObstruction)
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
      "cannot listen on \(forward.host.address): \(forward.host.words(for: error))"
    case .noSuchForward(let place):
      "nothing is forwarded from \(place.words)"
    case .leaseRefused(let lease, let refusal):
      "the lease of \(lease.address) to \(lease.hardware) was left out: \(refusal.words)"
    case .noAddress(let family):
      "all \(family == .ipv4 ? "IPv4" : "IPv6") addresses that DHCP gives out are taken; serve fewer links"
    case .tableFull:
      "the table of flows is full"
    }
  }
}

extension DHCPLease.Refusal {
  /// The reason in words.
  fileprivate var words: String {
    switch self {
    case .ended: "it has ended"
    case .notGivenOut: "this network does not give out the address"
    case .reserved: "--lease keeps the address for another guest, or another address for this one"
    case .taken: "another guest has the address, or the guest another address"
    }
  }
}

extension ListeningPlace {
  /// Why it cannot be listened on, and what to do about it.
  fileprivate func words(for error: HostError) -> String {
    switch (self, error) {
    case (.port, _): error.words + error.advice
    case (.local, .addressInUse): "another process listens there; stop it or choose another path"
    case (.local, .notASocket): "it exists and is not a socket; remove it or choose another path"
    case (.local, .forbidden): error.words + "; choose a path in a folder of this user's"
    case (.local, _): error.words
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
