/* SPDX-License-Identifier: BSD-3-Clause */
/* oracle.c - what a crash image of a scenario may hold */
#include "oracle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COMPARED_MAX 1000u

static char expected[ORACLE_VALUE_MAX];

void must(int error, const char *what)
{
    if (error != SDB_OK) {
        fprintf(stderr, "%s: %s: %s\n", what, sdb_strerror(error), sdb_last_error());
        exit(2);
    }
}

void oracle_init(struct oracle *oracle, uint32_t keys, uint32_t actors, uint64_t seed)
{
    memset(oracle, 0, sizeof(*oracle));
    oracle->keys = keys;
    oracle->actors = actors;
    oracle->databases = 1;
    oracle->random = seed;
    oracle->now_ms = 1700000000000;
}

uint32_t oracle_roll(struct oracle *oracle, uint32_t n)
{
    oracle->random = oracle->random * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)((oracle->random >> 33) % n);
}

size_t oracle_name(uint32_t key, char *name)
{
    static const char *const forms[] = {"k%u", "key:%08u", "a-rather-long-key-name-that-is-a-blob:%u"};

    return (size_t)snprintf(name, 80, forms[key % 3], key);
}

size_t oracle_value(struct cell cell, char *value)
{
    uint32_t x = cell.seed;

    for (uint32_t i = 0; i + 1 < cell.size; i++) {
        x = x * 1103515245u + 12345u;
        /* digits, one in four: kept as an integer where they are few */
        value[i] = (char)(cell.seed % 4 == 0 ? '1' + (cell.seed + i) % 9 : 'A' + (x >> 16) % 26);
    }
    return cell.size - 1;
}

struct cell oracle_cell(struct oracle *oracle, uint32_t max)
{
    static const uint32_t sizes[] = {0, 1, 5, 8, 9, 16, 17, 24, 60, 300, 3000, 20000, 60000};
    uint32_t size;

    do
        size = sizes[oracle_roll(oracle, sizeof(sizes) / sizeof(sizes[0]))] + oracle_roll(oracle, 3);
    while (size > max);
    return (struct cell){.size = 1 + size, .seed = oracle_roll(oracle, 1u << 30)};
}

/* -- the journal -- */

void oracle_operation(struct oracle *oracle, uint32_t actor)
{
    oracle->actor[actor].operations++;
}

void oracle_change(struct oracle *oracle, uint32_t actor, uint32_t key, struct cell cell)
{
    struct actor *a = &oracle->actor[actor];

    if (a->changes == ORACLE_JOURNAL) {
        fprintf(stderr, "oracle: the journal is too short\n");
        exit(2);
    }
    a->journal[a->changes++] = (struct change){.operation = a->operations, .key = key, .cell = cell};
    oracle->now[key] = cell;
}

void oracle_cancel(struct oracle *oracle, uint32_t actor)
{
    struct actor *a = &oracle->actor[actor];

    while (a->changes && a->journal[a->changes - 1].operation == a->operations) {
        uint32_t key = a->journal[--a->changes].key;

        oracle->now[key] = oracle->done[key];
        for (uint32_t i = 0; i < a->changes; i++)
            if (a->journal[i].key == key)
                oracle->now[key] = a->journal[i].cell;
    }
}

void oracle_begin(struct oracle *oracle)
{
    sdb_crashtest_begin(oracle->test);
}

void oracle_end(struct oracle *oracle, uint32_t actor)
{
    struct actor *a = &oracle->actor[actor];

    for (uint32_t i = 0; i < a->changes; i++)
        oracle->done[a->journal[i].key] = a->journal[i].cell;
    a->changes = 0;
    sdb_crashtest_end(oracle->test);
}

/* -- the image -- */

static int cell_holds(const struct oracle *oracle, struct sdb_session *session, uint32_t key, struct cell cell,
                      char *why)
{
    char name[80];
    struct sdb_view view;
    int absent = cell.size == 0 || (cell.expire_ms && cell.expire_ms <= oracle->now_ms);
    const uint32_t size = cell.size;
    int error, same;

    if (oracle->databases > 1)
        (void)sdb_select(session, key % oracle->databases);
    error = sdb_view(session, name, oracle_name(key, name), &view);
    if (error == SDB_ENOTFOUND) {
        (void)snprintf(why, 200, "key %u is missing: %u bytes of seed %u", key, cell.size - 1, cell.seed);
        return absent;
    }
    if (error) {
        (void)snprintf(why, 200, "key %u: %s: %.120s", key, sdb_strerror(error), sdb_last_error());
        return 0;
    }
    /* Of large values the beginning: the view and the check have verified the checksum of all of it. */
    if (cell.size > COMPARED_MAX)
        cell.size = COMPARED_MAX;
    same = !absent && view.size + 1 == size && memcmp(view.data, expected, oracle_value(cell, expected)) == 0;
    if (!same)
        (void)snprintf(why, 200, "key %u has %zu bytes, not the %d of seed %u", key, view.size, (int)size - 1,
                       cell.seed);
    sdb_view_release(session, &view);
    return same;
}

