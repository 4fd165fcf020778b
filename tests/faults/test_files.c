/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_files.c - the N-th system call on a pool's file fails, for every N: as the pool is made, opened after a clean close and after a
 * kill, resized, closed, opened for reading only and checked
 *
 * Each kind of call fails with each errno that it plausibly has, once, and from the N-th on for good. After that the error is the one
 * that belongs to the errno; descriptors, mappings of the pool and reserved addresses are as many as before; what was
 * acknowledged is there; and the same call without faults succeeds, which a lock left behind would not let it.
 *
 * ctest-timeout: 600
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "engine_fixture.h"
#include "faults.h"

#define SIZE (16 * MIB)
#define SIZE_MAX_ (32 * MIB)
#define ROUNDS_MAX 200u

static const struct {
    enum fault_kind kind;
    int number;
    int error; /* that belongs to it */
} faulty[] = {
    {FAULT_MAP, ENOMEM, SDB_ENOMEM},       {FAULT_UNMAP, ENOMEM, SDB_OK},        {FAULT_ALLOCATE, ENOSPC, SDB_ENOSPC},
    {FAULT_ALLOCATE, EIO, SDB_EIO},        {FAULT_WRITE, ENOSPC, SDB_ENOSPC},    {FAULT_WRITE, EIO, SDB_EIO},
    {FAULT_SYNC, EIO, SDB_EIO},            {FAULT_SYNC, ENOSPC, SDB_ENOSPC},     {FAULT_TRUNCATE, EIO, SDB_EIO},
    {FAULT_TRUNCATE, ENOSPC, SDB_ENOSPC},  {FAULT_OPEN, EMFILE, SDB_EIO},        {FAULT_OPEN, EACCES, SDB_EACCESS},
    {FAULT_OPEN, ENOMEM, SDB_ENOMEM},      {FAULT_LOCK, ENOLCK, SDB_EIO},        {FAULT_READ, EIO, SDB_EIO},
    {FAULT_READ, ENOMEM, SDB_ENOMEM},
};
#define FAULTY (sizeof(faulty) / sizeof(faulty[0]))

struct place {
    const char *directory;
    uint32_t durability;
};

/* One pool, and what was acknowledged of it. */
struct subject {
    char path[96];
    struct sdb_options options;
    struct sdb_pool *pool;
    struct sdb_session *session;
    unsigned acknowledged; /* keys 0 to this, less one */
    unsigned fault;        /* of faulty[] */
    uint64_t failed;       /* calls, in the last attempt */
    unsigned long sum;     /* of them */
};

static char leftover[96];

static int tear_down(void **state)
{
    (void)state;
    faults_disarm();
    faults_choose(0);
    if (leftover[0] != '\0')
        (void)unlink(leftover);
    leftover[0] = '\0';
    return 0;
}

/* ---- what a process holds -------------------------------------------------------------------------------------------- */

struct holdings {
    unsigned descriptors;
    unsigned mappings; /* of the pool's file */
    uint64_t reserved; /* bytes that nobody may touch: address space kept for growth */
};

static unsigned count_descriptors(void)
{
    DIR *all = opendir("/proc/self/fd");
    unsigned count = 0;

    assert_non_null(all);
    while (readdir(all) != NULL)
        count++;
    (void)closedir(all);
    return count;
}

/* AddressSanitizer's allocator keeps tens of gigabytes for each size of block, and takes of it as it goes: no pool here keeps as much. */
#ifdef __SANITIZE_ADDRESS__
#define RESERVED_MAX (16ull << 30)
#else
#define RESERVED_MAX UINT64_MAX
#endif

static struct holdings holdings_of(const struct subject *s)
{
    struct holdings held = {.descriptors = count_descriptors()};
    FILE *maps = fopen("/proc/self/maps", "re");
    char line[512];

    assert_non_null(maps);
    while (fgets(line, sizeof(line), maps) != NULL) {
        unsigned long long from, to;
        char rights[8];

        if (sscanf(line, "%llx-%llx %7s", &from, &to, rights) == 3 && strcmp(rights, "---p") == 0 &&
            to - from < RESERVED_MAX)
            held.reserved += to - from;
        held.mappings += strstr(line, s->path) != NULL;
    }
    (void)fclose(maps);
    return held;
}

