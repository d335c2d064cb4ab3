// What Swift cannot take from the system's headers by itself: functions and types that the Glibc module leaves out
// (epoll, eventfd, signalfd, inotify, linux/*), and accessors for macros, unions and packed structures.
//
// Everything here is `static inline` and without policy: one call or one field each. Errors come as -1 and errno.

#ifndef CLINUX_H
#define CLINUX_H

// _GNU_SOURCE is not set: Swift's Glibc module is built without it, and a type must look the same in both modules.
// What only it would declare is called by its system call number.

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "CLinuxCapture.h"
#include "CLinuxFiles.h"
#include "CLinuxLibrary.h"
#include "CLinuxMemory.h"
#include "CLinuxMessages.h"
#include "CLinuxNamespace.h"
#include "CLinuxPrivileges.h"
#include "CLinuxPackets.h"
#include "CLinuxTAP.h"

#include <linux/errqueue.h>
#include <linux/sock_diag.h>
#include <linux/sockios.h>

// MARK: epoll

/// Adds, changes or removes the interest in a descriptor; `operation` is EPOLL_CTL_*.
static inline int clinux_epoll_control(int queue, int operation, int descriptor, uint32_t events, uint64_t data) {
  struct epoll_event event = {.events = events, .data.u64 = data};
  return epoll_ctl(queue, operation, descriptor, &event);
}

/// Waits with nanosecond precision (Linux 5.11); `nanoseconds` < 0 waits for ever.
static inline int clinux_epoll_wait(int queue, struct epoll_event *events, int count, int64_t nanoseconds) {
  // The kernel's own structure: 64-bit fields on every architecture.
  struct { int64_t seconds, nanoseconds; } limit = {nanoseconds / 1000000000, nanoseconds % 1000000000};
  return (int)syscall(SYS_epoll_pwait2, queue, events, count, nanoseconds < 0 ? NULL : &limit, NULL, 0);
}

// `struct epoll_event` is packed on x86-64, with a union inside.
static inline uint32_t clinux_epoll_events(const struct epoll_event *list, int index) { return list[index].events; }
static inline uint64_t clinux_epoll_data(const struct epoll_event *list, int index) { return list[index].data.u64; }

static const uint32_t CLINUX_EPOLLIN = EPOLLIN;
static const uint32_t CLINUX_EPOLLOUT = EPOLLOUT;
static const uint32_t CLINUX_EPOLLRDHUP = EPOLLRDHUP;
static const uint32_t CLINUX_EPOLLERR = EPOLLERR;
static const uint32_t CLINUX_EPOLLHUP = EPOLLHUP;
static const uint32_t CLINUX_EPOLLET = 1u << 31;
static const uint32_t CLINUX_EPOLLONESHOT = 1u << 30;

// MARK: eventfd, signalfd, inotify

static inline int clinux_eventfd(void) { return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); }

