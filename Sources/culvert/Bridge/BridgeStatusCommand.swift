import ArgumentParser
import Bridge
import LinuxSystem
import Runtime

/// `culvert bridge status`.
struct BridgeStatusCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "status",
    abstract: "Print what there is of a bridge, and what is wrong with it.",
    discussion: """
      The bridge and its uplink, its ports with the processes that hold them and the guests behind them, leases, what \
      the rules have counted, and problems, of which 'none' is the best. It changes nothing, but takes root to see the \
      rules, and the processes of others.
      """)

  @OptionGroup var name: BridgeNameArgument

  @Flag(name: .customLong("json"), help: "Print it as one line of JSON.")
  var json = false

  func run() throws {
    let status = try BridgeService.status(of: name.bridge)
    StandardStream.output.write(
      json ? ControlJSON.text(status) + "\n" : BridgeStatusText(status, name: name.bridge).text)
  }
}

/// A bridge's status as a person reads it.
private struct BridgeStatusText {
  let status: BridgeStatus
  let name: String

  init(_ status: BridgeStatus, name: String) { (self.status, self.name) = (status, name) }

  var text: String {
    var parts = [TextTable(head).text]
    if !status.ports.isEmpty { parts.append(TextTable(["PORT", "STATE", "HELD BY", "GUESTS"], ports).text) }
    if !status.leases.isEmpty { parts.append(TextTable(["ADDRESS", "GUEST", "NAME", "ENDS IN"], leases).text) }
    if !status.rules.isEmpty {
      parts.append(TextTable(["RULE", "PACKETS", "BYTES"], rules, right: [1, 2]).text)
    }
    let problems = status.problems.isEmpty ? ["none"] : status.problems
    parts.append("problems:\n" + problems.map { "  \($0)\n" }.joined())
    return parts.joined(separator: "\n")
  }

  private var head: [[String]] {
    let server = status.server.map { "served by process \($0)" } ?? "not served"
    return [
      ["bridge", status.bridge.map(words) ?? "\(name) is not there"],
      ["uplink", status.uplink.map(words) ?? "none"],
      ["set up", status.isSetUp ? server : "no"],
    ] + (status.log.map { [["messages", $0]] } ?? [])
  }

  private func words(_ interface: BridgeStatus.Interface) -> String {
    ([interface.name, state(interface.isUp, interface.isRunning)] + interface.addresses).joined(separator: "  ")
  }

  private func state(_ isUp: Bool, _ isRunning: Bool) -> String { isUp ? isRunning ? "up" : "no carrier" : "down" }

  private var ports: [[String]] {
    status.ports.map { port in
      let holder = port.holder.map { "\($0.program) (\($0.process))" } ?? "-"
      return [port.name, state(port.isUp, port.isRunning), holder, port.guests.joined(separator: " ")]
    }
  }

  private var leases: [[String]] {
    status.leases.map { [$0.address, $0.hardware, $0.hostname ?? "-", "\($0.secondsLeft) s"] }
  }

  private var rules: [[String]] { status.rules.map { [$0.name, "\($0.packets)", "\($0.bytes)"] } }
}
