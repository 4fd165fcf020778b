/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_file_sync.c - what the engine syncs of a plain file, and in which order with what it writes
 *
 * The test's own fsync, fdatasync and msync note, beside doing it, what the superblock's copies said at that moment.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "file_fixture.h"

#define SYNCS_MAX 64u

struct sync {
    enum { SYNC_FILE, SYNC_DIRECTORY, SYNC_MAPPING } what;
    struct sdb_m_superblock copies[2];
    uint64_t allocated; /* bytes of the file, where one was synced */
};

static struct sync syncs[SYNCS_MAX];
static size_t sync_count;
static bool refused; /* the next msync fails */
static bool cannot_allocate;

static void note(int fd)
{
    struct sync *sync = &syncs[sync_count++];
    struct stat facts = {0}, of_directory;

    assert_true(sync_count < SYNCS_MAX);
    sync->what = SYNC_MAPPING;
    if (fd >= 0) {
        assert_int_equal(fstat(fd, &facts), 0);
        assert_int_equal(stat(directory, &of_directory), 0);
        sync->allocated = (uint64_t)facts.st_blocks * 512;
        sync->what = facts.st_ino == of_directory.st_ino && S_ISDIR(facts.st_mode) ? SYNC_DIRECTORY : SYNC_FILE;
    }
    for (int copy = 0; copy < 2; copy++) {
        int pool_fd = open(path, O_RDONLY | O_CLOEXEC);

        memset(&sync->copies[copy], 0, sizeof(sync->copies[copy]));
        if (pool_fd >= 0)
            (void)!pread(pool_fd, &sync->copies[copy], sizeof(sync->copies[copy]), copy ? SB_COPY_OFFSET_B : SB_COPY_OFFSET_A);
        (void)syscall(SYS_close, pool_fd);
    }
}

/* As file systems answer that know no allocation in advance. */
int fallocate(int fd, int mode, off_t offset, off_t size)
{
    if (cannot_allocate) {
        errno = EOPNOTSUPP;
        return -1;
    }
    return (int)syscall(SYS_fallocate, fd, mode, offset, size);
}

