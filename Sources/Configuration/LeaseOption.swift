public import Primitives

/// An address that DHCP keeps for one guest, `MAC=ADDRESS[,HOSTNAME]`.
public struct LeaseOption: Hashable, Sendable {
  /// The guest's hardware address.
  public var hardware: MACAddress
  /// The address.
  public var address: IPv4Address
  /// The name that the guest is given, empty for the network's.
  public var hostname: String

  /// Reads the option's text; nil where it is not of the form.
  init?(_ text: String) {
    let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
    guard parts.count == 2, let hardware = MACAddress(parts[0]), hardware.isUnicast else { return nil }
    let values = parts[1].split(separator: ",", maxSplits: 1, omittingEmptySubsequences: false)
    guard let address = IPv4Address(values[0]), values.count == 1 || (1...255).contains(values[1].utf8.count) else {
      return nil
    }
    self.hardware = hardware
    self.address = address
    hostname = values.count == 2 ? String(values[1]) : ""
  }
}

extension LeaseOption: CustomStringConvertible {
  /// The option's text.
  public var description: String { "\(hardware)=\(address)" + (hostname.isEmpty ? "" : ",\(hostname)") }
}
