import Primitives

/// The host's side of a forward that is to be removed: `[tcp|udp]:[HOSTADDR]:PORT`, as in QEMU's `hostfwd_remove`, or
/// beyond QEMU `FIRST-LAST` in the place of the port.
public struct ForwardRemoval: Hashable, Sendable {
  private let ports: HostForward

  /// Reads a rule, with the defaults of `HostForward`.
  public init(rule: String) throws(HostForward.SyntaxError) {
    var rest = Substring(rule)
    for reason in ["No : separators", "Missing : separator"] where rest.removeField(upTo: ":") == nil {
      throw HostForward.SyntaxError(rule: rule, reason: reason)
    }
    // The host's side of a forward to any port: one grammar for both.
    let guestSide = "-:1"
    do throws(HostForward.SyntaxError) {
      ports = try HostForward(rule: rule + guestSide)
    } catch {
      throw HostForward.SyntaxError(rule: rule, reason: error.reason)
    }
  }

  /// How many ports are meant.
  public var count: Int { ports.count }

  /// Whether a forward of a single port is meant.
  public func names(_ forward: HostForward) -> Bool {
    let first = Int(ports.host.port)
    return forward.transport == ports.transport && forward.host.address == ports.host.address
      && (first..<first + ports.count).contains(Int(forward.host.port))
  }
}

extension ForwardRemoval: CustomStringConvertible {
  /// The rule with its defaults filled in.
  public var description: String { String(ports.description.dropLast("-:1".count)) }
}
