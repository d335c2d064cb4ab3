import Primitives
import Testing

@testable import RouteNetlink

/// What is asked of the kernel, byte for byte as iproute2 writes it, but for the order of attributes.
@Suite struct GoldenRequestTests {
  private static let hardware = MACAddress(0xfe, 0x54, 0, 0xaa, 0, 2)

  init() throws { try #require(UInt16(1).littleEndian == 1, "the bytes below are a little-endian machine's") }

  /// A message without its header.
  private func body(_ write: (inout NetlinkMessage) -> Void) -> [UInt8] {
    var message = NetlinkMessage(0, [], sequence: 0)
    write(&message)
    return Array(message.finished.dropFirst(NetlinkMessage.headerLength))
  }

  @Test func `a question for all of something says so in its header`() {
    var message = NetlinkMessage(RouteMessageKind.getLink, .all, sequence: 7)
    message.appendInterface(0)
    #expect(
      message.finished == [32, 0, 0, 0, 18, 0, 5, 3, 7, 0, 0, 0, 0, 0, 0, 0] + [UInt8](repeating: 0, count: 16))
  }

  @Test func `a bridge is made by its name and its kind, with a hardware address where it shall keep one`() {
    let head: [UInt8] =
      [UInt8](repeating: 0, count: 16)
      + [12, 0, 3, 0, 0x62, 0x72, 0x69, 0x64, 0x67, 0x65, 0x30, 0]  // IFLA_IFNAME bridge0
    let kind: [UInt8] =
      [16, 0, 18, 0]  // IFLA_LINKINFO
      + [11, 0, 1, 0, 0x62, 0x72, 0x69, 0x64, 0x67, 0x65, 0, 0]  //   IFLA_INFO_KIND bridge, filled up
    #expect(body { $0.appendBridge("bridge0", hardware: nil) } == head + kind)
    let address: [UInt8] = [10, 0, 1, 0, 0xfe, 0x54, 0, 0xaa, 0, 2, 0, 0]  // IFLA_ADDRESS
    #expect(body { $0.appendBridge("bridge0", hardware: Self.hardware) } == head + address + kind)
  }

  @Test func `everything that changes of an interface is one message`() {
    let change = InterfaceChange(isUp: true, mtu: 1400, queueLength: 500, hardware: Self.hardware, master: 2)
    #expect(
      body { $0.append(change, of: 3) } == [0, 0, 0, 0, 3, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0]  // ..., flags, mask
        + [8, 0, 4, 0, 0x78, 5, 0, 0]  // IFLA_MTU
        + [8, 0, 13, 0, 0xf4, 1, 0, 0]  // IFLA_TXQLEN
        + [10, 0, 1, 0, 0xfe, 0x54, 0, 0xaa, 0, 2, 0, 0]  // IFLA_ADDRESS
        + [8, 0, 10, 0, 2, 0, 0, 0])  // IFLA_MASTER
  }

  @Test(arguments: [(nil, 0, 0), (true, 1, 1), (false, 0, 1)] as [(Bool?, UInt8, UInt8)])
  func `an interface is left up or down where nothing is said of it`(isUp: Bool?, flags: UInt8, mask: UInt8) {
    let bytes = body { $0.append(InterfaceChange(isUp: isUp, master: 0), of: 3) }
    #expect(
      bytes == [0, 0, 0, 0, 3, 0, 0, 0, flags, 0, 0, 0, mask, 0, 0, 0]
        + [8, 0, 10, 0, 0, 0, 0, 0])  // IFLA_MASTER of nobody
  }

  @Test func `an address is given twice, as one's own and as the link's`() throws {
    let ipv4 = try #require(InterfaceAddress("192.168.1.101/24"))
    #expect(
      body { $0.append(ipv4, of: 2) } == [2, 24, 0, 0, 2, 0, 0, 0]  // AF_INET, /24, flags, scope; index
        + [8, 0, 2, 0, 192, 168, 1, 101, 8, 0, 1, 0, 192, 168, 1, 101])  // IFA_LOCAL, IFA_ADDRESS
    let ipv6 = try #require(InterfaceAddress("fd00::1/64"))
    let bytes: [UInt8] = [0xfd] + [UInt8](repeating: 0, count: 14) + [1]
    #expect(
      body { $0.append(ipv6, of: 2) } == [10, 64, 0, 0, 2, 0, 0, 0] + [20, 0, 2, 0] + bytes + [20, 0, 1, 0] + bytes)
  }

  @Test func `a default route is static, unicast, and of the main table`() {
    #expect(
      body { $0.appendRoute(RouteFamily.ipv4, protocol: 4, type: 1) } == [2, 0, 0, 0, 254, 4, 0, 1, 0, 0, 0, 0])
  }
}
