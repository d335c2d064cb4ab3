// Files below a folder.

#ifndef CLINUX_FILES_H
#define CLINUX_FILES_H

#include <sys/file.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <linux/openat2.h>

static inline int clinux_open_folder(const char *path) { return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC); }

/// Opens a file to read that lies below a folder, wherever `..` and symbolic links of the path lead (Linux 5.6): EXDEV
/// where they lead out. Does not wait for a FIFO's other end, nor become a terminal's session.
static inline int clinux_open_beneath(int folder, const char *path) {
  struct open_how how = {
      .flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
  return (int)syscall(SYS_openat2, folder, path, &how, sizeof how);
}

/// The length of a regular file; -1 with EISDIR for anything else, which has none.
static inline int64_t clinux_regular_length(int descriptor) {
  struct stat status;
  if (fstat(descriptor, &status) != 0) return -1;
  if (S_ISREG(status.st_mode)) return status.st_size;
  errno = EISDIR;
  return -1;
}

/// Has the kernel read ahead of a reader who goes from the start to the end.
static inline void clinux_expect_sequential_reads(int descriptor) {
  posix_fadvise(descriptor, 0, 0, POSIX_FADV_SEQUENTIAL);
}

static inline ssize_t clinux_read_at(int descriptor, const void *regions, int count, uint64_t offset) {
  return preadv(descriptor, (const struct iovec *)regions, count, (off_t)offset);
}

/// Takes a file's lock, waiting for it or not (EWOULDBLOCK). Returns 0 or -1.
static inline int clinux_lock_file(int file, int waits) { return flock(file, waits ? LOCK_EX : LOCK_EX | LOCK_NB); }

#endif
