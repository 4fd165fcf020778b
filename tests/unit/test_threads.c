/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_threads.c - what several threads may rely on while all of them work on the same few keys
 *
 * ctest-labels: threads
 * Each thread works for a number of rounds or until the others are done; nothing waits for time to pass.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>

#include "engine_fixture.h"

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define SCALE 1u
#else
#define SCALE 6u
#endif
#define WRITERS 2u
#define READERS 2u
#define ACCOUNTS 16u
#define START 1000

struct thread {
    pthread_t id;
    struct sdb_session *session;
    unsigned number;
    uint64_t random;
    uint64_t rounds, conflicts;
    const char *failure; /* cmocka's asserts belong to the main thread */
    int error;
};

static struct fixture f;
static atomic_uint writers_left;

static uint64_t rnd(struct thread *t, uint64_t n)
{
    t->random ^= t->random << 13;
    t->random ^= t->random >> 7;
    t->random ^= t->random << 17;
    return t->random % n;
}

static bool claim(struct thread *t, bool holds, const char *what, int error)
{
    if (!holds && !t->failure) {
        t->failure = what;
        t->error = error;
    }
    return holds;
}
#define CLAIM(condition) claim(t, (condition), #condition, 0)
#define CLAIM_OK(call) claim_ok(t, (call), #call)

static bool claim_ok(struct thread *t, int error, const char *what)
{
    return claim(t, error == SDB_OK, what, error);
}

typedef void *thread_fn(void *);

/* Runs writers (which count themselves out) and readers (which go on until the last writer is done). */
static void run_threads(thread_fn *writer, thread_fn *reader)
{
    struct thread threads[WRITERS + READERS] = {0};

    atomic_store(&writers_left, WRITERS);
    for (unsigned i = 0; i < WRITERS + READERS; i++) {
        threads[i].number = i;
        threads[i].random = 0x9e3779b97f4a7c15ull * (i + 1);
        assert_ok(sdb_session_open(f.pool, &threads[i].session));
    }
    for (unsigned i = 0; i < WRITERS + READERS; i++)
        assert_int_equal(pthread_create(&threads[i].id, NULL, i < WRITERS ? writer : reader, &threads[i]), 0);
    for (unsigned i = 0; i < WRITERS + READERS; i++)
        assert_int_equal(pthread_join(threads[i].id, NULL), 0);
    for (unsigned i = 0; i < WRITERS + READERS; i++)
        sdb_session_close(threads[i].session);
    for (unsigned i = 0; i < WRITERS + READERS; i++) {
        if (threads[i].failure)
            fail_msg("thread %u: %s: %s", i, threads[i].failure, sdb_strerror(threads[i].error));
        assert_true(threads[i].rounds > 0);
    }
}

static int set_up(void **state)
{
    (void)state;
    fixture_create(&f, 64 * MIB, 0, 4);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fixture_destroy(&f);
    return 0;
}

/* -- transfers keep the sum -- */

static struct sdb_slice account_key(unsigned i, char name[16])
{
    return (struct sdb_slice){name, (size_t)snprintf(name, 16, "account:%u", i)};
}

static void transfer(struct thread *t)
{
    char names[2][16];
    unsigned a = (unsigned)rnd(t, ACCOUNTS), b = (a + 1 + (unsigned)rnd(t, ACCOUNTS - 1)) % ACCOUNTS;
    struct sdb_slice keys[2] = {account_key(a, names[0]), account_key(b, names[1])};
    int64_t amount = (int64_t)rnd(t, 100);
    bool named = rnd(t, 2);
    int error;

    if (!CLAIM_OK(sdb_begin(t->session, named ? keys : NULL, named ? 2 : 0)))
        return;
    error = sdb_add(t->session, keys[0].data, keys[0].size, -amount, NULL);
    if (!error)
        error = sdb_add(t->session, keys[1].data, keys[1].size, amount, NULL);
    if (named)
        CLAIM_OK(error);
    if (!error && rnd(t, 8)) {
        CLAIM_OK(sdb_commit(t->session));
    } else {
        CLAIM(error == SDB_OK || error == SDB_ECONFLICT);
        t->conflicts += error == SDB_ECONFLICT;
        sdb_abort(t->session);
    }
}

