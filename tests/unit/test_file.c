/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_file.c - a pool's file: made whole or not at all, checked before it is used, and its durability told
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <sys/wait.h>

#include "file_fixture.h"

/* ---- creation ---- */

static void a_new_pool_is_zero_behind_its_superblock_and_has_no_holes(void **state)
{
    struct stat facts;
    (void)state;

    assert_int_equal(open_with(SDB_CREATE | SDB_EXCLUSIVE), 0);
    assert_int_equal(pool.created, 1);
    assert_int_equal(pool.was_clean, 1);
    assert_int_equal(pool.size, SIZE);
    assert_int_equal(pool.size_max, 4 * SIZE);
    assert_int_equal((uintptr_t)pool.base % EXTENT_SIZE, 0);
    expect_zeros(pool.base, SUPERBLOCK_AREA_SIZE, SIZE);
    assert_int_equal(stat(path, &facts), 0);
    assert_int_equal(facts.st_size, SIZE);
    assert_true((uint64_t)facts.st_blocks * 512 >= SIZE);
    assert_int_equal(facts.st_mode & 07777, 0600);
    pool_file_close(&pool);
}

static void the_mode_of_the_options_is_the_file_s(void **state)
{
    struct sdb_options options = with_flags(SDB_CREATE);
    struct stat facts;
    const mode_t mask = umask(0);
    (void)state;

    options.mode = 0640;
    assert_int_equal(pool_file_open(path, &options, &pool), 0);
    (void)umask(mask);
    pool_file_close(&pool);
    assert_int_equal(stat(path, &facts), 0);
    assert_int_equal(facts.st_mode & 07777, 0640);
}

static void nothing_is_made_unless_asked_for(void **state)
{
    (void)state;
    expect_refusal(0, SDB_ENOENT, "No such file");
    expect_refusal(SDB_READONLY, SDB_ENOENT, "No such file");
    assert_false(exists());
}

static void exclusive_creation_refuses_what_is_there_already(void **state)
{
    (void)state;
    make_clean_pool();
    expect_refusal(SDB_CREATE | SDB_EXCLUSIVE, SDB_EEXIST, "exists already");
    assert_int_equal(open_with(SDB_CREATE), 0);
    assert_int_equal(pool.created, 0);
    pool_file_close(&pool);
}

static void a_refused_creation_leaves_no_file(void **state)
{
    struct sdb_options options = with_flags(SDB_CREATE);
    (void)state;

    options.shards = 3;
    assert_int_equal(pool_file_open(path, &options, &pool), SDB_EINVAL);
    assert_false(exists());
    options = with_flags(SDB_CREATE);
    options.durability = 99;
    assert_int_equal(pool_file_open(path, &options, &pool), SDB_EINVAL);
    assert_false(exists());
    options = with_flags(SDB_CREATE | SDB_READONLY);
    assert_int_equal(pool_file_open(path, &options, &pool), SDB_EINVAL);
    assert_int_equal(pool_file_open("", NULL, &pool), SDB_EINVAL);
    assert_int_equal(pool_file_open(NULL, NULL, &pool), SDB_EINVAL);
}

static int try_to_create(void)
{
    return open_with(SDB_CREATE);
}

static void a_full_file_system_fails_the_creation_and_leaves_no_file(void **state)
{
    (void)state;
    assert_int_equal(with_file_size_limit(SIZE / 2, try_to_create), SDB_ENOSPC);
    assert_non_null(strstr(error_text(), "allocating 16 MiB"));
    assert_false(exists());
    make_clean_pool();
}

static void an_empty_file_is_no_pool_and_may_become_one(void **state)
{
    (void)state;
    write_file(0, "", 0);
    expect_refusal(0, SDB_EFORMAT, "empty");
    expect_refusal(SDB_CREATE | SDB_EXCLUSIVE, SDB_EEXIST, "exists already");
    assert_int_equal(open_with(SDB_CREATE), 0);
    assert_int_equal(pool.created, 1);
    pool_file_close(&pool);
}

