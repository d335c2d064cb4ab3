import Configuration
import HostSockets
import Netstack
import Primitives

/// Where guests find something of the host's, as the core knows it, and what the host has there.
struct GuestServices {
  /// The ports in the guests' network.
  private(set) var forwards: [GuestForward] = []
  /// What is behind the services among them, by their numbers.
  private(set) var addresses: [ServiceAddress] = []

  /// Numbers the services of a network; `smbCommand` is what serves its SMB share.
  init(_ network: VirtualNetwork, smbCommand: [String]) {
    for rule in network.guestForwards {
      switch rule.target {
      case .tcp(let endpoint): forwards.append(GuestForward(rule.endpoint, to: .endpoint(endpoint)))
      case .unix(let path): append(rule, .unix(path: path))
      case .command(let command): append(rule, .command(command.words))
      }
    }
    guard let share = network.smbShare else { return }
    let service = HostService(addresses.count, name: "smbd")
    addresses.append(.internetCommand(smbCommand))
    forwards += SMBShare.ports.map { GuestForward(Endpoint(share.server, port: $0), to: .service(service)) }
  }

  private mutating func append(_ rule: GuestForwardRule, _ address: ServiceAddress) {
    let service = HostService(addresses.count, name: rule.target.description)
    forwards.append(GuestForward(rule.endpoint, to: .service(service)))
    addresses.append(address)
  }
}