static void *transfer_writer(void *argument)
{
    struct thread *t = argument;

    for (; t->rounds < 3000u * SCALE && !t->failure; t->rounds++) {
        if (t->rounds % 100 == 0)
            CLAIM_OK(sdb_group_begin(t->session));
        transfer(t);
        if (t->rounds % 100 == 50)
            CLAIM_OK(sdb_group_end(t->session));
    }
    atomic_fetch_sub(&writers_left, 1);
    return NULL;
}

static void *sum_reader(void *argument)
{
    struct thread *t = argument;
    char names[ACCOUNTS][16];
    struct sdb_slice keys[ACCOUNTS];
    struct sdb_view views[ACCOUNTS];
    int results[ACCOUNTS];

    for (unsigned i = 0; i < ACCOUNTS; i++)
        keys[i] = account_key(i, names[i]);
    do {
        int64_t sum = 0;

        if (!CLAIM_OK(sdb_view_many(t->session, keys, ACCOUNTS, views, results)))
            break;
        for (unsigned i = 0; i < ACCOUNTS; i++) {
            if (CLAIM_OK(results[i])) {
                sum += strtoll(views[i].inlined, NULL, 10);
                sdb_view_release(t->session, &views[i]);
            }
        }
        CLAIM(sum == ACCOUNTS * START);
        t->rounds++;
    } while (atomic_load(&writers_left) && !t->failure);
    return NULL;
}

static void transfers_are_seen_whole_or_not_at_all(void **state)
{
    char name[16];

    (void)state;
    for (unsigned i = 0; i < ACCOUNTS; i++) {
        struct sdb_slice key = account_key(i, name);

        assert_ok(sdb_add(f.session, key.data, key.size, START, NULL));
    }
    run_threads(transfer_writer, sum_reader);
}

/* -- what changes together is seen to change together, by reads of one key after the other too -- */

static void *together_writer(void *argument)
{
    struct thread *t = argument;
    char names[ACCOUNTS][16];
    struct sdb_slice keys[ACCOUNTS];

    for (unsigned i = 0; i < ACCOUNTS; i++)
        keys[i] = account_key(i, names[i]);
    for (; t->rounds < 3000u * SCALE && !t->failure; t->rounds++) {
        CLAIM_OK(sdb_begin(t->session, keys, ACCOUNTS));
        for (unsigned i = 0; i < ACCOUNTS; i++)
            CLAIM_OK(sdb_add(t->session, keys[i].data, keys[i].size, 1, NULL));
        CLAIM_OK(sdb_commit(t->session));
    }
    atomic_fetch_sub(&writers_left, 1);
    return NULL;
}

/* By key, by handle, or as a view. */
static int64_t read_account(struct thread *t, const struct sdb_slice *key, uint64_t handle)
{
    unsigned way = (unsigned)rnd(t, 3);
    struct sdb_inline value = {0};
    struct sdb_view view;

    if (way == 0) {
        sdb_get_many_by_handle(t->session, &handle, 1, &value);
    } else if (way == 1) {
        sdb_get_many(t->session, key, 1, &value);
    } else if (CLAIM_OK(sdb_view(t->session, key->data, key->size, &view))) {
        value.value.integer = strtoll(view.inlined, NULL, 10);
        sdb_view_release(t->session, &view);
    }
    CLAIM_OK(value.result);
    return value.value.integer;
}

