// libpcap, loaded when it is first used, and of the C library what a stream of a capture's bytes needs and Swift's Glibc
// module leaves out.
//
// Loaded, not linked: Debian's brings eight libraries with it, which would cost every instance more than a megabyte, and
// an instance that captures nothing needs none of them. Each function here is that of libpcap without the `c` of its
// name, and may be called once `cpcap_load` has succeeded.

#ifndef CPCAP_H
#define CPCAP_H

#include <pcap/pcap.h>
#include <stdio.h>
#include <stdio_ext.h>

/// Loads libpcap, unless that has been done. From any thread. Returns NULL, or why it could not be loaded.
const char *cpcap_load(void);

pcap_t *cpcap_fopen_offline_with_tstamp_precision(FILE *stream, u_int precision, char *message);
pcap_t *cpcap_open_dead_with_tstamp_precision(int link_type, int snap_length, u_int precision);
void cpcap_close(pcap_t *capture);
int cpcap_datalink(pcap_t *capture);
const char *cpcap_datalink_val_to_name(int link_type);
const char *cpcap_datalink_val_to_description(int link_type);
int cpcap_next_ex(pcap_t *capture, struct pcap_pkthdr **header, const u_char **bytes);
char *cpcap_geterr(pcap_t *capture);
pcap_dumper_t *cpcap_dump_fopen(pcap_t *capture, FILE *stream);
void cpcap_dump(u_char *dumper, const struct pcap_pkthdr *header, const u_char *bytes);
int cpcap_dump_flush(pcap_dumper_t *dumper);
void cpcap_dump_close(pcap_dumper_t *dumper);
int cpcap_compile(pcap_t *capture, struct bpf_program *program, const char *expression, int optimize, bpf_u_int32 mask);
void cpcap_freecode(struct bpf_program *program);
int cpcap_offline_filter(const struct bpf_program *program, const struct pcap_pkthdr *header, const u_char *bytes);

/// Forgets what a stream has not written yet (__fpurge(3)), so that closing it does not try again.
static inline void cpcap_forget_unwritten(FILE *stream) { __fpurge(stream); }

#endif
