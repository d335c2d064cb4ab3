import CLinux
import Glibc

/// Namespaces of the kernel (namespaces(7)), entered and made by the calling process.
///
/// A process with several threads may neither make nor enter a user namespace.
public enum Namespace {
  /// What a namespace is of.
  public enum Kind: Hashable, Sendable {
    /// Users and their rights.
    case users
    /// Interfaces, addresses, routes and sockets.
    case network
    /// What is mounted where.
    case mounts

    fileprivate var rawValue: Int32 {
      switch self {
      case .users: CLINUX_NEW_USERS
      case .network: CLINUX_NEW_NETWORK
      case .mounts: CLINUX_NEW_MOUNTS
      }
    }

    fileprivate var words: String {
      switch self {
      case .users: "user"
      case .network: "network"
      case .mounts: "mount"
      }
    }
  }

  /// Leaves the namespaces of these kinds for new ones; a new user namespace owns the others.
  public static func make(_ kinds: [Kind]) throws(SystemError) {
    let names = kinds.map(\.words).joined(separator: ", ") + (kinds.count == 1 ? " namespace" : " namespaces")
    try checked("make", "new " + names) { clinux_unshare(kinds.reduce(0) { $0 | $1.rawValue }) }
  }

  /// Enters the namespace behind a descriptor.
  public static func enter(_ kind: Kind, _ descriptor: borrowing FileDescriptor) throws(SystemError) {
    try checked("enter the namespace", kind.words) { clinux_enter_namespace(descriptor.rawValue, kind.rawValue) }
  }

  /// Whether a descriptor is that of a namespace of this kind.
  public static func isOne(_ descriptor: borrowing FileDescriptor, of kind: Kind) -> Bool {
    clinux_namespace_kind(descriptor.rawValue) == kind.rawValue
  }

  /// The user namespace that owns a namespace.
  /// - Throws: EPERM where that is none of the caller's nor below it.
  public static func owner(of descriptor: borrowing FileDescriptor) throws(SystemError) -> FileDescriptor {
    FileDescriptor(owning: try checked("find the owner of a namespace") { clinux_owning_users(descriptor.rawValue) })
  }

  /// In a new user namespace: lets its root be the user and the group that the process had outside.
  public static func mapRoot(toUser user: UInt32, group: UInt32) throws(SystemError) {
    // user_namespaces(7): without rights outside, groups are mapped only if none can be dropped.
    try write("deny", to: "/proc/self/setgroups")
    try write("0 \(user) 1", to: "/proc/self/uid_map")
    try write("0 \(group) 1", to: "/proc/self/gid_map")
  }

  private static func write(_ text: String, to path: String) throws(SystemError) {
    try FileDescriptor.open(writing: path).write(text)
  }
}

/// Mounts in a mount namespace of the calling process's own.
public enum Mounts {
  /// Keeps what is mounted from now on from other namespaces.
  public static func makePrivate() throws(SystemError) {
    try checked("keep mounts private") { clinux_make_mounts_private() }
  }

  /// Lets `target` stand for the file or folder `source`, with all that is mounted below that.
  public static func bind(_ source: String, over target: String) throws(SystemError) {
    try checked("mount over", target) { unsafe clinux_bind_mount(source, target) }
  }

  /// Takes the topmost mount from a place.
  public static func detach(_ target: String) throws(SystemError) {
    try checked("unmount", target) { unsafe clinux_detach_mount(target) }
  }

  /// Mounts an empty file system in memory.
  public static func mountMemory(at target: String) throws(SystemError) {
    try checked("mount over", target) { unsafe clinux_mount_memory(target, "mode=0755,size=1m") }
  }
}

extension FileDescriptor {
  /// A socket for rtnetlink in the network namespace of the calling thread, which waits for answers.
  public static func routeSocket() throws(SystemError) -> FileDescriptor {
    FileDescriptor(owning: try checked("make a netlink socket") { clinux_route_socket() })
  }

  /// Who tells of changes by netlink(7).
  public enum NetlinkFamily: Int32, Sendable {
    /// rtnetlink(7), of interfaces, addresses and routes; its groups are the bits RTMGRP_*.
    case route = 0
    /// The packet filter; its groups are the bits 1 << (NFNLGRP_* - 1).
    case filter = 12
  }

  /// A socket by which a part of the kernel tells of changes in the network namespace of the calling thread, and which
  /// never waits; `groups` says of which.
  public static func netlinkListener(_ family: NetlinkFamily, groups: UInt32) throws(SystemError) -> FileDescriptor {
    FileDescriptor(owning: try checked("make a netlink socket") { clinux_netlink_listener(family.rawValue, groups) })
  }

  /// Opens a file of the kernel's to write to.
  public static func open(writing path: String) throws(SystemError) -> FileDescriptor {
    FileDescriptor(owning: try checked("open", path) { unsafe clinux_open(path, O_WRONLY, 0) })
  }
}

extension SystemError {
  /// ENODEV, for who does not import the system's numbers.
  public static var noDevice: Int32 { ENODEV }

  /// Whether there is no file of the name.
  public var isNotFound: Bool { number == ENOENT || number == ENOTDIR }

  /// Whether there is no device behind a file of that kind.
  public var isWithoutDevice: Bool { number == ENODEV || number == ENXIO }

  /// Whether something of the name is there already.
  public var isTaken: Bool { number == EEXIST }

  /// Whether the user, or how something is mounted, is in the way.
  public var isForbidden: Bool { number == EACCES || number == EPERM || number == EROFS }

  /// Whether an interface does not have the address that was to be taken from it.
  public var isWithoutAddress: Bool { number == EADDRNOTAVAIL }

  /// Whether more has come than was kept for a slow reader (ENOBUFS).
  public var isOverrun: Bool { number == ENOBUFS }

  /// Whether a descriptor's device was removed.
  public var isDeviceRemoved: Bool { number == EBADFD }

  /// Whether somebody else has what was asked for.
  public var isBusy: Bool { number == EBUSY }

  /// Whether a process has ended.
  public var isProcessGone: Bool { number == ESRCH }

  /// Whether a folder has something in it.
  public var isNotEmpty: Bool { number == ENOTEMPTY }

  /// Whether somebody else has the address or the port.
  public var isAddressInUse: Bool { number == EADDRINUSE }

  /// Whether nobody reads what was written (EPIPE).
  public var isReaderGone: Bool { number == EPIPE }

  /// Whether what was asked for does not make sense, or not in this form.
  public var isInvalid: Bool { number == EINVAL }
}