static int actor_holds(const struct oracle *oracle, uint32_t actor, struct sdb_session *session, char *why)
{
    static uint8_t good[ORACLE_KEYS];
    static struct cell state[ORACLE_KEYS];
    const struct actor *a = &oracle->actor[actor];
    unsigned wrong = 0;

    for (uint32_t k = actor; k < oracle->keys; k += oracle->actors) {
        state[k] = oracle->done[k];
        good[k] = (uint8_t)cell_holds(oracle, session, k, state[k], why);
        wrong += !good[k];
    }
    for (uint32_t i = 0; wrong && i < a->changes;) {
        uint32_t operation = a->journal[i].operation;

        for (; i < a->changes && a->journal[i].operation == operation; i++) {
            uint32_t k = a->journal[i].key;

            state[k] = a->journal[i].cell;
            wrong -= !good[k];
            good[k] = (uint8_t)cell_holds(oracle, session, k, state[k], why);
            wrong += !good[k];
        }
    }
    for (uint32_t k = actor; wrong && k < oracle->keys; k += oracle->actors)
        if (!good[k])
            return cell_holds(oracle, session, k, state[k], why), 0;
    return 1;
}

/* Between what was acknowledged and what was begun; whose it is that is missing cannot be told. */
static int shared_holds(const struct oracle *oracle, struct sdb_session *session, char *why)
{
    int64_t value = 0;
    int error = oracle->shared_begun ? sdb_add(session, "shared", 6, 0, &value) : SDB_OK;

    if (error || (uint64_t)value < oracle->shared_done || (uint64_t)value > oracle->shared_begun) {
        (void)snprintf(why, 200, "the shared counter is %d: %d acknowledged, %d begun", (int)value,
                       (int)oracle->shared_done, (int)oracle->shared_begun);
        return 0;
    }
    return 1;
}

int oracle_judge(struct oracle *oracle, struct sdb_session *session, struct sdb_crashtest_image *image)
{
    oracle->judged++;
    for (uint32_t i = 0; i < oracle->actors; i++)
        if (!actor_holds(oracle, i, session, image->why))
            return 1;
    return shared_holds(oracle, session, image->why) ? 0 : 2;
}

/* -- operations -- */

static void select_of(const struct oracle *oracle, struct sdb_session *session, uint32_t key)
{
    if (oracle->databases > 1)
        MUST(sdb_select(session, key % oracle->databases));
}

/* Nothing has changed, and the engine may say so. */
static int is_refused(int error)
{
    return error == SDB_ENOSPC || error == SDB_ENOMEM;
}

void oracle_set(struct oracle *oracle, struct sdb_session *session, uint32_t actor, uint32_t key, struct cell cell)
{
    struct sdb_set_options options = {.expire_ms = cell.expire_ms};
    char name[80], *value = malloc(cell.size);
    size_t size = oracle_value(cell, value); /* of this call's own: another thread may run in the middle of it */
    int error;

    select_of(oracle, session, key);
    oracle_change(oracle, actor, key, cell);
    error = sdb_set(session, name, oracle_name(key, name), value, size, &options);
    free(value);
    if (is_refused(error)) {
        uint32_t changes = oracle->actor[actor].changes;

        /* nothing happened to this key; others of the same transaction stay */
        oracle->actor[actor].changes = changes - 1;
        oracle->now[key] = oracle->done[key];
        for (uint32_t i = 0; i + 1 < changes; i++)
            if (oracle->actor[actor].journal[i].key == key)
                oracle->now[key] = oracle->actor[actor].journal[i].cell;
        return;
    }
    must(error, "sdb_set");
}

void oracle_delete(struct oracle *oracle, struct sdb_session *session, uint32_t actor, uint32_t key)
{
    char name[80];
    int error;

    select_of(oracle, session, key);
    oracle_change(oracle, actor, key, (struct cell){0, 0, 0});
    error = sdb_delete(session, name, oracle_name(key, name));
    if (is_refused(error))
        oracle_cancel(oracle, actor);
    else if (error != SDB_ENOTFOUND)
        must(error, "sdb_delete");
}

void oracle_rename(struct oracle *oracle, struct sdb_session *session, uint32_t actor, uint32_t from, uint32_t to)
{
    char old[80], new[80];
    struct cell cell = oracle->now[from];
    int error;

    if (!cell.size || from == to)
        return;
    oracle_change(oracle, actor, to, cell);
    oracle_change(oracle, actor, from, (struct cell){0, 0, 0});
    error = sdb_rename(session, old, oracle_name(from, old), new, oracle_name(to, new), 1);
    if (is_refused(error))
        oracle_cancel(oracle, actor);
    else
        must(error, "sdb_rename");
}
