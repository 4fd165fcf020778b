/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * collections.c - operations on hashes, lists, sets and sorted sets, alone or as parts of a transaction
 *
 * Each key is of one type for good. Fields and members are few, so that threads meet on them, and are noted as numbers: in `condition`,
 * a tag, difference or score in `argument`. What an element holds that was read or taken stands in `digest`, and in `result` whether
 * there was one. Elements are of all sizes, and one member's name is long, so that collections are packed at times and trees at others.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "workload.h"

enum { VALUES = 4, FIELDS = 6, MEMBERS = 8, SCORES = 40 }; /* the fields behind the first VALUES are counters */

#define DIGEST_COLLECTION 0x9ce484222325cbf2u

/* Another number than any type's ends a row. As clients_elements.py has them. */
static const uint32_t types[COLLECTION_GROUPS][COLLECTION_KEYS_MAX + 1] = {
    {SDB_TYPE_HASH},
    {SDB_TYPE_LIST},
    {SDB_TYPE_LIST, SDB_TYPE_LIST},
    {SDB_TYPE_SET, SDB_TYPE_SET},
    {SDB_TYPE_ZSET},
    {SDB_TYPE_HASH, SDB_TYPE_LIST, SDB_TYPE_SET, SDB_TYPE_ZSET},
};

static uint32_t type_of(unsigned group, unsigned key)
{
    return types[group - COLLECTIONS][key];
}

unsigned collection_keys(unsigned group)
{
    unsigned count = 0;

    while (type_of(group, count) != 0)
        count++;
    return count;
}

/* ---- fields and members by number ---- */

struct name {
    char text[120];
    struct sdb_slice slice;
};

static void make_name(struct name *name, uint64_t number)
{
    const int size = snprintf(name->text, sizeof(name->text), "%u%s", (unsigned)number,
                              number + 1 == MEMBERS ? " and a name that is too long for a packed collection, which becomes a tree" : "");

    name->slice = (struct sdb_slice){name->text, (size_t)size};
}

static void refuse(const struct record *record, const char *what)
{
    (void)fprintf(stderr, "group %u, key %u: %s that nobody wrote\n", record->group, record->key, what);
    _exit(7);
}

static uint64_t number_of(const struct record *record, struct sdb_slice slice)
{
    const uint64_t number = slice.size > 0 ? (uint64_t)(*(const char *)slice.data - '0') : MEMBERS;
    struct name name;

    if (number < MEMBERS)
        make_name(&name, number);
    if (number >= MEMBERS || name.slice.size != slice.size || memcmp(name.text, slice.data, slice.size) != 0)
        refuse(record, "a name");
    return number;
}

/* What an element of a list or a field's value holds: a tag, or a counter. */
static uint64_t word_of(const struct record *record, struct sdb_slice slice, int is_number)
{
    size_t size = 0;

    if (is_number) {
        char text[24] = "";

        memcpy(text, slice.data, slice.size < sizeof(text) ? slice.size : sizeof(text) - 1);
        return (uint64_t)strtoll(text, NULL, 10);
    }
    const uint64_t tag = tag_of(record->group, slice.data, slice.size, &size);
    if (size != slice.size)
        refuse(record, "an element");
    return tag;
}

/* ---- reading ---- */

/* A collection that is being read: fields and members come in any order, and are digested in that of their numbers. */
struct reading {
    struct record *record;
    uint32_t type;
    uint64_t words[MEMBERS];
    unsigned char there[MEMBERS];
};

static int note_element(void *context, const struct sdb_element *element)
{
    struct reading *reading = context;
    struct record *record = reading->record;

    if (reading->type == SDB_TYPE_LIST) {
        record->digest = mix(record->digest, word_of(record, element->name, 0));
        return 0;
    }
    const uint64_t number = number_of(record, element->name);
    if (reading->type == SDB_TYPE_ZSET)
        record->digest = mix(mix(record->digest, (uint64_t)(int64_t)element->score), number);
    else if (reading->there[number]++ != 0)
        refuse(record, "an element twice");
    else if (reading->type == SDB_TYPE_HASH)
        reading->words[number] = word_of(record, element->value, number >= VALUES);
    return 0;
}

