import Bridge
import BridgeHelper
import Configuration
import Netstack
import Nftables
import Primitives
import Runtime
import Simulation

/// Any bytes as something that an operator or the host has written: it is understood, or refused in one line. A network
/// that is understood serves a guest. The first byte chooses what it is.
enum ConfigurationTarget {
  private static let texts: [@Sendable (String) -> [String]] = [
    file, userNetwork, command, RuleChecks.check, link, leases, resolvers, options, script, bridge, accessList, ruleset,
  ]

  static func run(_ bytes: [UInt8]) -> [String] {
    var input = FuzzInput(bytes)
    let check = input.choice(of: texts)
    return check(String(decoding: input.rest(), as: UTF8.self))
  }

  /// Runs `body`; a mistake must be told in one line.
  private static func attempt(_ body: () throws(ConfigurationError) -> [String]) -> [String] {
    do throws(ConfigurationError) {
      return try body()
    } catch {
      if error.message.isEmpty { return ["a mistake is told without a word"] }
      return error.description.contains(where: \.isNewline) ? ["'\(error)' is not one line"] : []
    }
  }

  // MARK: Networks

  private static func file(_ text: String) -> [String] {
    attempt { () throws(ConfigurationError) in
      let file = try ConfigurationFile(text: text, path: "file")
      return file.links.flatMap(link) + serve(try VirtualNetwork(file.network))
    }
  }

  private static func userNetwork(_ text: String) -> [String] {
    attempt { () throws(ConfigurationError) in serve(try VirtualNetwork(try NetworkOptions(user: text))) }
  }

  /// Options by their names, in lines of name and value.
  private static func options(_ text: String) -> [String] {
    attempt { () throws(ConfigurationError) in
      var options = NetworkOptions()
      for line in text.split(separator: "\n") {
        let words = line.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        try options.take(words[0], words.count > 1 ? words[1] : "", path: words[0])
      }
      return serve(try VirtualNetwork(options))
    }
  }

  /// A guest asks for its addresses, and hears the router.
  private static func serve(_ network: VirtualNetwork) -> [String] {
    _ = network.namesOfSettings(unlike: network)
    var options = Lab.Options()
    options.settings = NetworkSettings(network)
    (options.settings.maximumFlows, options.settings.maximumUDPFlows) = (16, 8)
    let lab = Lab(options)
    lab.guest.sendDHCP(type: 1, options: [55, 8, 1, 3, 6, 15, 26, 66, 119, 121])
    lab.guest.send(PlainDiscovery(type: 133), to: IPv6Address(high: 0xff02 << 48, low: 2))
    let identifier: [UInt8] = [0, 1, 0, 4, 0, 3, 0, 1]
    let solicitation: [UInt8] = [1, 0, 0, 1] + identifier + [0, 3, 0, 12] + [UInt8](repeating: 0, count: 12)
    let wish: [UInt8] = [0, 6, 0, 8, 0, 23, 0, 24, 0, 59, 0, 60]
    let datagram = PlainUDP(sourcePort: 546, destinationPort: 547, payload: solicitation + wish)
    let servers = IPAddress(IPv6Address(high: 0xff02 << 48, low: 0x1_0002))
    lab.guest.send(.udp(datagram), from: IPAddress(lab.guest.ipv6LinkLocal), to: servers)
    lab.advance(by: .seconds(5))
    return FuzzLab.report(lab.problems, of: lab)
  }

  /// The words of a command that starts QEMU, one a line.
  private static func command(_ text: String) -> [String] {
    attempt { () throws(ConfigurationError) in
      let words = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
      let command = try QEMUCommandLine(words)
      _ = (command.program, command.daemonizes)
      let attachment = try command.attachment()
      let descriptors = [Int32](repeating: 9, count: attachment.networks.count)
      return attachment.words(descriptors: descriptors).isEmpty ? ["a command of no words"] : []
    }
  }

  // MARK: Bridges

  private static func bridge(_ text: String) -> [String] {
    attempt { () throws(ConfigurationError) in
      _ = try BridgeNetwork(try BridgeConfigurationFile(text: text, path: "file").options)
      return []
    }
  }

  /// The access list of QEMU's bridge helper, which may include itself and a second one.
  private static func accessList(_ text: String) -> [String] {
    let lists = text.split(separator: "\n\n", maxSplits: 1, omittingEmptySubsequences: false)
    do throws(HelperError) {
      let list = try AccessList(paths: ["/a"]) { path in
        switch path {
        case "/a": .contents(Array(lists[0].utf8))
        case "/b": .contents(Array((lists.last ?? "").utf8))
        default: .missing
        }
      }
      let isDenied = list.rules.contains { !$0.isAllowed && ($0.bridge ?? "br0") == "br0" }
      if case .allowed = list.verdict(on: "br0"), isDenied { return ["a bridge that is denied is allowed"] }
      return []
    } catch {
      return error.description.contains("\n") ? ["a mistake is told in several lines"] : []
    }
  }

  /// The rules of the host, in the JSON of libnftables: what they do to a bridge's packets is found out.
  private static func ruleset(_ text: String) -> [String] {
    guard let rules = read(text) else { return [] }
    do throws(FirewallError) {
      let subnet = IPv4Prefix(containing: IPv4Address(192, 168, 1, 101), length: 24)
      let firewall = try BridgeFirewall(bridge: "bridge0", subnet: subnet, uplink: "wlo1")
      _ = firewall.obstacles(in: rules, of: HostFilters())
      _ = firewall.counts(in: rules)
      _ = try firewall.allowance(in: "inet filter forward", of: rules, filters: HostFilters())
    } catch {
      // There is no such chain: said in words.
      return error.description.isEmpty ? ["a refusal without a word"] : []
    }
    return []
  }

  private static func read(_ text: String) -> Ruleset? {
    do throws(NftablesError) { return try Ruleset(json: text) } catch { return nil }
  }

  // MARK: Places

  private static func link(_ text: String) -> [String] {
    let links = attempt { () throws(ConfigurationError) in
      let link = try LinkAddress(text)
      _ = link.qemuOptions()
      return try LinkAddress(link.description) == link ? [] : ["'\(text)', written as '\(link)', became another"]
    }
    return links
      + attempt { () throws(ConfigurationError) in
        let address = try ControlAddress(text)
        return try ControlAddress(address.description) == address ? [] : ["'\(text)' became '\(address)'"]
      }
  }

  /// A file of leases: what is read is written as the same.
  private static func leases(_ text: String) -> [String] {
    let (now, wallClock) = (Instant(nanoseconds: 1_000_000_000), Int64(1_790_000_000))
    do throws(ServiceError) {
      let leases = try LeaseFile.leases(in: text, path: "file", at: now, wallClock: wallClock)
      let written = LeaseFile.text(of: leases, at: now, wallClock: wallClock)
      let again = try LeaseFile.leases(in: written, path: "file", at: now, wallClock: wallClock)
      return leases == again ? [] : ["\(leases) became \(again)"]
    } catch {
      return error.description.contains("\n") ? ["a mistake is told in several lines"] : []
    }
  }

  private static func resolvers(_ text: String) -> [String] {
    ResolverConfiguration(text).servers.isEmpty ? ["no resolver at all"] : []
  }

  /// What the world of a replay does.
  private static func script(_ text: String) -> [String] {
    do throws(ReplayScriptError) {
      _ = try ReplayBehavior(script: text)
      return []
    } catch {
      return error.description.contains(where: \.isNewline) ? ["'\(error)' is not one line"] : []
    }
  }
}
