import Foundation

/// A folder with the guest's kernel and initramfs, `vmlinuz` and `initramfs`, for firmware that boots by the network.
final class BootFolder: Sendable {
  private let folder: ScratchFolder
  /// The files that firmware gets, one folder beneath `parent`.
  var path: String { "\(parent)/\(name)" }
  var parent: String { folder.path }
  let name = "boot"

  init() throws {
    folder = try ScratchFolder()
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
    // Copies, since the TFTP server follows no link out of its folder.
    for file in ["vmlinuz", "initramfs"] { try add("\(Requirement.guestFolder)/\(file)") }
  }

  /// Copies a file into the folder, under its own name.
  func add(_ file: String) throws {
    try FileManager.default.copyItem(atPath: file, toPath: "\(path)/\(URL(filePath: file).lastPathComponent)")
  }

  func write(_ text: String, to name: String) throws { try folder.write(text, to: "\(self.name)/\(name)") }

  /// Writes `boot.ipxe`, a script for iPXE that boots the kernel and the initramfs of these two places, such as URLs.
  func writeScript(kernel: String, initramfs: String) throws {
    try write(
      """
      #!ipxe
      kernel \(kernel) initrd=initramfs \(Guest.commandLine)
      initrd \(initramfs)
      boot

      """, to: "boot.ipxe")
  }

  /// Serves the folder by HTTP at an address of the host's loopback, to which the gateway leads.
  func serve(at address: String) throws -> (server: Program, port: UInt16) {
    let port = try freePort()
    let server = try Program([
      "python3", "-u", "-m", "http.server", "--bind", address, "--directory", path, "\(port)",
    ])
    try server.output.wait(seconds: 10, "the server's start") { $0.contains("Serving HTTP") ? () : nil }
    return (server, port)
  }
}
