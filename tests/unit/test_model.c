/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_model.c - random calls of the whole library against a model in DRAM, with the pool opened again now and then
 *
 * ctest-timeout: 600
 * Arguments: seed, operations. Without arguments a few seeds, as the suite runs it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine_fixture.h"

#define KEYS 300u
#define DATABASES 3u
#define VALUE_MAX 90000u
#define TIME_START 1000000000000ll

struct cell {
    bool present;
    int64_t expire_ms;
    size_t size;
    char *data;
};

struct model {
    struct fixture f;
    struct cell cells[DATABASES][KEYS];
    struct cell saved[DATABASES][KEYS]; /* while a transaction is open */
    uint64_t handles[DATABASES][KEYS];  /* of the present ones, 0: not asked for */
    bool transaction, group;
    int64_t now;
    unsigned database;
    uint64_t step, seed;
    unsigned ahead[64], ahead_count, ahead_next; /* keys given to sdb_prefetch: mostly those that come next */
};

static struct model m;
static char buffer[VALUE_MAX * 3], other[VALUE_MAX * 3];

#define MODEL_ASSERT(claim)                                                                                            \
    do {                                                                                                               \
        if (!(claim))                                                                                                  \
            fail_msg("seed %llu, step %llu: %s (%s)", (unsigned long long)m.seed, (unsigned long long)m.step, #claim,  \
                     sdb_last_error());                                                                                \
    } while (0)

static uint64_t rnd(uint64_t n)
{
    return fixture_random(&m.f, n);
}

/* -- the model -- */

static size_t key_of(unsigned k, char *text)
{
    static const char *const shapes[] = {"%u", "key:%u", "0123456789ab%04u",
                                         "a long name of a key, kept in a blob: %u"};
    size_t size = (size_t)sprintf(text, shapes[k % 4], k);

    if (k == 0)
        return 0; /* the empty key */
    if (k % 50 == 7) {
        memset(text + size, 'x', 3000 + k);
        size += 3000 + k;
    }
    return size;
}

static bool alive(unsigned d, unsigned k)
{
    const struct cell *cell = &m.cells[d][k];

    return cell->present && (cell->expire_ms == 0 || cell->expire_ms > m.now);
}

static void cell_remove(unsigned d, unsigned k)
{
    free(m.cells[d][k].data);
    m.cells[d][k] = (struct cell){0};
    m.handles[d][k] = 0;
}

static void cell_put(unsigned d, unsigned k, const void *data, size_t size, int64_t expire_ms)
{
    char *copy = malloc(size + 1);
    uint64_t handle = alive(d, k) ? m.handles[d][k] : 0;

    assert_non_null(copy);
    memcpy(copy, data, size);
    cell_remove(d, k);
    m.cells[d][k] = (struct cell){.present = true, .expire_ms = expire_ms, .size = size, .data = copy};
    m.handles[d][k] = handle;
    if (expire_ms && expire_ms <= m.now)
        cell_remove(d, k);
}

static void copy_cells(struct cell to[DATABASES][KEYS], struct cell from[DATABASES][KEYS])
{
    for (unsigned d = 0; d < DATABASES; d++)
        for (unsigned k = 0; k < KEYS; k++) {
            free(to[d][k].data);
            to[d][k] = from[d][k];
            if (from[d][k].data) {
                to[d][k].data = malloc(from[d][k].size + 1);
                assert_non_null(to[d][k].data);
                memcpy(to[d][k].data, from[d][k].data, from[d][k].size);
            }
        }
}

/* -- comparing -- */

