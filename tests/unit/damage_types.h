/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * damage_types.h - collections of every type for the pools of damage_fixture.h, a packed one and a tree of each, streams with a group
 *
 * Include it behind damage_fixture.h. They have a database of their own, which no other question is about. What a sound pool answers is
 * remembered, before and behind a change to each.
 */
#ifndef SDB_TESTS_DAMAGE_TYPES_H
#define SDB_TESTS_DAMAGE_TYPES_H

#include "superdb/collection.h"

#define DAMAGE_TYPES_DATABASE 5u
#define DAMAGE_TYPES_LARGE 70u /* elements of a tree */
#define DAMAGE_TYPES_SMALL 5u
#define DAMAGE_TYPES 10u

static const uint32_t damage_types_of[DAMAGE_TYPES / 2] = {SDB_TYPE_HASH, SDB_TYPE_SET, SDB_TYPE_LIST, SDB_TYPE_ZSET, SDB_TYPE_STREAM};
static const struct sdb_slice damage_types_group = {"group", 5};

/* What each answers: as it was made, and with one element more. */
struct damage_types {
    uint64_t made[DAMAGE_TYPES], changed[DAMAGE_TYPES];
};

enum damage_types_answer { DAMAGE_TYPES_MADE, DAMAGE_TYPES_CHANGED, DAMAGE_TYPES_ERROR, DAMAGE_TYPES_MISSING, DAMAGE_TYPES_WRONG };

static inline uint32_t damage_types_type(unsigned i) { return damage_types_of[i / 2]; }

static inline size_t damage_types_key(unsigned i, char key[16])
{
    return (size_t)snprintf(key, 16, "type:%u", i);
}

/* ---- making and changing ---- */

static inline int damage_types_put(struct sdb_session *session, unsigned i, unsigned number)
{
    char key[16], name[24], value[120];
    const size_t key_size = damage_types_key(i, key);
    const int name_size = snprintf(name, sizeof(name), "element %u", number);
    const int value_size = snprintf(value, sizeof(value), "%0*u", 1 + (int)(number * 13 % 60), number);
    const struct sdb_element element = {.name = {name, (size_t)name_size},
                                        .value = {damage_types_type(i) == SDB_TYPE_HASH ? value : "",
                                                  damage_types_type(i) == SDB_TYPE_HASH ? (size_t)value_size : 0},
                                        .score = damage_types_type(i) == SDB_TYPE_ZSET ? number / 3 : 0};
    const struct sdb_slice fields[2] = {{name, (size_t)name_size}, {value, (size_t)value_size}};
    const struct sdb_stream_addition entry = {.form = SDB_STREAM_ID_GIVEN, .id = {1000 + number, 0}, .fields = fields, .count = 1};

    if (damage_types_type(i) == SDB_TYPE_STREAM)
        return sdb_stream_add(session, key, key_size, &entry, NULL);
    return sdb_collection_add(session, key, key_size, damage_types_type(i), &element);
}

static inline int damage_types_ignore(void *context, const struct sdb_stream_entry *entry)
{
    (void)context;
    (void)entry;
    return 0;
}

/* A group, which has given some of its entries out. */
static inline void damage_types_give(struct sdb_session *session, unsigned i)
{
    const struct sdb_stream_start start = {.id = SDB_STREAM_ID_MIN};
    const struct sdb_stream_reading reading = {.group = damage_types_group, .consumer = {"somebody", 8}, .count = 3};
    char key[16];
    const size_t key_size = damage_types_key(i, key);

    assert_ok(sdb_stream_group_create(session, key, key_size, damage_types_group.data, damage_types_group.size, &start));
    assert_ok(sdb_stream_read_group(session, key, key_size, &reading, NULL, damage_types_ignore, NULL));
}

/* ---- asking ---- */

static inline uint64_t damage_types_mix(uint64_t sum, const void *bytes, size_t size)
{
    const uint8_t *byte = bytes;

    sum = (sum ^ size) * 0x9e3779b97f4a7c15ull;
    for (size_t i = 0; i < size; i++)
        sum = (sum ^ byte[i]) * 0x100000001b3ull;
    return sum ^ sum >> 29;
}

struct damage_types_sum {
    uint64_t sum;
    bool ordered; /* hashes and sets show their elements in any order */
};

static inline int damage_types_element(void *context, const struct sdb_element *element)
{
    struct damage_types_sum *all = context;
    uint64_t sum = damage_types_mix(all->ordered ? all->sum : 1, element->name.data, element->name.size);

    sum = damage_types_mix(sum, element->value.data, element->value.size);
    sum = damage_types_mix(sum, &element->score, sizeof(element->score));
    all->sum = all->ordered ? sum : all->sum + sum;
    return 0;
}

static inline int damage_types_entry(void *context, const struct sdb_stream_entry *entry)
{
    uint64_t *sum = context;
    struct sdb_slice field, value;
    size_t at = 0;

    *sum = damage_types_mix(*sum, &entry->id, sizeof(entry->id));
    while (sdb_stream_field(entry, &at, &field, &value)) {
        *sum = damage_types_mix(*sum, field.data, field.size);
        *sum = damage_types_mix(*sum, value.data, value.size);
    }
    return 0;
}

