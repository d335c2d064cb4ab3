import Primitives
import Testing
import Wire

@Suite struct ClasslessRoutesTests {
  /// The destinations of RFC 3442 in its section "Classless Route Option Format", in its order.
  @Test(
    arguments: [
      ("0.0.0.0", 0, [0]), ("10.0.0.0", 8, [8, 10]), ("10.0.0.0", 24, [24, 10, 0, 0]), ("10.17.0.0", 16, [16, 10, 17]),
      ("10.27.129.0", 24, [24, 10, 27, 129]), ("10.229.0.128", 25, [25, 10, 229, 0, 128]),
      ("10.198.122.47", 32, [32, 10, 198, 122, 47]),
    ] as [(String, Int, [UInt8])])
  func `a destination is its length and its significant bytes`(
    network: String, length: Int, descriptor: [UInt8]
  ) throws {
    var routes = ClasslessRoutes()
    routes.append(
      IPv4Prefix(containing: try #require(IPv4Address(network)), length: length), via: IPv4Address(10, 0, 2, 2))
    #expect(routes.bytes == descriptor + [10, 0, 2, 2])
  }

  @Test func `routes stand one behind another`() {
    var routes = ClasslessRoutes()
    routes.append(IPv4Prefix(containing: IPv4Address(172, 16, 0, 0), length: 12), via: IPv4Address(10, 0, 2, 20))
    routes.append(IPv4Prefix(containing: .any, length: 0), via: IPv4Address(10, 0, 2, 2))
    #expect(routes.bytes == hex("0c ac10 0a000214  00 0a000202"))
  }
}
