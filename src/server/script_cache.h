/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * script_cache.h - the scripts that EVAL and SCRIPT LOAD have seen, by their digests: all threads', until SCRIPT FLUSH or the end
 * of the process
 *
 * Threads: any. A thread's Lua state keeps what it has compiled under the epoch in which it did.
 */
#ifndef SDB_SERVER_SCRIPT_CACHE_H
#define SDB_SERVER_SCRIPT_CACHE_H

#include <stddef.h>
#include <stdint.h>

#include "sha1.h"

/* A script's facts. The source is copied out: script_cache_source. */
struct script_facts {
    uint32_t flags; /* enum script_flags */
};

/* Whether there is one, and what it is like. */
int script_cache_find(const char digest[SHA1_HEX_SIZE], struct script_facts *facts);

/* Takes a script; one that is there stays. Errors: 0, out of memory. */
int script_cache_add(const char digest[SHA1_HEX_SIZE], const char *source, size_t size, uint32_t flags);

/* A copy of the source, which the caller frees; NULL: it is not there, or out of memory. */
char *script_cache_source(const char digest[SHA1_HEX_SIZE], size_t *size);

/* Forgets all. */
void script_cache_flush(void);

uint64_t script_cache_epoch(void);
size_t script_cache_count(void);
size_t script_cache_memory(void);

#endif
