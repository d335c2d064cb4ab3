public import Primitives

/// A TCP port in the guests' network that leads to something of the host's.
public struct GuestForwardRule: Hashable, Sendable {
  /// What a connection leads to.
  public enum Target: Hashable, Sendable {
    /// A server, to which a connection is made for each of the guest's.
    case tcp(Endpoint)
    /// The same by a UNIX socket.
    case unix(path: String)
    /// A command that is started for each connection: its standard input and output.
    case command(CommandText)
  }

  /// Where guests find it.
  public var endpoint: Endpoint
  /// What it leads to.
  public var target: Target

  /// Reads a rule in QEMU's syntax, `[tcp]:[ADDR]:PORT-TARGET`; `standard` is the address of a rule without one.
  ///
  /// Beyond QEMU, an IPv6 address may stand in brackets. Where QEMU opens a device at start and lets all connections
  /// share it, here each connection has one of its own, as QEMU's `cmd:` has.
  init(rule: String, standard: IPv4Address?) throws(SyntaxError) {
    var rest = Substring(rule)
    let invalid = SyntaxError("Invalid guest forwarding rule '\(rule)'")
    guard let proto = rest.removeField(upTo: ":"), proto == "tcp" || proto.isEmpty,
      let field = rest.removeField(upTo: ":"),
      let port = rest.removeField(upTo: "-").flatMap({ UInt16(port: $0) }), port > 0
    else { throw invalid }
    guard let address = field.isEmpty ? standard.map({ IPAddress($0) }) : IPAddress(forwardField: field) else {
      throw field.isEmpty
        ? SyntaxError("Invalid guest forwarding rule '\(rule)': without IPv4 it needs an address") : invalid
    }
    endpoint = Endpoint(address, port: port)
    do throws(SyntaxError) {
      target = try Target(String(rest))
    } catch {
      throw SyntaxError("Could not open guest forwarding device 'guestfwd.tcp.\(port)': \(error.description)")
    }
  }

  /// Why a rule could not be read, in QEMU's words as far as it has any.
  struct SyntaxError: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
  }
}

extension GuestForwardRule.Target {
  /// What there may be, for messages.
  static let syntax = "cmd:COMMAND, tcp:HOST:PORT or unix:PATH"

  init(_ text: String) throws(GuestForwardRule.SyntaxError) {
    let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
    guard parts.count == 2 else { throw .init("'\(text)' is nothing to connect to; give \(Self.syntax)") }
    let value = String(parts[1])
    switch parts[0] {
    case "cmd":
      do throws(CommandText.SyntaxError) {
        self = .command(try CommandText(value))
      } catch {
        throw .init(error.description)
      }
    case "tcp" where !value.contains(","):
      guard let endpoint = Endpoint(hostAndPort: value) else {
        throw .init("'\(value)' is not an address and a port, as 127.0.0.1:5555, localhost:5555 or [::1]:5555")
      }
      self = .tcp(endpoint)
    case "unix" where !value.contains(","):
      guard (1...LinkAddress.maximumPathLength).contains(value.utf8.count), !value.utf8.contains(0) else {
        throw .init("the path of a socket has 1 to \(LinkAddress.maximumPathLength) bytes")
      }
      self = .unix(path: value)
    case "tcp", "unix":
      throw .init("a connection is made for each of the guest's; leave out what follows the comma in '\(text)'")
    default:
      throw .init("there is nothing like '\(parts[0])' here; give \(Self.syntax)")
    }
  }
}

extension GuestForwardRule.Target: CustomStringConvertible {
  /// The target as it is written in a rule.
  public var description: String {
    switch self {
    case .tcp(let endpoint): "tcp:\(endpoint)"
    case .unix(let path): "unix:\(path)"
    case .command(let command): "cmd:\(command.text)"
    }
  }
}

extension GuestForwardRule: CustomStringConvertible {
  /// The rule in QEMU's syntax.
  public var description: String { "tcp:\(endpoint)-\(target)" }
}

extension VirtualNetwork {
  /// The most rules: each connection of a guest's looks through them.
  private static let maximumGuestForwards = 256

  /// Reads the rules, none of which takes an address that is somebody's, or another's port.
  static func guestForwards(
    _ rules: [String], _ ipv4: VirtualIPv4Network?, _ ipv6: VirtualIPv6Network?
  ) throws(ConfigurationError) -> [GuestForwardRule] {
    guard rules.count <= maximumGuestForwards else {
      throw ConfigurationError("guestfwd", "more than \(maximumGuestForwards) rules")
    }
    var forwards: [GuestForwardRule] = []
    for (index, text) in rules.enumerated() {
      let path = "guestfwd[\(index)]"
      let rule: GuestForwardRule
      do throws(GuestForwardRule.SyntaxError) {
        rule = try GuestForwardRule(rule: text, standard: ipv4?.serviceAddress)
      } catch {
        throw ConfigurationError(path, error.description)
      }
      let address = rule.endpoint.address
      let isFree =
        if let address = address.ipv4 { ipv4?.mayServe(address) } else { ipv6?.mayServe(address.mapped) }
      guard isFree == true, !forwards.contains(where: { $0.endpoint == rule.endpoint }) else {
        throw ConfigurationError(path, "Conflicting/invalid host:port in guest forwarding rule '\(text)'")
      }
      forwards.append(rule)
    }
    return forwards
  }
}
