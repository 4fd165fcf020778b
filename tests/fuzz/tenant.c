/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tenant.c - the known keys of an image
 */
#include "tenant.h"

#include "fuzz.h"
#include "tenant_collections.h"

#define KEYS 66
#define VERSIONS 3
#define KEY_SIZE_MAX 64
#define VALUE_SIZE_MAX 9000
#define DATABASES_USED 3
#define NOW_MS 1700000000000

/* Key i, of every shape: inline of 1 to 16 bytes, and in a blob. */
static size_t key_of(unsigned i, char key[KEY_SIZE_MAX])
{
    size_t size = (size_t)snprintf(key, KEY_SIZE_MAX, "%u:", i);
    size_t wanted = i % 5 == 0 ? 40 : i % 17;

    for (; size < wanted; size++)
        key[size] = (char)('a' + (i + size) % 26);
    return size;
}

/* Its value in a version: an integer, inline, or in a blob from 20 bytes on. */
static size_t value_of(unsigned i, unsigned version, char *value)
{
    static const size_t sizes[] = {0, 5, 8, 12, 16, 20, 60, 130, 700, 1500, 3000};
    size_t size = i == 65 ? VALUE_SIZE_MAX : sizes[i * 7 % (sizeof(sizes) / sizeof(sizes[0]))];

    if (i % 4 == 0)
        return (size_t)snprintf(value, VALUE_SIZE_MAX, "%u", i * 1000003 + version);
    for (size_t at = 0; at < size; at++)
        value[at] = (char)((i * 31 + version * 7 + at * (i + 1)) & 0xff);
    return size;
}

static int64_t expiry_of(unsigned i)
{
    return i % 6 == 1 ? NOW_MS + 1000000 + i : 0;
}

void tenant_fill(struct sdb_pool *pool)
{
    struct sdb_session *session;
    static char value[VALUE_SIZE_MAX];
    char key[KEY_SIZE_MAX];

    FUZZ_CHECK(sdb_session_open(pool, &session) == SDB_OK, "%s", sdb_last_error());
    sdb_session_set_time(session, NOW_MS);
    for (unsigned version = 0; version < VERSIONS; version++) {
        for (unsigned i = 0; i < KEYS; i++) {
            struct sdb_set_options options = {.expire_ms = expiry_of(i)};
            size_t key_size = key_of(i, key), value_size = value_of(i, version, value);

            FUZZ_CHECK(sdb_select(session, i % DATABASES_USED) == SDB_OK, "%u", i);
            FUZZ_CHECK(sdb_set(session, key, key_size, value, value_size, &options) == SDB_OK, "%s", sdb_last_error());
        }
    }
    tenant_fill_collections(session);
    sdb_session_close(session);
}

/* ---- reading ---------------------------------------------------------------------------------------------------- */

/* The bytes can be read, all of them. */
static void touch(const void *data, size_t size)
{
    static volatile unsigned sum;

    for (size_t at = 0; at < size; at++)
        sum = sum + ((const uint8_t *)data)[at];
}

/* The versions in which i has this value. */
static int was_written(unsigned i, unsigned first, const struct sdb_view *view)
{
    static char value[VALUE_SIZE_MAX];

    for (unsigned version = first; version < VERSIONS; version++) {
        size_t size = value_of(i, version, value);

        if (view->size == size && memcmp(view->data, value, size) == 0)
            return 1;
    }
    return 0;
}

static unsigned read_known(struct sdb_session *session, enum tenant_belief belief)
{
    unsigned errors = 0;
    char key[KEY_SIZE_MAX];

    for (unsigned i = 0; i < KEYS; i++) {
        size_t size = key_of(i, key);
        struct sdb_view view;

        if (sdb_select(session, i % DATABASES_USED) != SDB_OK)
            continue;
        int error = sdb_view(session, key, size, &view);
        errors += error != SDB_OK;
        if (error != SDB_OK)
            continue;
        if (belief != TENANT_ANY) {
            FUZZ_CHECK(was_written(i, belief == TENANT_NEWEST ? VERSIONS - 1 : 0, &view), "key %u has a wrong value", i);
            FUZZ_CHECK(view.expire_ms == expiry_of(i), "key %u has a wrong time to live", i);
        } else {
            touch(view.data, view.size);
        }
        sdb_view_release(session, &view);
    }
    return errors;
}

