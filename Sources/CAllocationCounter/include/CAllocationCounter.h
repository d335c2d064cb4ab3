/// Counts the heap allocations of the program that links this: a test and benchmark tool, never part of the product.
#pragma once

#include <stdint.h>

/// The number of calls of malloc, calloc, realloc, aligned_alloc and posix_memalign so far, in all threads.
uint64_t allocation_count(void);
