// libpcap, and of the C library what a stream of a capture's bytes needs and Swift's Glibc module leaves out.

#ifndef CPCAP_H
#define CPCAP_H

#include <pcap/pcap.h>
#include <stdio.h>
#include <stdio_ext.h>

/// Forgets what a stream has not written yet (__fpurge(3)), so that closing it does not try again.
static inline void cpcap_forget_unwritten(FILE *stream) { __fpurge(stream); }

#endif