static void *one_by_one_reader(void *argument)
{
    struct thread *t = argument;
    char names[ACCOUNTS][16];
    struct sdb_slice keys[ACCOUNTS];
    uint64_t handles[ACCOUNTS];
    int64_t seen = 0;

    for (unsigned i = 0; i < ACCOUNTS; i++) {
        keys[i] = account_key(i, names[i]);
        CLAIM_OK(sdb_handle(t->session, keys[i].data, keys[i].size, &handles[i]));
    }
    do {
        unsigned i = (unsigned)rnd(t, ACCOUNTS);
        int64_t value = read_account(t, &keys[i], handles[i]);

        CLAIM(value >= seen);
        seen = value;
        t->rounds++;
    } while (atomic_load(&writers_left) && !t->failure);
    return NULL;
}

static void who_saw_a_part_of_a_transaction_sees_all_of_it_from_then_on(void **state)
{
    char name[16];

    (void)state;
    for (unsigned i = 0; i < ACCOUNTS; i++) {
        struct sdb_slice key = account_key(i, name);

        assert_ok(sdb_add(f.session, key.data, key.size, 0, NULL));
    }
    run_threads(together_writer, one_by_one_reader);
}

/* -- counters lose nothing and never go back -- */

static void *counting_writer(void *argument)
{
    struct thread *t = argument;
    int64_t last = 0, now;

    for (; t->rounds < 4000u * SCALE && !t->failure; t->rounds++) {
        bool group = t->rounds % 64 == 0;

        if (group)
            CLAIM_OK(sdb_group_begin(t->session));
        CLAIM_OK(sdb_add(t->session, "counter", 7, 1, &now));
        CLAIM(now > last);
        last = now;
        CLAIM_OK(sdb_add(t->session, t->number ? "mine:1" : "mine:0", 6, 1, &now));
        CLAIM(now == (int64_t)t->rounds + 1);
        if (group)
            CLAIM_OK(sdb_group_end(t->session));
    }
    atomic_fetch_sub(&writers_left, 1);
    return NULL;
}

static void *counter_reader(void *argument)
{
    struct thread *t = argument;
    struct sdb_slice key = {"counter", 7};
    uint64_t handle = 0;
    int64_t last = 0;

    do {
        struct sdb_inline value;

        if (!handle && sdb_handle(t->session, "counter", 7, &handle) != SDB_OK)
            continue;
        if (t->rounds % 2)
            sdb_get_many(t->session, &key, 1, &value);
        else
            sdb_get_many_by_handle(t->session, &handle, 1, &value);
        if (CLAIM_OK(value.result)) {
            CLAIM(value.value.integer >= last);
            last = value.value.integer;
        }
        t->rounds++;
    } while (atomic_load(&writers_left) && !t->failure);
    return NULL;
}

static void no_add_is_lost_and_no_reader_sees_a_counter_go_back(void **state)
{
    int64_t total = 0;

    (void)state;
    assert_ok(sdb_add(f.session, "counter", 7, 0, NULL));
    run_threads(counting_writer, counter_reader);
    assert_ok(sdb_add(f.session, "counter", 7, 0, &total));
    assert_int_equal(total, WRITERS * 4000u * SCALE);
}

/* -- views are never torn, and stay as they are -- */

static const uint32_t view_sizes[] = {1, 5, 8, 13, 16, 17, 60, 300, 3000, 17000};

static void *blob_writer(void *argument)
{
    struct thread *t = argument;
    static _Thread_local char value[17000];

    for (; t->rounds < 3000u * SCALE && !t->failure; t->rounds++) {
        char name[40];
        unsigned k = (unsigned)rnd(t, 8);
        size_t size = view_sizes[rnd(t, 10)];
        size_t name_size =
            (size_t)snprintf(name, sizeof(name), k % 2 ? "v%u" : "a name that does not fit inline:%u", k);

        memset(value, (int)('a' + rnd(t, 26)), size);
        if (rnd(t, 4) == 0) {
            int error = sdb_delete(t->session, name, name_size);

            CLAIM(error == SDB_OK || error == SDB_ENOTFOUND);
        } else {
            CLAIM_OK(sdb_set(t->session, name, name_size, value, size, NULL));
        }
    }
    atomic_fetch_sub(&writers_left, 1);
    return NULL;
}

