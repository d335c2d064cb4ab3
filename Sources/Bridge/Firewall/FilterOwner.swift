import Nftables

/// Who keeps a chain, as far as names tell, and how it is told to let packets pass.
enum FilterOwner: Hashable {
  case firewalld
  case ufw
  case docker
  case somebody

  init(of chain: ChainName, in ruleset: Ruleset) {
    let neighbors = ruleset.chains.map(\.name).filter { $0.family == chain.family && $0.table == chain.table }
    if chain.table == "firewalld" {
      self = .firewalld
    } else if neighbors.contains(where: { $0.chain == "DOCKER-USER" }) {
      self = .docker
    } else if neighbors.contains(where: { $0.chain.hasPrefix("ufw-") || $0.chain.hasPrefix("ufw6-") }) {
      self = .ufw
    } else {
      self = .somebody
    }
  }

  /// What follows the chain's name.
  var suffix: String {
    switch self {
    case .firewalld: " (firewalld's)"
    case .ufw: " (ufw's)"
    case .docker: " (Docker's)"
    case .somebody: ""
    }
  }

  /// The owner's own commands; none where rules are put in by hand. They last as long as the owner's others, while a
  /// rule of ours in its chain ends when it loads them anew.
  func commands(for traffic: [FirewallObstacle.Traffic], of firewall: BridgeFirewall) -> [String] {
    switch self {
    case .firewalld: return ["firewall-cmd --zone=trusted --change-interface=\(firewall.bridge)"]
    case .ufw:
      var commands: [String] = []
      if let uplink = firewall.uplink, traffic.contains(where: { $0 == .outward || $0 == .answers }) {
        commands.append("ufw route allow in on \(firewall.bridge) out on \(uplink)")
      }
      if traffic.contains(.betweenGuests) {
        commands.append("ufw route allow in on \(firewall.bridge) out on \(firewall.bridge)")
      }
      if traffic.contains(where: { $0 == .toHost || $0 == .names }) {
        commands.append("ufw allow in on \(firewall.bridge)")
      }
      return commands
    case .docker, .somebody: return []
    }
  }
}
