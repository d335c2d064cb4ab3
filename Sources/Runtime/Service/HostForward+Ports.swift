import Configuration
import Netstack
import Primitives

extension HostForward {
  /// What the rule means for its first port; a guest address left open is the first lease.
  func portForward(firstLease: IPv4Address?) throws(ServiceError) -> PortForward {
    guard let address = guestAddress ?? firstLease.map({ IPAddress($0) }) else {
      throw ServiceError("hostfwd '\(self)' needs the guest's address: without IPv4 there are no leases")
    }
    return PortForward(
      transport: transport == .tcp ? .tcp : .udp, host: host, guest: Endpoint(address, port: guestPort))
  }

  /// The rule that a forward keeps to.
  init(_ forward: PortForward) {
    self.init(
      transport: forward.transport == .tcp ? .tcp : .udp, host: forward.host, guestAddress: forward.guest.address,
      guestPort: forward.guest.port)
  }
}