static bool all_equal(const struct sdb_view *view)
{
    const char *bytes = view->data;

    for (size_t i = 1; i < view->size; i++)
        if (bytes[i] != bytes[0])
            return false;
    return true;
}

static void *view_reader(void *argument)
{
    struct thread *t = argument;

    do {
        char name[40];
        unsigned k = (unsigned)rnd(t, 8);
        size_t name_size =
            (size_t)snprintf(name, sizeof(name), k % 2 ? "v%u" : "a name that does not fit inline:%u", k);
        struct sdb_view view;
        int error = sdb_view(t->session, name, name_size, &view);

        if (error == SDB_OK) {
            char first = view.size ? *(const char *)view.data : '\0';

            CLAIM(all_equal(&view));
            CLAIM(first >= 'a' && first <= 'z');
            for (unsigned again = 0; again < 3; again++)
                CLAIM(all_equal(&view) && *(const char *)view.data == first);
            sdb_view_release(t->session, &view);
        }
        CLAIM(error == SDB_OK || error == SDB_ENOTFOUND);
        t->rounds++;
    } while (atomic_load(&writers_left) && !t->failure);
    return NULL;
}

static void views_are_never_torn_and_stay_as_they_are(void **state)
{
    (void)state;
    run_threads(blob_writer, view_reader);
}

/* -- a key that is always there is always found, while the index grows and neighbours come and go -- */

static void *growing_writer(void *argument)
{
    struct thread *t = argument;

    for (; t->rounds < 6000u * SCALE && !t->failure; t->rounds++) {
        char name[64];
        unsigned n = (unsigned)(t->rounds % 5000 % 4000);
        size_t size = (size_t)snprintf(name, sizeof(name), "%s%u:%u", n % 3 ? "n" : "a long neighbour of the key, ",
                                       t->number, n);

        if (t->rounds % 5000 < 4000)
            CLAIM_OK(sdb_set(t->session, name, size, name, size, NULL));
        else
            CLAIM_OK(sdb_delete(t->session, name, size));
        if (t->rounds % 1000 == 999)
            CLAIM_OK(sdb_maintain(t->session, 1000, NULL));
    }
    atomic_fetch_sub(&writers_left, 1);
    return NULL;
}

static int count_stayers(void *context, const struct sdb_scan_item *item)
{
    unsigned *count = context;

    *count += item->key.size > 5 && memcmp(item->key.data, "stay:", 5) == 0;
    return 0;
}

static void *staying_reader(void *argument)
{
    struct thread *t = argument;

    do {
        char name[32];
        size_t size = (size_t)snprintf(name, sizeof(name), "stay:%u", (unsigned)rnd(t, 100));
        uint64_t cursor = 0;
        unsigned stayers = 0;

        CLAIM_OK(sdb_exists(t->session, name, size));
        if (rnd(t, 50) == 0) {
            do {
                CLAIM_OK(sdb_scan(t->session, &cursor, 500, count_stayers, &stayers));
            } while (cursor && !t->failure);
            CLAIM(stayers >= 100);
        }
        t->rounds++;
    } while (atomic_load(&writers_left) && !t->failure);
    return NULL;
}

static void keys_that_stay_are_found_and_scanned_while_others_come_and_go(void **state)
{
    char name[32];

    (void)state;
    for (unsigned i = 0; i < 100; i++) {
        snprintf(name, sizeof(name), "stay:%u", i);
        assert_ok(fixture_set(&f, name, i % 2 ? "short" : "a value that does not fit into an entry"));
    }
    run_threads(growing_writer, staying_reader);
}

/* -- everything at once, databases and sizes included -- */