static void verify_key(unsigned d, unsigned k)
{
    char name[8192];
    size_t name_size = key_of(k, name);
    const struct cell *cell = &m.cells[d][k];
    struct sdb_view view;
    struct sdb_stat stat;
    int error;

    MODEL_ASSERT(sdb_select(m.f.session, d) == SDB_OK);
    error = sdb_view(m.f.session, name, name_size, &view);
    MODEL_ASSERT(error == (alive(d, k) ? SDB_OK : SDB_ENOTFOUND));
    MODEL_ASSERT(sdb_exists(m.f.session, name, name_size) == error);
    MODEL_ASSERT(sdb_stat(m.f.session, name, name_size, &stat) == error);
    if (error == SDB_OK) {
        MODEL_ASSERT(view.size == cell->size && memcmp(view.data, cell->data, cell->size) == 0);
        MODEL_ASSERT(view.expire_ms == cell->expire_ms && stat.expire_ms == cell->expire_ms);
        MODEL_ASSERT(stat.size == cell->size && stat.version == view.version && stat.handle == view.handle);
        MODEL_ASSERT(stat.encoding == view.encoding && stat.type == SDB_TYPE_STRING && view.type == SDB_TYPE_STRING);
        MODEL_ASSERT(m.handles[d][k] == 0 || m.handles[d][k] == view.handle);
        m.handles[d][k] = view.handle;
        sdb_view_release(m.f.session, &view);
    }
    MODEL_ASSERT(sdb_select(m.f.session, m.database) == SDB_OK);
}

static int count_item(void *context, const struct sdb_scan_item *item)
{
    (void)item;
    ++*(uint64_t *)context;
    return 0;
}

static void verify_all(void)
{
    for (unsigned d = 0; d < DATABASES; d++) {
        uint64_t cursor = 0, scanned = 0, living = 0, present = 0, count = 0;

        for (unsigned k = 0; k < KEYS; k++) {
            verify_key(d, k);
            living += alive(d, k);
            present += m.cells[d][k].present;
        }
        MODEL_ASSERT(sdb_select(m.f.session, d) == SDB_OK);
        do {
            MODEL_ASSERT(sdb_scan(m.f.session, &cursor, 1 + rnd(500), count_item, &scanned) == SDB_OK);
        } while (cursor);
        MODEL_ASSERT(scanned == living);
        MODEL_ASSERT(sdb_count(m.f.session, &count) == SDB_OK);
        MODEL_ASSERT(count >= living && count <= present);
    }
    MODEL_ASSERT(sdb_select(m.f.session, m.database) == SDB_OK);
}

/* -- operations: each does the same to the pool and to the model -- */

static size_t random_value(char *data)
{
    static const uint32_t sizes[] = {0, 1, 7, 8, 9, 15, 16, 17, 24, 25, 56, 57, 120, 500, 4000, 16376, 16377, 40000};
    size_t size = sizes[rnd(sizeof(sizes) / sizeof(sizes[0]) - (rnd(8) ? 3 : 0))];

    if (rnd(3) == 0)
        return (size_t)sprintf(data, "%lld", (long long)(rnd(2) ? rnd(1000) : rnd(UINT64_MAX)));
    memset(data, (int)('a' + rnd(26)), size);
    if (size)
        data[size - 1] = (char)rnd(256);
    return size;
}

static int64_t random_expiry(void)
{
    return rnd(3) ? 0 : m.now + (int64_t)rnd(4000) - 200;
}

static void do_set(unsigned k)
{
    char name[8192];
    size_t name_size = key_of(k, name), size = random_value(buffer);
    struct sdb_set_options options = {.flags = (uint32_t)(rnd(2) ? 0 : rnd(16)), .expire_ms = random_expiry()};
    bool exists = alive(m.database, k), holds;
    uint64_t handle = 0, version = 0;
    struct sdb_stat stat;
    int64_t expire = options.expire_ms;

    if (exists) {
        MODEL_ASSERT(sdb_stat(m.f.session, name, name_size, &stat) == SDB_OK);
        version = stat.version;
    }
    options.version = rnd(3) ? version : version ^ 1ull << 40;
    options.handle = &handle;
    holds = !(options.flags & SDB_IF_ABSENT && exists) && !(options.flags & SDB_IF_PRESENT && !exists) &&
            !(options.flags & SDB_IF_VERSION && (!exists || options.version != version));
    MODEL_ASSERT(sdb_set(m.f.session, name, name_size, buffer, size, &options) == (holds ? SDB_OK : SDB_ECONDITION));
    if (!holds)
        return;
    if (options.flags & SDB_KEEP_EXPIRY && exists)
        expire = m.cells[m.database][k].expire_ms;
    cell_put(m.database, k, buffer, size, expire);
    if (alive(m.database, k))
        MODEL_ASSERT(handle != 0 && (m.handles[m.database][k] == 0 || m.handles[m.database][k] == handle));
}

