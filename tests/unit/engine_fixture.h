/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * engine_fixture.h - a pool for a test of the engine: made, opened again cleanly or as a crash would leave it, checked, removed
 *
 * Include it behind cmocka.h. The pool lies in memory where there is a /dev/shm.
 */
#ifndef SDB_TESTS_ENGINE_FIXTURE_H
#define SDB_TESTS_ENGINE_FIXTURE_H

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "alias.h"
#include "pool.h"
#include "session.h"
#include "superdb/superdb.h"

#define MIB (1ull << 20)

struct fixture {
    char path[80];
    struct sdb_options options; /* for every open of it */
    struct sdb_pool *pool;
    struct sdb_session *session;
    uint64_t random;
};

#define assert_ok(call)                                                                                                \
    do {                                                                                                               \
        int assert_ok_ = (call);                                                                                       \
        if (assert_ok_ != SDB_OK)                                                                                      \
            fail_msg("%s: %s (%s)", #call, sdb_strerror(assert_ok_), sdb_last_error());                                \
    } while (0)

static inline uint64_t fixture_random(struct fixture *f, uint64_t n)
{
    f->random ^= f->random << 13;
    f->random ^= f->random >> 7;
    f->random ^= f->random << 17;
    return f->random % n;
}

static inline void fixture_open(struct fixture *f)
{
    assert_ok(sdb_open(f->path, &f->options, &f->pool));
    assert_ok(sdb_session_open(f->pool, &f->session));
}

/* A new pool of these sizes; 0 for the defaults of size_max and shards. */
static inline void fixture_create(struct fixture *f, uint64_t size, uint64_t size_max, uint32_t shards)
{
    static unsigned number;
    struct sdb_options options = SDB_OPTIONS_INIT;

    memset(f, 0, sizeof(*f));
    f->random = 88172645463325252ull;
    snprintf(f->path, sizeof(f->path), "%s/superdb-engine-%d-%u.sdb",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp", (int)getpid(), number++);
    unlink(f->path);
    options.flags = SDB_CREATE | SDB_EXCLUSIVE;
    options.pool_size = size;
    options.pool_size_max = size_max ? size_max : size;
    options.shards = shards;
    options.durability = SDB_DURABILITY_PROCESS;
    f->options = options;
    fixture_open(f);
    f->options.flags = 0;
    f->options.durability = SDB_DURABILITY_AUTO;
}

static inline void fixture_note_problem(void *context, uint64_t offset, const char *what)
{
    (void)context;
    fprintf(stderr, "check: offset %llu: %s\n", (unsigned long long)offset, what);
}

/* Everything reachable and everything allocated is right; gives the number of keys. */
static inline uint64_t fixture_check(const struct fixture *f)
{
    struct sdb_check result;

    assert_ok(sdb_check(f->pool, fixture_note_problem, NULL, &result));
    return result.keys;
}

static inline void fixture_close(struct fixture *f)
{
    sdb_session_close(f->session);
    f->session = NULL;
    assert_ok(sdb_close(f->pool));
    f->pool = NULL;
}

static inline void fixture_reopen(struct fixture *f)
{
    fixture_close(f);
    fixture_open(f);
}

/* Copies the pool as it is at this moment to a file, as if the process had been killed now. */
static inline void fixture_snapshot(const struct fixture *f, const char *path)
{
    static const uint8_t zeros[4096];
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)f->pool->file.size), 0);
    for (uint64_t at = 0; at < f->pool->file.size; at += sizeof(zeros))
        if (memcmp(f->pool->file.base + at, zeros, sizeof(zeros)) != 0)
            assert_int_equal(pwrite(fd, f->pool->file.base + at, sizeof(zeros), (off_t)at), sizeof(zeros));
    close(fd);
}

/* Opens what a kill at this moment would have left. */
static inline void fixture_crash(struct fixture *f)
{
    char copy[96];

    snprintf(copy, sizeof(copy), "%s.crash", f->path);
    fixture_snapshot(f, copy);
    fixture_close(f);
    assert_int_equal(rename(copy, f->path), 0);
    fixture_open(f);
    assert_true(f->pool->recovered);
}

/* Checks and removes it. */
static inline void fixture_destroy(struct fixture *f)
{
    (void)fixture_check(f);
    fixture_close(f);
    assert_int_equal(unlink(f->path), 0);
}

/* -- short ways -- */

static inline int fixture_set(const struct fixture *f, const char *key, const char *value)
{
    return sdb_set(f->session, key, strlen(key), value, strlen(value), NULL);
}

/* Whether the key holds this value. NULL: whether there is no such key. */
static inline bool fixture_has(const struct fixture *f, const char *key, const char *value)
{
    struct sdb_view view;
    int error = sdb_view(f->session, key, strlen(key), &view);
    bool same;

    if (error == SDB_ENOTFOUND)
        return value == NULL;
    assert_ok(error);
    same = value && view.size == strlen(value) && memcmp(view.data, value, view.size) == 0;
    sdb_view_release(f->session, &view);
    return same;
}

static inline struct sdb_stats fixture_stats(const struct fixture *f)
{
    struct sdb_stats stats;

    sdb_stats(f->pool, &stats);
    return stats;
}

static inline uint64_t fixture_count(const struct fixture *f)
{
    uint64_t count = UINT64_MAX;

    assert_ok(sdb_count(f->session, &count));
    return count;
}

#endif