static void a_creation_that_was_cut_short_is_named_and_started_over(void **state)
{
    (void)state;

    /* Cut short while the zeros were written, and between the two steps of the superblock. */
    for (int step = 0; step < 3; step++) {
        struct sdb_m_superblock sb;

        assert_int_equal(superblock_make(SIZE, 0, 0, 1, &sb), 0);
        sb.magic = 0;
        write_file(step == 0 ? SIZE / 2 - 1 : SIZE - 1, "", 1);
        if (step >= 1)
            write_copy(0, &sb, sizeof(sb));
        if (step >= 2)
            write_copy(1, &sb, sizeof(sb));
        expect_refusal(0, SDB_EFORMAT, "unfinished pool");
        expect_refusal(SDB_CREATE | SDB_ABSENT, SDB_EFORMAT, "unfinished pool");
        assert_int_equal(open_with(SDB_CREATE), 0);
        assert_int_equal(pool.created, 1);
        expect_zeros(pool.base, SUPERBLOCK_AREA_SIZE, SIZE);
        pool_file_close(&pool);
        assert_int_equal(unlink(path), 0);
    }
}

static void a_creation_cut_short_before_its_last_step_is_a_pool(void **state)
{
    const uint64_t no_magic = 0;
    (void)state;

    make_clean_pool();
    write_file(SB_COPY_OFFSET_B, &no_magic, sizeof(no_magic));
    assert_int_equal(open_with(0), 0);
    assert_int_equal(pool.healed, 1);
    pool_file_close(&pool);
}

static void a_foreign_file_is_refused_and_left_alone(void **state)
{
    static const char text[] = "a letter to somebody\n";
    char now[sizeof(text)];
    (void)state;

    write_file(0, text, sizeof(text));
    expect_refusal(0, SDB_EFORMAT, "not a SuperDB pool");
    expect_refusal(SDB_CREATE, SDB_EFORMAT, "not a SuperDB pool");
    read_file(0, now, sizeof(now));
    assert_memory_equal(now, text, sizeof(text));
    assert_int_equal(file_size(), sizeof(text));

    /* Zeros but for a byte somewhere are somebody's, too. */
    static const uint64_t places[] = {0, 8, 600, 5000, 100000, SIZE - 1};
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        assert_int_equal(unlink(path), 0);
        write_file(places[i] == 8 ? SIZE : SIZE - 1, "",
                   1); /* superblock bytes may be anything in a pool-sized file only */
        write_file(places[i], "x", 1);
        assert_int_equal(open_with(SDB_CREATE), SDB_EFORMAT);
        read_file(places[i], now, 1);
        assert_int_equal(now[0], 'x');
    }
}

/* ---- states ---- */

static void incarnation_and_state_follow_the_life_of_a_pool(void **state)
{
    (void)state;

    assert_int_equal(open_with(SDB_CREATE), 0);
    assert_int_equal(pool.superblock.incarnation, 0);
    assert_int_equal(pool_file_mark_open(&pool), 0);
    assert_int_equal(pool.superblock.incarnation, 1);
    assert_int_equal(pool.superblock.state, SB_STATE_OPEN);
    pool_file_close(&pool); /* as after a kill */

    assert_int_equal(open_with(0), 0);
    assert_int_equal(pool.was_clean, 0);
    assert_int_equal(pool.superblock.incarnation, 1);
    assert_int_equal(pool_file_mark_open(&pool), 0);
    assert_int_equal(pool_file_mark_clean(&pool), 0);
    pool_file_close(&pool);

    assert_int_equal(open_with(0), 0);
    assert_int_equal(pool.was_clean, 1);
    assert_int_equal(pool.superblock.incarnation, 2);
    pool_file_close(&pool);
}

static void opening_alone_writes_nothing(void **state)
{
    static uint8_t before[SIZE];
    static uint8_t after[SIZE];
    (void)state;

    make_clean_pool();
    read_file(0, before, SIZE);
    assert_int_equal(open_with(0), 0);
    pool_file_close(&pool);
    assert_int_equal(open_with(SDB_READONLY), 0);
    pool_file_close(&pool);
    read_file(0, after, SIZE);
    assert_memory_equal(before, after, SIZE);
}

static void expect_same_but_for_the_sequence(void)
{
    struct sdb_m_superblock a = read_copy(0);
    struct sdb_m_superblock b = read_copy(1);

    assert_true(a.sequence == b.sequence + 1 || b.sequence == a.sequence + 1);
    a.sequence = b.sequence;
    a.checksum = b.checksum;
    assert_memory_equal(&a, &b, sizeof(a));
}

