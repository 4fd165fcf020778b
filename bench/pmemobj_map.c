/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pmemobj_map.c - superdb-bench-pmemobj: the embedded benchmark on a hash map made with libpmemobj's transactions
 *
 * What a programmer gets who builds a durable map on libpmemobj as its manual shows: a table of buckets, nodes chained to
 * them, each change one transaction that snapshots what it overwrites. The table is made large enough at once, so that the
 * map never has to grow: the comparison is with the best that this way gives. One thread.
 *
 * Media:   the root object (bucket count, the table's object id), the table of object ids, and the nodes
 * Commit:  libpmemobj's own: an undo log of the snapshots, a redo log of allocations
 */
#include "table.h"

#include <libpmemobj.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define LAYOUT "superdb-bench-map"
#define TYPE_TABLE 1
#define TYPE_NODE 2

struct map_root {
    uint64_t buckets; /* a power of two */
    PMEMoid table;
};

struct map_node {
    PMEMoid next;
    uint32_t key_size;
    uint32_t value_size;
    char data[]; /* key, then value */
};

struct map {
    PMEMobjpool *pool;
    uint64_t buckets;
    PMEMoid *table;
};

static __attribute__((noinline)) uint64_t power_of_two(uint64_t at_least)
{
    uint64_t size = 1024;

    while (size < at_least)
        size *= 2;
    return size;
}

/* The table of a new pool: zeroed object ids, that is, empty chains. */
static int create_table(struct map *map, struct map_root *root, uint64_t buckets)
{
    volatile int failed = 0; /* across the transaction's longjmp, here and below */

    TX_BEGIN(map->pool)
    {
        pmemobj_tx_add_range_direct(root, sizeof *root);
        root->table = pmemobj_tx_zalloc(buckets * sizeof(PMEMoid), TYPE_TABLE);
        root->buckets = buckets;
    }
    TX_ONABORT
    {
        failed = -1;
    }
    TX_END
    return failed;
}

static int map_open(const char *path, uint64_t pool_size, uint64_t keys, int create, void **pool)
{
    static struct map map;
    struct map_root *root;

    map.pool = create ? pmemobj_create(path, LAYOUT, pool_size, 0600) : pmemobj_open(path, LAYOUT);
    if (!map.pool) {
        fprintf(stderr, "superdb-bench: %s: %s\n", path, pmemobj_errormsg());
        return -1;
    }
    root = pmemobj_direct(pmemobj_root(map.pool, sizeof *root));
    if (!root || (create && create_table(&map, root, power_of_two(keys)))) {
        fprintf(stderr, "superdb-bench: %s: %s\n", path, pmemobj_errormsg());
        pmemobj_close(map.pool);
        return -1;
    }
    map.buckets = root->buckets;
    map.table = pmemobj_direct(root->table);
    *pool = &map;
    return 0;
}

static void map_close(void *pool)
{
    pmemobj_close(((struct map *)pool)->pool);
}

static int thread_open(void *pool, void **thread)
{
    *thread = pool;
    return 0;
}

static void thread_close(void *thread)
{
    (void)thread;
}

/* What the heap has handed out: each object's usable size and the 16 bytes of header before it. */
static void map_figures(void *pool, struct table_figures *figures)
{
    const struct map *map = pool;
    uint64_t used = map->buckets * sizeof(PMEMoid);

    for (uint64_t i = 0; i < map->buckets; i++) {
        PMEMoid at = map->table[i];

        while (!OID_IS_NULL(at)) {
            used += pmemobj_alloc_usable_size(at) + 16;
            at = ((const struct map_node *)pmemobj_direct(at))->next;
        }
    }
    figures->used = used;
    figures->fences = 0;
    figures->flushed_lines = 0;
    figures->medium = "libpmemobj, undo-log transactions";
}

/* The object id that leads to the key's node: the bucket's, or the node's before it. It holds null where there is none. */
static PMEMoid *find(const struct map *map, const char *key, size_t key_size)
{
    PMEMoid *link = &map->table[XXH3_64bits(key, key_size) & (map->buckets - 1)];

    while (!OID_IS_NULL(*link)) {
        struct map_node *node = pmemobj_direct(*link);

        if (node->key_size == key_size && !memcmp(node->data, key, key_size))
            break;
        link = &node->next;
    }
    return link;
}

static int insert(struct map *map, PMEMoid *link, const char *key, size_t key_size, const char *value, size_t value_size)
{
    volatile int failed = 0;

    TX_BEGIN(map->pool)
    {
        PMEMoid id = pmemobj_tx_alloc(sizeof(struct map_node) + key_size + value_size, TYPE_NODE);
        struct map_node *node = pmemobj_direct(id);

        node->next = OID_NULL;
        node->key_size = (uint32_t)key_size;
        node->value_size = (uint32_t)value_size;
        memcpy(node->data, key, key_size);
        memcpy(node->data + key_size, value, value_size);
        pmemobj_tx_add_range_direct(link, sizeof *link);
        *link = id;
    }
    TX_ONABORT
    {
        failed = 1;
    }
    TX_END
    return failed;
}

/* Inserts, or overwrites a value of the same size in place. */
static int set(struct map *map, const char *key, size_t key_size, const char *value, size_t value_size)
{
    PMEMoid *link = find(map, key, key_size);
    struct map_node *node;
    volatile int failed = 0;

    if (OID_IS_NULL(*link))
        return insert(map, link, key, key_size, value, value_size);
    node = pmemobj_direct(*link);
    if (node->value_size != value_size)
        return 1;
    TX_BEGIN(map->pool)
    {
        pmemobj_tx_add_range_direct(node->data + key_size, value_size);
        memcpy(node->data + key_size, value, value_size);
    }
    TX_ONABORT
    {
        failed = 1;
    }
    TX_END
    return failed;
}

static int delete(struct map *map, const char *key, size_t key_size)
{
    PMEMoid *link = find(map, key, key_size);
    volatile int failed = 0;

    if (OID_IS_NULL(*link))
        return 1;
    TX_BEGIN(map->pool)
    {
        PMEMoid id = *link;

        pmemobj_tx_add_range_direct(link, sizeof *link);
        *link = ((const struct map_node *)pmemobj_direct(id))->next;
        pmemobj_tx_free(id);
    }
    TX_ONABORT
    {
        failed = 1;
    }
    TX_END
    return failed;
}

static size_t set_all(struct map *map, const struct table_slice *slice)
{
    size_t failures = 0;

    for (size_t i = 0; i < slice->count; i++)
        failures += (size_t)set(map, slice->keys + i * slice->key_size, slice->key_size,
                                slice->values + i * slice->value_size, slice->value_size);
    return failures;
}

/* A group is a transaction around the transactions: the outermost one commits. */
static __attribute__((noinline)) size_t set_group(struct map *map, const struct table_slice *group)
{
    volatile size_t failures = 0;

    TX_BEGIN(map->pool)
    {
        failures = set_all(map, group);
    }
    TX_ONABORT
    {
        failures = group->count;
    }
    TX_END
    return failures;
}

static __attribute__((noinline)) size_t set_groups(struct map *map, const struct table_slice *slice)
{
    size_t failures = 0;

    for (size_t i = 0; i < slice->count; i += slice->batch) {
        struct table_slice group = *slice;

        group.count = slice->count - i < slice->batch ? slice->count - i : slice->batch;
        group.keys += i * slice->key_size;
        group.values += i * slice->value_size;
        failures += set_group(map, &group);
    }
    return failures;
}

static size_t get_all(const struct map *map, const struct table_slice *slice, int verify)
{
    char buffer[65536];
    size_t failures = 0;

    for (size_t i = 0; i < slice->count; i++) {
        const char *key = slice->keys + i * slice->key_size;
        PMEMoid id = *find(map, key, slice->key_size);
        const struct map_node *node = pmemobj_direct(id);

        if (!node || node->value_size > sizeof buffer) {
            failures++;
            continue;
        }
        memcpy(buffer, node->data + node->key_size, node->value_size);
        __asm__ volatile("" : : "r"(buffer) : "memory");
        if (verify && (node->value_size != slice->value_size ||
                       memcmp(buffer, slice->values + i * slice->value_size, slice->value_size) != 0))
            failures++;
    }
    return failures;
}

static size_t delete_all(struct map *map, const struct table_slice *slice)
{
    size_t failures = 0;

    for (size_t i = 0; i < slice->count; i++)
        failures += (size_t)delete(map, slice->keys + i * slice->key_size, slice->key_size);
    return failures;
}

static size_t run(void *thread, enum table_operation operation, const struct table_slice *slice)
{
    switch (operation) {
    case TABLE_INSERT:
    case TABLE_UPDATE:
        return set_all(thread, slice);
    case TABLE_UPDATE_GROUP:
        return set_groups(thread, slice);
    case TABLE_VERIFY:
        return get_all(thread, slice, 1);
    case TABLE_GET:
        return get_all(thread, slice, 0);
    case TABLE_DELETE:
        return delete_all(thread, slice);
    default:
        return slice->count;
    }
}

static const struct table pmemobj_table = {
    .name = "libpmemobj",
    .operations = 1u << TABLE_INSERT | 1u << TABLE_VERIFY | 1u << TABLE_GET | 1u << TABLE_UPDATE |
                  1u << TABLE_UPDATE_GROUP | 1u << TABLE_DELETE,
    .threads = 0,
    .open = map_open,
    .close = map_close,
    .thread_open = thread_open,
    .thread_close = thread_close,
    .figures = map_figures,
    .run = run,
    .resolve = NULL,
    .counts_fences = 0,
};

int main(int argc, char **argv)
{
    /*
     * The pool may lie on tmpfs or a plain file: without this libpmem would call msync, which the comparison does not mean.
     * libpmem reads it before main() is entered, hence the second start.
     */
    if (!getenv("PMEM_IS_PMEM_FORCE")) {
        setenv("PMEM_IS_PMEM_FORCE", "1", 0);
        execv("/proc/self/exe", argv);
    }
    if (argc > 1 && !strcmp(argv[1], "embedded"))
        return table_benchmark(&pmemobj_table, argc - 1, argv + 1);
    fprintf(stderr, "usage: superdb-bench-pmemobj embedded [OPTION]...\n");
    return 2;
}
