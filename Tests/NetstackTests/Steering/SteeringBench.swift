import Netstack
import Primitives
import Simulation
import Testing

/// Runs `body` in a lab whose network three loops serve: the link gives frames to any of them.
func withLoops(
  _ settings: NetworkSettings = NetworkSettings(), seed: UInt64 = 1, sourceLocation: SourceLocation = #_sourceLocation,
  _ body: (Lab) throws -> Void
) rethrows {
  var options = Lab.Options()
  (options.settings, options.seed, options.loops) = (settings, seed, 3)
  try withLab(options, sourceLocation: sourceLocation, body)
}

extension Lab {
  /// The flows of a loop.
  func flows(of loop: Int) -> [FlowSummary] {
    var flows: [FlowSummary] = []
    self[stack: loop].forEachFlow { flows.append($0) }
    return flows
  }

  /// Frames that a loop handed to another.
  var handedOverCount: Int { loops.reduce(0) { $0 + Int(self[stack: $1].counters.framesHandedOver) } }

  /// Whether each loop has the flows that are its own, and only those.
  var isEachFlowWithItsOwner: Bool {
    loops.allSatisfy { loop in
      flows(of: loop).allSatisfy { stack.steering.owner(of: $0.guest, $0.transport) == loop }
    }
  }

  /// What was dropped, of all loops.
  var allDrops: [DropReason] { loops.flatMap { self[stack: $0].observer.drops } }
}

/// An endpoint of the world outside, `number` of many.
func outside(_ number: Int, _ family: IPAddress.Family, port: UInt16 = 80) -> Endpoint {
  let address =
    family == .ipv4
    ? IPAddress(IPv4Address(192, 0, 2, UInt8(truncatingIfNeeded: number)))
    : IPAddress(IPv6Address(high: 0x2001_0db8 << 32, low: UInt64(number)))
  return Endpoint(address, port: port)
}