static void *mixed_writer(void *argument)
{
    struct thread *t = argument;

    for (; t->rounds < 1500u * SCALE && !t->failure; t->rounds++) {
        char name[40], new_name[40];
        size_t size = (size_t)snprintf(name, sizeof(name), "mixed key number:%u", (unsigned)rnd(t, 20));
        size_t new_size = (size_t)snprintf(new_name, sizeof(new_name), "mixed key number:%u", (unsigned)rnd(t, 20));
        int error = SDB_OK;

        switch (rnd(t, 10)) {
        case 0:
            error = sdb_rename(t->session, name, size, new_name, new_size, 1);
            break;
        case 1:
            error = sdb_copy(t->session, name, size, (uint32_t)rnd(t, 2), new_name, new_size, 1);
            break;
        case 2:
            error = rnd(t, 10) ? sdb_move(t->session, name, size, 1) : sdb_swap_databases(t->session, 0, 1);
            break;
        case 3:
            error = rnd(t, 20) ? SDB_OK : sdb_flush(t->session);
            break;
        case 4:
            error = sdb_append(t->session, name, size, "appended text", 13, NULL);
            if (!error && rnd(t, 4) == 0)
                error = sdb_delete(t->session, name, size);
            break;
        case 5:
            if (CLAIM_OK(sdb_begin_all(t->session))) {
                CLAIM_OK(sdb_set(t->session, name, size, "one", 3, NULL));
                CLAIM_OK(sdb_set(t->session, new_name, new_size, "two, which is a blob of its own", 31, NULL));
                error = sdb_commit(t->session);
            }
            break;
        case 6:
            error = sdb_maintain(t->session, 500, NULL);
            break;
        case 7:
            error = sdb_expire(t->session, name, size, rnd(t, 2) ? 1 : INT64_MAX);
            break;
        default:
            error = sdb_set(t->session, name, size, name, size, NULL);
            break;
        }
        CLAIM(error == SDB_OK || error == SDB_ENOTFOUND || error == SDB_ECONDITION);
    }
    atomic_fetch_sub(&writers_left, 1);
    return NULL;
}

static void *mixed_reader(void *argument)
{
    struct thread *t = argument;

    do {
        char name[40], buffer[64];
        size_t size = (size_t)snprintf(name, sizeof(name), "mixed key number:%u", (unsigned)rnd(t, 20)), got;
        struct sdb_stat stat;
        uint64_t count, handle;
        int error = sdb_stat(t->session, name, size, &stat);

        CLAIM(error == SDB_OK || error == SDB_ENOTFOUND);
        error = sdb_random_key(t->session, buffer, sizeof(buffer), &got);
        CLAIM(error == SDB_ENOTFOUND || (error == SDB_OK && memcmp(buffer, "mixed key number:", 17) == 0));
        CLAIM_OK(sdb_count(t->session, &count));
        error = sdb_handle(t->session, name, size, &handle);
        if (!error)
            error = sdb_get_by_handle(t->session, handle, buffer, sizeof(buffer), &got);
        CLAIM(error == SDB_OK || error == SDB_ENOTFOUND || error == SDB_ESTALE);
        if (t->rounds % 64 == 0) {
            struct sdb_stats stats;

            sdb_stats(f.pool, &stats);
            CLAIM(stats.checksum_errors == 0);
        }
        t->rounds++;
    } while (atomic_load(&writers_left) && !t->failure);
    return NULL;
}

static int count_item(void *context, const struct sdb_scan_item *item)
{
    (void)item;
    ++*(uint64_t *)context;
    return 0;
}

static void everything_at_once_leaves_a_sound_pool_and_exact_counts(void **state)
{
    (void)state;
    run_threads(mixed_writer, mixed_reader);
    for (uint32_t d = 0; d < 2; d++) {
        uint64_t cursor = 0, scanned = 0;

        assert_ok(sdb_select(f.session, d));
        do {
            assert_ok(sdb_scan(f.session, &cursor, 100000, count_item, &scanned));
        } while (cursor);
        assert_int_equal(fixture_count(&f), scanned);
    }
    assert_int_equal(fixture_stats(&f).checksum_errors, 0);
}

