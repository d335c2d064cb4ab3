import Foundation
import Testing

/// A guest's namespace for DHCP clients, behind a culvert that tells them all it can, with a record of what they say.
final class DHCPWorld {
  /// What the network is called, and how long its packets may be.
  static let options = [
    "--hostname", "guest", "--domainname", "a.test", "--dnssearch", "a.test", "--dnssearch", "b.test", "--mtu", "9000",
  ]

  let guest: GuestNamespace
  let folder: ScratchFolder
  private let control: String

  init() throws {
    folder = try ScratchFolder()
    control = "unix:\(folder["control"])"
    let culvert = try Culvert(Self.options + ["--control", control])
    guest = try GuestNamespace(behind: culvert, mtu: 9000, capturePath: folder["link.pcap"])
    try folder.write(Self.script, to: "script")
    try Program.run("chmod", "+x", scriptPath)
  }

  /// What clients call when something has changed: it says what it was told, and gives the device its address where
  /// the client leaves that to it.
  var scriptPath: String { folder["script"] }

  static let script = """
    #!/bin/sh
    reason=${reason:-$1}
    # udhcpc has `ip` and `mask`, dhclient `new_ip_address` and so on, and dhcpcd, which says a `protocol`, does it itself.
    case $reason in
      bound) ip address replace "$ip/$mask" dev "$interface" ;;
      BOUND | REBOOT)
        [ -n "$protocol" ] || ip address replace "$new_ip_address/$new_subnet_mask" dev "$interface" ;;
      BOUND6) [ -n "$protocol" ] || ip address replace "$new_ip6_address/64" dev "$interface" nodad ;;
    esac
    { echo "begin $reason"; env; echo "end $reason"; } >&2
    """

  /// Starts a client in the guest.
  /// - Parameter privateFolders: folders that it finds empty, and whose old content nobody else misses.
  func start(_ command: [String], privateFolders: [String] = []) throws -> DHCPClient {
    let mounts = privateFolders.map { "mount -t tmpfs none \($0) && " }.joined()
    return DHCPClient(
      program: try Program(guest.launcher + ["bash", "-c", mounts + "exec \"$@\"", "bash"] + command))
  }

  /// Waits until the server has leased these addresses, and no other; a client's last word may still be on its way.
  func expectLeases(_ addresses: [String], sourceLocation: SourceLocation = #_sourceLocation) throws {
    let deadline = Deadline.after(2)
    var leased = try leases()
    while leased != addresses, !deadline.hasPassed { leased = try leases() }
    #expect(leased == addresses, sourceLocation: sourceLocation)
  }

  private func leases() throws -> [String] {
    let text = try Program.run(Requirement.culvertPath, "ctl", "leases", "--json", "--socket", control)
    return try JSONDecoder().decode(Leases.self, from: Data(text.utf8)).leases.map(\.address)
  }

  private struct Leases: Decodable {
    struct Lease: Decodable { let address: String }
    let leases: [Lease]
  }

  /// What Wireshark says of the messages of the servers, DHCP's, DHCPv6's and the router advertisements.
  func judgedMessages() throws -> (summaries: [String], complaints: [String]) {
    guard let capture = guest.capture else { throw Failure("nothing was recorded") }
    return try capture.judged(where: "udp.srcport == 67 || udp.srcport == 547 || icmpv6.type == 134")
  }
}

/// A DHCP client in the foreground, whose script says what it is told.
final class DHCPClient {
  let program: Program

  init(program: Program) { self.program = program }

  /// Waits until the client has called its script for `reason`, and returns the variables that it gave it.
  func variables(at reason: String) throws -> [String: String] {
    var variables: [String: String] = [:]
    do {
      return try program.errors.wait(seconds: 15, "'\(reason)' of the client") { line in
        if line == "begin \(reason)" { variables = [:] }
        if line == "end \(reason)" { return variables }
        let parts = line.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        if parts.count == 2 { variables[String(parts[0])] = String(parts[1]) }
        return nil
      }
    } catch {
      throw Failure("\(error)\n\(program.errors.text)")
    }
  }

  /// Waits until the client has said `word`.
  func wait(for word: String) throws {
    do {
      try program.errors.wait(seconds: 15, "'\(word)' of the client") { $0.contains(word) ? () : nil }
    } catch {
      throw Failure("\(error)\n\(program.errors.text)")
    }
  }
}
