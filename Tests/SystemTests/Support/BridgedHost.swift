import Foundation
import LinuxSystem

/// A network namespace that stands for a host: a bridge `bridge0`, 192.168.1.101/24, whose MTU is 1400, and a folder /etc
/// with access lists of its own. /dev/net/tun is there for all. Needs root.
final class BridgedHost: Sendable {
  let namespace: NetworkNamespace
  private let folder: ScratchFolder

  /// - Parameters:
  ///   - list: what is in /etc/qemu/bridge.conf; nil for no such file.
  ///   - ownList: what is in /etc/culvert/bridge.conf.
  init(_ list: String? = "allow bridge0\n", ownList: String? = nil) throws {
    namespace = try NetworkNamespace()
    folder = try ScratchFolder()
    try namespace.run(
      """
      ip link add bridge0 mtu 1400 type bridge && ip address add 192.168.1.101/24 dev bridge0 && ip link set bridge0 up
      cd \(folder.path) && mkdir -p etc/qemu etc/culvert real
      for file in /etc/*; do
        name=$(basename "$file"); [ -e "etc/$name" ] || ln -s "\(folder.path)/real/$name" "etc/$name"
      done
      """)
    if let list { try folder.write(list, to: "etc/qemu/bridge.conf") }
    if let ownList { try folder.write(ownList, to: "etc/culvert/bridge.conf") }
  }

  /// Writes a file below /etc, with these permissions.
  func write(_ text: String, to name: String, owner: String = "root:root", mode: String = "644") throws {
    try folder.write(text, to: "etc/\(name)")
    try Program.run("chown", owner, folder["etc/\(name)"])
    try Program.run("chmod", mode, folder["etc/\(name)"])
  }

  /// Who runs a command on the host.
  enum User: CaseIterable, Sendable {
    case root, nobody
    var launcher: [String] {
      self == .root ? [] : ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"]
    }
  }

  /// What to put before a command so that it runs on the host.
  /// - Parameter prepare: what is done before by a shell, as root.
  func launcher(as user: User = .root, prepare: String = ":") -> [String] {
    let script = """
      mount -t tmpfs none /mnt && mknod -m 666 /mnt/tun c 10 200 && mount --bind /mnt/tun /dev/net/tun &&
      mount --bind /etc \(folder.path)/real && mount --bind \(folder.path)/etc /etc && \(prepare) && exec "$@"
      """
    return namespace.launcher + ["bash", "-c", script, "bash"] + user.launcher
  }

  /// How the helper has the rights that it needs.
  enum Installation: CaseIterable, Sendable {
    case setuid, capability, plain
  }

  /// Installs the helper and returns its path.
  func installHelper(_ installation: Installation = .setuid) throws -> String {
    let path = folder["helper-\(installation)"]
    try Program.run("install", "-m", installation == .setuid ? "4755" : "755", Requirement.helperPath, path)
    if installation == .capability { try Program.run("setcap", "cap_net_admin+ep", path) }
    return path
  }

  /// What `ip` says of the bridge's ports, one line each.
  func ports() throws -> String { try namespace.run("ip -d -o link show master bridge0") }

  /// Waits until the bridge has a port that somebody holds, and returns what `ip` says of it.
  func waitForPort() throws -> String {
    try namespace.run(
      """
      for attempt in $(seq 200); do
        ip -d -o link show master bridge0 | grep LOWER_UP && exit
        sleep 0.05
      done
      ip -d link; exit 1
      """)
  }
}
