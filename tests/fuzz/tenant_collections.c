/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tenant_collections.c - the known collections of an image
 *
 * What each of them held after each of its changes is known by a digest. One that is read without an error holds what it held last, or,
 * in the image of a crash with damage, at some time.
 */
#include "tenant_collections.h"

#include "fuzz.h"
#include "superdb/hash.h"
#include "superdb/list.h"
#include "superdb/set.h"
#include "superdb/sorted_set.h"
#include "superdb/stream.h"

#define ELEMENT_MAX 400
#define STATES_MAX 256
#define REMOVE_EVERY 5u /* after so many additions one element goes */

static const struct {
    const char *key;
    uint32_t type;
    unsigned elements, size; /* each of about this size: from 65 bytes on most become trees */
} collections[] = {
    {"hash", SDB_TYPE_HASH, 6, 8},
    {"hash as a tree", SDB_TYPE_HASH, 60, 80},
    {"list", SDB_TYPE_LIST, 6, 8},
    {"list as a tree", SDB_TYPE_LIST, 150, 70},
    {"set of integers", SDB_TYPE_SET, 8, 0},
    {"set", SDB_TYPE_SET, 6, 20},
    {"set as a tree, with a long name of its own", SDB_TYPE_SET, 40, 300},
    {"zset", SDB_TYPE_ZSET, 6, 8},
    {"zset as a tree", SDB_TYPE_ZSET, 60, 70},
    {"stream", SDB_TYPE_STREAM, 40, 40},
};
#define COLLECTIONS (sizeof(collections) / sizeof(collections[0]))

/* By collection: the digest after each of its changes. */
static uint64_t states[COLLECTIONS][STATES_MAX];
static unsigned state_count[COLLECTIONS];

unsigned tenant_collections(void)
{
    return COLLECTIONS;
}

static struct sdb_slice name_of(size_t which)
{
    return (struct sdb_slice){collections[which].key, strlen(collections[which].key)};
}

static struct sdb_slice element_of(size_t which, unsigned i, char text[ELEMENT_MAX])
{
    size_t size = (size_t)snprintf(text, ELEMENT_MAX, "%u", i * 37 % 1000);

    while (size < collections[which].size) {
        text[size] = (char)('a' + (size * 7 + i) % 26);
        size++;
    }
    return (struct sdb_slice){text, size};
}

/* ---- reading ---- */

struct digest {
    uint64_t sum, rank;
    int ordered;
};

static uint64_t mix(uint64_t sum, const void *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        sum = (sum ^ ((const uint8_t *)data)[i]) * 0x100000001b3u;
    return (sum ^ size) * 0x100000001b3u;
}

static int add_element(void *context, const struct sdb_element *element)
{
    struct digest *digest = context;
    uint64_t one = mix(mix(0xcbf29ce484222325u, element->name.data, element->name.size), element->value.data, element->value.size);

    one = mix(one, &element->score, sizeof(element->score));
    digest->sum += mix(one, &digest->rank, sizeof(digest->rank));
    digest->rank += (uint64_t)digest->ordered;
    return 0;
}

static int add_entry(void *context, const struct sdb_stream_entry *entry)
{
    struct digest *digest = context;
    struct sdb_slice field, value;
    uint64_t one = mix(0xcbf29ce484222325u, &entry->id, sizeof(entry->id));
    size_t at = 0;

    while (sdb_stream_field(entry, &at, &field, &value))
        one = mix(mix(one, field.data, field.size), value.data, value.size);
    digest->sum += mix(one, &digest->rank, sizeof(digest->rank));
    digest->rank++;
    return 0;
}

static int add_pending(void *context, const struct sdb_stream_pending *pending)
{
    struct digest *digest = context;

    digest->sum += mix(0x84222325cbf29ce4u, &pending->id, sizeof(pending->id));
    return 0;
}

static int read_stream(struct sdb_session *session, const struct sdb_slice *key, struct digest *digest)
{
    const struct sdb_stream_range all = {.first = SDB_STREAM_ID_MIN, .last = SDB_STREAM_ID_MAX, .count = UINT64_MAX};
    const struct sdb_stream_pending_range pending = {
        .group = {"group", 5}, .first = SDB_STREAM_ID_MIN, .last = SDB_STREAM_ID_MAX, .count = UINT64_MAX};
    int error = sdb_stream_range(session, key->data, key->size, &all, add_entry, digest);

    if (error == SDB_OK)
        error = sdb_stream_pending(session, key->data, key->size, &pending, add_pending, digest);
    return error == SDB_ECONDITION ? SDB_OK : error; /* there is no group yet */
}

static int read_one(struct sdb_session *session, size_t which, uint64_t *sum)
{
    const struct sdb_slice key = name_of(which);
    const uint32_t type = collections[which].type;
    struct digest digest = {.ordered = type == SDB_TYPE_LIST || type == SDB_TYPE_ZSET};
    int error = type == SDB_TYPE_STREAM ? read_stream(session, &key, &digest)
                                        : sdb_collection_each(session, key.data, key.size, type, add_element, &digest);

    *sum = digest.sum;
    return error;
}