/* -- resizing -- */

static void *growing_pool_writer(void *argument)
{
    struct thread *t = argument;
    static char value[20000];

    for (; t->rounds < 1000u * SCALE && !t->failure; t->rounds++) {
        char name[32];
        size_t size =
            (size_t)snprintf(name, sizeof(name), "grow:%u:%llu", t->number, (unsigned long long)t->rounds % 900);
        int error = sdb_set(t->session, name, size, value, sizeof(value), NULL);

        CLAIM(error == SDB_OK || error == SDB_ENOSPC);
    }
    atomic_fetch_sub(&writers_left, 1);
    return NULL;
}

static void *resizer(void *argument)
{
    struct thread *t = argument;
    struct sdb_pool_info info;

    do {
        sdb_pool_info(f.pool, &info);
        if (info.size < info.size_max && t->number == WRITERS)
            CLAIM_OK(sdb_resize(f.pool, info.size + 2 * MIB));
        t->rounds++;
    } while (atomic_load(&writers_left) && !t->failure);
    return NULL;
}

static void a_pool_grows_while_it_is_written_to(void **state)
{
    struct sdb_pool_info info;

    (void)state;
    fixture_destroy(&f);
    fixture_create(&f, 16 * MIB, 64 * MIB, 2);
    run_threads(growing_pool_writer, resizer);
    sdb_pool_info(f.pool, &info);
    assert_true(info.size > 16 * MIB);
}

/* -- a full pool: who waits for what another thread's maintenance yields holds no shard that it needs -- */

static void *full_pool_writer(void *argument)
{
    struct thread *t = argument;
    static const char value[3000];

    for (; t->rounds < 150u * SCALE && !t->failure; t->rounds++) {
        CLAIM_OK(sdb_group_begin(t->session));
        for (unsigned i = 0; i < 20; i++) {
            char name[32];
            size_t size = (size_t)snprintf(name, sizeof(name), "full:%u", (unsigned)rnd(t, 8000));
            struct sdb_set_options options = {.expire_ms = rnd(t, 2) ? INT64_MAX : clock_ms() + 1};
            int error = sdb_set(t->session, name, size, value, rnd(t, sizeof(value)), &options);

            CLAIM(error == SDB_OK || error == SDB_ENOSPC);
            if (rnd(t, 200) == 0)
                CLAIM_OK(sdb_flush(t->session));
            if (rnd(t, 10) == 0)
                CLAIM_OK(sdb_maintain(t->session, 3000, NULL));
        }
        CLAIM_OK(sdb_group_end(t->session));
    }
    atomic_fetch_sub(&writers_left, 1);
    return NULL;
}

static void groups_in_a_full_pool_never_wait_for_each_other_in_a_circle(void **state)
{
    (void)state;
    fixture_destroy(&f);
    fixture_create(&f, 16 * MIB, 16 * MIB, 4);
    run_threads(full_pool_writer, full_pool_writer);
}

/* -- exchanged databases -- */

/* Only database 1 ever holds "marker": each exchange finds both databases with the same value. */
static void *exchange_writer(void *argument)
{
    struct thread *t = argument;

    CLAIM_OK(sdb_select(t->session, 1));
    for (; t->rounds < 3000u * SCALE && !t->failure && t->number == 0; t->rounds++) {
        CLAIM_OK(sdb_set(t->session, "k", 1, "marker", 6, NULL));
        CLAIM_OK(sdb_set(t->session, "k", 1, "common", 6, NULL));
        CLAIM_OK(sdb_swap_databases(t->session, 0, 1));
    }
    t->rounds++;
    atomic_fetch_sub(&writers_left, 1);
    return NULL;
}

