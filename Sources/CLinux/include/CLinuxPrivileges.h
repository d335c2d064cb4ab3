// What a program does that has more rights than who started it (capabilities(7)).

#ifndef CLINUX_PRIVILEGES_H
#define CLINUX_PRIVILEGES_H

#include <errno.h>
#include <linux/capability.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/// The bit of CAP_NET_ADMIN.
static const uint64_t CLINUX_NETWORK_CAPABILITY = 1ull << CAP_NET_ADMIN;

/// The capabilities that the calling thread has or may have at once.
static inline int clinux_permitted_capabilities(uint64_t *permitted) {
  struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
  if (syscall(SYS_capget, &head, data) != 0) return -1;
  *permitted = data[0].permitted | (uint64_t)data[1].permitted << 32;
  return 0;
}

/// Gives the calling thread these capabilities and no others, none of which a program inherits that it starts.
static inline int clinux_set_capabilities(uint64_t capabilities) {
  struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {
      {.effective = (uint32_t)capabilities, .permitted = (uint32_t)capabilities},
      {.effective = (uint32_t)(capabilities >> 32), .permitted = (uint32_t)(capabilities >> 32)}};
  return (int)syscall(SYS_capset, &head, data);
}

/// Lets the calling thread act as the user and the group that have started it, for good, and keeps its permitted
/// capabilities over that. Groups first: who is no longer root may not change them.
static inline int clinux_become_caller(void) {
  uid_t user = getuid();
  gid_t group = getgid();
  if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0) return -1;
  if (syscall(SYS_setresgid, group, group, group) != 0) return -1;
  if (syscall(SYS_setresuid, user, user, user) != 0) return -1;
  return prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0);
}

/// Closes the descriptors from `first` to `last` (Linux 5.9).
static inline int clinux_close_range(uint32_t first, uint32_t last) {
  return first > last ? 0 : (int)syscall(SYS_close_range, first, last, 0);
}

#endif