static void verify_holdings(const struct subject *s, struct holdings before)
{
    const struct holdings now = holdings_of(s);

    if (now.descriptors != before.descriptors)
        fail_msg("%u descriptors are open, %u were", now.descriptors, before.descriptors);
    if (faulty[s->fault].kind == FAULT_UNMAP) /* what the kernel does not give back cannot be given back */
        return;
    if (now.mappings != before.mappings || now.reserved != before.reserved)
        fail_msg("%u mappings of the pool and %llu bytes reserved, %u and %llu were", now.mappings,
                 (unsigned long long)now.reserved, before.mappings, (unsigned long long)before.reserved);
}

/* ---- the subject ----------------------------------------------------------------------------------------------------- */

static void subject_init(struct subject *s, const struct place *place)
{
    memset(s, 0, sizeof(*s));
    snprintf(s->path, sizeof(s->path), "%s/superdb-files-%d.sdb", place->directory, (int)getpid());
    s->options = (struct sdb_options)SDB_OPTIONS_INIT;
    s->options.pool_size = SIZE;
    s->options.pool_size_max = SIZE_MAX_;
    s->options.shards = 2;
    s->options.durability = place->durability;
    s->options.cache_size = 0;
    memcpy(leftover, s->path, sizeof(leftover));
    (void)unlink(s->path);
}

static int open_as(struct subject *s, uint32_t flags)
{
    s->options.flags = flags;
    return sdb_open(s->path, &s->options, &s->pool);
}

static int set_next(struct subject *s)
{
    char key[32];
    int size = snprintf(key, sizeof(key), "key:%u", s->acknowledged);
    int error = sdb_set(s->session, key, (size_t)size, key, (size_t)size, NULL);

    s->acknowledged += error == SDB_OK;
    return error;
}

static void verify_keys(const struct subject *s, struct sdb_session *session)
{
    for (unsigned i = 0; i < s->acknowledged; i++) {
        char key[32], value[32];
        int size = snprintf(key, sizeof(key), "key:%u", i);
        size_t value_size;

        assert_ok(sdb_get(session, key, (size_t)size, value, sizeof(value), &value_size));
        assert_int_equal(value_size, size);
        assert_memory_equal(value, key, (size_t)size);
    }
}

/* Opens without faults: everything acknowledged is there, the check is clean, the pool goes on. Leaves it open. */
static void open_soundly(struct subject *s, uint32_t flags)
{
    struct sdb_check result;

    assert_ok(open_as(s, flags));
    assert_ok(sdb_session_open(s->pool, &s->session));
    verify_keys(s, s->session);
    assert_ok(sdb_check(s->pool, fixture_note_problem, NULL, &result));
    assert_int_equal(result.keys, s->acknowledged);
    if ((flags & SDB_READONLY) == 0)
        assert_ok(set_next(s));
}

static void close_soundly(struct subject *s)
{
    sdb_session_close(s->session);
    assert_ok(sdb_close(s->pool));
    s->session = NULL;
    s->pool = NULL;
}