/* Everything that it has, as one number. */
static inline int damage_types_read(struct sdb_session *session, unsigned i, uint64_t *sum)
{
    const struct sdb_stream_range all = {SDB_STREAM_ID_MIN, SDB_STREAM_ID_MAX, 0, UINT64_MAX};
    struct sdb_stream_group group;
    char key[16];
    const size_t key_size = damage_types_key(i, key);
    int error;

    struct damage_types_sum elements = {.ordered = damage_types_type(i) == SDB_TYPE_LIST || damage_types_type(i) == SDB_TYPE_ZSET};
    *sum = 1;
    assert_ok(sdb_select(session, DAMAGE_TYPES_DATABASE));
    if (damage_types_type(i) != SDB_TYPE_STREAM) {
        error = sdb_collection_each(session, key, key_size, damage_types_type(i), damage_types_element, &elements);
        *sum = elements.sum;
        return error;
    }
    error = sdb_stream_range(session, key, key_size, &all, damage_types_entry, sum);
    if (!error)
        error = sdb_stream_group(session, key, key_size, damage_types_group.data, damage_types_group.size, &group);
    if (!error)
        *sum = damage_types_mix(*sum, &(uint64_t[]){group.pending, group.consumers, group.last_id.ms}, 24);
    return error;
}

static inline enum damage_types_answer damage_types_look(const struct damage_types *types, struct sdb_session *session, unsigned i)
{
    uint64_t sum;
    const int error = damage_types_read(session, i, &sum);

    if (error != SDB_OK)
        return error == SDB_ECORRUPT ? DAMAGE_TYPES_ERROR : error == SDB_ENOTFOUND ? DAMAGE_TYPES_MISSING : DAMAGE_TYPES_WRONG;
    return sum == types->made[i] ? DAMAGE_TYPES_MADE : sum == types->changed[i] ? DAMAGE_TYPES_CHANGED : DAMAGE_TYPES_WRONG;
}

/* Each is as it was made, or an error. */
static inline void damage_types_ask(const struct damage_types *types, struct sdb_pool *pool, struct answers *answers)
{
    struct sdb_session *session;

    assert_ok(sdb_session_open(pool, &session));
    for (unsigned i = 0; i < DAMAGE_TYPES; i++) {
        const enum damage_types_answer answer = damage_types_look(types, session, i);

        answers->right += answer == DAMAGE_TYPES_MADE;
        answers->errors += answer == DAMAGE_TYPES_ERROR;
        answers->missing += answer == DAMAGE_TYPES_MISSING;
        answers->wrong += answer == DAMAGE_TYPES_CHANGED || answer == DAMAGE_TYPES_WRONG;
    }
    sdb_session_close(session);
}

/* ---- making ---- */

/* Adds them to a pool that damage_create has closed, and takes the file as it is then for the sound one. */
static inline void damage_types_create(struct damage *d, struct damage_types *types)
{
    uint64_t cache = d->f.options.cache_size;
    uint64_t count;
    char key[16];

    munmap(d->raw, d->size);
    free(d->image);
    fixture_open(&d->f);
    for (int changed = 0; changed < 2; changed++) {
        for (unsigned i = 0; i < DAMAGE_TYPES; i++) {
            const unsigned elements = i % 2 ? DAMAGE_TYPES_LARGE : DAMAGE_TYPES_SMALL;
            const struct sdb_limits none = {.list_max_listpack_size = 1}, usual = SDB_LIMITS_INIT;

            sdb_set_limits(d->f.pool, i % 2 ? &none : &usual);
            assert_ok(sdb_select(d->f.session, DAMAGE_TYPES_DATABASE));
            for (unsigned n = changed ? elements : 0; n < elements + (unsigned)changed; n++)
                assert_ok(damage_types_put(d->f.session, i, n));
            if (!changed && damage_types_type(i) == SDB_TYPE_STREAM)
                damage_types_give(d->f.session, i);
            assert_ok(damage_types_read(d->f.session, i, changed ? &types->changed[i] : &types->made[i]));
            if (damage_types_type(i) != SDB_TYPE_STREAM) {
                assert_ok(sdb_collection_count(d->f.session, key, damage_types_key(i, key), damage_types_type(i), &count));
                assert_int_equal(count, elements + (unsigned)changed);
            }
        }
        (void)fixture_check(&d->f);
        fixture_close(&d->f);
        if (!changed)
            damage_take_image(d);
        if (!changed)
            fixture_open(&d->f);
    }
    damage_restore(d);
    d->f.options.cache_size = cache;
}

/* The change that leads from `made` to `changed`. */
static inline int damage_types_change(struct sdb_session *session, unsigned i)
{
    assert_ok(sdb_select(session, DAMAGE_TYPES_DATABASE));
    return damage_types_put(session, i, i % 2 ? DAMAGE_TYPES_LARGE : DAMAGE_TYPES_SMALL);
}

#endif
