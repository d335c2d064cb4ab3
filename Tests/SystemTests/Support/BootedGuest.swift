import Foundation
import LinuxSystem
import Primitives
import Testing

/// A guest behind a culvert, with servers on the host to talk to: booted once for the tests of a suite.
final class BootedGuest: Sendable {
  /// The number of requests that `http` answers together.
  static let crowd = 200

  let culvert: Culvert
  let guest: Guest
  let dns: Dnsmasq
  let echo: UDPEcho
  /// Serves 64 MiB of noise.
  let http: HTTPServer
  /// Serves a few bytes, to a crowd.
  let page: HTTPServer
  let uploads: ScratchFolder
  /// The SHA-256 of what `http` serves.
  let contentHash: String
  /// A port of the host that leads to port 7000 of the guest, by TCP and by UDP.
  let forwardedPort: UInt16
  /// A port of the host's loopback where nobody listens.
  let closedPort: UInt16

  /// The one of the suite that runs.
  static var current: BootedGuest { get throws { try #require(running) } }
  @TaskLocal fileprivate static var running: BootedGuest?

  /// - Parameters:
  ///   - options: of culvert.
  ///   - device: more properties of the network device, such as `mrg_rxbuf=off`.
  init(_ options: [String], device: String? = nil) throws {
    uploads = try ScratchFolder()
    dns = try Dnsmasq(
      names: ["files.test": "10.0.2.2", "www.test": "192.0.2.7"],
      texts: ["long.test": Array(repeating: String(repeating: "x", count: 200), count: 12).joined(separator: ",")])
    echo = try UDPEcho()
    let content = uploads["content"]
    try Program.run("dd", "if=/dev/urandom", "of=\(content)", "bs=1M", "count=64", "status=none")
    contentHash = try Self.hash(of: content)
    http = try HTTPServer(content: Array(Data(contentsOf: URL(filePath: content))), uploads: uploads, crowd: Self.crowd)
    page = try HTTPServer(content: Array("hello\n".utf8), uploads: uploads, crowd: Self.crowd)
    closedPort = try freePort()
    forwardedPort = try freePort()
    culvert = try Culvert(
      options + [
        "--dns-upstream", "127.0.0.1:\(dns.port)",
        "--hostfwd", "tcp:127.0.0.1:\(forwardedPort)-:7000", "--hostfwd", "udp:127.0.0.1:\(forwardedPort)-:7000",
      ])
    guest = try Guest(
      network: Culvert.network(to: culvert.socketPath, device: device))
  }

  /// Has the guest fetch 64 MiB from the host, and compares.
  func expectDownload() throws {
    let hash = try guest.output(
      of: "curl --silent --show-error http://10.0.2.2:\(http.port)/content | sha256sum", seconds: 120)
    #expect(hash.prefix(64) == contentHash)
  }

  /// Has the guest send 64 MiB to the host, and compares.
  func expectUpload() throws {
    let hash = try guest.output(
      of: """
        head -c 67108864 /dev/urandom >/tmp/noise && sha256sum </tmp/noise
        curl --silent --show-error -H Expect: -T /tmp/noise http://10.0.2.2:\(http.port)/noise
        rm /tmp/noise
        """, seconds: 120)
    #expect(try Self.hash(of: uploads["noise"]) == hash.prefix(64))
  }

  /// Sends a datagram through the forward, to a server in the guest that answers with its hash, and compares.
  func expectForwardedDatagram(ofByteCount count: Int) throws {
    try guest.listen(on: "UDP4-RECVFROM:7000,reuseaddr,fork", for: "SYSTEM:sha256sum")
    let target = SocketAddress.internet(Endpoint(.loopback, port: forwardedPort))
    let socket = try Socket(.datagram, for: target)
    #expect(try socket.connect(to: target))
    let sent = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 7) }
    #expect(try socket.send(sent.span) == count)
    try waitUntil(socket.rawValue, is: .readable, by: .after(10), "the guest's answer")
    var buffer = [UInt8](repeating: 0, count: 100)
    var span = buffer.mutableSpan
    #expect(try socket.descriptor.read(into: &span) != nil)
    try Data(sent).write(to: URL(filePath: uploads["datagram"]))
    #expect(String(decoding: buffer.prefix(64), as: UTF8.self) == (try Self.hash(of: uploads["datagram"])))
  }

  /// The SHA-256 of a file on the host, in hexadecimal.
  static func hash(of path: String) throws -> String { String(try Program.run("sha256sum", path).prefix(64)) }
}

/// Boots one guest for all tests of a suite, and checks at the end that culvert still ran and stopped as it should.
struct BootedGuestTrait: SuiteTrait, TestScoping {
  let options: [String]
  let device: String?
  let isRecursive = false

  func provideScope(
    for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
  ) async throws {
    let booted = try BootedGuest(options, device: device)
    try await BootedGuest.$running.withValue(booted) { try await function() }
    try #require(try booted.culvert.program.isRunning, "culvert ended under the tests\n\(booted.culvert.log)")
    #expect(try booted.culvert.stop().exit == .status(0))
  }
}

extension Trait where Self == BootedGuestTrait {
  /// Boots one guest for all tests of the suite, behind a culvert with these options.
  static func bootedGuest(_ options: String..., device: String? = nil) -> BootedGuestTrait {
    BootedGuestTrait(options: options, device: device)
  }
}
