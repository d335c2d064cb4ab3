// The memory of the running program's own code.

#ifndef CLINUX_MEMORY_H
#define CLINUX_MEMORY_H

/// Gives back the pages of the program's code and constants that are resident; they come again from its file, which the
/// system's cache has, when they are next used.
void clinux_release_code(void);

#endif
