#include "CPcap.h"

#include <pthread.h>

#include "CLinuxLibrary.h"

/// libpcap's functions: what each returns, its name, its parameters and how they are handed on.
#define FUNCTIONS(F) \
  F(pcap_t *, fopen_offline_with_tstamp_precision, (FILE *s, u_int p, char *m), (s, p, m)) \
  F(pcap_t *, open_dead_with_tstamp_precision, (int t, int l, u_int p), (t, l, p)) \
  F(void, close, (pcap_t *c), (c)) \
  F(int, datalink, (pcap_t *c), (c)) \
  F(const char *, datalink_val_to_name, (int t), (t)) \
  F(const char *, datalink_val_to_description, (int t), (t)) \
  F(int, next_ex, (pcap_t *c, struct pcap_pkthdr **h, const u_char **b), (c, h, b)) \
  F(char *, geterr, (pcap_t *c), (c)) \
  F(pcap_dumper_t *, dump_fopen, (pcap_t *c, FILE *s), (c, s)) \
  F(void, dump, (u_char *d, const struct pcap_pkthdr *h, const u_char *b), (d, h, b)) \
  F(int, dump_flush, (pcap_dumper_t *d), (d)) \
  F(void, dump_close, (pcap_dumper_t *d), (d)) \
  F(int, compile, (pcap_t *c, struct bpf_program *p, const char *e, int o, bpf_u_int32 m), (c, p, e, o, m)) \
  F(void, freecode, (struct bpf_program *p), (p)) \
  F(int, offline_filter, (const struct bpf_program *p, const struct pcap_pkthdr *h, const u_char *b), (p, h, b))

// The type of each place is that of libpcap's own declaration, which so checks what stands above.
#define PLACE(result, name, parameters, arguments) static typeof(&pcap_##name) name##_place;
FUNCTIONS(PLACE)

#define CALL(result, name, parameters, arguments) result cpcap_##name parameters { return name##_place arguments; }
FUNCTIONS(CALL)

static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct clinux_library library;

static void load(void) {
  // Debian's name, and everybody else's.
  clinux_library_load(&library, (const char *const[]){"libpcap.so.0.8", "libpcap.so.1", NULL});
#define FIND(result, name, parameters, arguments) \
  name##_place = (typeof(name##_place))clinux_library_find(&library, "pcap_" #name);
  FUNCTIONS(FIND)
}

const char *cpcap_load(void) {
  pthread_once(&once, load);
  return library.failure[0] ? library.failure : NULL;
}
