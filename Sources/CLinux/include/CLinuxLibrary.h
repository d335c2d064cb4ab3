// A shared library that is loaded when it is first used, since most processes never need it.

#ifndef CLINUX_LIBRARY_H
#define CLINUX_LIBRARY_H

#include <dlfcn.h>
#include <string.h>

struct clinux_library {
  void *handle;
  /// Why it, or one of its functions, is not there; empty where all are.
  char failure[256];
};

/// Notes why something is not there, unless something else was missing before.
static inline void clinux_library_fail(struct clinux_library *library) {
  const char *message = dlerror();
  if (message && !library->failure[0]) strncpy(library->failure, message, sizeof library->failure - 1);
}

/// Loads the library of the first of `names` that there is; the last one is NULL.
static inline void clinux_library_load(struct clinux_library *library, const char *const names[]) {
  for (; *names && !library->handle; names++) library->handle = dlopen(*names, RTLD_NOW | RTLD_LOCAL);
  if (!library->handle) clinux_library_fail(library);
}

/// The place of a function; NULL where there is none, or no library.
static inline void *clinux_library_find(struct clinux_library *library, const char *name) {
  void *place = library->handle ? dlsym(library->handle, name) : NULL;
  if (!place) clinux_library_fail(library);
  return place;
}

#endif
