public import Primitives

/// An address granted to a guest by DHCP, in either family.
public struct DHCPLease: Hashable, Sendable {
  /// The address.
  public var address: IPAddress
  /// The guest's hardware address.
  public var hardware: MACAddress
  /// What the guest calls itself, as received, any bytes read as UTF-8; empty where it has not said.
  public var hostname: String
  /// When the lease ends, unless it is renewed.
  public var expiry: Instant

  /// Makes a lease of its parts.
  public init(address: IPAddress, hardware: MACAddress, hostname: String = "", expiry: Instant) {
    self.address = address
    self.hardware = hardware
    self.hostname = hostname
    self.expiry = expiry
  }

  /// Why a lease was not taken over.
  public enum Refusal: Error, Hashable, Sendable {
    /// It has ended.
    case ended
    /// The address is not one that this network gives out.
    case notGivenOut
    /// The address is kept for another guest, or another address for this one.
    case reserved
    /// Another guest has the address, or the guest another address.
    case taken
  }

  /// The lease of an entry of a table.
  init<Address>(_ entry: DHCPLeaseTable<Address>.Entry, _ address: IPAddress) {
    self.init(address: address, hardware: entry.holder, hostname: entry.hostname, expiry: entry.until)
  }
}