static void *exchange_reader(void *argument)
{
    struct thread *t = argument;
    struct sdb_slice keys[64];

    for (unsigned i = 0; i < 64; i++)
        keys[i] = (struct sdb_slice){"k", 1};
    for (; atomic_load(&writers_left) && !t->failure; t->rounds++) {
        struct sdb_inline values[64];

        sdb_get_many(t->session, keys, 64, values);
        for (unsigned i = 0; i < 64; i++) {
            CLAIM_OK(values[i].result);
            CLAIM(memcmp(values[i].value.data, "common", 6) == 0);
        }
    }
    t->rounds++;
    return NULL;
}

static void a_read_never_shows_what_another_database_held(void **state)
{
    (void)state;
    for (uint32_t database = 0; database < 2; database++) {
        assert_ok(sdb_select(f.session, database));
        assert_ok(sdb_set(f.session, "k", 1, "common", 6, NULL));
    }
    run_threads(exchange_writer, exchange_reader);
}

/* -- batches are read in order -- */

#define ORDER_KEYS 24u

static struct sdb_slice order_key(unsigned i, char name[40])
{
    return (struct sdb_slice){name, (size_t)snprintf(name, 40, i % 3 ? "order:%u" : "a longer key, in order:%u", i)};
}

/* From the last key to the first, one by one or in a group: a key is never newer than those behind it. */
static void *order_writer(void *argument)
{
    struct thread *t = argument;

    for (; t->rounds < 2500u * SCALE && t->number == 0 && !t->failure; t->rounds++) {
        bool group = t->rounds % 2;

        CLAIM_OK(group ? sdb_group_begin(t->session) : SDB_OK);
        for (unsigned i = ORDER_KEYS; i-- > 0;) {
            char name[40], value[32];
            struct sdb_slice key = order_key(i, name);
            size_t size = (size_t)snprintf(value, sizeof(value), "%llu", (unsigned long long)t->rounds + 1);

            CLAIM_OK(sdb_set(t->session, key.data, key.size, value, size, NULL));
        }
        CLAIM_OK(group ? sdb_group_end(t->session) : SDB_OK);
    }
    t->rounds += t->number;
    atomic_fetch_sub(&writers_left, 1);
    return NULL;
}

static void *order_reader(void *argument)
{
    struct thread *t = argument;
    char names[ORDER_KEYS][40];
    struct sdb_slice keys[ORDER_KEYS];
    struct sdb_inline values[ORDER_KEYS];

    for (unsigned i = 0; i < ORDER_KEYS; i++)
        keys[i] = order_key(i, names[i]);
    do {
        sdb_get_many(t->session, keys, ORDER_KEYS, values);
        for (unsigned i = 0; i < ORDER_KEYS; i++) {
            CLAIM_OK(values[i].result);
            CLAIM(values[i].encoding == SDB_ENCODING_INT);
            CLAIM(i == 0 || values[i].value.integer >= values[i - 1].value.integer);
        }
        t->rounds++;
    } while (atomic_load(&writers_left) && !t->failure);
    return NULL;
}

static void no_value_of_a_batch_is_older_than_those_before_it(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ORDER_KEYS; i++) {
        char name[40];
        struct sdb_slice key = order_key(i, name);

        assert_ok(sdb_set(f.session, key.data, key.size, "0", 1, NULL));
    }
    run_threads(order_writer, order_reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(transfers_are_seen_whole_or_not_at_all, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_saw_a_part_of_a_transaction_sees_all_of_it_from_then_on, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_value_of_a_batch_is_older_than_those_before_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_add_is_lost_and_no_reader_sees_a_counter_go_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(views_are_never_torn_and_stay_as_they_are, set_up, tear_down),
        cmocka_unit_test_setup_teardown(keys_that_stay_are_found_and_scanned_while_others_come_and_go, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(everything_at_once_leaves_a_sound_pool_and_exact_counts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_pool_grows_while_it_is_written_to, set_up, tear_down),
        cmocka_unit_test_setup_teardown(groups_in_a_full_pool_never_wait_for_each_other_in_a_circle, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_read_never_shows_what_another_database_held, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