static int read_whole(struct worker *worker, struct record *record, struct sdb_slice key)
{
    struct reading reading = {.record = record, .type = type_of(record->group, record->key)};
    const struct sdb_zset_range all = SDB_ZSET_BY_RANK(0, -1);
    int error;

    record->digest = DIGEST_COLLECTION;
    if (reading.type == SDB_TYPE_LIST && draw(worker, 2) == 0)
        error = sdb_list_range(worker->session, key.data, key.size, 0, -1, note_element, &reading);
    else if (reading.type == SDB_TYPE_ZSET && draw(worker, 2) == 0)
        error = sdb_zset_range(worker->session, key.data, key.size, &all, note_element, &reading);
    else
        error = sdb_collection_each(worker->session, key.data, key.size, reading.type, note_element, &reading);
    for (uint64_t number = 0; number < MEMBERS; number++) {
        if (reading.there[number] == 0)
            continue;
        record->digest = mix(record->digest, number);
        if (reading.type == SDB_TYPE_HASH)
            record->digest = mix(record->digest, reading.words[number]);
    }
    return error;
}

/* ---- what a record of each type says is done; its result is noted ---- */

static int run_hash(struct worker *worker, struct record *record, struct sdb_slice key)
{
    const int is_number = record->condition >= VALUES;
    char element[ELEMENT_SIZE_MAX];
    struct name field;
    struct sdb_pair pair;
    size_t count = 0;
    int error;

    make_name(&field, record->condition);
    switch ((enum kind)record->kind) {
    case HSET:
    case HSETNX:
        pair = (struct sdb_pair){field.slice, {element, make_element((uint64_t)record->argument, element)}};
        error = sdb_hash_set(worker->session, key.data, key.size, &pair, 1, record->kind == HSETNX ? SDB_IF_ABSENT : 0, &count);
        record->result = (int64_t)count;
        return error;
    case HINCRBY:
        return sdb_hash_add(worker->session, key.data, key.size, field.slice.data, field.slice.size, record->argument, &record->result);
    case HDEL:
        error = sdb_hash_delete(worker->session, key.data, key.size, &field.slice, 1, &count);
        record->result = (int64_t)count;
        return error;
    case HGET:
        error = sdb_hash_get(worker->session, key.data, key.size, field.slice.data, field.slice.size, worker->buffer,
                             sizeof(worker->buffer), &count);
        record->result = error == SDB_OK;
        if (error == SDB_OK)
            record->digest = word_of(record, (struct sdb_slice){worker->buffer, count}, is_number);
        return error;
    default:
        return read_whole(worker, record, key);
    }
}

static int note_taken(void *context, const struct sdb_element *element)
{
    struct record *record = context;

    if (type_of(record->group, record->key) == SDB_TYPE_ZSET) {
        record->condition = number_of(record, element->name);
        record->digest = (uint64_t)(int64_t)element->score;
    } else {
        record->digest = word_of(record, element->name, 0);
    }
    record->result++;
    return 0;
}

static int run_list(struct worker *worker, struct record *record, struct sdb_slice key)
{
    const enum sdb_list_end end = record->kind == RPUSH || record->kind == RPOP ? SDB_LIST_TAIL : SDB_LIST_HEAD;
    char data[ELEMENT_SIZE_MAX];
    struct sdb_slice element, new;
    uint64_t length = 0;
    int error;

    switch ((enum kind)record->kind) {
    case LPUSH:
    case RPUSH:
        element = (struct sdb_slice){data, make_element((uint64_t)record->argument, data)};
        error = sdb_list_push(worker->session, key.data, key.size, end, &element, 1, 0, &length);
        record->result = (int64_t)length;
        return error;
    case LPOP:
    case RPOP:
        return sdb_list_pop(worker->session, key.data, key.size, end, 1, note_taken, record);
    case LMOVE:
        new = name_of(record->group, record->other);
        return sdb_list_move(worker->session, &key, SDB_LIST_HEAD, &new, SDB_LIST_TAIL, note_taken, record);
    default:
        return read_whole(worker, record, key);
    }
}

