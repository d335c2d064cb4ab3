import Primitives

// Whose an address is: the stack's own, a guest's, a group's. All inline: for the call of a method that does not mutate
// the compiler copies the stack, more than two kilobytes, and every frame asks three or four of these questions.
extension Stack where Host: ~Copyable, Watcher: ~Copyable {
  /// Whether `address` belongs to the stack itself.
  @inline(__always)
  func isOwn(_ address: IPv4Address) -> Bool {
    address == settings.ipv4Gateway || address == settings.ipv4Resolver
      || policy.serviceAddresses.contains(IPAddress(address))
  }

  /// Whether `address` belongs to the stack itself.
  @inline(__always)
  func isOwn(_ address: IPv6Address) -> Bool {
    address == settings.ipv6Gateway || address == settings.ipv6Resolver || address == settings.ipv6LinkLocal
      || policy.serviceAddresses.contains(IPAddress(address))
  }

  /// Whether `address` belongs to the stack itself.
  @inline(__always)
  func isOwn(_ address: IPAddress) -> Bool {
    if let address = address.ipv4 { return isOwn(address) }
    return isOwn(address.mapped)
  }

  /// Whether `address` stands for more than one host.
  @inline(__always)
  func isGroup(_ address: IPv4Address) -> Bool {
    address.isMulticast || address == .broadcast || address == settings.ipv4Prefix.broadcast
  }

  /// Whether `address` stands for more than one host.
  @inline(__always)
  func isGroup(_ address: IPAddress) -> Bool {
    if let address = address.ipv4 { return isGroup(address) }
    return address.mapped.isMulticast
  }

  /// Whether a guest may use `address` as its own.
  @inline(__always)
  func isGuestAddress(_ address: IPv4Address) -> Bool {
    settings.ipv4Prefix.contains(address) && !isOwn(address) && address != settings.ipv4Prefix.network
      && address != settings.ipv4Prefix.broadcast
  }

  /// Whether a guest may use `address` as its own: one of the network, or a link-local one, but not the network's
  /// own address, which is every router's (RFC 4291 section 2.6.1).
  @inline(__always)
  func isGuestAddress(_ address: IPv6Address) -> Bool {
    guard settings.ipv6Prefix.contains(address) || address.isLinkLocal else { return false }
    return !isOwn(address) && address != settings.ipv6Prefix.network
  }

  /// The address under which the gateway itself speaks to a guest: of the same family and scope (RFC 6724 section 5).
  @inline(__always)
  func gatewayAddress(towards guest: IPAddress) -> IPAddress {
    guard guest.family == .ipv6 else { return IPAddress(settings.ipv4Gateway) }
    return IPAddress(guest.isLinkLocal ? settings.ipv6LinkLocal : settings.ipv6Gateway)
  }
}