static void do_delete(unsigned k)
{
    char name[8192];
    size_t name_size = key_of(k, name);

    MODEL_ASSERT(sdb_delete(m.f.session, name, name_size) == (alive(m.database, k) ? SDB_OK : SDB_ENOTFOUND));
    cell_remove(m.database, k);
}

static void do_add(unsigned k)
{
    char name[8192], text[32];
    size_t name_size = key_of(k, name);
    const struct cell *cell = &m.cells[m.database][k];
    int64_t delta = (int64_t)rnd(UINT64_MAX) >> rnd(64), result = 0, old = 0, expected;
    int error = SDB_OK;

    if (alive(m.database, k)) {
        memcpy(text, cell->data, cell->size < 31 ? cell->size : 31);
        text[cell->size < 31 ? cell->size : 31] = '\0';
        old = strtoll(text, NULL, 10);
        snprintf(other, sizeof(other), "%lld", (long long)old);
        if (strlen(other) != cell->size || memcmp(other, cell->data, cell->size) != 0)
            error = SDB_ENOTINT;
    }
    if (!error && __builtin_add_overflow(old, delta, &expected))
        error = SDB_EOVERFLOW;
    MODEL_ASSERT(sdb_add(m.f.session, name, name_size, delta, &result) == error);
    if (error)
        return;
    MODEL_ASSERT(result == expected);
    cell_put(m.database, k, text, (size_t)sprintf(text, "%lld", (long long)expected),
             alive(m.database, k) ? cell->expire_ms : 0);
}

static void do_splice(unsigned k)
{
    char name[8192];
    size_t name_size = key_of(k, name), size = random_value(other), result = 0, old = 0, end;
    const struct cell *cell = &m.cells[m.database][k];
    int64_t expire = alive(m.database, k) ? cell->expire_ms : 0;
    bool append = rnd(2);
    uint64_t offset;

    if (alive(m.database, k)) {
        old = cell->size;
        memcpy(buffer, cell->data, old);
    }
    offset = append ? old : rnd(old + 100);
    end = (size_t)offset + size > old ? (size_t)offset + size : old;
    if (end > VALUE_MAX)
        return;
    if (append)
        MODEL_ASSERT(sdb_append(m.f.session, name, name_size, other, size, &result) == SDB_OK);
    else
        MODEL_ASSERT(sdb_set_range(m.f.session, name, name_size, offset, other, size, &result) == SDB_OK);
    if (size == 0)
        end = old;
    MODEL_ASSERT(result == end);
    if (size == 0 && (!append || alive(m.database, k)))
        return;
    if (offset > old)
        memset(buffer + old, 0, (size_t)offset - old);
    if (size)
        memcpy(buffer + offset, other, size);
    cell_put(m.database, k, buffer, end, expire);
}

static void do_expire(unsigned k)
{
    char name[8192];
    size_t name_size = key_of(k, name);
    int64_t expire = random_expiry();
    bool exists = alive(m.database, k);

    MODEL_ASSERT(sdb_expire(m.f.session, name, name_size, expire) == (exists ? SDB_OK : SDB_ENOTFOUND));
    if (exists) {
        struct cell *cell = &m.cells[m.database][k];

        cell->expire_ms = expire;
        if (expire && expire <= m.now)
            cell_remove(m.database, k);
    }
}

