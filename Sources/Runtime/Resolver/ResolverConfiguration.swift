package import Primitives

/// The servers that a `resolv.conf` names.
package struct ResolverConfiguration: Hashable, Sendable {
  /// The servers in their order; never empty.
  package var servers: [Endpoint]

  /// Reads the text of a `resolv.conf` (resolv.conf(5)).
  ///
  /// Where no server is named it is the local host's, as the C library does. A server with an interface
  /// (`fe80::1%eth0`) is left out: a link-local address alone does not say where to send to.
  package init(_ text: String) {
    var servers: [Endpoint] = []
    for line in text.split(whereSeparator: \.isNewline) {
      let words = line.split { $0 == " " || $0 == "\t" }
      guard words.count >= 2, words[0] == "nameserver", let address = IPAddress(words[1]) else { continue }
      servers.append(Endpoint(address, port: 53))
    }
    self.servers = servers.isEmpty ? [Endpoint(IPv4Address.loopback, port: 53)] : servers
  }
}
