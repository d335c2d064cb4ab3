public import Primitives

/// A folder of the host that guests find as `\\\\SERVER\\qemu`, by the protocol of Windows' file servers.
public struct SMBShare: Hashable, Sendable {
  /// The folder, as the operator has named it.
  public var folder: String
  /// The server's address in the guests' network.
  public var server: IPv4Address

  /// The server's ports: SMB over TCP, and over NetBIOS (RFC 1001).
  public static let ports: [UInt16] = [445, 139]

  /// Checks the options, with QEMU's messages; nil where no folder is shared. The server's ports lead nowhere else.
  init?(
    _ options: NetworkOptions, _ ipv4: VirtualIPv4Network?, beside forwards: [GuestForwardRule]
  ) throws(ConfigurationError) {
    guard let folder = options.smb else {
      guard options.smbserver == nil else { throw ConfigurationError("smbserver", "there is no folder to serve (smb)") }
      return nil
    }
    guard let ipv4 else { throw ConfigurationError("smb", "the server has an address of IPv4, which is disabled") }
    // The server's configuration knows no way to quote these (smb.conf(5)).
    guard !folder.isEmpty, !folder.utf8.contains(where: { $0 < 0x20 }), !folder.contains("%"), !folder.hasSuffix("\\")
    else {
      throw ConfigurationError("smb", "'\(folder)' is not a folder whose name Samba takes")
    }
    self.folder = folder
    server = ipv4.serviceAddress
    if let text = options.smbserver {
      guard let address = IPv4Address(inetAton: text) else {
        throw ConfigurationError("smbserver", "Failed to parse SMB address")
      }
      server = address
    }
    let (server, ports) = (server, Self.ports)
    let isFree = !forwards.contains { $0.endpoint.address == IPAddress(server) && ports.contains($0.endpoint.port) }
    guard ipv4.mayServe(server), isFree else {
      throw ConfigurationError("smbserver", "Conflicting/invalid smbserver address")
    }
  }
}