static void do_whole(unsigned k)
{
    char name[8192], new_name[8192];
    unsigned what = (unsigned)rnd(3), to = (unsigned)rnd(KEYS), d = what == 0 ? m.database : (unsigned)rnd(DATABASES);
    size_t name_size = key_of(k, name), new_size;
    int replace = (int)rnd(2), error, expected;
    bool same;

    if (what == 2)
        to = k;
    new_size = key_of(to, new_name);
    same = d == m.database && to == k;
    if (what == 0)
        error = sdb_rename(m.f.session, name, name_size, new_name, new_size, replace);
    else if (what == 1)
        error = sdb_copy(m.f.session, name, name_size, d, new_name, new_size, replace);
    else
        error = sdb_move(m.f.session, name, name_size, d);
    replace = replace && what != 2;
    expected = what == 2 && d == m.database         ? SDB_EINVAL
               : !alive(m.database, k)              ? SDB_ENOTFOUND
               : (same || alive(d, to)) && !replace ? SDB_ECONDITION
                                                    : SDB_OK;
    MODEL_ASSERT(error == expected);
    if (error || same)
        return;
    cell_put(d, to, m.cells[m.database][k].data, m.cells[m.database][k].size, m.cells[m.database][k].expire_ms);
    if (what != 1)
        cell_remove(m.database, k);
}

static void do_set_many(void)
{
    static char names[8][8192], values[8][40001];
    struct sdb_pair pairs[8];
    unsigned ks[8], count = 1 + (unsigned)rnd(8);
    uint32_t flags = rnd(2) ? 0 : SDB_IF_ABSENT;
    bool any = false;

    for (unsigned i = 0; i < count; i++) {
        ks[i] = (unsigned)rnd(KEYS);
        any |= alive(m.database, ks[i]);
        pairs[i].key = (struct sdb_slice){names[i], key_of(ks[i], names[i])};
        pairs[i].value = (struct sdb_slice){values[i], random_value(values[i])};
    }
    MODEL_ASSERT(sdb_set_many(m.f.session, pairs, count, flags) == (flags && any ? SDB_ECONDITION : SDB_OK));
    for (unsigned i = 0; i < count && !(flags && any); i++)
        cell_put(m.database, ks[i], pairs[i].value.data, pairs[i].value.size, 0);
}

static void do_set_each(void)
{
    static char names[70][8192], values[70][40001];
    struct sdb_pair pairs[70];
    unsigned ks[70], count = 1 + (unsigned)rnd(rnd(4) ? 8 : 70);
    size_t done = 0;

    for (unsigned i = 0; i < count; i++) {
        ks[i] = (unsigned)rnd(KEYS);
        pairs[i].key = (struct sdb_slice){names[i], key_of(ks[i], names[i])};
        pairs[i].value = (struct sdb_slice){values[i], rnd(4) ? (size_t)snprintf(values[i], 24, "%.*s%u", (int)rnd(9), "v-------", (unsigned)rnd(5000))
                                                              : random_value(values[i])};
    }
    MODEL_ASSERT(sdb_set_each(m.f.session, pairs, count, &done) == SDB_OK);
    MODEL_ASSERT(done == count);
    for (unsigned i = 0; i < count; i++)
        cell_put(m.database, ks[i], pairs[i].value.data, pairs[i].value.size, 0);
}

static void do_delete_many(void)
{
    static char names[8][8192];
    struct sdb_slice keys[8];
    unsigned count = 1 + (unsigned)rnd(8);
    size_t expected = 0, deleted = 99;

    for (unsigned i = 0; i < count; i++) {
        unsigned k = (unsigned)rnd(KEYS);

        keys[i] = (struct sdb_slice){names[i], key_of(k, names[i])};
        expected += alive(m.database, k);
        cell_remove(m.database, k);
    }
    MODEL_ASSERT(sdb_delete_many(m.f.session, keys, count, &deleted) == SDB_OK);
    MODEL_ASSERT(deleted == expected);
}

