/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * superdb_table.c - libsuperdb as a table, through its public header alone
 */
#include "table.h"

#include <stdio.h>
#include <string.h>
#include <superdb/superdb.h>

#define BATCH_MAX 1024u
#define VALUE_MAX 65536u

static char medium[256];

static int table_open(const char *path, uint64_t pool_size, uint64_t keys, int create, void **pool)
{
    struct sdb_options options = SDB_OPTIONS_INIT;
    struct sdb_pool *opened;

    (void)keys;
    options.pool_size = pool_size;
    options.flags = create ? SDB_CREATE | SDB_EXCLUSIVE : 0;
    if (sdb_open(path, &options, &opened) != SDB_OK) {
        fprintf(stderr, "superdb-bench: %s\n", sdb_last_error());
        return -1;
    }
    *pool = opened;
    return 0;
}

static void table_close(void *pool)
{
    if (sdb_close(pool) != SDB_OK)
        fprintf(stderr, "superdb-bench: closing: %s\n", sdb_last_error());
}

static int thread_open(void *pool, void **thread)
{
    struct sdb_session *session;

    if (sdb_session_open(pool, &session) != SDB_OK) {
        fprintf(stderr, "superdb-bench: %s\n", sdb_last_error());
        return -1;
    }
    *thread = session;
    return 0;
}

static void thread_close(void *thread)
{
    sdb_session_close(thread);
}

static void table_figures(void *pool, struct table_figures *figures)
{
    struct sdb_stats stats;
    struct sdb_pool_info info;

    sdb_stats(pool, &stats);
    sdb_pool_info(pool, &info);
    snprintf(medium, sizeof medium, "%s; flush %s; %llu bytes on huge pages; %s", info.durability_reason, info.flush,
             (unsigned long long)info.huge_page_bytes, info.simd);
    figures->used = stats.used;
    figures->entry_bytes = stats.entry_bytes;
    figures->index_bytes = stats.index_bytes;
    figures->blob_bytes = stats.blob_bytes;
    figures->metadata_bytes = stats.metadata_bytes;
    figures->fences = stats.fences;
    figures->flushed_lines = stats.flushed_lines;
    figures->medium = medium;
}

static size_t resolve(void *thread, const struct table_slice *slice)
{
    size_t failures = 0;

    for (size_t i = 0; i < slice->count; i++)
        failures += sdb_handle(thread, slice->keys + i * slice->key_size, slice->key_size, &slice->handles[i]) != SDB_OK;
    return failures;
}

static size_t set_all(struct sdb_session *session, const struct table_slice *slice)
{
    size_t failures = 0;

    for (size_t i = 0; i < slice->count; i++)
        failures += sdb_set(session, slice->keys + i * slice->key_size, slice->key_size,
                            slice->values + i * slice->value_size, slice->value_size, NULL) != SDB_OK;
    return failures;
}

static size_t set_groups(struct sdb_session *session, const struct table_slice *slice)
{
    size_t failures = 0;

    for (size_t i = 0; i < slice->count; i += slice->batch) {
        struct table_slice group = *slice;

        group.count = slice->count - i < slice->batch ? slice->count - i : slice->batch;
        group.keys += i * slice->key_size;
        group.values += i * slice->value_size;
        failures += sdb_group_begin(session) != SDB_OK;
        failures += set_all(session, &group);
        failures += sdb_group_end(session) != SDB_OK;
    }
    return failures;
}

static size_t get_all(struct sdb_session *session, const struct table_slice *slice, int verify)
{
    char buffer[VALUE_MAX];
    size_t failures = 0;
    size_t size;

    for (size_t i = 0; i < slice->count; i++) {
        if (sdb_get(session, slice->keys + i * slice->key_size, slice->key_size, buffer, sizeof buffer, &size) != SDB_OK)
            failures++;
        else if (verify && (size != slice->value_size ||
                            memcmp(buffer, slice->values + i * slice->value_size, size) != 0))
            failures++;
    }
    return failures;
}

