// libnftables, loaded when it is first used.
//
// Loaded, not linked: Debian's brings five libraries with it, and an instance without bridge mode needs none of them.
// Each function here is that of libnftables with a `c` before its name, and may be called once `cnft_load` has succeeded.

#ifndef CNFTABLES_H
#define CNFTABLES_H

#include <nftables/libnftables.h>
#include <stdint.h>

/// Loads libnftables, unless that has been done. From any thread. Returns NULL, or why it could not be loaded.
const char *cnft_load(void);

struct nft_ctx *cnft_ctx_new(uint32_t flags);
void cnft_ctx_free(struct nft_ctx *context);
void cnft_ctx_output_set_flags(struct nft_ctx *context, unsigned int flags);
int cnft_ctx_buffer_output(struct nft_ctx *context);
const char *cnft_ctx_get_output_buffer(struct nft_ctx *context);
int cnft_ctx_buffer_error(struct nft_ctx *context);
const char *cnft_ctx_get_error_buffer(struct nft_ctx *context);
int cnft_run_cmd_from_buffer(struct nft_ctx *context, const char *commands);

/// What a context writes (NFT_CTX_OUTPUT_*): JSON; text with the handles of what has one.
static const unsigned int CNFT_JSON = NFT_CTX_OUTPUT_JSON;
static const unsigned int CNFT_TEXT_WITH_HANDLES = NFT_CTX_OUTPUT_HANDLE;

#endif
