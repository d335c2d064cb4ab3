import Netstack
import Primitives

extension Command {
  /// What has come of the command, for the log.
  var words: String {
    switch self {
    case .addForward(let forward): "forwarding \(forward.host.words) to \(forward.guest)"
    case .removeForward(let place): "no longer forwarding \(place.words)"
    case .setResolvers(let servers): "name servers: \(servers.map(\.description).joined(separator: ", "))"
    case .assignAddresses(let hardware): "addresses kept for \(hardware)"
    case .restoreLease(let lease): "taking over the lease of \(lease.address) to \(lease.hardware)"
    case .setLocalNames(let names): "names of the virtual resolver's own: \(names.count)"
    case .setStaticLeases(let leases): "addresses kept for guests: \(leases.count)"
    }
  }
}
