import Foundation
import Glibc
import LinuxSystem
import Primitives

/// `culvert serve` on a UNIX socket of its own.
final class Culvert: Sendable {
  /// The path that QEMU connects to.
  let socketPath: String
  /// The process; where there is a launcher that does not `exec`, the launcher's.
  let program: Program
  /// From the start of the process until it said that it is ready, in seconds.
  let startupSeconds: Double
  private let folder: ScratchFolder

  /// Starts it and waits until it is ready.
  /// - Parameters:
  ///   - options: network options, such as `--hostfwd`.
  ///   - socketPath: where to listen, by default in a new folder.
  ///   - launcher: what is put before the command, such as `unshare`.
  init(_ options: [String] = [], socketPath: String? = nil, launcher: [String] = []) throws {
    folder = try ScratchFolder()
    self.socketPath = socketPath ?? folder["qemu.socket"]
    let (reading, writing) = try FileDescriptor.pipe().take()
    let ready = FileDescriptor(owning: reading)
    let start = MonotonicClock.now
    program = try Program(
      launcher + [Requirement.culvertPath, "serve", "--ready-fd", "3"] + options + ["unix:\(self.socketPath)"],
      inheriting: [.init(writing, as: 3)])
    // Closed here, so that the end of the process is the end of the pipe.
    close(FileDescriptor(owning: writing))
    try waitUntil(ready.rawValue, is: .readable, by: .after(10), "culvert to be ready\n\(program.errors.text)")
    var byte: [UInt8] = [0]
    var span = byte.mutableSpan
    let count = try ready.read(into: &span)
    startupSeconds = Double((MonotonicClock.now - start).nanoseconds) / 1e9
    guard count == 1 else {
      let exit = try program.waitForExit(seconds: 10)
      throw Failure("culvert ended with \(exit) before it was ready\n\(program.errors.text)")
    }
  }

  /// QEMU's options to connect to it.
  var network: [String] { Self.network(to: socketPath) }

  /// QEMU's options to connect to a UNIX socket, with more properties for the device, such as `mrg_rxbuf=off`.
  static func network(to socketPath: String, device properties: String? = nil) -> [String] {
    [
      "-netdev", "stream,id=net0,server=off,addr.type=unix,addr.path=\(socketPath)",
      "-device", "virtio-net-pci,netdev=net0,romfile=" + (properties.map { "," + $0 } ?? ""),
    ]
  }

  /// Ends it by SIGTERM; returns how it ended and after how many seconds.
  @discardableResult
  func stop() throws -> (exit: ChildProcess.Exit, seconds: Double) {
    let ended = try seconds {
      try program.send(signal: SIGTERM)
      return try program.waitForExit(seconds: 10)
    }
    return (ended.result, ended.seconds)
  }

  /// Its log until now.
  var log: String { program.errors.text }
}