static void both_copies_say_the_same_after_each_change(void **state)
{
    (void)state;

    assert_int_equal(open_with(SDB_CREATE), 0);
    assert_int_equal(pool_file_mark_open(&pool), 0);
    expect_same_but_for_the_sequence();
    assert_int_equal(pool_file_grow(&pool, 2 * SIZE), 0);
    expect_same_but_for_the_sequence();
    assert_int_equal(pool_file_mark_clean(&pool), 0);
    expect_same_but_for_the_sequence();
    pool_file_close(&pool);
}

static void a_change_of_state_costs_two_fences_the_first_after_an_open_three_and_the_first_of_all_three(void **state)
{
    (void)state;

    assert_int_equal(setenv("SUPERDB_FLUSH", persist_flush_name(persist_flush_best()), 1), 0);
    assert_int_equal(open_with(SDB_CREATE), 0);
    assert_int_equal(pool_file_mark_open(&pool), 0); /* behind the words of the root and of the lanes (root.h) */
    assert_int_equal(pool.thread.fences, 3);
    assert_int_equal(pool.thread.lines, pool.persistent_caches ? 0 : 16 + 3 + pool.superblock.lanes);
    pool_file_close(&pool);
    assert_int_equal(open_with(0), 0);
    assert_int_equal(pool_file_mark_open(&pool), 0); /* the copy that was found is flushed before the other one is written */
    assert_int_equal(pool.thread.fences, 3);
    assert_int_equal(pool.thread.lines, pool.persistent_caches ? 0 : 24);
    assert_int_equal(pool_file_mark_clean(&pool), 0);
    assert_int_equal(pool.thread.fences, 5);
    pool_file_close(&pool);
}

static void any_damaged_byte_of_either_copy_is_healed_and_loses_no_state(void **state)
{
    (void)state;

    assert_int_equal(open_with(SDB_CREATE), 0);
    assert_int_equal(pool_file_mark_open(&pool), 0);
    pool_file_close(&pool);
    for (uint64_t i = 0; i < 2 * sizeof(struct sdb_m_superblock); i++) {
        const uint64_t at =
            i < sizeof(struct sdb_m_superblock) ? i : SB_COPY_OFFSET_B + i - sizeof(struct sdb_m_superblock);
        uint8_t byte;

        read_file(at, &byte, 1);
        byte ^= 0x41;
        write_file(at, &byte, 1);
        assert_int_equal(open_with(0), 0);
        assert_int_equal(pool.was_clean, 0);
        assert_int_equal(pool.healed, 1);
        assert_int_equal(pool.superblock.incarnation, i + 1);
        assert_int_equal(pool_file_mark_open(&pool), 0);
        pool_file_close(&pool);
        expect_same_but_for_the_sequence();
        assert_int_equal(open_with(0), 0);
        assert_int_equal(pool.healed, 0);
        pool_file_close(&pool);
    }
}

static void damage_in_both_copies_is_refused(void **state)
{
    struct sdb_m_superblock sb;
    (void)state;

    make_clean_pool();
    sb = read_copy(0);
    sb.size++;
    write_copy(0, &sb, sizeof(sb));
    write_copy(1, &sb, sizeof(sb));
    expect_refusal(0, SDB_ECORRUPT, "both superblock copies are damaged");
    expect_refusal(SDB_CREATE, SDB_ECORRUPT, "both superblock copies are damaged");
}

static void a_change_that_was_cut_short_is_the_old_state_or_the_new(void **state)
{
    struct sdb_m_superblock next;
    (void)state;

    make_clean_pool();
    const int older = read_copy(0).sequence > read_copy(1).sequence;
    const struct sdb_m_superblock old = read_copy(older);
    next = read_copy(!older);
    next.sequence++;
    next.incarnation++;
    next.state = SB_STATE_OPEN;
    superblock_seal(&next);
    for (size_t lines = 0; lines <= sizeof(next) / LINE_SIZE; lines++) {
        write_copy(older, &old, sizeof(old));
        write_copy(older, &next, lines * LINE_SIZE);
        assert_int_equal(open_with(0), 0);
        assert_int_equal(pool.was_clean, lines < sizeof(next) / LINE_SIZE);
        assert_int_equal(pool.superblock.incarnation, lines < sizeof(next) / LINE_SIZE ? 1 : 2);
        pool_file_close(&pool);
    }
}

