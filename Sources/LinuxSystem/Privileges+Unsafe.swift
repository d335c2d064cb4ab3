import CLinux
import Glibc

/// The rights of a process that has more of them than who started it, because of its file: setuid root, or with
/// capabilities (capabilities(7)).
///
/// They are those of a thread: for a process with only one.
public enum Privileges {
  /// Whether the process may change the network (CAP_NET_ADMIN).
  public static func mayChangeNetwork() throws(SystemError) -> Bool {
    var permitted: UInt64 = 0
    try checked("look at capabilities") { unsafe clinux_permitted_capabilities(&permitted) }
    return permitted & CLINUX_NETWORK_CAPABILITY != 0
  }

  /// Becomes, by user and group and for good, who started the process, and keeps the right to change the network and no
  /// other.
  /// - Precondition: `mayChangeNetwork`.
  public static func keepNetworkOnly() throws(SystemError) {
    try checked("become the user who started this") { clinux_become_caller() }
    try checked("give up capabilities") { clinux_set_capabilities(CLINUX_NETWORK_CAPABILITY) }
  }

  /// Gives up every right that a user does not have, for good.
  public static func dropAll() throws(SystemError) {
    try checked("become the user who started this") { clinux_become_caller() }
    try checked("give up capabilities") { clinux_set_capabilities(0) }
  }
}

extension ProcessControl {
  /// Closes all descriptors but the standard three and `kept`, and puts /dev/null in the place of standard ones that are
  /// missing: what is opened next would be taken for one of them.
  public static func closeDescriptors(but kept: Int32) throws(SystemError) {
    let number = UInt32(bitPattern: max(kept, 2))
    try checked("close descriptors") { clinux_close_range(3, number - 1) }
    try checked("close descriptors") { clinux_close_range(max(number, 2) + 1, .max) }
    while true {
      let opened = try FileDescriptor.open(device: "/dev/null")
      guard opened.rawValue <= 2 else { return }
      // A standard one from now on.
      _ = opened.take()
    }
  }
}
