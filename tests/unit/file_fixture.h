/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * file_fixture.h - a directory for each test of pool files: pools opened in it, refused, looked into and damaged
 *
 * Include it behind cmocka.h. IN_MEMORY tests have theirs in /dev/shm where there is one, ON_DISK tests in /var/tmp.
 */
#ifndef SDB_TESTS_FILE_FIXTURE_H
#define SDB_TESTS_FILE_FIXTURE_H

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "file.h"
#include "superblock.h"

#define MIB (1ull << 20)
#define SIZE (16 * MIB)

static char directory[64];
static char path[128];
static struct pool_file pool; /* must not move: see file.h */

static inline void enter_directory(const char *parent)
{
    (void)snprintf(directory, sizeof(directory), "%s/superdb-file-XXXXXX", parent);
    assert_non_null(mkdtemp(directory));
    (void)snprintf(path, sizeof(path), "%s/pool", directory);
}

static inline int set_up(void **state)
{
    (void)state;
    assert_int_equal(unsetenv("SUPERDB_FLUSH"), 0);
    enter_directory(access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    return 0;
}

static inline int set_up_on_disk(void **state)
{
    (void)state;
    assert_int_equal(unsetenv("SUPERDB_FLUSH"), 0);
    enter_directory("/var/tmp");
    return 0;
}

static inline int tear_down(void **state)
{
    (void)state;
    (void)unlink(path);
    return rmdir(directory); /* fails where a test left anything else behind */
}

static inline struct sdb_options with_flags(uint32_t flags)
{
    struct sdb_options options = SDB_OPTIONS_INIT;

    options.flags = flags;
    options.pool_size = SIZE;
    options.pool_size_max = 4 * SIZE;
    return options;
}

static inline int open_with(uint32_t flags)
{
    struct sdb_options options = with_flags(flags);

    error_clear();
    return pool_file_open(path, &options, &pool);
}

/* Opens and expects to be refused so, with these words about this path. */
static inline void expect_refusal(uint32_t flags, int error, const char *words)
{
    assert_int_equal(open_with(flags), error);
    if (strstr(error_text(), words) == NULL || strstr(error_text(), path) == NULL)
        fail_msg("\"%s\" does not say \"%s\" of %s", error_text(), words, path);
}

static inline void make_clean_pool(void)
{
    assert_int_equal(open_with(SDB_CREATE), 0);
    assert_int_equal(pool_file_mark_open(&pool), 0);
    assert_int_equal(pool_file_mark_clean(&pool), 0);
    pool_file_close(&pool);
}

static inline uint64_t file_size(void)
{
    struct stat facts;

    assert_int_equal(stat(path, &facts), 0);
    return (uint64_t)facts.st_size;
}

static inline int exists(void)
{
    return access(path, F_OK) == 0;
}

static inline void write_file(uint64_t offset, const void *bytes, size_t size)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, bytes, size, (off_t)offset), size);
    assert_int_equal(close(fd), 0);
}

static inline void read_file(uint64_t offset, void *bytes, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(pread(fd, bytes, size, (off_t)offset), size);
    assert_int_equal(close(fd), 0);
}

static inline struct sdb_m_superblock read_copy(int copy)
{
    struct sdb_m_superblock sb;

    read_file(copy == 0 ? SB_COPY_OFFSET_A : SB_COPY_OFFSET_B, &sb, sizeof(sb));
    return sb;
}

static inline void write_copy(int copy, const struct sdb_m_superblock *sb, size_t size)
{
    write_file(copy == 0 ? SB_COPY_OFFSET_A : SB_COPY_OFFSET_B, sb, size);
}

static inline void expect_zeros(const uint8_t *bytes, uint64_t from, uint64_t to)
{
    for (uint64_t i = from; i < to; i++) {
        if (bytes[i] != 0)
            fail_msg("byte %llu is %02x", (unsigned long long)i, bytes[i]);
    }
}

/* The file system is full, as far as this process can tell. Returns what pool_file_open or _grow answered. */
static inline int with_file_size_limit(uint64_t limit, int (*attempt)(void))
{
    struct rlimit before;
    struct rlimit now;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    now = before;
    now.rlim_cur = limit;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &now), 0);
    int error = attempt();
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    (void)signal(SIGXFSZ, handler);
    return error;
}

#define IN_MEMORY(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
#define ON_DISK(test) cmocka_unit_test_setup_teardown(test, set_up_on_disk, tear_down)

#endif