static int run_set(struct worker *worker, struct record *record, struct sdb_slice key)
{
    unsigned char found = 0;
    struct sdb_slice new;
    struct name member;
    size_t count = 0;
    int error;

    make_name(&member, record->condition);
    switch ((enum kind)record->kind) {
    case SADD:
        error = sdb_members_add(worker->session, key.data, key.size, &member.slice, 1, &count);
        break;
    case SREM:
        error = sdb_members_remove(worker->session, key.data, key.size, &member.slice, 1, &count);
        break;
    case SISMEMBER:
        error = sdb_members_find(worker->session, key.data, key.size, &member.slice, 1, &found);
        count = found;
        break;
    case SMOVE:
        new = name_of(record->group, record->other);
        error = sdb_members_move(worker->session, &key, &new, member.slice.data, member.slice.size);
        count = error == SDB_OK;
        break;
    default:
        return read_whole(worker, record, key);
    }
    record->result = (int64_t)count;
    return error;
}

static int run_zset(struct worker *worker, struct record *record, struct sdb_slice key)
{
    const struct sdb_zset_range lowest = SDB_ZSET_BY_RANK(0, 0);
    struct sdb_member member;
    struct name name;
    double score = 0;
    size_t count = 0;
    int error;

    make_name(&name, record->condition);
    member = (struct sdb_member){name.slice, (double)record->argument};
    switch ((enum kind)record->kind) {
    case ZADD:
        error = sdb_zset_add(worker->session, key.data, key.size, &member, 1, 0, &count, NULL);
        record->result = (int64_t)count;
        return error;
    case ZINCRBY:
        error = sdb_zset_increment(worker->session, key.data, key.size, name.slice.data, name.slice.size, member.score, 0, &score);
        record->result = (int64_t)score;
        return error;
    case ZREM:
        error = sdb_zset_remove(worker->session, key.data, key.size, &name.slice, 1, &count);
        record->result = (int64_t)count;
        return error;
    case ZSCORE:
        error = sdb_zset_score(worker->session, key.data, key.size, name.slice.data, name.slice.size, &score);
        record->result = error == SDB_OK;
        record->digest = (uint64_t)(int64_t)score;
        return error;
    case ZPOPMIN:
        return sdb_zset_pop(worker->session, key.data, key.size, &lowest, note_taken, record);
    default:
        return read_whole(worker, record, key);
    }
}

/* One key takes the name of another of its type, or its content. */
static int run_two(struct worker *worker, struct record *record, struct sdb_slice key)
{
    const struct sdb_slice new = name_of(record->group, record->other);
    const int error = record->kind == COPY
                          ? sdb_copy(worker->session, key.data, key.size, 0, new.data, new.size, 1)
                          : sdb_rename(worker->session, key.data, key.size, new.data, new.size, 0);

    record->result = error == SDB_ENOTFOUND ? -1 : error == SDB_OK;
    return error;
}

static int run_collection(struct worker *worker, struct record *record)
{
    const struct sdb_slice key = name_of(record->group, record->key);
    const uint32_t type = type_of(record->group, record->key);
    int error;

    if (record->kind == DELETE)
        error = run_single(worker, record);
    else if (record->kind == RENAMENX || record->kind == COPY)
        error = run_two(worker, record, key);
    else
        error = type == SDB_TYPE_HASH ? run_hash(worker, record, key)
                : type == SDB_TYPE_LIST ? run_list(worker, record, key)
                : type == SDB_TYPE_SET ? run_set(worker, record, key) : run_zset(worker, record, key);
    return error == SDB_ENOTFOUND || error == SDB_ECONDITION ? SDB_OK : error;
}