/* ---- what cannot be opened ---- */

static void a_shorter_file_is_refused_with_both_sizes(void **state)
{
    (void)state;
    make_clean_pool();
    assert_int_equal(truncate(path, SIZE - 4096), 0);
    expect_refusal(0, SDB_ECORRUPT, "it has 16773120 bytes, the superblock says 16777216");
    expect_refusal(SDB_CREATE, SDB_ECORRUPT, "it has 16773120 bytes");
    assert_int_equal(truncate(path, 600), 0);
    expect_refusal(SDB_READONLY, SDB_ECORRUPT, "it has 600 bytes, the superblock says 16777216");
    assert_int_equal(truncate(path, 200), 0);
    expect_refusal(SDB_CREATE, SDB_ECORRUPT, "it has 200 bytes");
    assert_int_equal(truncate(path, 5), 0);
    expect_refusal(SDB_CREATE, SDB_EFORMAT, "not a SuperDB pool");
}

static void a_newer_version_and_unknown_features_are_refused(void **state)
{
    struct sdb_m_superblock sb;
    (void)state;

    make_clean_pool();
    sb = read_copy(0);
    sb.ro_compat = 4;
    superblock_seal(&sb);
    write_copy(0, &sb, sizeof(sb));
    write_copy(1, &sb, sizeof(sb));
    expect_refusal(SDB_CREATE, SDB_EVERSION, "ro_compat bits 0x4");
    assert_int_equal(open_with(SDB_READONLY), 0);
    pool_file_close(&pool);
    sb.format_version = 9;
    superblock_seal(&sb);
    write_copy(0, &sb, sizeof(sb));
    write_copy(1, &sb, sizeof(sb));
    expect_refusal(SDB_CREATE, SDB_EVERSION, "format version 9");
}

static void what_is_no_regular_file_is_refused(void **state)
{
    (void)state;
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(open_with(SDB_CREATE), SDB_EINVAL);
    assert_int_equal(open_with(SDB_READONLY), SDB_EINVAL);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    expect_refusal(SDB_CREATE, SDB_EINVAL, "not a regular file");
    expect_refusal(SDB_READONLY, SDB_EINVAL, "not a regular file");
}

static void a_file_without_permission_is_refused(void **state)
{
    const uid_t user = geteuid();
    (void)state;

    make_clean_pool();
    assert_int_equal(chmod(directory, 0711), 0);
    assert_int_equal(chmod(path, 0), 0);
    if (user == 0)
        assert_int_equal(seteuid(65534), 0); /* root may do anything */
    int write_error = open_with(SDB_CREATE);
    int read_error = open_with(SDB_READONLY);
    if (user == 0)
        assert_int_equal(seteuid(user), 0);
    assert_int_equal(write_error, SDB_EACCESS);
    assert_int_equal(read_error, SDB_EACCESS);
}


/* ---- durability ---- */

static void the_class_and_its_reason_are_told(void **state)
{
    struct sdb_options options = with_flags(SDB_CREATE);
    (void)state;

    assert_int_equal(open_with(SDB_CREATE), 0);
    assert_true(pool.durability == SDB_DURABILITY_PROCESS || pool.durability == SDB_DURABILITY_PMEM);
    assert_int_equal(pool.durability == SDB_DURABILITY_PMEM, pool.map_sync);
    assert_int_equal(strncmp(pool.durability_reason, pool.file_system, strlen(pool.file_system)), 0);
    assert_true(pool_file_huge_page_bytes(&pool) <= pool.size);
    const int gives_pmem = pool.map_sync != 0;
    const int in_memory = pool.in_memory;
    pool_file_close(&pool);

    options.durability = SDB_DURABILITY_PMEM;
    int error = pool_file_open(path, &options, &pool);
    assert_int_equal(error, gives_pmem ? 0 : SDB_EDURABILITY);
    if (error == 0)
        pool_file_close(&pool);
    options.durability = SDB_DURABILITY_MSYNC;
    error = pool_file_open(path, &options, &pool);
    assert_int_equal(error, in_memory ? SDB_EDURABILITY : 0);
    if (error == 0)
        pool_file_close(&pool);
}