static void do_set_by_handle(unsigned k)
{
    uint64_t handle = m.handles[m.database][k];
    size_t size = random_value(buffer);
    int64_t expire = m.cells[m.database][k].expire_ms;
    bool exists = alive(m.database, k);

    if (!handle)
        return;
    MODEL_ASSERT(sdb_set_by_handle(m.f.session, handle, buffer, size) == (exists ? SDB_OK : SDB_ESTALE));
    if (exists)
        cell_put(m.database, k, buffer, size, expire);
}

static void do_get_many(void)
{
    static char names[20][8192];
    struct sdb_slice keys[20];
    struct sdb_view views[20];
    struct sdb_inline values[20];
    int results[20];
    unsigned ks[20], count = 1 + (unsigned)rnd(20);

    for (unsigned i = 0; i < count; i++) {
        ks[i] = (unsigned)rnd(KEYS);
        keys[i] = (struct sdb_slice){names[i], key_of(ks[i], names[i])};
    }
    sdb_prefetch(m.f.session, keys, count);
    sdb_get_many(m.f.session, keys, count, values);
    MODEL_ASSERT(sdb_view_many(m.f.session, keys, count, views, results) == SDB_OK);
    for (unsigned i = 0; i < count; i++) {
        const struct cell *cell = &m.cells[m.database][ks[i]];

        MODEL_ASSERT(results[i] == (alive(m.database, ks[i]) ? SDB_OK : SDB_ENOTFOUND));
        if (results[i]) {
            MODEL_ASSERT(values[i].result == SDB_ENOTFOUND);
            continue;
        }
        MODEL_ASSERT(views[i].size == cell->size && memcmp(views[i].data, cell->data, cell->size) == 0);
        if (values[i].result == SDB_OK && values[i].encoding == SDB_ENCODING_INLINE)
            MODEL_ASSERT(values[i].size == cell->size && memcmp(values[i].value.data, cell->data, cell->size) == 0);
        else
            MODEL_ASSERT(values[i].result == (views[i].encoding == SDB_ENCODING_BLOB ? SDB_ETOOBIG : SDB_OK));
        sdb_view_release(m.f.session, &views[i]);
    }
}

static void do_prefetch(void)
{
    static char names[64][8192];
    struct sdb_slice keys[64];

    m.ahead_count = 1 + (unsigned)rnd(64);
    m.ahead_next = 0;
    for (unsigned i = 0; i < m.ahead_count; i++) {
        m.ahead[i] = (unsigned)rnd(rnd(2) ? KEYS : 5);
        keys[i] = (struct sdb_slice){names[i], key_of(m.ahead[i], names[i])};
    }
    sdb_prefetch(m.f.session, keys, m.ahead_count);
    memset(names, 'x', sizeof(names)); /* they need not stay */
}

/* The key of the next operation: often that which was prefetched, or, out of order, the one behind it. */
static unsigned next_key(void)
{
    if (m.ahead_next < m.ahead_count && rnd(8))
        return m.ahead[rnd(8) ? m.ahead_next++ : m.ahead_count - 1];
    return (unsigned)rnd(KEYS);
}

static void do_whole_database(void)
{
    unsigned a = (unsigned)rnd(DATABASES), b = (unsigned)rnd(DATABASES);

    if (rnd(3) == 0) {
        MODEL_ASSERT(sdb_flush(m.f.session) == SDB_OK);
        for (unsigned k = 0; k < KEYS; k++)
            cell_remove(m.database, k);
        return;
    }
    MODEL_ASSERT(sdb_swap_databases(m.f.session, a, b) == SDB_OK);
    for (unsigned k = 0; k < KEYS && a != b; k++) {
        struct cell cell = m.cells[a][k];
        uint64_t handle = m.handles[a][k];

        m.cells[a][k] = m.cells[b][k];
        m.handles[a][k] = m.handles[b][k];
        m.cells[b][k] = cell;
        m.handles[b][k] = handle;
    }
}