static int visit(void *context, const struct sdb_scan_item *item)
{
    struct sdb_session *session = context;
    struct sdb_view view;

    touch(item->key.data, item->key.size);
    if (sdb_view_by_handle(session, item->handle, &view) == SDB_OK)
        sdb_view_release(session, &view);
    return 0;
}

static uint64_t scan_all(struct sdb_session *session)
{
    uint64_t total = 0;
    char key[KEY_SIZE_MAX];
    size_t size;

    for (uint32_t database = 0; database <= TENANT_DATABASE; database++) { /* some are empty */
        uint64_t cursor = 0, count = 0;
        unsigned calls = 0;

        (void)sdb_select(session, database);
        do {
            (void)sdb_scan(session, &cursor, 4096, visit, session);
            FUZZ_CHECK(++calls < 100000, "a scan without an end");
        } while (cursor != 0);
        if (sdb_count(session, &count) == SDB_OK)
            total += count;
        (void)sdb_count_expiring(session, &count);
        if (database == 0)
            (void)sdb_random_key(session, key, sizeof(key), &size);
    }
    return total;
}

static void open_session(struct sdb_pool *pool, struct sdb_session **session)
{
    FUZZ_CHECK(sdb_session_open(pool, session) == SDB_OK, "%s", sdb_last_error());
    sdb_session_set_time(*session, NOW_MS);
}

void tenant_read(struct sdb_pool *pool, enum tenant_belief belief)
{
    struct sdb_session *session;
    struct sdb_check result = {0};
    struct sdb_pool_info info;
    struct sdb_stats stats;

    int sound = sdb_check(pool, NULL, NULL, &result) == SDB_OK;
    FUZZ_CHECK(sound == (result.problems == 0), "%llu problems", (unsigned long long)result.problems);
    open_session(pool, &session);
    unsigned errors = read_known(session, belief) + tenant_read_collections(session, belief);
    uint64_t count = scan_all(session);
    sdb_pool_info(pool, &info);
    sdb_stats(pool, &stats);
    sdb_session_close(session);
    if (belief == TENANT_NEWEST && sound)
        FUZZ_CHECK(errors == 0 && count == KEYS + tenant_collections(), "%u keys cannot be read, %llu are there: the check found nothing", errors,
                   (unsigned long long)count);
}

/* ---- writing ---------------------------------------------------------------------------------------------------- */

static void write_some(struct sdb_session *session)
{
    static char value[VALUE_SIZE_MAX];
    char key[KEY_SIZE_MAX];
    int64_t number;
    size_t size;

    for (unsigned i = 0; i < KEYS; i += 3) {
        size_t key_size = key_of(i, key), value_size = value_of(i + 1, 1, value);

        (void)sdb_select(session, i % DATABASES_USED);
        if (i % 2 == 0)
            (void)sdb_set(session, key, key_size, value, value_size, NULL);
        else
            (void)sdb_delete(session, key, key_size);
        (void)sdb_add(session, key, key_size, 5, &number);
        (void)sdb_append(session, key, key_size, value, 100, &size);
    }
    for (unsigned i = 0; i < 120; i++) { /* so that segments split and extents are taken */
        size_t key_size = (size_t)snprintf(key, sizeof(key), "new key of some length %u", i);

        (void)sdb_set(session, key, i % 2 ? key_size : 12, value, i % 300, NULL);
    }
}

void tenant_write(struct sdb_pool *pool)
{
    struct sdb_session *session;
    char key[KEY_SIZE_MAX], other[KEY_SIZE_MAX];
    int done = 0;

    open_session(pool, &session);
    (void)sdb_group_begin(session);
    write_some(session);
    tenant_write_collections(session);
    (void)sdb_group_end(session);
    (void)sdb_select(session, 0);
    if (sdb_begin_all(session) == SDB_OK) {
        (void)sdb_rename(session, key, key_of(3, key), other, key_of(6, other), 0);
        (void)sdb_delete(session, key, key_of(9, key));
        if (sdb_commit(session) != SDB_OK)
            sdb_abort(session);
    }
    sdb_session_set_time(session, NOW_MS + 2000000);
    (void)sdb_swap_databases(session, 0, 1);
    (void)sdb_flush(session);
    for (unsigned i = 0; i < 200 && !done; i++)
        if (sdb_maintain(session, 4096, &done) != SDB_OK)
            break;
    write_some(session);
    sdb_session_close(session);
}