static void a_pool_on_disk_is_kept_by_msync(void **state)
{
    struct sdb_options options = with_flags(SDB_CREATE);
    (void)state;

    options.durability = SDB_DURABILITY_MSYNC;
    assert_int_equal(pool_file_open(path, &options, &pool), 0);
    assert_int_equal(pool.durability, SDB_DURABILITY_MSYNC);
    assert_int_equal(pool.persist.flush, PERSIST_MSYNC);
    assert_int_equal(pool_file_mark_open(&pool), 0);
    assert_int_equal(pool.thread.msyncs, 3);
    assert_int_equal(pool_file_grow(&pool, 2 * SIZE), 0);
    assert_int_equal(pool_file_mark_clean(&pool), 0);
    pool_file_close(&pool);
    assert_int_equal(open_with(0), 0); /* the class is the opener's choice, not the file's */
    assert_int_equal(pool.was_clean, 1);
    assert_int_equal(pool.size, 2 * SIZE);
    pool_file_close(&pool);
}

static void the_environment_chooses_the_flush(void **state)
{
    (void)state;

    assert_int_equal(setenv("SUPERDB_FLUSH", "none", 1), 0);
    assert_int_equal(open_with(SDB_CREATE), 0);
    assert_int_equal(pool.persist.flush, PERSIST_NONE);
    assert_int_equal(pool.persistent_caches, 1);
    assert_int_equal(pool_file_mark_open(&pool), 0);
    assert_int_equal(pool.thread.lines, 0);
    assert_int_equal(pool.thread.fences, 3);
    pool_file_close(&pool);
    assert_int_equal(setenv("SUPERDB_FLUSH", "nonsense", 1), 0);
    expect_refusal(0, SDB_EINVAL, "SUPERDB_FLUSH=nonsense");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_MEMORY(a_new_pool_is_zero_behind_its_superblock_and_has_no_holes),
        ON_DISK(a_new_pool_is_zero_behind_its_superblock_and_has_no_holes),
        IN_MEMORY(the_mode_of_the_options_is_the_file_s),
        IN_MEMORY(nothing_is_made_unless_asked_for),
        IN_MEMORY(exclusive_creation_refuses_what_is_there_already),
        IN_MEMORY(a_refused_creation_leaves_no_file),
        IN_MEMORY(a_full_file_system_fails_the_creation_and_leaves_no_file),
        ON_DISK(a_full_file_system_fails_the_creation_and_leaves_no_file),
        IN_MEMORY(an_empty_file_is_no_pool_and_may_become_one),
        IN_MEMORY(a_creation_that_was_cut_short_is_named_and_started_over),
        IN_MEMORY(a_creation_cut_short_before_its_last_step_is_a_pool),
        IN_MEMORY(a_foreign_file_is_refused_and_left_alone),
        IN_MEMORY(incarnation_and_state_follow_the_life_of_a_pool),
        IN_MEMORY(opening_alone_writes_nothing),
        IN_MEMORY(both_copies_say_the_same_after_each_change),
        IN_MEMORY(a_change_of_state_costs_two_fences_the_first_after_an_open_three_and_the_first_of_all_three),
        IN_MEMORY(any_damaged_byte_of_either_copy_is_healed_and_loses_no_state),
        IN_MEMORY(damage_in_both_copies_is_refused),
        IN_MEMORY(a_change_that_was_cut_short_is_the_old_state_or_the_new),
        IN_MEMORY(a_shorter_file_is_refused_with_both_sizes),
        IN_MEMORY(a_newer_version_and_unknown_features_are_refused),
        IN_MEMORY(what_is_no_regular_file_is_refused),
        IN_MEMORY(a_file_without_permission_is_refused),
        IN_MEMORY(the_class_and_its_reason_are_told),
        ON_DISK(the_class_and_its_reason_are_told),
        ON_DISK(a_pool_on_disk_is_kept_by_msync),
        IN_MEMORY(the_environment_chooses_the_flush),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