/* ---- what is to be done ---- */

static void draw_one(struct worker *worker, struct record *record)
{
    static const enum kind of_hash[] = {HSET, HSET, HSETNX, HDEL, HGET, HINCRBY, HDEL, HGET, HGETALL}; /* from 5 on: of counters */
    static const enum kind of_list[] = {LPUSH, LPUSH, RPUSH, RPUSH, LPOP, LPOP, RPOP, RPOP, LRANGE, LRANGE};
    static const enum kind of_set[] = {SADD, SADD, SREM, SREM, SISMEMBER, SMEMBERS};
    static const enum kind of_zset[] = {ZADD, ZINCRBY, ZINCRBY, ZREM, ZPOPMIN, ZSCORE, ZRANGE};
    const uint32_t type = type_of(record->group, record->key);
    unsigned choice;

    if (type == SDB_TYPE_HASH) {
        choice = draw(worker, 9);
        record->kind = of_hash[choice];
        record->condition = choice < 5 ? draw(worker, VALUES) : VALUES + draw(worker, FIELDS - VALUES);
        record->argument = record->kind == HINCRBY ? 3 : (int64_t)++worker->tag;
    } else if (type == SDB_TYPE_LIST) {
        record->kind = of_list[draw(worker, 10)];
        record->argument = (int64_t)++worker->tag;
    } else {
        record->kind = type == SDB_TYPE_SET ? of_set[draw(worker, 6)] : of_zset[draw(worker, 7)];
        record->condition = draw(worker, MEMBERS);
        record->argument = record->kind == ZINCRBY ? 3 : (int64_t)draw(worker, SCORES) - SCORES / 2;
    }
}

/* False: there is no other key of its type. */
static int draw_two(struct worker *worker, struct record *record)
{
    static const enum kind kinds[] = {LMOVE, LMOVE, LMOVE, RENAMENX, COPY};
    const uint32_t type = type_of(record->group, record->key);

    record->other = (uint8_t)(1u - record->key);
    if (collection_keys(record->group) != 2 || type_of(record->group, record->other) != type)
        return 0;
    record->kind = kinds[draw(worker, 5)];
    if (record->kind == LMOVE && type == SDB_TYPE_SET) {
        record->kind = SMOVE;
        record->condition = draw(worker, MEMBERS);
    }
    return 1;
}

static struct record *note_drawn(struct worker *worker, unsigned group, int is_part)
{
    struct record *record = note_draft(worker, DELETE, group, draw(worker, collection_keys(group)));
    const unsigned choice = draw(worker, 32);

    record->is_part = (uint16_t)is_part;
    if (choice > 0 && (choice > 5 || !draw_two(worker, record)))
        draw_one(worker, record);
    note_publish(worker);
    return record;
}

int collection_part(struct worker *worker, unsigned group, struct record **part)
{
    *part = note_drawn(worker, group, 1);
    return run_collection(worker, *part);
}

void on_collections(struct worker *worker, unsigned group)
{
    if (draw(worker, 8) == 0) {
        transaction(worker, group);
        return;
    }
    struct record *record = note_drawn(worker, group, 0);
    must(run_collection(worker, record));
    note_end(worker, record);
}

void read_collections(struct worker *worker, unsigned group)
{
    for (unsigned key = 0; type_of(group, key) != 0; key++) {
        const uint32_t type = type_of(group, key);
        const enum kind kind = type == SDB_TYPE_HASH ? HGETALL : type == SDB_TYPE_LIST ? LRANGE : type == SDB_TYPE_SET ? SMEMBERS : ZRANGE;
        struct record *record = note_begin(worker, kind, group, key, 0);

        must(run_collection(worker, record));
        note_end(worker, record);
    }
}