unsigned tenant_read_collections(struct sdb_session *session, enum tenant_belief belief)
{
    unsigned errors = 0;

    if (sdb_select(session, TENANT_DATABASE) != SDB_OK)
        return COLLECTIONS;
    for (size_t which = 0; which < COLLECTIONS; which++) {
        unsigned state = belief == TENANT_NEWEST ? state_count[which] - 1 : 0;
        uint64_t sum;

        if (read_one(session, which, &sum) != SDB_OK) {
            errors++;
            continue;
        }
        while (state < state_count[which] && states[which][state] != sum)
            state++;
        FUZZ_CHECK(belief == TENANT_ANY || state < state_count[which], "%s holds what it never held", collections[which].key);
    }
    return errors;
}

/* ---- writing ---- */

static int add_to(struct sdb_session *session, size_t which, unsigned i)
{
    const struct sdb_slice key = name_of(which);
    char text[ELEMENT_MAX];
    struct sdb_element element = {.name = element_of(which, i, text)};
    const struct sdb_slice fields[2] = {{"field", 5}, element.name};
    const struct sdb_stream_addition addition = {.form = SDB_STREAM_ID_GIVEN, .id = {i + 1, 0}, .fields = fields, .count = 1};

    if (collections[which].type == SDB_TYPE_STREAM)
        return sdb_stream_add(session, key.data, key.size, &addition, NULL);
    if (collections[which].type == SDB_TYPE_HASH)
        element.value = element.name;
    if (collections[which].type == SDB_TYPE_ZSET)
        element.score = i % 7;
    return sdb_collection_add(session, key.data, key.size, collections[which].type, &element);
}

static int take_from(struct sdb_session *session, size_t which, unsigned i)
{
    const struct sdb_slice key = name_of(which);
    const struct sdb_stream_id id = {i + 1, 0};
    char text[ELEMENT_MAX];
    const struct sdb_slice name = element_of(which, i, text);

    switch (collections[which].type) {
    case SDB_TYPE_HASH:
        return sdb_hash_delete(session, key.data, key.size, &name, 1, NULL);
    case SDB_TYPE_LIST:
        return sdb_list_remove(session, key.data, key.size, 1, name.data, name.size, NULL);
    case SDB_TYPE_SET:
        return sdb_members_remove(session, key.data, key.size, &name, 1, NULL);
    case SDB_TYPE_ZSET:
        return sdb_zset_remove(session, key.data, key.size, &name, 1, NULL);
    default:
        return sdb_stream_delete(session, key.data, key.size, &id, 1, NULL);
    }
}

static void note(struct sdb_session *session, size_t which)
{
    FUZZ_CHECK(state_count[which] < STATES_MAX, "too many changes");
    FUZZ_CHECK(read_one(session, which, &states[which][state_count[which]]) == SDB_OK, "%s", sdb_last_error());
    state_count[which]++;
}

static int see_nothing(void *context, const struct sdb_stream_entry *entry)
{
    (void)context, (void)entry;
    return 0;
}

/* A group that was given some entries and is done with one of them. */
static void give(struct sdb_session *session, size_t which)
{
    const struct sdb_slice key = name_of(which), group = {"group", 5};
    const struct sdb_stream_start start = {.id = SDB_STREAM_ID_MIN};
    const struct sdb_stream_reading reading = {.group = group, .consumer = {"consumer", 8}, .count = 12, .now_ms = 1700000000000};
    const struct sdb_stream_id done = {2, 0};
    int error = sdb_stream_group_create(session, key.data, key.size, group.data, group.size, &start);

    note(session, which);
    error = error ? error : sdb_stream_read_group(session, key.data, key.size, &reading, NULL, see_nothing, NULL);
    note(session, which);
    error = error ? error : sdb_stream_acknowledge(session, key.data, key.size, &group, &done, 1, NULL);
    note(session, which);
    FUZZ_CHECK(error == SDB_OK, "%s", sdb_last_error());
}

static void fill_one(struct sdb_session *session, size_t which)
{
    state_count[which] = 0;
    for (unsigned i = 0; i < collections[which].elements; i++) {
        FUZZ_CHECK(add_to(session, which, i) == SDB_OK, "%s", sdb_last_error());
        note(session, which);
        if (i % REMOVE_EVERY != REMOVE_EVERY - 1)
            continue;
        FUZZ_CHECK(take_from(session, which, i - 2) == SDB_OK, "%s", sdb_last_error());
        note(session, which);
    }
    if (collections[which].type == SDB_TYPE_STREAM)
        give(session, which);
}

void tenant_fill_collections(struct sdb_session *session)
{
    FUZZ_CHECK(sdb_select(session, TENANT_DATABASE) == SDB_OK, "%s", sdb_last_error());
    for (size_t which = 0; which < COLLECTIONS; which++)
        fill_one(session, which);
    FUZZ_CHECK(sdb_copy(session, "list as a tree", 14, TENANT_DATABASE, "dropped", 7, 0) == SDB_OK &&
                   sdb_delete(session, "dropped", 7) == SDB_OK, "%s", sdb_last_error());
}

void tenant_write_collections(struct sdb_session *session)
{
    (void)sdb_select(session, TENANT_DATABASE);
    for (size_t which = 0; which < COLLECTIONS; which++) {
        for (unsigned i = 0; i < 12; i++) {
            (void)add_to(session, which, collections[which].elements + i);
            (void)take_from(session, which, i * 3);
        }
    }
    (void)sdb_list_trim(session, "list as a tree", 14, 20, -20);
    (void)sdb_rename(session, "zset as a tree", 14, "hash as a tree", 14, 1);
    (void)sdb_delete(session, "set", 3);
}
