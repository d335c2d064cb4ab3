public import Primitives

/// A name that the virtual resolver knows, and one of its addresses, `NAME=ADDRESS`.
public struct HostName: Hashable, Sendable {
  /// The name.
  public var name: String
  /// The address.
  public var address: IPAddress

  /// Reads the option's text; nil where it is not of the form.
  init?(_ text: String) {
    let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
    guard parts.count == 2, parts[0].isDomainName, let address = IPAddress(parts[1]) else { return nil }
    name = String(parts[0])
    self.address = address
  }
}

extension HostName: CustomStringConvertible {
  /// The option's text.
  public var description: String { "\(name)=\(address)" }
}

extension StringProtocol {
  /// Whether the text is a domain name, a dot at its end allowed (RFC 1035 section 2.3.4: labels of 1 to 63 bytes, 255
  /// bytes in all with each label's length and the root).
  var isDomainName: Bool {
    let name = hasSuffix(".") ? dropLast() : self[...]
    let labels = name.split(separator: ".", omittingEmptySubsequences: false)
    return labels.allSatisfy { (1...63).contains($0.utf8.count) } && name.utf8.count <= 253
  }
}

extension VirtualNetwork {
  /// Names and addresses of them that the virtual resolver knows at most: it looks through all of them for each query.
  static let maximumHostNames = 1024
  /// Servers that are asked at most: after five seconds a guest is not waiting any more.
  static let maximumResolvers = 8

  static func hostNames(_ options: [String]) throws(ConfigurationError) -> [HostName] {
    guard options.count <= maximumHostNames else {
      throw ConfigurationError("dns-host", "\(options.count) are too many; give \(maximumHostNames) at most")
    }
    var names: [HostName] = []
    for (index, text) in options.enumerated() {
      guard let name = HostName(text) else {
        throw ConfigurationError("dns-host[\(index)]", "'\(text)' is not NAME=ADDRESS with a domain name")
      }
      names.append(name)
    }
    return names
  }

  static func upstreamResolvers(_ options: [String]) throws(ConfigurationError) -> [Endpoint] {
    guard options.count <= maximumResolvers else {
      throw ConfigurationError("dns-upstream", "\(options.count) are too many; give \(maximumResolvers) at most")
    }
    var servers: [Endpoint] = []
    for (index, text) in options.enumerated() {
      guard let server = Endpoint(text, defaultPort: 53), server.port > 0 else {
        throw ConfigurationError(
          "dns-upstream[\(index)]", "'\(text)' is not ADDRESS[:PORT]; write IPv6 with a port as [::1]:53")
      }
      servers.append(server)
    }
    return servers
  }
}
