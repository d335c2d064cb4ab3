import Primitives

/// The host's side of a forward that is to be removed: `[tcp|udp]:[HOSTADDR]:PORT`, as in QEMU's `hostfwd_remove`, or
/// beyond QEMU `FIRST-LAST` in the place of the port, or `unix:PATH`.
public struct ForwardRemoval: Hashable, Sendable {
  private let forward: HostForward

  /// Reads a rule, with the defaults of `HostForward`.
  public init(rule: String) throws(HostForward.SyntaxError) {
    var rest = Substring(rule)
    let separators = ["No : separators", "Missing : separator"].prefix(rule.hasPrefix("unix:") ? 1 : 2)
    for reason in separators where rest.removeField(upTo: ":") == nil {
      throw HostForward.SyntaxError(rule: rule, reason: reason)
    }
    // The host's side of a forward to any port: one grammar for both.
    let guestSide = "-:1"
    do throws(HostForward.SyntaxError) {
      forward = try HostForward(rule: rule + guestSide)
    } catch {
      throw HostForward.SyntaxError(rule: rule, reason: error.reason)
    }
  }

  /// How many ports are meant, or sockets.
  public var count: Int { forward.count }

  /// Whether a forward of a single port, or of a socket, is meant.
  public func names(_ other: HostForward) -> Bool {
    guard case .port(let transport, let first) = forward.host, case .port(transport, let port) = other.host else {
      return other.host == forward.host
    }
    let ports = Int(first.port)..<Int(first.port) + count
    return port.address == first.address && ports.contains(Int(port.port))
  }
}

extension ForwardRemoval: CustomStringConvertible {
  /// The rule with its defaults filled in.
  public var description: String { forward.hostSide }
}
