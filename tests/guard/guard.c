/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * guard.c - guard counts DIRECTORY | guard ratios DIRECTORY
 *
 * Output: lines of words, for scripts/bench-guard.sh. Exit status 3: counting was asked for outside of callgrind.
 */
#include "guard.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>
#include <valgrind/callgrind.h>

#define POOL_SIZE (64u << 20) /* the least that has lanes of the usual size */
#define CACHE_SIZE (8u << 20) /* holds all the keys several times */

static struct sdb_stats before;

/* The same pools in every run: their identity seeds the hashes, and so decides what collides (linked with --wrap). */
ssize_t __wrap_getrandom(void *bytes, size_t size, unsigned flags);
ssize_t __wrap_getrandom(void *bytes, size_t size, unsigned flags)
{
    static unsigned char next;

    (void)flags;
    for (size_t i = 0; i < size; i++)
        ((unsigned char *)bytes)[i] = (unsigned char)(next++ * 167u + 13u);
    return (ssize_t)size;
}

void guard_must(int result, const char *what)
{
    if (result == SDB_OK)
        return;
    fprintf(stderr, "guard: %s: %s: %s\n", what, sdb_strerror(result), sdb_last_error());
    exit(1);
}

void guard_key(char kind, uint64_t number, char key[GUARD_KEY_SIZE])
{
    char text[GUARD_KEY_SIZE + 1];

    snprintf(text, sizeof(text), "%c:%014" PRIu64, kind, number % 100000000000000u);
    memcpy(key, text, GUARD_KEY_SIZE);
}

void guard_begin(struct sdb_pool *pool)
{
    sdb_stats(pool, &before);
    CALLGRIND_START_INSTRUMENTATION;
    CALLGRIND_ZERO_STATS;
}

void guard_end(struct sdb_pool *pool, const char *name, uint64_t operations)
{
    struct sdb_stats after;

    CALLGRIND_DUMP_STATS_AT(name);
    sdb_stats(pool, &after);
    printf("%s %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", name, operations, after.fences - before.fences,
           after.flushed_lines - before.flushed_lines, after.cache_hits - before.cache_hits);
    fflush(stdout);
}

struct sdb_pool *guard_open(const char *directory, const char *name, uint64_t cache_size)
{
    struct sdb_options options = SDB_OPTIONS_INIT;
    struct sdb_pool *pool;
    char path[1024];

    snprintf(path, sizeof(path), "%s/%s.sdb", directory, name);
    options.flags = SDB_CREATE | SDB_EXCLUSIVE;
    options.pool_size = POOL_SIZE;
    options.cache_size = cache_size;
    guard_must(sdb_open(path, &options, &pool), path);
    (void)unlink(path); /* the mapping is all that is needed, and nothing is left behind */
    return pool;
}

/* What the instructions depend on besides the sources. */
static void print_made(struct sdb_pool *pool)
{
    struct sdb_pool_info info;

    sdb_pool_info(pool, &info);
#if defined(__clang__)
    printf("made clang %s %s\n", __clang_version__, info.simd);
#else
    printf("made gcc %s %s\n", __VERSION__, info.simd);
#endif
}

static int count(const char *directory)
{
    struct sdb_pool *pool, *uncached, *collections;

    if (!RUNNING_ON_VALGRIND) {
        fprintf(stderr, "guard: instructions are counted by callgrind alone; see scripts/bench-guard.sh\n");
        return 3;
    }
    pool = guard_open(directory, "cached", CACHE_SIZE);
    uncached = guard_open(directory, "uncached", 0);
    print_made(pool);
    guard_fill(pool);
    guard_fill(uncached);
    guard_embedded(pool, uncached);
    guard_must(sdb_close(uncached), "closing");
    guard_requests(pool);
    guard_must(sdb_close(pool), "closing");
    collections = guard_open(directory, "collections", 0);
    guard_collections(collections);
    guard_must(sdb_close(collections), "closing");
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "counts") == 0)
        return count(argv[2]);
    if (argc == 3 && strcmp(argv[1], "ratios") == 0) {
        guard_ratios(argv[2]);
        return 0;
    }
    fprintf(stderr, "usage: guard counts|ratios DIRECTORY\n");
    return 2;
}
