// The package manager wants a source file in a C target; nearly everything is in the headers.
#include "CLinux.h"