int fsync(int fd)
{
    note(fd);
    return (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
    note(fd);
    return (int)syscall(SYS_fdatasync, fd);
}

int msync(void *address, size_t size, int flags)
{
    note(-1);
    if (refused) {
        refused = false;
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_msync, address, size, flags);
}

/* Opens for the first time, or again; what is synced from here on is noted. */
static void open_plain(uint32_t flags)
{
    struct sdb_options options = with_flags(flags);

    options.durability = SDB_DURABILITY_PROCESS;
    sync_count = 0;
    assert_int_equal(pool_file_open(path, &options, &pool), 0);
    if (pool.in_memory) {
        pool_file_close(&pool);
        skip(); /* no disk behind /var/tmp */
    }
}

static const struct sync *last(int what)
{
    for (size_t i = sync_count; i-- > 0;)
        if ((int)syncs[i].what == what)
            return &syncs[i];
    fail_msg("it was never synced");
    return NULL;
}

static void a_new_pools_directory_is_synced_behind_its_superblock(void **state)
{
    (void)state;
    open_plain(SDB_CREATE);
    assert_int_equal(last(SYNC_DIRECTORY)->copies[0].magic, SB_MAGIC);
    assert_int_equal(last(SYNC_DIRECTORY)->copies[1].magic, SB_MAGIC);
    pool_file_close(&pool);
}

static void a_copys_magic_word_is_synced_before_the_other_is_written(void **state)
{
    int step = 0;
    (void)state;

    open_plain(SDB_CREATE);
    for (size_t i = 0; i < sync_count; i++) {
        const struct sync *sync = &syncs[i];
        const int magics = (sync->copies[0].magic == SB_MAGIC) + (sync->copies[1].magic == SB_MAGIC);

        if (sync->what != SYNC_FILE || sync->copies[0].checksum == 0)
            continue;
        assert_true(magics == step || magics + 1 == step);
        step = magics + 1;
    }
    assert_int_equal(step, 3); /* without, with one, with both */
    pool_file_close(&pool);
}

static void each_state_is_written_back_in_class_process(void **state)
{
    (void)state;
    open_plain(SDB_CREATE);
    sync_count = 0;
    assert_int_equal(pool_file_mark_open(&pool), 0);
    assert_int_equal(last(SYNC_MAPPING)->copies[0].state, SB_STATE_OPEN);
    assert_int_equal(last(SYNC_MAPPING)->copies[1].state, SB_STATE_OPEN);
    sync_count = 0;
    assert_int_equal(pool_file_mark_clean(&pool), 0);
    assert_int_equal(last(SYNC_MAPPING)->copies[0].state, SB_STATE_CLEAN);
    assert_int_equal(last(SYNC_MAPPING)->copies[1].state, SB_STATE_CLEAN);
    pool_file_close(&pool);
}

static void one_copy_is_written_back_before_the_other_changes(void **state)
{
    int changed = 0;

    (void)state;
    open_plain(SDB_CREATE);
    sync_count = 0;
    assert_int_equal(pool_file_mark_open(&pool), 0);
    for (size_t i = 0; i < sync_count; i++) {
        const struct sync *sync = &syncs[i];

        if (sync->what != SYNC_MAPPING)
            continue;
        assert_int_equal((sync->copies[0].state == SB_STATE_OPEN) + (sync->copies[1].state == SB_STATE_OPEN), changed + 1);
        changed++;
    }
    assert_int_equal(changed, 2);
    pool_file_close(&pool);
}

static void everything_is_written_back_before_the_pool_calls_itself_clean(void **state)
{
    (void)state;
    open_plain(SDB_CREATE);
    assert_int_equal(pool_file_mark_open(&pool), 0);
    sync_count = 0;
    assert_int_equal(pool_file_mark_clean(&pool), 0);
    assert_int_equal(last(SYNC_FILE)->copies[0].state, SB_STATE_OPEN);
    assert_int_equal(last(SYNC_FILE)->copies[1].state, SB_STATE_OPEN);
    pool_file_close(&pool);
}

static void what_was_recovered_is_written_back_before_the_incarnation_rises(void **state)
{
    (void)state;
    open_plain(SDB_CREATE);
    assert_int_equal(pool_file_mark_open(&pool), 0);
    const uint64_t incarnation = pool.superblock.incarnation;
    pool_file_close(&pool); /* not clean */
    open_plain(0);
    sync_count = 0;
    assert_int_equal(pool_file_mark_open(&pool), 0);
    assert_int_equal(last(SYNC_FILE)->copies[0].incarnation, incarnation);
    assert_int_equal(last(SYNC_FILE)->copies[1].incarnation, incarnation);
    pool_file_close(&pool);
}

static void a_growths_zeros_are_synced_before_the_superblock_tells_of_them(void **state)
{
    (void)state;
    open_plain(SDB_CREATE);
    assert_int_equal(pool_file_mark_open(&pool), 0);
    sync_count = 0;
    assert_int_equal(pool_file_grow(&pool, 2 * SIZE), 0);
    assert_int_equal(last(SYNC_FILE)->copies[0].size, SIZE);
    assert_int_equal(last(SYNC_FILE)->copies[1].size, SIZE);
    pool_file_close(&pool);
}

static void a_growth_is_written_where_nothing_can_be_allocated(void **state)
{
    (void)state;
    open_plain(SDB_CREATE);
    assert_int_equal(pool_file_mark_open(&pool), 0);
    sync_count = 0;
    cannot_allocate = true;
    assert_int_equal(pool_file_grow(&pool, 2 * SIZE), 0);
    cannot_allocate = false;
    assert_true(last(SYNC_FILE)->allocated >= 2 * SIZE);
    pool_file_close(&pool);
}

/* The drive may have either size: it must have the smaller one before the next growth can cut the file off. */
static void what_could_not_be_written_back_is_before_the_next_growth(void **state)
{
    (void)state;
    open_plain(SDB_CREATE);
    assert_int_equal(pool_file_mark_open(&pool), 0);
    refused = true;
    assert_int_equal(pool_file_grow(&pool, 2 * SIZE), SDB_EIO);
    assert_false(refused);
    sync_count = 0;
    assert_int_equal(pool_file_grow(&pool, 2 * SIZE), 0);
    assert_true(sync_count > 1 && syncs[0].what == SYNC_MAPPING);
    assert_true(syncs[0].copies[0].size == SIZE && syncs[0].copies[1].size == SIZE);
    pool_file_close(&pool);
}

/* As a scrub finds it. */
static void a_copy_that_is_written_anew_is_written_back(void **state)
{
    struct sdb_m_superblock sound;
    int mended;

    (void)state;
    open_plain(SDB_CREATE);
    assert_int_equal(pool_file_mark_open(&pool), 0);
    memcpy(&sound, pool.base + SB_COPY_OFFSET_A, sizeof(sound));
    *(uint8_t *)alias_of(pool.base + SB_COPY_OFFSET_A + 200) ^= 1;
    sync_count = 0;
    assert_int_equal(pool_file_look_at_copy(&pool, 0, 1, &mended), 1);
    assert_true(mended);
    assert_memory_equal(&last(SYNC_MAPPING)->copies[0], &sound, sizeof(sound));
    pool_file_close(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_DISK(a_new_pools_directory_is_synced_behind_its_superblock),
        ON_DISK(a_copys_magic_word_is_synced_before_the_other_is_written),
        ON_DISK(each_state_is_written_back_in_class_process),
        ON_DISK(one_copy_is_written_back_before_the_other_changes),
        ON_DISK(everything_is_written_back_before_the_pool_calls_itself_clean),
        ON_DISK(what_was_recovered_is_written_back_before_the_incarnation_rises),
        ON_DISK(a_growths_zeros_are_synced_before_the_superblock_tells_of_them),
        ON_DISK(a_growth_is_written_where_nothing_can_be_allocated),
        ON_DISK(what_could_not_be_written_back_is_before_the_next_growth),
        ON_DISK(a_copy_that_is_written_anew_is_written_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
