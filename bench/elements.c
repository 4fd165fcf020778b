/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * elements.c - calls on a list, a set, a hash and a sorted set
 */
#include "elements.h"

#include <superdb/superdb.h>

#define KEY ELEMENT_KEY, ELEMENT_KEY_SIZE
#define GROUP 64u
#define BIT(operation_) (1u << (operation_))
#define OF_ALL                                                                                                              \
    (BIT(ELEMENT_ADD_MANY) | BIT(ELEMENT_INSERT) | BIT(ELEMENT_GROUPED) | BIT(ELEMENT_FIND) | BIT(ELEMENT_RANGE) | BIT(ELEMENT_POP))

static const char *name_of(const struct element_slice *slice, size_t i)
{
    return slice->names + i * ELEMENT_SIZE;
}

static void name_many(const struct element_slice *slice, size_t call, struct sdb_slice names[ELEMENTS_TOGETHER])
{
    for (size_t i = 0; i < ELEMENTS_TOGETHER; i++)
        names[i] = (struct sdb_slice){name_of(slice, call * ELEMENTS_TOGETHER + i), ELEMENT_SIZE};
}

static int count_one(void *context, const struct sdb_element *element)
{
    *(uint64_t *)context += element->name.size > 0;
    return 0;
}

/* About ELEMENTS_TOGETHER elements, from where the last part ended. */
static int scan_part(struct sdb_session *session, uint32_t type, const struct element_slice *slice)
{
    uint64_t seen = 0;

    return sdb_collection_scan(session, KEY, type, slice->cursor, ELEMENTS_TOGETHER, count_one, &seen) != SDB_OK;
}

/* Runs call for each call of the slice; of an operation that is grouped 64 of them to a fence. */
static size_t each(struct sdb_session *session, enum element_operation operation, const struct element_slice *slice,
                   int (*call)(struct sdb_session *, enum element_operation, const struct element_slice *, size_t))
{
    size_t failures = 0;

    for (size_t i = 0; i < slice->count; i++) {
        if (operation == ELEMENT_GROUPED && i % GROUP == 0)
            failures += sdb_group_begin(session) != SDB_OK;
        failures += (size_t)call(session, operation, slice, i);
        if (operation == ELEMENT_GROUPED && (i % GROUP == GROUP - 1 || i + 1 == slice->count))
            failures += sdb_group_end(session) != SDB_OK;
    }
    return failures;
}

/* ---- lists ------------------------------------------------------------------------------------------------------------ */

static int call_list(struct sdb_session *session, enum element_operation operation, const struct element_slice *slice, size_t i)
{
    struct sdb_slice names[ELEMENTS_TOGETHER];
    char element[ELEMENT_SIZE];
    uint64_t seen = 0;
    size_t size;

    switch (operation) {
    case ELEMENT_ADD_MANY:
        name_many(slice, i, names);
        return sdb_list_push(session, KEY, SDB_LIST_TAIL, names, ELEMENTS_TOGETHER, 0, NULL) != SDB_OK;
    case ELEMENT_INSERT:
    case ELEMENT_GROUPED:
        names[0] = (struct sdb_slice){name_of(slice, i), ELEMENT_SIZE};
        return sdb_list_push(session, KEY, SDB_LIST_TAIL, names, 1, 0, NULL) != SDB_OK;
    case ELEMENT_FIND:
        return sdb_list_get(session, KEY, (int64_t)slice->places[i], element, sizeof element, &size) != SDB_OK || size != ELEMENT_SIZE;
    case ELEMENT_UPDATE:
        return sdb_list_set(session, KEY, (int64_t)slice->places[i], name_of(slice, i), ELEMENT_SIZE) != SDB_OK;
    case ELEMENT_RANGE:
        return sdb_list_range(session, KEY, (int64_t)slice->places[i], (int64_t)slice->places[i] + ELEMENTS_TOGETHER - 1, count_one,
                              &seen) != SDB_OK || seen != ELEMENTS_TOGETHER;
    case ELEMENT_POP:
        return sdb_list_pop(session, KEY, SDB_LIST_HEAD, 1, count_one, &seen) != SDB_OK || seen != 1;
    case ELEMENT_RANK:
    case ELEMENT_OPERATIONS:
        break;
    }
    return 1;
}

static size_t run_list(struct sdb_session *session, enum element_operation operation, const struct element_slice *slice)
{
    return each(session, operation, slice, call_list);
}

/* ---- sets ------------------------------------------------------------------------------------------------------------- */

static int call_set(struct sdb_session *session, enum element_operation operation, const struct element_slice *slice, size_t i)
{
    struct sdb_slice names[ELEMENTS_TOGETHER];
    unsigned char found;
    size_t added;
    uint64_t seen = 0;

    switch (operation) {
    case ELEMENT_ADD_MANY:
        name_many(slice, i, names);
        return sdb_members_add(session, KEY, names, ELEMENTS_TOGETHER, &added) != SDB_OK || added != ELEMENTS_TOGETHER;
    case ELEMENT_INSERT:
    case ELEMENT_GROUPED:
        names[0] = (struct sdb_slice){name_of(slice, i), ELEMENT_SIZE};
        return sdb_members_add(session, KEY, names, 1, &added) != SDB_OK || added != 1;
    case ELEMENT_FIND:
        names[0] = (struct sdb_slice){name_of(slice, i), ELEMENT_SIZE};
        return sdb_members_find(session, KEY, names, 1, &found) != SDB_OK || !found;
    case ELEMENT_RANGE:
        return scan_part(session, SDB_TYPE_SET, slice);
    case ELEMENT_POP:
        return sdb_members_pop(session, KEY, 1, count_one, &seen) != SDB_OK || seen != 1;
    case ELEMENT_RANK:
    case ELEMENT_UPDATE:
    case ELEMENT_OPERATIONS:
        break;
    }
    return 1;
}

