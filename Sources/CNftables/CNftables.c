#include "CNftables.h"

#include <pthread.h>

#include "CLinuxLibrary.h"

/// libnftables' functions: what each returns, its name, its parameters and how they are handed on.
#define FUNCTIONS(F) \
  F(struct nft_ctx *, ctx_new, (uint32_t f), (f)) \
  F(void, ctx_free, (struct nft_ctx *c), (c)) \
  F(void, ctx_output_set_flags, (struct nft_ctx *c, unsigned int f), (c, f)) \
  F(int, ctx_buffer_output, (struct nft_ctx *c), (c)) \
  F(const char *, ctx_get_output_buffer, (struct nft_ctx *c), (c)) \
  F(int, ctx_buffer_error, (struct nft_ctx *c), (c)) \
  F(const char *, ctx_get_error_buffer, (struct nft_ctx *c), (c)) \
  F(int, run_cmd_from_buffer, (struct nft_ctx *c, const char *b), (c, b))

// The type of each place is that of libnftables' own declaration, which so checks what stands above.
#define PLACE(result, name, parameters, arguments) static typeof(&nft_##name) name##_place;
FUNCTIONS(PLACE)

#define CALL(result, name, parameters, arguments) result cnft_##name parameters { return name##_place arguments; }
FUNCTIONS(CALL)

static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct clinux_library library;

static void load(void) {
  clinux_library_load(&library, (const char *const[]){"libnftables.so.1", NULL});
#define FIND(result, name, parameters, arguments) \
  name##_place = (typeof(name##_place))clinux_library_find(&library, "nft_" #name);
  FUNCTIONS(FIND)
}

const char *cnft_load(void) {
  pthread_once(&once, load);
  return library.failure[0] ? library.failure : NULL;
}