/// Blocks `count` signals in the calling thread and makes a descriptor that they are read from.
static inline int clinux_signalfd(const int *signals, int count) {
  sigset_t set;
  sigemptyset(&set);
  for (int i = 0; i < count; i++) sigaddset(&set, signals[i]);
  int error = pthread_sigmask(SIG_BLOCK, &set, NULL);
  if (error != 0) { errno = error; return -1; }
  return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/// Where a signal comes from that the kernel sends (siginfo.h).
static const int32_t CLINUX_SI_KERNEL = 0x80;

/// Unblocks `count` signals in the calling thread.
static inline int clinux_unblock_signals(const int *signals, int count) {
  sigset_t set;
  sigemptyset(&set);
  for (int i = 0; i < count; i++) sigaddset(&set, signals[i]);
  int error = pthread_sigmask(SIG_UNBLOCK, &set, NULL);
  if (error != 0) { errno = error; return -1; }
  return 0;
}

static inline int clinux_inotify(void) { return inotify_init1(IN_CLOEXEC | IN_NONBLOCK); }

static const uint32_t CLINUX_IN_CHANGES =
    IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ATTRIB | IN_ONLYDIR;

/// Reads the event at `bytes`: its mask, where its name begins and how long event and name are together.
static inline size_t clinux_inotify_event(const void *bytes, uint32_t *mask, const char **name) {
  const struct inotify_event *event = (const struct inotify_event *)bytes;
  *mask = event->mask;
  *name = event->len > 0 ? event->name : NULL;
  return sizeof *event + event->len;
}

// MARK: Clock and chance

static inline int64_t clinux_monotonic_nanoseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/// The time of day in nanoseconds since 1970.
static inline int64_t clinux_wall_nanoseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

// MARK: Sockets

/// A non-blocking socket that children do not inherit.
static inline int clinux_socket(int domain, int type, int protocol) {
  return socket(domain, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
}

static inline int clinux_socketpair(int type, int *pair) {
  return socketpair(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair);
}

static inline int clinux_accept(int listener, struct sockaddr_storage *address, socklen_t *length) {
  return (int)syscall(SYS_accept4, listener, address, length, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

static inline int clinux_bind(int socket, const struct sockaddr_storage *address, socklen_t length) {
  return bind(socket, (const struct sockaddr *)address, length);
}

static inline int clinux_connect(int socket, const struct sockaddr_storage *address, socklen_t length) {
  return connect(socket, (const struct sockaddr *)address, length);
}

static inline int clinux_getsockname(int socket, struct sockaddr_storage *address, socklen_t *length) {
  return getsockname(socket, (struct sockaddr *)address, length);
}

static inline int clinux_getpeername(int socket, struct sockaddr_storage *address, socklen_t *length) {
  return getpeername(socket, (struct sockaddr *)address, length);
}

static const int CLINUX_SOCK_STREAM = SOCK_STREAM;
static const int CLINUX_SOCK_DGRAM = SOCK_DGRAM;
static const int CLINUX_SOCK_SEQPACKET = SOCK_SEQPACKET;
static const int CLINUX_SOCK_RAW = SOCK_RAW;
static const int CLINUX_MSG_PEEK = MSG_PEEK;
static const int CLINUX_MSG_TRUNC = MSG_TRUNC;
static const int CLINUX_MSG_CTRUNC = MSG_CTRUNC;
static const int CLINUX_MSG_DONTWAIT = MSG_DONTWAIT;
static const int CLINUX_MSG_NOSIGNAL = MSG_NOSIGNAL;
static const int CLINUX_MSG_ERRQUEUE = MSG_ERRQUEUE;
static const int CLINUX_MSG_CMSG_CLOEXEC = MSG_CMSG_CLOEXEC;

/// Writes an IPv4 address; `bits` and `port` in host byte order. Returns the address's length.
static inline socklen_t clinux_encode_ipv4(struct sockaddr_storage *out, uint32_t bits, uint16_t port) {
  struct sockaddr_in *address = (struct sockaddr_in *)out;
  memset(address, 0, sizeof *address);
  address->sin_family = AF_INET;
  address->sin_port = htons(port);
  address->sin_addr.s_addr = htonl(bits);
  return sizeof *address;
}

/// Writes an IPv6 address, its halves, port and scope in host byte order. Returns the address's length.
static inline socklen_t clinux_encode_ipv6(
    struct sockaddr_storage *out, uint64_t high, uint64_t low, uint16_t port, uint32_t scope) {
  struct sockaddr_in6 *address = (struct sockaddr_in6 *)out;
  memset(address, 0, sizeof *address);
  address->sin6_family = AF_INET6;
  address->sin6_port = htons(port);
  address->sin6_scope_id = scope;
  uint64_t halves[2] = {__builtin_bswap64(high), __builtin_bswap64(low)};
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  halves[0] = high, halves[1] = low;
#endif
  memcpy(&address->sin6_addr, halves, sizeof halves);
  return sizeof *address;
}

/// The bytes of an IPv6 address as two integers in host byte order.
static inline void clinux_decode_in6(const void *bytes, uint64_t *high, uint64_t *low) {
  uint64_t halves[2];
  memcpy(halves, bytes, sizeof halves);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  *high = halves[0], *low = halves[1];
#else
  *high = __builtin_bswap64(halves[0]), *low = __builtin_bswap64(halves[1]);
#endif
}

/// Reads an Internet address, an IPv4 one in mapped form (RFC 4291 section 2.5.5.2). False for other families.
static inline int clinux_decode_internet(
    const struct sockaddr_storage *from, uint64_t *high, uint64_t *low, uint16_t *port, uint32_t *scope) {
  if (from->ss_family == AF_INET) {
    const struct sockaddr_in *address = (const struct sockaddr_in *)from;
    *high = 0;
    *low = 0xffff00000000ull | ntohl(address->sin_addr.s_addr);
    *port = ntohs(address->sin_port);
    *scope = 0;
    return 1;
  }
  if (from->ss_family == AF_INET6) {
    const struct sockaddr_in6 *address = (const struct sockaddr_in6 *)from;
    clinux_decode_in6(&address->sin6_addr, high, low);
    *port = ntohs(address->sin6_port);
    *scope = address->sin6_scope_id;
    return 1;
  }
  return 0;
}

static const int CLINUX_SUN_PATH = sizeof(((struct sockaddr_un *)0)->sun_path);

/// Writes a UNIX address of `count` name bytes, which for an abstract one begin with a zero byte.
/// Returns the address's length, 0 where the name is too long.
static inline socklen_t clinux_encode_unix(struct sockaddr_storage *out, const void *name, size_t count) {
  struct sockaddr_un *address = (struct sockaddr_un *)out;
  int abstract = count > 0 && *(const char *)name == 0;
  if (count + (abstract ? 0 : 1) > sizeof address->sun_path) return 0;
  memset(address, 0, sizeof *address);
  address->sun_family = AF_UNIX;
  memcpy(address->sun_path, name, count);
  return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + count + (abstract ? 0 : 1));
}

/// Where the name of a UNIX address lies and how long it is (0: unnamed).
static inline const char *clinux_decode_unix(const struct sockaddr_storage *from, socklen_t length, size_t *count) {
  const struct sockaddr_un *address = (const struct sockaddr_un *)from;
  size_t start = offsetof(struct sockaddr_un, sun_path);
  *count = length > start ? length - start : 0;
  if (*count > 0 && address->sun_path[0] != 0) *count = strnlen(address->sun_path, *count);
  return address->sun_path;
}

/// What poll reports when the peer has finished (POLLRDHUP, which only _GNU_SOURCE would name), or is gone.
static inline short clinux_poll_read_closed(void) { return 0x2000; }

/// The user of the process at the other end of a UNIX socket, when it connected or listened (SO_PEERCRED).
static inline int clinux_peer_user(int socket, uint32_t *user) {
  struct { pid_t process; uid_t user; gid_t group; } peer;  // `struct ucred`, which only _GNU_SOURCE would declare
  socklen_t length = sizeof peer;
  int result = getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &length);
  if (result == 0) *user = peer.user;
  return result;
}

/// Bytes that the socket holds and its peer has not acknowledged.
static inline int clinux_unsent_count(int socket, int *count) { return ioctl(socket, SIOCOUTQ, count); }

static const int CLINUX_SK_MEMINFO_SNDBUF = SK_MEMINFO_SNDBUF;
static const int CLINUX_SK_MEMINFO_WMEM_QUEUED = SK_MEMINFO_WMEM_QUEUED;

static inline int clinux_send_space_beside(int socket, int queued, int64_t *space) {
  uint32_t info[SK_MEMINFO_VARS];
  socklen_t length = sizeof info;
  memset(info, 0, sizeof info);
  if (getsockopt(socket, SOL_SOCKET, SO_MEMINFO, info, &length) != 0) return -1;
  int64_t left = (int64_t)info[SK_MEMINFO_SNDBUF] - (int64_t)info[queued];
  *space = left > 0 ? left : 0;
  return 0;
}

/// Free space in a TCP socket's send buffer: its size less the memory queued, 0 or more.
static inline int clinux_send_space(int socket, int64_t *space) {
  return clinux_send_space_beside(socket, SK_MEMINFO_WMEM_QUEUED, space);
}

/// The same of a UNIX socket, which counts what its peer has not read.
static inline int clinux_local_send_space(int socket, int64_t *space) {
  return clinux_send_space_beside(socket, SK_MEMINFO_WMEM_ALLOC, space);
}

/// Bytes that wait to be read from a stream, a FIN not counted; 0 where the socket does not tell.
static inline int clinux_unread_count(int socket) {
  int count = 0;
  return ioctl(socket, SIOCINQ, &count) == 0 ? count : 0;
}

// MARK: Control messages

/// Room for the control messages of one message: a packet information, an extended error with its offender.
#define CLINUX_CONTROL_CAPACITY 256
/// The most descriptors that one message carries here (the kernel's limit is 253).
#define CLINUX_MAXIMUM_DESCRIPTORS 24

/// Sends one message, at least one byte, with descriptors beside it.
static inline ssize_t clinux_send_descriptors(
    int socket, const void *bytes, size_t count, const int *descriptors, size_t descriptor_count) {
  union { struct cmsghdr header; char bytes[CMSG_SPACE(sizeof(int) * CLINUX_MAXIMUM_DESCRIPTORS)]; } control;
  struct iovec region = {(void *)bytes, count};
  struct msghdr message = {.msg_iov = &region, .msg_iovlen = 1};
  if (descriptor_count > CLINUX_MAXIMUM_DESCRIPTORS) { errno = EINVAL; return -1; }
  if (descriptor_count > 0) {
    memset(&control, 0, sizeof control);
    message.msg_control = control.bytes;
    message.msg_controllen = CMSG_SPACE(sizeof(int) * descriptor_count);
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int) * descriptor_count);
    memcpy(CMSG_DATA(header), descriptors, sizeof(int) * descriptor_count);
  }
  return sendmsg(socket, &message, MSG_NOSIGNAL);
}

