#include "CBridgeHelper.h"

#include <stddef.h>

extern char **environ;

/// Empties the environment, which belongs to whoever started the program, before anything reads it, Swift's runtime
/// included: in a program that the runtime is linked into, this runs before every constructor without a priority. What the
/// C library and the dynamic linker read before that, they pass over by themselves in a program with more rights than its
/// caller (AT_SECURE of getauxval(3)). The list stays where it is: behind it the runtime finds the arguments.
__attribute__((constructor(101))) static void forget_environment(void) {
  if (environ != NULL) environ[0] = NULL;
}