static size_t get_batches(struct sdb_session *session, const struct table_slice *slice)
{
    struct sdb_slice keys[BATCH_MAX];
    struct sdb_inline values[BATCH_MAX];
    size_t failures = 0;

    for (size_t i = 0; i < slice->count; i += slice->batch) {
        size_t count = slice->count - i < slice->batch ? slice->count - i : slice->batch;

        for (size_t k = 0; k < count; k++) {
            keys[k].data = slice->keys + (i + k) * slice->key_size;
            keys[k].size = slice->key_size;
        }
        sdb_get_many(session, keys, count, values);
        for (size_t k = 0; k < count; k++)
            failures += values[k].result != SDB_OK;
    }
    return failures;
}

static size_t get_handle_batches(struct sdb_session *session, const struct table_slice *slice)
{
    struct sdb_inline values[BATCH_MAX];
    size_t failures = 0;

    for (size_t i = 0; i < slice->count; i += slice->batch) {
        size_t count = slice->count - i < slice->batch ? slice->count - i : slice->batch;

        sdb_get_many_by_handle(session, slice->handles + i, count, values);
        for (size_t k = 0; k < count; k++)
            failures += values[k].result != SDB_OK;
    }
    return failures;
}

static size_t get_handles(struct sdb_session *session, const struct table_slice *slice)
{
    char buffer[VALUE_MAX];
    size_t failures = 0;
    size_t size;

    for (size_t i = 0; i < slice->count; i++)
        failures += sdb_get_by_handle(session, slice->handles[i], buffer, sizeof buffer, &size) != SDB_OK;
    return failures;
}

static size_t set_handles(struct sdb_session *session, const struct table_slice *slice)
{
    size_t failures = 0;

    for (size_t i = 0; i < slice->count; i++)
        failures += sdb_set_by_handle(session, slice->handles[i], slice->values + i * slice->value_size,
                                      slice->value_size) != SDB_OK;
    return failures;
}

static size_t delete_all(struct sdb_session *session, const struct table_slice *slice)
{
    size_t failures = 0;

    for (size_t i = 0; i < slice->count; i++)
        failures += sdb_delete(session, slice->keys + i * slice->key_size, slice->key_size) != SDB_OK;
    return failures;
}

static size_t perform(struct sdb_session *thread, enum table_operation operation, const struct table_slice *slice)
{
    switch (operation) {
    case TABLE_INSERT:
    case TABLE_UPDATE:
        return set_all(thread, slice);
    case TABLE_UPDATE_GROUP:
        return set_groups(thread, slice);
    case TABLE_UPDATE_HANDLE:
        return set_handles(thread, slice);
    case TABLE_VERIFY:
        return get_all(thread, slice, 1);
    case TABLE_GET:
        return get_all(thread, slice, 0);
    case TABLE_GET_BATCH:
        return get_batches(thread, slice);
    case TABLE_GET_HANDLE:
        return get_handles(thread, slice);
    case TABLE_GET_HANDLE_BATCH:
        return get_handle_batches(thread, slice);
    case TABLE_DELETE:
        return delete_all(thread, slice);
    case TABLE_OPERATIONS:
        break;
    }
    return slice->count;
}

/* As perform, and tells the first failure's story. */
static size_t run(void *thread, enum table_operation operation, const struct table_slice *slice)
{
    static int told;
    size_t failures = perform(thread, operation, slice);

    if (failures && !__atomic_exchange_n(&told, 1, __ATOMIC_RELAXED))
        fprintf(stderr, "superdb-bench: %zu of %zu operations failed; the last error: %s\n", failures, slice->count,
                sdb_last_error());
    return failures;
}

const struct table superdb_table = {
    .name = "superdb",
    .operations = (1u << TABLE_OPERATIONS) - 1,
    .threads = 1,
    .counts_fences = 1,
    .entry_size = 32,
    .word_size = 8,
    .open = table_open,
    .close = table_close,
    .thread_open = thread_open,
    .thread_close = thread_close,
    .figures = table_figures,
    .run = run,
    .resolve = resolve,
};