/// Receives one message and the descriptors beside it, up to CLINUX_MAXIMUM_DESCRIPTORS; those become the caller's.
/// What does not fit is closed by the kernel.
static inline ssize_t clinux_receive_descriptors(
    int socket, void *bytes, size_t count, int *descriptors, size_t *descriptor_count) {
  union { struct cmsghdr header; char bytes[CMSG_SPACE(sizeof(int) * CLINUX_MAXIMUM_DESCRIPTORS)]; } control;
  struct iovec region = {bytes, count};
  struct msghdr message = {
      .msg_iov = &region, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control};
  *descriptor_count = 0;
  ssize_t received = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  if (received < 0) return received;
  for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    size_t present = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    memcpy(descriptors + *descriptor_count, CMSG_DATA(header), present * sizeof(int));
    *descriptor_count += present;
  }
  return received;
}

// MARK: Processes

static inline int clinux_pidfd_open(pid_t process) { return (int)syscall(SYS_pidfd_open, process, 0); }

static inline int clinux_pidfd_signal(int process, int signal) {
  return (int)syscall(SYS_pidfd_send_signal, process, signal, NULL, 0);
}

/// Asks for a child's end without waiting. Returns 1 and the cause (CLD_*) and status, 0 while it runs, -1 on error.
static inline int clinux_poll_exit(int process, int *cause, int *status) {
  siginfo_t info;
  memset(&info, 0, sizeof info);
  if (waitid((idtype_t)3 /* P_PIDFD */, (id_t)process, &info, WEXITED | WNOHANG) != 0) return -1;
  if (info.si_pid == 0) return 0;
  *cause = info.si_code;
  *status = info.si_status;
  return 1;
}

