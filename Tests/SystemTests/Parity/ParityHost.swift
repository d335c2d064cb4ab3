import Foundation
import LinuxSystem
import Primitives

/// A host of its own, with a name server and echo servers on its loopback, for QEMU's own user network or Culvert's.
/// Needs root.
final class ParityHost {
  /// Where the host's echo servers listen, for TCP and UDP.
  static let echoPort: UInt16 = 7
  /// The name server's one name.
  static let knownName = "known.test"
  /// A file of 1600 bytes in the folder that TFTP serves. Beside it is `folder`, with one of its own.
  static let servedName = "served.txt"

  private let namespace: NetworkNamespace
  private let folder: ScratchFolder
  private var programs: [Program] = []
  private var culverts: [Culvert] = []

  init() throws {
    namespace = try NetworkNamespace()
    folder = try ScratchFolder()
    try folder.write("nameserver 127.0.0.1\n", to: "resolv.conf")
    try folder.write(String(repeating: "0123456789abcdef", count: 100), to: Self.servedName)
    try FileManager.default.createDirectory(atPath: folder["folder"], withIntermediateDirectories: false)
    try folder.write("inner\n", to: "folder/inner.txt")
    try start(Dnsmasq.command(port: 53, names: [Self.knownName: "192.0.2.7"]), until: "started, version")
    for (address, word) in [("TCP4-LISTEN", "listening on"), ("UDP4-RECVFROM", "receiving on")] {
      try start(
        ["socat", "-d", "-d", "\(address):\(Self.echoPort),bind=127.0.0.1,fork,reuseaddr", "PIPE"], until: word)
    }
  }

  /// Starts Culvert, with a `-netdev user` option string, and is its guest.
  func culvert(_ options: String) throws -> FrameLink {
    let culvert = try Culvert(["--user", complete(options)], launcher: launcher)
    culverts.append(culvert)
    let socket = try Socket(.stream, for: .path(culvert.socketPath))
    guard try socket.connect(to: .path(culvert.socketPath)) else { throw Failure("no connection to culvert") }
    return FrameLink(socket)
  }

  /// Starts QEMU's user network with the same option string, behind a stream link, and is its guest.
  func libslirp(_ options: String) throws -> FrameLink {
    let path = folder["libslirp.socket"]
    let listener = try Socket(.stream, for: .path(path))
    try listener.bind(to: .path(path))
    try listener.listen()
    let qemu = [
      "qemu-system-x86_64", "-machine", "none", "-nodefaults", "-display", "none", "-monitor", "none", "-serial",
      "none",
      "-netdev", "user,id=user,\(complete(options))",
      "-netdev", "stream,id=link,server=off,addr.type=unix,addr.path=\(path)",
      "-netdev", "hubport,hubid=0,id=near,netdev=user", "-netdev", "hubport,hubid=0,id=far,netdev=link",
    ]
    let program = try Program(launcher + qemu)
    programs.append(program)
    try waitUntil(listener.rawValue, is: .readable, by: .after(20), "QEMU to connect\n\(program.errors.text)")
    guard let socket = try listener.accept() else { throw Failure("QEMU left at once\n\(program.errors.text)") }
    return FrameLink(socket)
  }

  /// Runs a program of the host, such as a forward's client.
  func run(_ command: [String]) throws -> Program { try Program(launcher + command) }

  /// What is put before a command, so that it runs on the host with its own `resolv.conf`.
  private var launcher: [String] {
    namespace.launcher + [
      "bash", "-c", "mount --bind \(folder["resolv.conf"]) \"$(readlink -f /etc/resolv.conf)\" && exec \"$@\"", "bash",
    ]
  }

  /// The options with the folder that TFTP serves in the place of `DIR`.
  private func complete(_ options: String) -> String { options.replacing("DIR", with: folder.path) }

  private func start(_ command: [String], until word: String) throws {
    let program = try run(command)
    programs.append(program)
    try program.errors.wait(seconds: 10, "'\(word)' of \(command[0])") { $0.contains(word) ? () : nil }
  }
}
