import Primitives

/// In a journal the rules are what they are made of.
extension BridgeFirewall: Codable {
  private enum CodingKeys: String, CodingKey { case bridge, uplink, subnet, ipv6Prefix }

  /// Makes the rules again.
  public init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    let subnet = try values.decode(String.self, forKey: .subnet).split(separator: "/")
    guard subnet.count == 2, let network = IPv4Address(subnet[0]), let length = Int(subnet[1]),
      (0...32).contains(length)
    else { throw DecodingError.dataCorruptedError(forKey: .subnet, in: values, debugDescription: "no IPv4 network") }
    let ipv6 = try values.decodeIfPresent(String.self, forKey: .ipv6Prefix).map { text in
      let parts = text.split(separator: "/")
      guard parts.count == 2, let network = IPv6Address(parts[0]), let length = Int(parts[1]),
        (0...128).contains(length)
      else {
        throw DecodingError.dataCorruptedError(forKey: .ipv6Prefix, in: values, debugDescription: "no IPv6 network")
      }
      return IPv6Prefix(containing: network, length: length)
    }
    try self.init(
      bridge: values.decode(String.self, forKey: .bridge),
      subnet: IPv4Prefix(containing: network, length: length),
      uplink: values.decodeIfPresent(String.self, forKey: .uplink), ipv6Prefix: ipv6)
  }

  /// Says what they are made of.
  public func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: CodingKeys.self)
    try values.encode(bridge, forKey: .bridge)
    try values.encodeIfPresent(uplink, forKey: .uplink)
    try values.encode("\(subnet)", forKey: .subnet)
    try values.encodeIfPresent(ipv6Prefix.map { "\($0)" }, forKey: .ipv6Prefix)
  }
}