#ifndef POSIX_SPAWN_SETSID
#define POSIX_SPAWN_SETSID 0x80  // glibc 2.26 on, shown only with _GNU_SOURCE
#endif

/// Prepares attributes that give the child an empty signal mask and every signal's default action,
/// and if wanted a session of its own.
static inline int clinux_spawn_reset_signals(posix_spawnattr_t *attributes, int new_session) {
  sigset_t all, none;
  sigfillset(&all);
  sigemptyset(&none);
  int error = posix_spawnattr_setsigdefault(attributes, &all);
  if (error == 0) error = posix_spawnattr_setsigmask(attributes, &none);
  short flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | (new_session ? POSIX_SPAWN_SETSID : 0);
  if (error == 0) error = posix_spawnattr_setflags(attributes, flags);
  return error;
}

static inline int clinux_forbid_new_privileges(void) { return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); }
static inline int clinux_forbid_dumps(void) { return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); }
static inline int clinux_is_dumpable(void) { return prctl(PR_GET_DUMPABLE, 0, 0, 0, 0); }
static inline int clinux_forbids_new_privileges(void) { return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0); }

/// The number of processors that the process may run on; 1 where the system does not tell.
static inline int clinux_processor_count(void) {
  uint64_t mask[128] = {0};
  long length = syscall(SYS_sched_getaffinity, 0, sizeof mask, mask);
  int count = 0;
  for (size_t i = 0; length > 0 && i < sizeof mask / sizeof mask[0]; i++) count += __builtin_popcountll(mask[i]);
  return count > 0 ? count : 1;
}

