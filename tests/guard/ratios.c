/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ratios.c - what an operation costs in units of what the medium costs, both measured in turns a few milliseconds apart
 *
 * A ratio is made of two lower quartiles over the rounds: what others take of the machine hits the upper half of both sides.
 */
#include "guard.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "floor.h"
#include "keyspace.h"
#include "timing.h"

#define ROUNDS 100u
#define BATCH 1024u /* operations of a kind in a round */
#define FLOOR_SIZE (64u << 20)

enum timed { TIMED_ONE_LINE, TIMED_64_LINES, TIMED_UPDATE, TIMED_INSERT, TIMED_DELETE, TIMED_GROUP, TIMED_KINDS };

static const struct {
    const char *name;
    enum timed above, below;
} ratios[] = {
    {"update_of_store_flush_fence", TIMED_UPDATE, TIMED_ONE_LINE},
    {"insert_of_store_flush_fence", TIMED_INSERT, TIMED_ONE_LINE},
    {"delete_of_store_flush_fence", TIMED_DELETE, TIMED_ONE_LINE},
    {"group_64_of_flush_64_lines_a_fence", TIMED_GROUP, TIMED_64_LINES},
};

static struct sdb_session *session;
static uint64_t state = 1;

/* Cheaper to make than a key in words: it is timed. */
static void number_key(char kind, uint64_t number, char key[GUARD_KEY_SIZE])
{
    memset(key, kind, GUARD_KEY_SIZE);
    memcpy(key, &number, sizeof(number));
}

static void set_number(char kind, uint64_t number)
{
    char key[GUARD_KEY_SIZE];

    number_key(kind, number, key);
    guard_must(sdb_set(session, key, sizeof(key), (const char *)&state, GUARD_VALUE_SIZE, NULL), "set");
}

static double update_ns(void)
{
    uint64_t start = now_ns();

    for (unsigned i = 0; i < BATCH; i++)
        set_number('k', random64(&state) % GUARD_KEYS);
    return (double)(now_ns() - start) / BATCH;
}

static double group_ns(void)
{
    uint64_t start = now_ns();

    for (unsigned i = 0; i < BATCH; i++) {
        if (i % GUARD_GROUP == 0)
            guard_must(sdb_group_begin(session), "group");
        set_number('k', random64(&state) % GUARD_KEYS);
        if (i % GUARD_GROUP == GUARD_GROUP - 1)
            guard_must(sdb_group_end(session), "group");
    }
    return (double)(now_ns() - start) / BATCH;
}

static double insert_ns(void)
{
    uint64_t start = now_ns();

    for (unsigned i = 0; i < BATCH; i++)
        set_number('f', i);
    return (double)(now_ns() - start) / BATCH;
}

static double delete_ns(void)
{
    uint64_t start = now_ns();
    char key[GUARD_KEY_SIZE];

    for (unsigned i = 0; i < BATCH; i++) {
        number_key('f', i, key);
        guard_must(sdb_delete(session, key, sizeof(key)), "delete");
    }
    return (double)(now_ns() - start) / BATCH;
}

static int compare(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;

    return a < b ? -1 : a > b;
}

void guard_ratios(const char *directory)
{
    static double ns[TIMED_KINDS][ROUNDS];
    struct sdb_pool *pool = guard_open(directory, "ratios", 0);
    struct floor floor;
    char path[1000];

    snprintf(path, sizeof(path), "%s/floor", directory);
    if (floor_open(&floor, path, FLOOR_SIZE) != 0)
        exit(1);
    guard_must(sdb_session_open(pool, &session), "session");
    for (unsigned i = 0; i < GUARD_KEYS; i++)
        set_number('k', i);
    for (unsigned round = 0; round < ROUNDS; round++) {
        ns[TIMED_ONE_LINE][round] = floor_time(&floor, FLOOR_ONE_LINE);
        ns[TIMED_UPDATE][round] = update_ns();
        ns[TIMED_INSERT][round] = insert_ns();
        ns[TIMED_DELETE][round] = delete_ns();
        ns[TIMED_64_LINES][round] = floor_time(&floor, FLOOR_64_LINES);
        ns[TIMED_GROUP][round] = group_ns();
    }
    for (unsigned i = 0; i < TIMED_KINDS; i++)
        qsort(ns[i], ROUNDS, sizeof(ns[i][0]), compare);
    for (unsigned i = 0; i < sizeof(ratios) / sizeof(ratios[0]); i++)
        printf("%s %.3f\n", ratios[i].name, ns[ratios[i].above][ROUNDS / 4] / ns[ratios[i].below][ROUNDS / 4]);
    sdb_session_close(session);
    guard_must(sdb_close(pool), "closing");
    floor_close(&floor);
}
