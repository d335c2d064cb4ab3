import Configuration
import Netstack
import Primitives

extension HostForward {
  /// What the rule means for its first port, or its socket; a guest address left open is the first lease.
  func portForward(firstLease: IPv4Address?) throws(ServiceError) -> PortForward {
    guard let address = guestAddress ?? firstLease.map({ IPAddress($0) }) else {
      throw ServiceError("hostfwd '\(self)' needs the guest's address: without IPv4 there are no leases")
    }
    return PortForward(from: ListeningPlace(host), to: Endpoint(address, port: guestPort))
  }

  /// The rule that a forward keeps to.
  init(_ forward: PortForward) {
    self.init(Place(forward.host), guestAddress: forward.guest.address, guestPort: forward.guest.port)
  }
}

extension ListeningPlace {
  /// The place of a rule, of its first port where there are several.
  fileprivate init(_ place: HostForward.Place) {
    switch place {
    case .port(let transport, let endpoint): self = .port(transport == .tcp ? .tcp : .udp, endpoint)
    case .unix(let path): self = .local(path)
    }
  }

  /// The place without its transport: `127.0.0.1:80`, `unix:/run/guest.sock`.
  var address: String {
    switch self {
    case .port(_, let endpoint): endpoint.description
    case .local(let path): "unix:\(path)"
    }
  }

  /// The place in words: `tcp 127.0.0.1:80`.
  var words: String { "\(transport) \(address)" }
}

extension HostForward.Place {
  /// The place that a rule names so.
  fileprivate init(_ place: ListeningPlace) {
    switch place {
    case .port(let transport, let endpoint): self = .port(transport == .tcp ? .tcp : .udp, endpoint)
    case .local(let path): self = .unix(path: path)
    }
  }
}
