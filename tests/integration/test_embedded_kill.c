/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_embedded_kill.c - a process that uses the library is killed in the middle of its work, again and again
 *
 * The child's threads write versions of values; what they try and what was acknowledged stands in memory that
 * outlives the child. After each kill: every key has a version from the last acknowledged one to the last tried one,
 * its bytes are the version's own, a transaction's two keys have the same version (D1, D2), the five collections of a
 * row (embedded_rows.h) likewise, and the checker finds nothing wrong (D5). Every other time the verifying process ends without closing the pool, so that recovery follows
 * on recovery.
 *
 * Where the whole machine is killed (tests/vm/embedded.py), the two halves run one by one, and the memory that outlives
 * them is a file: test_embedded_kill POOL LEDGER load THREADS, and behind the kill test_embedded_kill POOL LEDGER verify.
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <fcntl.h>

#include "embedded_rows.h"
#include "superdb/superdb.h"

#define ROUNDS 30       /* SUPERDB_KILL_ROUNDS says otherwise */
#define THREADS_MAX 4u
#define KEYS 48u        /* of each kind, for each thread */
#define ROWS 4u         /* of them are rows, whose versions are many */
#define OPERATIONS 3000 /* acknowledged in a round at most, before the kill */
#define VALUE_SIZE_MAX 20000u

/* One key's history: written by one thread of the child, read by the parent after its end. */
struct history {
    uint64_t tried, acknowledged;
};

enum kind { PAIR, SINGLE, COUNTER, ROW, KINDS };

/* Outlives the child. */
static struct ledger {
    struct history of[THREADS_MAX][KINDS][KEYS];
    uint64_t acknowledged; /* Atomic: all together */
    uint32_t opened;       /* Atomic: the pool is open and the threads run */
} * ledger;

static char path[128];
static uint32_t durability = SDB_DURABILITY_AUTO;
static struct sdb_pool *pool;

/* Some versions are a deletion; of pairs and counters none is. */
static int is_deletion(enum kind kind, uint64_t version)
{
    return version == 0 || (kind == SINGLE && version % 5 == 0);
}

/* A version's value: begins with its number, and all its bytes follow from it. Small ones, blobs, and some large. */
static size_t make_value(uint64_t version, unsigned key, char *value)
{
    static const uint32_t limits[] = {12, 17, 60, 300, 300, 3000, VALUE_SIZE_MAX};
    const uint64_t mix = (version * 64 + key) * 0x9e3779b97f4a7c15ull;
    const size_t size = 8 + (size_t)(mix >> 40) % (limits[mix % 7] - 8);

    memcpy(value, &version, 8);
    for (size_t i = 8; i < size; i++)
        value[i] = (char)(mix >> (i % 48)) ^ (char)i;
    return size;
}

static size_t make_key(char *key, unsigned thread, enum kind kind, unsigned number, unsigned half)
{
    /* Some keys are too long for an entry. */
    return (size_t)sprintf(key, "%u:%d:%u:%u%s", thread, (int)kind, number, half,
                           number % 4 == 3 ? ":a key that stands outside its entry" : "");
}

/* ---- The child ---- */

/* The child has no test to fail: it ends with a status that the parent knows. */
static void must(int error)
{
    if (error != SDB_OK) {
        (void)fprintf(stderr, "in the child: %s: %s\n", sdb_strerror(error), sdb_last_error());
        _exit(3);
    }
}

static void wrong(unsigned thread, enum kind kind, unsigned number, const char *what, uint64_t version)
{
    const struct history *history = &ledger->of[thread][kind][number];

    (void)fprintf(stderr, "thread %u kind %d key %u: %s; version %llu, acknowledged %llu, tried %llu\n", thread,
                  (int)kind, number, what, (unsigned long long)version, (unsigned long long)history->acknowledged,
                  (unsigned long long)history->tried);
    _exit(7);
}

/* Both halves in one transaction. False: another thread held a shard, and nothing happened. */
static int write_pair(struct sdb_session *session, unsigned thread, unsigned number, uint64_t version, char *value)
{
    char keys[2][80];
    const size_t sizes[2] = {make_key(keys[0], thread, PAIR, number, 0), make_key(keys[1], thread, PAIR, number, 1)};
    const struct sdb_slice slices[2] = {{keys[0], sizes[0]}, {keys[1], sizes[1]}};
    const size_t size = make_value(version, number, value);

    /* With the keys named there can be no conflict; without, there may. */
    must(sdb_begin(session, slices, version % 2 == 0 ? 2 : 0));
    for (int half = 0; half < 2; half++) {
        const int error = sdb_set(session, keys[half], sizes[half], value, size, NULL);
        if (error == SDB_ECONFLICT) {
            sdb_abort(session);
            return 0;
        }
        must(error);
    }
    must(sdb_commit(session));
    return 1;
}

static int write_single(struct sdb_session *session, unsigned thread, unsigned number, uint64_t version, char *value)
{
    char key[80];
    const size_t key_size = make_key(key, thread, SINGLE, number, 0);

    if (is_deletion(SINGLE, version)) {
        const int error = sdb_delete(session, key, key_size);
        must(error == SDB_ENOTFOUND ? SDB_OK : error);
    } else {
        must(sdb_set(session, key, key_size, value, make_value(version, number, value), NULL));
    }
    return 1;
}

