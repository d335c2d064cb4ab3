// Namespaces, mounts, and the netlink socket by which a network namespace is set up.

#ifndef CLINUX_NAMESPACE_H
#define CLINUX_NAMESPACE_H

#include <errno.h>
#include <linux/netlink.h>
#include <linux/nsfs.h>
#include <linux/rtnetlink.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/// What only _GNU_SOURCE would declare (linux/sched.h).
static const int CLINUX_NEW_MOUNTS = 0x00020000;
static const int CLINUX_NEW_USERS = 0x10000000;
static const int CLINUX_NEW_NETWORK = 0x40000000;

static inline int clinux_unshare(int namespaces) { return (int)syscall(SYS_unshare, namespaces); }

/// Enters the namespace behind a descriptor, which must be of `kind`.
static inline int clinux_enter_namespace(int descriptor, int kind) {
  return (int)syscall(SYS_setns, descriptor, kind);
}

/// A descriptor of the user namespace that owns the namespace behind a descriptor.
static inline int clinux_owning_users(int descriptor) { return ioctl(descriptor, NS_GET_USERNS); }

/// The kind of the namespace behind a descriptor, one of CLINUX_NEW_*.
static inline int clinux_namespace_kind(int descriptor) { return ioctl(descriptor, NS_GET_NSTYPE); }

/// Shows a file, or a folder with all that is mounted below it, at another place, too.
static inline int clinux_bind_mount(const char *source, const char *target) {
  return mount(source, target, NULL, MS_BIND | MS_REC, NULL);
}

/// Takes the topmost mount from a place; what is mounted from it elsewhere stays.
static inline int clinux_detach_mount(const char *target) { return umount2(target, MNT_DETACH); }

/// Mounts an empty file system in memory.
static inline int clinux_mount_memory(const char *target, const char *options) {
  return mount("tmpfs", target, "tmpfs", MS_NOSUID | MS_NODEV, options);
}

/// Keeps what is mounted from now on from other namespaces, and theirs from this one.
static inline int clinux_make_mounts_private(void) { return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL); }

/// A blocking socket for rtnetlink, on which the kernel explains its errors.
static inline int clinux_route_socket(void) {
  int made = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  if (made < 0) return made;
  int yes = 1;
  // A kernel that does not know how leaves the number alone.
  setsockopt(made, SOL_NETLINK, NETLINK_CAP_ACK, &yes, sizeof yes);
  setsockopt(made, SOL_NETLINK, NETLINK_EXT_ACK, &yes, sizeof yes);
  return made;
}

/// A socket that never waits, by which a part of the kernel (NETLINK_*) tells of changes; `groups` says of which.
static inline int clinux_netlink_listener(int family, uint32_t groups) {
  int made = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, family);
  if (made < 0) return made;
  struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = groups};
  if (bind(made, (const struct sockaddr *)&address, sizeof address) == 0) return made;
  int error = errno;
  close(made);
  errno = error;
  return -1;
}

#endif
