public import Primitives

/// The value of the classless static route option (RFC 3442): destinations, each with the router that leads there.
public struct ClasslessRoutes: Hashable, Sendable {
  /// The routes, one after another: the length of the destination in bits, as many of its bytes as that covers, and the
  /// router's four.
  public private(set) var bytes: [UInt8] = []

  /// Makes an empty list.
  public init() {}

  /// Appends a route.
  public mutating func append(_ destination: IPv4Prefix, via router: IPv4Address) {
    bytes.append(UInt8(destination.length))
    bytes += Self.bytes(of: destination.network).prefix((destination.length + 7) / 8)
    bytes += Self.bytes(of: router)
  }

  private static func bytes(of address: IPv4Address) -> [UInt8] {
    (0..<4).map { UInt8(truncatingIfNeeded: address.bits >> UInt32(24 - 8 * $0)) }
  }
}
