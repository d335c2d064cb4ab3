public import Primitives
import Wire

/// Tells which frames of a capture the guest has sent, by their hardware addresses.
///
/// A frame from a gateway's address, which begins with 52:55 or 52:56, never is the guest's. Unless it is told, the guest
/// is whoever is on the other side of the first frame from or to such an address, or has sent the first frame that says
/// nothing of a gateway.
public struct GuestFinder: Hashable, Sendable {
  /// The guest, nil as long as no frame has told.
  public private(set) var guest: MACAddress?

  /// Makes a finder that knows the guest, or will find it.
  public init(guest: MACAddress? = nil) { self.guest = guest }

  /// Whether the guest has sent a frame; one without a whole Ethernet header nobody has.
  public mutating func isFromGuest(_ frame: Span<UInt8>) -> Bool {
    guard let ethernet = try? EthernetFrame(frame) else { return false }
    let (source, destination) = (ethernet.source, ethernet.destination)
    if let guest { return source == guest }
    if source.isGateway {
      if destination.isUnicast { guest = destination }
      return false
    }
    guard source.isUnicast else { return false }
    guest = source
    return true
  }
}

extension MACAddress {
  /// Whether it is made as that of a virtual network's gateway, of Culvert's or of QEMU's.
  fileprivate var isGateway: Bool { bits >> 32 == 0x5255 || bits >> 32 == 0x5256 }
}
