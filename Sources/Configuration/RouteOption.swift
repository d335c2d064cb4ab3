public import Primitives

/// A route that DHCP gives to guests, `PREFIX[,GATEWAY]`.
public struct RouteOption: Hashable, Sendable {
  /// Where it leads.
  public var destination: IPv4Prefix
  /// Who of the guests' network passes packets on to there, nil for the network's gateway.
  public var gateway: IPv4Address?

  /// Reads the option's text; nil where it is not of the form.
  init?(_ text: String) {
    let parts = text.split(separator: ",", maxSplits: 1, omittingEmptySubsequences: false)
    let prefix = parts[0].split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
    guard prefix.count == 2, let address = IPv4Address(prefix[0]), let length = UInt16(port: prefix[1]), length <= 32
    else { return nil }
    destination = IPv4Prefix(containing: address, length: Int(length))
    // Not a network's name: rather a mistake than a wish.
    guard destination.network == address else { return nil }
    guard parts.count == 2 else { return }
    guard let gateway = IPv4Address(parts[1]) else { return nil }
    self.gateway = gateway
  }
}

extension RouteOption: CustomStringConvertible {
  /// The option's text.
  public var description: String { "\(destination)" + (gateway.map { ",\($0)" } ?? "") }
}