/* False: an increment was lost, or one was there that nobody saw. */
static int write_counter(struct sdb_session *session, unsigned thread, unsigned number, uint64_t version)
{
    char key[80];
    int64_t sum = 0;

    must(sdb_add(session, key, make_key(key, thread, COUNTER, number, 0), 1, &sum));
    return (uint64_t)sum == version;
}

static struct row row_of(struct sdb_session *session, unsigned thread, unsigned number, char name[80])
{
    name[make_key(name, thread, ROW, number, 0)] = '\0';
    return (struct row){session, name, number % 2 == 0};
}

/* All collections of a row in one transaction. False: another thread held a shard, and nothing happened. */
static int write_row(struct sdb_session *session, unsigned thread, unsigned number, uint64_t version)
{
    char name[80], keys[ROW_TYPES][80];
    const struct row row = row_of(session, thread, number, name);
    struct sdb_slice slices[ROW_TYPES];
    int error;

    for (int type = 0; type < ROW_TYPES; type++)
        slices[type] = row_key(&row, (enum row_type)type, keys[type]);
    must(sdb_begin(session, slices, version % 2 == 0 ? ROW_TYPES : 0));
    error = row_write(&row, version);
    if (error == SDB_ECONFLICT) {
        sdb_abort(session);
        return 0;
    }
    must(error);
    must(sdb_commit(session));
    return 1;
}

static void *work(void *context)
{
    const unsigned thread = (unsigned)(uintptr_t)context;
    uint64_t random = thread * 77 + (uint64_t)getpid();
    char *value = malloc(VALUE_SIZE_MAX);
    struct sdb_session *session;

    if (value == NULL)
        _exit(4);
    must(sdb_session_open(pool, &session));
    for (;;) { /* until the kill */
        random = random * 6364136223846793005ull + 1442695040888963407ull;
        const enum kind kind = (enum kind)((random >> 33) % KINDS);
        const unsigned number = (unsigned)((random >> 40) % (kind == ROW ? ROWS : KEYS));
        struct history *history = &ledger->of[thread][kind][number];
        const uint64_t version = history->acknowledged + 1;
        int done;

        __atomic_store_n(&history->tried, version, __ATOMIC_SEQ_CST);
        if (kind == PAIR)
            done = write_pair(session, thread, number, version, value);
        else if (kind == SINGLE)
            done = write_single(session, thread, number, version, value);
        else if (kind == ROW)
            done = write_row(session, thread, number, version);
        else if (!(done = write_counter(session, thread, number, version)))
            wrong(thread, kind, number, "is not one more than before", version);
        if (done)
            __atomic_store_n(&history->acknowledged, version, __ATOMIC_SEQ_CST);
        __atomic_fetch_add(&ledger->acknowledged, 1, __ATOMIC_SEQ_CST);
        if (random >> 58 == 0)
            must(sdb_maintain(session, 100, NULL));
    }
    return NULL;
}

static void open_pool(void)
{
    struct sdb_options options = SDB_OPTIONS_INIT;

    options.pool_size = 64u << 20;
    options.shards = 4;
    options.flags = SDB_CREATE;
    options.durability = durability;
    must(sdb_open(path, &options, &pool));
}

static void run_child(unsigned threads)
{
    pthread_t others[THREADS_MAX];

    open_pool();
    __atomic_store_n(&ledger->opened, 1, __ATOMIC_SEQ_CST);
    for (unsigned i = 1; i < threads; i++)
        if (pthread_create(&others[i], NULL, work, (void *)(uintptr_t)i) != 0)
            _exit(6);
    (void)work(NULL);
}

/* ---- Verifying, in a process of its own ---- */

/*
 * The version that a key has; a deletion has the one that it was. Ends the process if it is none of the possible
 * ones.
 */
static uint64_t read_version(struct sdb_session *session, unsigned thread, enum kind kind, unsigned number,
                             unsigned half)
{
    struct history *history = &ledger->of[thread][kind][number];
    char key[80], expected[VALUE_SIZE_MAX];
    struct sdb_view view;
    uint64_t version = 0;

    const int error = sdb_view(session, key, make_key(key, thread, kind, number, half), &view);
    if (error == SDB_ENOTFOUND) {
        for (version = history->acknowledged; version <= history->tried; version++)
            if (is_deletion(kind, version))
                return version;
        wrong(thread, kind, number, "is gone", 0);
    }
    must(error);
    if (kind == COUNTER) {
        version = strtoull(view.data, NULL, 10);
    } else {
        if (view.size < 8)
            wrong(thread, kind, number, "is cut off", 0);
        memcpy(&version, view.data, 8);
        if (make_value(version, number, expected) != view.size || memcmp(view.data, expected, view.size) != 0)
            wrong(thread, kind, number, "has bytes that nobody wrote", version);
    }
    if (version < history->acknowledged || version > history->tried || is_deletion(kind, version))
        wrong(thread, kind, number, "has a version that it cannot have", version);
    sdb_view_release(session, &view);
    return version;
}

