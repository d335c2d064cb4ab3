import ArgumentParser
import Primitives
import RouteNetlink
import Runtime

/// `culvert namespace-helper`, which Culvert starts for itself.
struct NamespaceHelperCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: NamespaceRequest.commandName,
    abstract: "Set a network namespace up, for another process of Culvert's.", shouldDisplay: false)

  @Option var socket: Int32
  @Option var interface: String
  @Option var mtu: Int
  @Option var queues: Int
  @Option(transform: readAddress) var gateway: [IPAddress] = []
  @Option var target: String?
  @Option(transform: readAddress) var nameServer: [IPAddress] = []
  @Option var search: [String] = []
  @Argument(parsing: .postTerminator) var command: [String] = []

  func run() throws {
    var request = NamespaceRequest(
      interface: InterfaceSettings(name: interface, mtu: mtu, gateways: gateway), queues: queues)
    request.socket = socket
    request.target = target
    request.nameServers = nameServer
    request.searchDomains = search
    request.command = command
    let status = NamespaceHelper.run(request)
    guard status == 0 else { throw ExitCode(status) }
  }
}

@Sendable private func readAddress(_ text: String) throws -> IPAddress {
  guard let address = IPAddress(text) else { throw ValidationError("'\(text)' is no address") }
  return address
}
