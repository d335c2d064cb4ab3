import Foundation
import LinuxSystem
import Primitives

/// A real DNS server, dnsmasq, that knows a few names and asks nobody.
final class Dnsmasq: Sendable {
  let port: UInt16
  private let program: Program

  /// - Parameters:
  ///   - names: names and the addresses they stand for.
  ///   - texts: names and their TXT records.
  init(names: [String: String], texts: [String: String] = [:]) throws {
    let port = try freePort()
    self.port = port
    program = try Program(
      Self.command(port: port, names: names) + texts.sorted { $0.key < $1.key }.map { "--txt-record=\($0),\($1)" })
    let errors = program.errors
    try errors.wait(seconds: 10, "dnsmasq's start\n\(errors.text)") { $0.contains("started, version") ? () : nil }
  }

  /// The command for a server of one's own.
  static func command(port: UInt16, address: String = "127.0.0.1", names: [String: String]) -> [String] {
    [
      "dnsmasq", "--keep-in-foreground", "--log-facility=-", "--pid-file=", "--user=", "--group=",
      "--conf-file=/dev/null",
      "--no-resolv", "--no-hosts", "--listen-address=\(address)", "--bind-interfaces", "--port=\(port)",
    ] + names.sorted { $0.key < $1.key }.map { "--address=/\($0)/\($1)" }
  }
}

/// A UDP server on the host's loopback that returns each datagram to its sender.
final class UDPEcho: Sendable {
  let port: UInt16
  private let program: Program

  init() throws {
    let port = try freePort(.datagram)
    self.port = port
    program = try Program([
      "socat", "-d", "-d", "-b", "66000", "UDP4-RECVFROM:\(port),bind=127.0.0.1,fork", "PIPE",
    ])
    try program.errors.wait(seconds: 10, "socat's start") { $0.contains("receiving on") ? () : nil }
  }
}