/// Raises the soft limit of open descriptors to the hard one and tells the limit.
static inline int clinux_raise_descriptor_limit(uint64_t *limit) {
  struct rlimit limits;
  if (getrlimit(RLIMIT_NOFILE, &limits) != 0) return -1;
  limits.rlim_cur = limits.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &limits) != 0) return -1;
  *limit = limits.rlim_cur;
  return 0;
}

/// The device and inode numbers of what `path` names, following a link at its end or not.
static inline int clinux_path_identity(
    const char *path, bool follows, uint64_t *device, uint64_t *inode, uint32_t *mode) {
  struct stat status;
  if ((follows ? stat : lstat)(path, &status) != 0) return -1;
  *device = status.st_dev, *inode = status.st_ino, *mode = status.st_mode;
  return 0;
}

/// The same of an open descriptor.
static inline int clinux_identity(int descriptor, uint64_t *device, uint64_t *inode, uint32_t *mode) {
  struct stat status;
  if (fstat(descriptor, &status) != 0) return -1;
  *device = status.st_dev, *inode = status.st_ino, *mode = status.st_mode;
  return 0;
}

/// The user who owns the file of an open descriptor.
static inline int clinux_owner(int descriptor, uint32_t *user) {
  struct stat status;
  if (fstat(descriptor, &status) != 0) return -1;
  *user = status.st_uid;
  return 0;
}

static inline int clinux_is_socket_mode(uint32_t mode) { return S_ISSOCK(mode); }

static inline int clinux_duplicate(int descriptor, int minimum) {
  return fcntl(descriptor, F_DUPFD_CLOEXEC, minimum);
}

static inline int clinux_set_close_on_exec(int descriptor) {
  int flags = fcntl(descriptor, F_GETFD);
  return flags < 0 ? -1 : fcntl(descriptor, F_SETFD, flags | FD_CLOEXEC);
}

static inline int clinux_set_nonblocking(int descriptor) {
  int flags = fcntl(descriptor, F_GETFL);
  return flags < 0 ? -1 : fcntl(descriptor, F_SETFL, flags | O_NONBLOCK);
}

static inline int clinux_set_blocking(int descriptor) {
  int flags = fcntl(descriptor, F_GETFL);
  return flags < 0 ? -1 : fcntl(descriptor, F_SETFL, flags & ~O_NONBLOCK);
}

/// Gives the calling thread a table of descriptors of its own, with the standard three only (Linux 5.9).
static inline int clinux_unshare_descriptors(void) {
  return (int)syscall(SYS_close_range, 3, ~0u, 2 /* CLOSE_RANGE_UNSHARE */);
}

/// Gives the calling thread a network namespace of its own, without any interface that is up.
static inline int clinux_unshare_network(void) { return (int)syscall(SYS_unshare, 0x40000000 /* CLONE_NEWNET */); }

/// Takes the calling thread into the network namespace of a descriptor.
static inline int clinux_enter_network(int descriptor) {
  return (int)syscall(SYS_setns, descriptor, 0x40000000 /* CLONE_NEWNET */);
}

/// Changes the effective user of the calling thread only; leaving user 0 gives up its capabilities for that time.
static inline int clinux_set_effective_user(uid_t user) {
  return (int)syscall(SYS_setresuid, (uid_t)-1, user, (uid_t)-1);
}

static inline int clinux_pipe(int *pair) { return (int)syscall(SYS_pipe2, pair, O_CLOEXEC); }

static inline char **clinux_environment(void) {
  extern char **environ;
  return environ;
}

/// Removes a folder with everything in it; links are not followed. What goes on being written is met again at most twice.
static inline int clinux_remove_tree(char *path) {
  char *paths[] = {path, NULL};
  int result = -1;
  for (int round = 0; round < 3 && result != 0; round++) {
    FTS *tree = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR | FTS_NOSTAT, NULL);
    if (tree == NULL) return -1;
    result = 0;
    for (FTSENT *entry = fts_read(tree); entry != NULL; entry = fts_read(tree)) {
      if (entry->fts_info == FTS_D || entry->fts_info == FTS_DOT) continue;
      if (remove(entry->fts_accpath) != 0) result = -1;
    }
    fts_close(tree);
  }
  return result;
}

static inline int clinux_open(const char *path, int flags, mode_t mode) { return open(path, flags | O_CLOEXEC, mode); }

#endif