static size_t run_set(struct sdb_session *session, enum element_operation operation, const struct element_slice *slice)
{
    return each(session, operation, slice, call_set);
}

/* ---- hashes ----------------------------------------------------------------------------------------------------------- */

static const char value[ELEMENT_VALUE_SIZE] = "a value, 16 byte";

static int set_fields(struct sdb_session *session, const struct element_slice *slice, size_t first, size_t count, size_t new)
{
    struct sdb_pair pairs[ELEMENTS_TOGETHER];
    size_t added;

    for (size_t i = 0; i < count; i++)
        pairs[i] = (struct sdb_pair){{name_of(slice, first + i), ELEMENT_SIZE}, {value, sizeof value}};
    return sdb_hash_set(session, KEY, pairs, count, 0, &added) != SDB_OK || added != new;
}

static int call_hash(struct sdb_session *session, enum element_operation operation, const struct element_slice *slice, size_t i)
{
    struct sdb_slice name = {name_of(slice, i), ELEMENT_SIZE};
    char buffer[ELEMENT_VALUE_SIZE];
    size_t size;

    switch (operation) {
    case ELEMENT_ADD_MANY:
        return set_fields(session, slice, i * ELEMENTS_TOGETHER, ELEMENTS_TOGETHER, ELEMENTS_TOGETHER);
    case ELEMENT_INSERT:
    case ELEMENT_GROUPED:
        return set_fields(session, slice, i, 1, 1);
    case ELEMENT_UPDATE:
        return set_fields(session, slice, i, 1, 0);
    case ELEMENT_FIND:
        return sdb_hash_get(session, KEY, name.data, name.size, buffer, sizeof buffer, &size) != SDB_OK || size != sizeof value;
    case ELEMENT_RANGE:
        return scan_part(session, SDB_TYPE_HASH, slice);
    case ELEMENT_POP:
        return sdb_hash_delete(session, KEY, &name, 1, &size) != SDB_OK || size != 1;
    case ELEMENT_RANK:
    case ELEMENT_OPERATIONS:
        break;
    }
    return 1;
}

static size_t run_hash(struct sdb_session *session, enum element_operation operation, const struct element_slice *slice)
{
    return each(session, operation, slice, call_hash);
}

/* ---- sorted sets ------------------------------------------------------------------------------------------------------ */

static int add_members(struct sdb_session *session, const struct element_slice *slice, size_t first, size_t count, size_t new)
{
    struct sdb_member members[ELEMENTS_TOGETHER];
    size_t added;

    for (size_t i = 0; i < count; i++)
        members[i] = (struct sdb_member){{name_of(slice, first + i), ELEMENT_SIZE}, slice->numbers[first + i]};
    return sdb_zset_add(session, KEY, members, count, 0, &added, NULL) != SDB_OK || added != new;
}

static int call_zset(struct sdb_session *session, enum element_operation operation, const struct element_slice *slice, size_t i)
{
    struct sdb_zset_range range = SDB_ZSET_BY_RANK((int64_t)slice->places[i], (int64_t)slice->places[i] + ELEMENTS_TOGETHER - 1);
    struct sdb_zset_range lowest = SDB_ZSET_BY_RANK(0, 0);
    uint64_t seen = 0;
    double score;

    switch (operation) {
    case ELEMENT_ADD_MANY:
        return add_members(session, slice, i * ELEMENTS_TOGETHER, ELEMENTS_TOGETHER, ELEMENTS_TOGETHER);
    case ELEMENT_INSERT:
    case ELEMENT_GROUPED:
        return add_members(session, slice, i, 1, 1);
    case ELEMENT_UPDATE:
        return add_members(session, slice, i, 1, 0);
    case ELEMENT_FIND:
        return sdb_zset_score(session, KEY, name_of(slice, i), ELEMENT_SIZE, &score) != SDB_OK;
    case ELEMENT_RANK:
        return sdb_zset_rank(session, KEY, name_of(slice, i), ELEMENT_SIZE, 0, &seen) != SDB_OK;
    case ELEMENT_RANGE:
        return sdb_zset_range(session, KEY, &range, count_one, &seen) != SDB_OK || seen != ELEMENTS_TOGETHER;
    case ELEMENT_POP:
        return sdb_zset_pop(session, KEY, &lowest, count_one, &seen) != SDB_OK || seen != 1;
    case ELEMENT_OPERATIONS:
        break;
    }
    return 1;
}

static size_t run_zset(struct sdb_session *session, enum element_operation operation, const struct element_slice *slice)
{
    return each(session, operation, slice, call_zset);
}

const struct element_kind element_kinds[] = {
    {"list", SDB_TYPE_LIST, OF_ALL | BIT(ELEMENT_UPDATE), run_list},
    {"set", SDB_TYPE_SET, OF_ALL, run_set},
    {"hash", SDB_TYPE_HASH, OF_ALL | BIT(ELEMENT_UPDATE), run_hash},
    {"zset", SDB_TYPE_ZSET, OF_ALL | BIT(ELEMENT_UPDATE) | BIT(ELEMENT_RANK), run_zset},
};
const size_t element_kind_count = sizeof element_kinds / sizeof element_kinds[0];