/* A process that is killed with the pool open. */
static void leave_by_a_kill(struct subject *s)
{
    pid_t child = fork();
    int status;

    assert_true(child >= 0);
    if (child == 0) {
        bool well = open_as(s, 0) == SDB_OK && sdb_session_open(s->pool, &s->session) == SDB_OK && set_next(s) == SDB_OK;

        _exit(well ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    s->acknowledged++;
}

/* An attempt under faults may fail with the error of its errno, and with no other; in such a case a call did fail. */
static bool judge(struct subject *s, int error)
{
    s->failed = faults->failed;
    s->sum += s->failed;
    faults_disarm();
    if (error == SDB_OK)
        return true;
    if ((error != faulty[s->fault].error && !(error == SDB_EIO && faulty[s->fault].kind == FAULT_SYNC)) || s->failed == 0)
        fail_msg("%s (%s) after %llu faults of kind %u with errno %d", sdb_strerror(error), sdb_last_error(),
                 (unsigned long long)s->failed, (unsigned)faulty[s->fault].kind, faulty[s->fault].number);
    if (strstr(sdb_last_error(), s->path) == NULL)
        fail_msg("\"%s\" does not say which pool", sdb_last_error());
    return false;
}

/* ---- the stages of a pool's life ------------------------------------------------------------------------------------- */

static void arm(const struct subject *s, uint64_t n, uint64_t count)
{
    faults_choose(faulty[s->fault].number);
    faults_arm(FAULT_BIT(faulty[s->fault].kind), n, count);
}

/* Under faults, and then, if that failed, without: a failed creation leaves nothing that the second one trips over. */
static void creating(struct subject *s, uint64_t n, uint64_t count)
{
    struct holdings before;

    (void)unlink(s->path);
    s->acknowledged = 0;
    before = holdings_of(s);
    arm(s, n, count);
    if (judge(s, open_as(s, SDB_CREATE | SDB_EXCLUSIVE))) {
        assert_ok(sdb_close(s->pool));
    } else {
        struct stat facts;

        const bool is_left = stat(s->path, &facts) == 0;

        /* Without the lock it cannot be removed: somebody else may be about to use it. */
        if (is_left && (facts.st_size != 0 || (faulty[s->fault].kind != FAULT_LOCK && faulty[s->fault].kind != FAULT_READ)))
            fail_msg("a failed creation (%s) leaves a file of %llu bytes", sdb_last_error(), (unsigned long long)facts.st_size);
        assert_ok(open_as(s, is_left ? SDB_CREATE : SDB_CREATE | SDB_EXCLUSIVE));
        assert_ok(sdb_close(s->pool));
    }
    verify_holdings(s, before);
}

static void opening_as(struct subject *s, uint64_t n, uint64_t count, uint32_t flags)
{
    const struct holdings before = holdings_of(s);

    arm(s, n, count);
    if (judge(s, open_as(s, flags))) {
        struct sdb_check result;

        assert_ok(sdb_check(s->pool, fixture_note_problem, NULL, &result));
        assert_int_equal(result.keys, s->acknowledged);
        assert_ok(sdb_close(s->pool));
    }
    verify_holdings(s, before);
    open_soundly(s, flags);
    close_soundly(s);
}

static void opening(struct subject *s, uint64_t n, uint64_t count)
{
    opening_as(s, n, count, n % 2 ? SDB_CREATE : 0);
}

static void opening_after_a_kill(struct subject *s, uint64_t n, uint64_t count)
{
    leave_by_a_kill(s);
    opening_as(s, n, count, 0);
}

static void reading_only(struct subject *s, uint64_t n, uint64_t count)
{
    opening_as(s, n, count, SDB_READONLY);
}

/* A failed resize leaves the pool as it was, and it goes on; only a failed msync of class msync ends writing. */
static void resizing(struct subject *s, uint64_t n, uint64_t count)
{
    struct holdings before;
    struct sdb_pool_info info;
    bool resized;

    (void)unlink(s->path);
    s->acknowledged = 0;
    before = holdings_of(s);
    open_soundly(s, SDB_CREATE);
    arm(s, n, count);
    resized = judge(s, sdb_resize(s->pool, SIZE + 4 * MIB));
    sdb_pool_info(s->pool, &info);
    assert_int_equal(info.size, resized ? SIZE + 4 * MIB : SIZE);
    verify_keys(s, s->session);
    if (info.failed) {
        assert_int_equal(faulty[s->fault].kind, FAULT_SYNC);
        assert_int_equal(info.durability, SDB_DURABILITY_MSYNC);
        assert_int_equal(set_next(s), SDB_EFAILED);
        sdb_session_close(s->session);
        (void)sdb_close(s->pool);
    } else {
        assert_ok(set_next(s));
        assert_ok(sdb_resize(s->pool, SIZE + 6 * MIB));
        assert_ok(set_next(s));
        close_soundly(s);
    }
    verify_holdings(s, before);
    open_soundly(s, 0);
    assert_ok(sdb_resize(s->pool, SIZE + 8 * MIB));
    close_soundly(s);
}

/* The pool is closed, whatever is returned. */
static void closing(struct subject *s, uint64_t n, uint64_t count)
{
    struct holdings before = holdings_of(s);
    bool clean;

    open_soundly(s, 0);
    sdb_session_close(s->session);
    arm(s, n, count);
    clean = judge(s, sdb_close(s->pool));
    verify_holdings(s, before);
    open_soundly(s, 0);
    if (clean) /* else one of the superblock's copies may say so already */
        assert_false(s->pool->recovered);
    close_soundly(s);
}

/* ---- in particular ---------------------------------------------------------------------------------------------------- */

static const struct place in_memory = {"/dev/shm", SDB_DURABILITY_PROCESS};
static const struct place plain_file = {"/var/tmp", SDB_DURABILITY_PROCESS};
static const struct place synced_file = {"/var/tmp", SDB_DURABILITY_MSYNC};

static unsigned fault_of(enum fault_kind kind)
{
    unsigned i = 0;

    while (faulty[i].kind != kind)
        i++;
    return i;
}

static void read_copies(const struct subject *s, struct sdb_m_superblock sb[2])
{
    static const uint64_t copies[] = {SB_COPY_OFFSET_A, SB_COPY_OFFSET_B};

    for (unsigned i = 0; i < 2; i++)
        memcpy(&sb[i], s->pool->file.base + copies[i], sizeof(sb[i]));
}

/* The sequence numbers of the superblock's two copies, the lower one first. */
static void read_sequences(const struct subject *s, uint64_t sequences[2])
{
    struct sdb_m_superblock sb[2];

    read_copies(s, sb);
    sequences[0] = sb[0].sequence < sb[1].sequence ? sb[0].sequence : sb[1].sequence;
    sequences[1] = sb[0].sequence < sb[1].sequence ? sb[1].sequence : sb[0].sequence;
}

/* The resize allocates and syncs zeros, and then cannot write its superblock back. */
static void fail_to_write_the_superblock_back(struct subject *s)
{
    s->fault = fault_of(FAULT_SYNC);
    arm(s, 1, 1);
    assert_false(judge(s, sdb_resize(s->pool, SIZE + 4 * MIB)));
    assert_non_null(strstr(sdb_last_error(), "superblock"));
}

static void a_sequence_number_of_the_superblock_stands_for_one_content(void **state)
{
    uint64_t before[2], failed[2], after[2];
    struct sdb_m_superblock sb[2];
    struct subject s;
    (void)state;

    subject_init(&s, &plain_file);
    open_soundly(&s, SDB_CREATE);
    read_sequences(&s, before);
    fail_to_write_the_superblock_back(&s);
    read_sequences(&s, failed);
    assert_true(failed[0] > before[1]);
    read_copies(&s, sb);
    assert_true(sb[0].size == SIZE && sb[1].size == SIZE); /* what could not be changed, again in both */
    assert_ok(sdb_resize(s.pool, SIZE + 6 * MIB));
    read_sequences(&s, after);
    assert_true(after[0] > failed[1]);
    close_soundly(&s);
    assert_int_equal(unlink(s.path), 0);
}

/* The first leaves the file long and says so; the second cuts the end off, finds no room, and then the process is killed. */
static void two_resizes_that_fail_and_a_kill_leave_a_pool_that_opens(void **state)
{
    struct subject s;
    pid_t child;
    int status;
    (void)state;

    subject_init(&s, &plain_file);
    open_soundly(&s, SDB_CREATE);
    close_soundly(&s);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        open_soundly(&s, 0);
        fail_to_write_the_superblock_back(&s);
        s.fault = fault_of(FAULT_ALLOCATE);
        arm(&s, 0, 1);
        _exit(!judge(&s, sdb_resize(s.pool, SIZE + 4 * MIB)) && set_next(&s) == SDB_OK ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    s.acknowledged += 2;
    open_soundly(&s, 0);
    assert_true(s.pool->recovered);
    close_soundly(&s);
    assert_int_equal(unlink(s.path), 0);
}

/* A file system of 24 MiB, which ends with the process. */
static bool enter_a_small_file_system(const char *directory)
{
    return unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("superdb", directory, "tmpfs", 0, "size=24m") == 0;
}

/* In a process of its own. Returns its exit status: 0, or 2 where nothing may be mounted. */
static int grow_until_the_file_system_is_full(const char *directory)
{
    const struct place place = {directory, SDB_DURABILITY_PROCESS};
    struct sdb_pool_info info;
    struct subject s;
    int error;

    if (!enter_a_small_file_system(directory))
        return 2;
    subject_init(&s, &place);
    open_soundly(&s, SDB_CREATE);
    error = sdb_resize(s.pool, SIZE_MAX_);
    sdb_pool_info(s.pool, &info);
    if (error != SDB_ENOSPC || info.size != SIZE || info.failed || set_next(&s) != SDB_OK)
        return 1;
    if (sdb_resize(s.pool, SIZE + 4 * MIB) != SDB_OK || set_next(&s) != SDB_OK)
        return 1;
    close_soundly(&s);
    open_soundly(&s, 0);
    close_soundly(&s);
    return 0;
}

static void a_full_file_system_refuses_growth_and_the_pool_goes_on(void **state)
{
    char directory[] = "/tmp/superdb-files-XXXXXX";
    pid_t child;
    int status;
    (void)state;

    assert_non_null(mkdtemp(directory));
    child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(grow_until_the_file_system_is_full(directory));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(rmdir(directory), 0);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 2)
        skip(); /* the loop over fallocate says the same */
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* A child that was left holds the same open file. */
static void a_pool_that_was_closed_is_not_locked_by_a_child(void **state)
{
    struct subject s;
    int pipes[2];
    pid_t child;
    char byte;
    (void)state;

    subject_init(&s, &in_memory);
    open_soundly(&s, SDB_CREATE);
    assert_int_equal(pipe(pipes), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(pipes[1]);
        _exit(read(pipes[0], &byte, 1) == 0 ? 0 : 1); /* until the parent closes its end */
    }
    close(pipes[0]);
    close_soundly(&s);
    open_soundly(&s, 0);
    close_soundly(&s);
    close(pipes[1]);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_int_equal(unlink(s.path), 0);
}

/* It would be a promise less than the medium keeps, and nobody would know. */
static void no_room_to_ask_for_map_sync_is_no_weaker_class(void **state)
{
    struct subject s;
    (void)state;

    subject_init(&s, &in_memory);
    open_soundly(&s, SDB_CREATE);
    close_soundly(&s);
    s.fault = fault_of(FAULT_MAP);
    arm(&s, 0, 1);
    assert_false(judge(&s, open_as(&s, 0)));
    open_soundly(&s, 0);
    close_soundly(&s);
    assert_int_equal(unlink(s.path), 0);
}

/* ---- the loop -------------------------------------------------------------------------------------------------------- */

typedef void stage(struct subject *s, uint64_t n, uint64_t count);

static unsigned long loop(struct subject *s, stage *act, uint64_t count)
{
    uint64_t n = 0;

    do {
        assert_true(n < ROUNDS_MAX);
        act(s, n++, count);
    } while (s->failed != 0);
    return n - 1;
}

static void survive(const struct place *place, stage *act)
{
    unsigned long calls = 0;
    struct subject s;

    subject_init(&s, place);
    open_soundly(&s, SDB_CREATE);
    close_soundly(&s);
    for (s.fault = 0; s.fault < FAULTY; s.fault++) {
        calls += loop(&s, act, 1);
        (void)loop(&s, act, UINT64_MAX);
    }
    assert_true(calls > 0);
    print_message("%lu faults\n", s.sum);
    assert_int_equal(unlink(s.path), 0);
}

#define SURVIVES(stage, place)                                                                                         \
    static void stage##_survives_any_call_that_fails_##place(void **state)                                             \
    {                                                                                                                  \
        (void)state;                                                                                                   \
        survive(&place, stage);                                                                                        \
    }
#define SURVIVES_EVERYWHERE(stage) SURVIVES(stage, in_memory) SURVIVES(stage, plain_file) SURVIVES(stage, synced_file)

SURVIVES_EVERYWHERE(creating)
SURVIVES_EVERYWHERE(opening)
SURVIVES_EVERYWHERE(opening_after_a_kill)
SURVIVES_EVERYWHERE(reading_only)
SURVIVES_EVERYWHERE(resizing)
SURVIVES_EVERYWHERE(closing)

#define TEST(name) cmocka_unit_test_teardown(name, tear_down)
#define TESTS(stage)                                                                                                   \
    TEST(stage##_survives_any_call_that_fails_in_memory), TEST(stage##_survives_any_call_that_fails_plain_file),       \
        TEST(stage##_survives_any_call_that_fails_synced_file)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TESTS(creating), TESTS(opening), TESTS(opening_after_a_kill), TESTS(reading_only), TESTS(resizing), TESTS(closing),
        TEST(a_sequence_number_of_the_superblock_stands_for_one_content),
        TEST(two_resizes_that_fail_and_a_kill_leave_a_pool_that_opens),
        TEST(a_full_file_system_refuses_growth_and_the_pool_goes_on),
        TEST(a_pool_that_was_closed_is_not_locked_by_a_child),
        TEST(no_room_to_ask_for_map_sync_is_no_weaker_class),
    };

    faults_sync_nothing();
    if (argc > 1) /* one of them */
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