static void do_transaction_step(void)
{
    if (!m.transaction && rnd(3) == 0 && !m.group) {
        MODEL_ASSERT(sdb_group_begin(m.f.session) == SDB_OK);
        m.group = true;
    } else if (m.group && !m.transaction && rnd(2)) {
        MODEL_ASSERT(sdb_group_end(m.f.session) == SDB_OK);
        m.group = false;
    } else if (!m.transaction) {
        MODEL_ASSERT((rnd(2) ? sdb_begin_all(m.f.session) : sdb_begin(m.f.session, NULL, 0)) == SDB_OK);
        copy_cells(m.saved, m.cells);
        m.transaction = true;
    } else if (rnd(2)) {
        MODEL_ASSERT(sdb_commit(m.f.session) == SDB_OK);
        m.transaction = false;
    } else {
        sdb_abort(m.f.session);
        copy_cells(m.cells, m.saved);
        memset(m.handles, 0, sizeof(m.handles));
        m.transaction = false;
    }
}

static void do_time(void)
{
    m.now += (int64_t)rnd(500);
    sdb_session_set_time(m.f.session, m.now);
    if (!m.transaction)
        MODEL_ASSERT(sdb_maintain(m.f.session, rnd(2000), NULL) == SDB_OK);
}

static void one_step(void)
{
    unsigned k = next_key();
    uint64_t what = rnd(1000);

    if (what < 340)
        do_set(k);
    else if (what < 460)
        do_delete(k);
    else if (what < 530)
        do_add(k);
    else if (what < 600)
        do_splice(k);
    else if (what < 650)
        do_expire(k);
    else if (what < 720)
        do_whole(k);
    else if (what < 745)
        do_set_many();
    else if (what < 770)
        do_set_each();
    else if (what < 800)
        do_delete_many();
    else if (what < 840)
        do_set_by_handle(k);
    else if (what < 880)
        do_get_many();
    else if (what < 883)
        do_whole_database();
    else if (what < 890)
        do_prefetch();
    else if (what < 900)
        do_time();
    else if (what < 910)
        MODEL_ASSERT(sdb_select(m.f.session, m.database = (unsigned)rnd(DATABASES)) == SDB_OK);
    else if (what < 940)
        do_transaction_step();
    else
        verify_key(m.database, k);
}

static void open_again(void)
{
    if (m.transaction) {
        sdb_abort(m.f.session);
        copy_cells(m.cells, m.saved);
        memset(m.handles, 0, sizeof(m.handles));
        m.transaction = false;
    }
    if (m.group)
        MODEL_ASSERT(sdb_group_end(m.f.session) == SDB_OK);
    m.group = false;
    if (rnd(2))
        fixture_reopen(&m.f);
    else
        fixture_crash(&m.f);
    sdb_session_set_time(m.f.session, m.now);
    (void)fixture_check(&m.f);
    verify_all();
    (void)fixture_check(&m.f);
}

static void run(uint64_t seed, uint64_t steps)
{
    memset(&m, 0, sizeof(m));
    fixture_create(&m.f, 64 * MIB, 0, 1u << seed % 4);
    m.seed = seed;
    m.f.random = seed * 0x9e3779b97f4a7c15ull | 1;
    m.now = TIME_START;
    sdb_session_set_time(m.f.session, m.now);
    for (m.step = 0; m.step < steps; m.step++) {
        one_step();
        if (rnd(4000) == 0)
            open_again();
        else if (rnd(4000) == 0)
            verify_all();
    }
    open_again();
    for (unsigned d = 0; d < DATABASES; d++)
        for (unsigned k = 0; k < KEYS; k++) {
            cell_remove(d, k);
            free(m.saved[d][k].data);
        }
    fixture_destroy(&m.f);
}

static uint64_t seed_first = 1, seed_last = 6, steps_wanted = 60000;

static void the_pool_does_what_the_model_does(void **state)
{
    (void)state;
    for (uint64_t seed = seed_first; seed <= seed_last; seed++)
        run(seed, steps_wanted);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_pool_does_what_the_model_does)};

    if (argc > 1) {
        seed_first = seed_last = strtoull(argv[1], NULL, 10);
        steps_wanted = argc > 2 ? strtoull(argv[2], NULL, 10) : 200000;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
