import HostSockets
import LinuxSystem
import Netstack

/// A host whose sockets are watched by the loop's event queue.
protocol EventHost: HostNetwork, ~Copyable {
  /// What an event means for a flow.
  mutating func readiness(of flow: FlowID, _ events: Events) -> HostReadiness
  /// Forgets the commands that were started for guests' connections and have ended.
  mutating func reapCommands()
}

extension KernelSockets: EventHost {}
