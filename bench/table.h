/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * table.h - the embedded benchmark: the same work on any key-value table in this process
 *
 * A table is an adapter of a few functions; run() works off a slice of operations whose keys and values were prepared
 * beforehand, so that nothing but the table's own work, and one indirect call a slice, lies between the two clock reads.
 */
#ifndef BENCH_TABLE_H
#define BENCH_TABLE_H

#include <stddef.h>
#include <stdint.h>

enum table_operation {
    TABLE_INSERT,
    TABLE_VERIFY, /* not timed: every value of the slice must be there and right */
    TABLE_GET,
    TABLE_GET_BATCH,
    TABLE_GET_HANDLE,
    TABLE_GET_HANDLE_BATCH,
    TABLE_UPDATE,
    TABLE_UPDATE_HANDLE,
    TABLE_UPDATE_GROUP, /* slice->batch updates that become durable together */
    TABLE_DELETE,
    TABLE_OPERATIONS
};

struct table_slice {
    size_t count;
    const char *keys; /* count times key_size bytes */
    size_t key_size;
    const char *values;
    size_t value_size;
    uint64_t *handles; /* read by operations by handle; written by table->resolve */
    size_t batch;
};

struct table_figures {
    uint64_t used; /* bytes of the pool that keys, values, index and metadata take */
    uint64_t entry_bytes, index_bytes, blob_bytes, metadata_bytes; /* of which, where table->entry_size is not 0 */
    uint64_t fences;
    uint64_t flushed_lines;
    const char *medium; /* durability and mapping in words, or NULL */
};

struct table {
    const char *name;
    uint32_t operations; /* bit 1 << enum table_operation for each that there is */
    int threads;         /* 1 where several threads may use a pool at once */
    int counts_fences;   /* 1 where figures() is quick and knows fences and flushed lines */
    size_t entry_size;   /* of a key, where figures() knows what the bytes are used for; else 0 */
    size_t word_size;    /* of a key in the index, likewise */

    /* 0, or -1 after a message on stderr. create 1: a new pool, for about `keys` keys. */
    int (*open)(const char *path, uint64_t pool_size, uint64_t keys, int create, void **pool);
    void (*close)(void *pool);
    int (*thread_open)(void *pool, void **thread);
    void (*thread_close)(void *thread);
    void (*figures)(void *pool, struct table_figures *figures);

    /* How many of the slice's operations failed. */
    size_t (*run)(void *thread, enum table_operation operation, const struct table_slice *slice);
    size_t (*resolve)(void *thread, const struct table_slice *slice); /* NULL where there are no handles */
};

/* Runs the whole benchmark as the command line says; argv[0] is the mode's name. Returns the exit status. */
int table_benchmark(const struct table *table, int argc, char **argv);

/* The adapter for libsuperdb. */
extern const struct table superdb_table;

#endif