static void verify_rows(struct sdb_session *session, unsigned thread)
{
    for (unsigned number = 0; number < ROWS; number++) {
        struct history *history = &ledger->of[thread][ROW][number];
        char name[80];
        const struct row row = row_of(session, thread, number, name);
        uint64_t version;
        int error;

        if (row_read(&row, &version, &error) >= 0)
            wrong(thread, ROW, number, "has a collection of another version", version);
        must(error);
        if (version < history->acknowledged || version > history->tried)
            wrong(thread, ROW, number, "has a version that it cannot have", version);
        *history = (struct history){version, version};
    }
}

static void verify_thread(struct sdb_session *session, unsigned thread)
{
    verify_rows(session, thread);
    for (unsigned number = 0; number < KEYS; number++) {
        for (int kind = 0; kind < ROW; kind++) {
            const uint64_t version = read_version(session, thread, (enum kind)kind, number, 0);
            if (kind == PAIR && read_version(session, thread, PAIR, number, 1) != version)
                wrong(thread, PAIR, number, "differs from its other half", version);
            /* What was in flight has been decided. */
            ledger->of[thread][kind][number] = (struct history){version, version};
        }
    }
}

static void print_problem(void *context, uint64_t offset, const char *what)
{
    (void)context;
    (void)fprintf(stderr, "offset %llu: %s\n", (unsigned long long)offset, what);
}

static void run_verifier(int close_it)
{
    struct sdb_session *session;

    open_pool();
    must(sdb_check(pool, print_problem, NULL, NULL));
    must(sdb_session_open(pool, &session));
    for (unsigned thread = 0; thread < THREADS_MAX; thread++)
        verify_thread(session, thread);
    sdb_session_close(session);
    if (close_it)
        must(sdb_close(pool));
    _exit(0);
}

/* ---- The parent ---- */

static void verify(int close_it)
{
    int status = -1;
    const pid_t verifier = fork();

    assert_true(verifier >= 0);
    if (verifier == 0)
        run_verifier(close_it);
    assert_int_equal(waitpid(verifier, &status, 0), verifier);
    assert_int_equal(status, 0);
}

static void run_and_kill(unsigned threads, uint64_t operations)
{
    int status = 0;

    ledger->opened = 0;
    ledger->acknowledged = 0;
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        run_child(threads);
    /* operations 0: while it opens the pool, or soon after. */
    while (__atomic_load_n(&ledger->acknowledged, __ATOMIC_SEQ_CST) < operations &&
           waitpid(child, &status, WNOHANG) == 0)
        (void)sched_yield();
    (void)kill(child, SIGKILL);
    (void)waitpid(child, &status, 0);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static int set_up(void **state)
{
    const char *directory = getenv("SUPERDB_TEST_DIR");

    (void)state;
    if (directory == NULL)
        directory = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    (void)snprintf(path, sizeof(path), "%s/superdb-embedded-kill-%d.sdb", directory, (int)getpid());
    ledger = mmap(NULL, sizeof(*ledger), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return ledger == MAP_FAILED ? -1 : 0;
}

static int tear_down(void **state)
{
    (void)state;
    (void)munmap(ledger, sizeof(*ledger));
    return unlink(path);
}

static void what_was_acknowledged_survives_every_kill(void **state)
{
    const char *wanted = getenv("SUPERDB_KILL_ROUNDS");
    const int rounds = wanted != NULL ? atoi(wanted) : ROUNDS;
    uint64_t random = (uint64_t)getpid(), acknowledged = 0;

    (void)state;
    run_and_kill(2, 1); /* the pool is made */
    verify(1);
    for (int round = 0; round < rounds; round++) {
        random = random * 6364136223846793005ull + 1442695040888963407ull;
        const unsigned threads = 1 + (unsigned)(random >> 40) % THREADS_MAX;
        const uint64_t operations = round % 8 == 7 ? 0 : (random >> 33) % OPERATIONS;
        run_and_kill(threads, operations);
        acknowledged += ledger->acknowledged;
        verify(round % 2);
    }
    verify(1);
    print_message("%d kills, %llu operations acknowledged\n", rounds, (unsigned long long)acknowledged);
}

/* ---- One half alone ---- */

static int run_half(int count, char **arguments)
{
    const int fd = open(arguments[2], O_RDWR | O_CLOEXEC);

    ledger = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof(*ledger), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (ledger == MAP_FAILED || strlen(arguments[1]) >= sizeof(path)) {
        perror(arguments[2]);
        return 2;
    }
    strcpy(path, arguments[1]);
    durability = SDB_DURABILITY_PMEM;
    if (count == 4 && strcmp(arguments[3], "verify") == 0)
        run_verifier(1);
    const unsigned threads = count == 5 ? (unsigned)atoi(arguments[4]) : 0;
    if (threads == 0 || threads > THREADS_MAX || strcmp(arguments[3], "load") != 0)
        return 2;
    run_child(threads);
    return 1; /* it ends with the machine */
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_acknowledged_survives_every_kill),
    };

    if (argc > 3)
        return run_half(argc, argv);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
