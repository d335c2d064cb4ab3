import Foundation
import LinuxSystem

/// The client of `Scripts/bench flows` in a namespace, which opens connections by the thousand.
final class FlowClient {
  /// What became of connections that were opened.
  struct Opening: Decodable {
    let established, refused, hanging: Int
  }

  private static let script = Requirement.package + "Scripts/lib/flow_peers.py"

  private let program: Program
  private let commands: FileDescriptor

  /// Starts the client of a server that the guest finds at an address and port.
  init(in namespace: NetworkNamespace, to address: String, port: UInt16) throws {
    let (reading, writing) = try FileDescriptor.pipe().take()
    let commandEnd = FileDescriptor(owning: reading)
    commands = FileDescriptor(owning: writing)
    program = try Program(
      namespace.launcher + ["python3", Self.script, "client", address, "\(port)"], standardInput: commandEnd.rawValue)
    _ = try answer(to: "its start", 0, seconds: 10)
  }

  /// Starts the server, which returns what it reads.
  static func server(port: UInt16, launcher: [String]) throws -> Program {
    let server = try Program(launcher + ["python3", script, "server", "\(port)"])
    try server.output.wait(seconds: 10, "the server's start") { $0.contains("ready") ? () : nil }
    return server
  }

  /// Opens connections and holds them, at most 256 of them at a time on their way.
  func open(_ count: Int) throws -> Opening {
    try JSONDecoder().decode(Opening.self, from: run(#"["open", \#(count), 256, 5]"#))
  }

  /// Opens and closes connections one after another; one of `client` and `server` closes first.
  func churn(_ count: Int, closer: String) throws {
    struct Churn: Decodable { let failed: Int }
    let result = try JSONDecoder().decode(Churn.self, from: run(#"["churn", \#(count), 256, "\#(closer)"]"#))
    guard result.failed == 0 else { throw Failure("\(result.failed) connections failed") }
  }

  /// Closes the connections that are held.
  func close() throws { _ = try run(#"["close"]"#) }

  private func run(_ command: String) throws -> Data {
    let before = program.output.count
    try commands.write(command + "\n")
    return try answer(to: command, before, seconds: 60)
  }

  private func answer(to command: String, _ line: Int, seconds: Double) throws -> Data {
    do {
      return Data(try program.output.wait(seconds: seconds, from: line, "answer to \(command)") { $0 }.utf8)
    } catch {
      throw Failure("\(error)\n\(program.errors.text)")
    }
  }
}
