/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * durability.h - what a pool on this medium can promise, and the words for it
 */
#ifndef SDB_PMEM_DURABILITY_H
#define SDB_PMEM_DURABILITY_H

#include <stdint.h>

#include "persist.h"
#include "superdb/superdb.h"

#define DURABILITY_REASON_SIZE 160u

/* What was found out about the medium and the machine. */
struct durability_facts {
    const char *file_system;    /* "ext4" */
    int in_memory;              /* the file system keeps nothing over a power cut: tmpfs, ramfs */
    int map_sync;               /* MAP_SYNC works on the file */
    int caches_persistent;      /* eADR */
    enum persist_flush best;    /* of this CPU and platform */
    const char *flush_override; /* SUPERDB_FLUSH, or NULL */
};

struct durability {
    uint32_t given; /* enum sdb_durability, never AUTO */
    enum persist_flush flush;
    char reason[DURABILITY_REASON_SIZE];
};

/*
 * Decides by the facts alone. wanted: enum sdb_durability. Errors: SDB_EDURABILITY (the medium cannot give what is
 * wanted), SDB_EINVAL (unknown class; SUPERDB_FLUSH names no flush, or one that this CPU does not have), with words;
 * *durability untouched.
 */
int durability_choose(uint32_t wanted, const struct durability_facts *facts, struct durability *durability);

/* The name of the file system that fd is on ("0x..." where it has none here), and whether it lives in memory only. -1: errno. */
int durability_file_system(int fd, char name[24], int *in_memory);

#endif
