/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * several.c - operations on several strings and counters, and on whole databases
 */
#include <string.h>

#include "workload.h"

void view_many(struct worker *worker, unsigned group, unsigned database)
{
    struct sdb_slice names[KEYS_MAX];
    struct sdb_view views[KEYS_MAX];
    struct record *parts[KEYS_MAX];
    int results[KEYS_MAX];
    const unsigned count = keys_of(group);

    for (unsigned i = 0; i < count; i++) {
        names[i] = name_of(group, i);
        parts[i] = note_part(worker, GET, group, database * DATABASE_KEYS + i);
    }
    struct record *record = note_whole(worker, MGET, group, count, now());
    must(sdb_view_many(worker->session, names, count, views, results));
    for (unsigned i = 0; i < count; i++) {
        if (!done(results[i]))
            continue;
        parts[i]->digest = digest_of(group, views[i].data, views[i].size);
        sdb_view_release(worker->session, &views[i]);
    }
    note_end(worker, record);
}

static void set_many(struct worker *worker, unsigned group, enum kind kind)
{
    static _Thread_local char values[FAMILY_KEYS][ELEMENT_SIZE_MAX];
    struct sdb_pair pairs[FAMILY_KEYS];

    for (unsigned i = 0; i < FAMILY_KEYS; i++) {
        const struct record *part = note_part(worker, SET, group, i);

        pairs[i].key = name_of(group, i);
        pairs[i].value = (struct sdb_slice){values[i], make_element((uint64_t)part->argument, values[i])};
    }
    struct record *record = note_whole(worker, kind, group, FAMILY_KEYS, now());
    record->result =
        done(sdb_set_many(worker->session, pairs, FAMILY_KEYS, kind == MSETNX ? SDB_IF_ABSENT : 0));
    note_end(worker, record);
}

static void delete_many(struct worker *worker, unsigned group)
{
    struct sdb_slice names[FAMILY_KEYS];
    size_t deleted = 0;

    for (unsigned i = 0; i < FAMILY_KEYS; i++) {
        names[i] = name_of(group, i);
        (void)note_part(worker, DELETE, group, i);
    }
    struct record *record = note_whole(worker, MDELETE, group, FAMILY_KEYS, now());
    must(sdb_delete_many(worker->session, names, FAMILY_KEYS, &deleted));
    record->result = (int64_t)deleted;
    note_end(worker, record);
}

/* A part of a transaction. Errors: SDB_ECONFLICT, and *part did not happen. */
static int string_part(struct worker *worker, unsigned group, unsigned key, struct record **part)
{
    static const enum kind kinds[] = {GET, GET, SET, APPEND, APPEND, DELETE, EXISTS};
    const enum kind kind = group == WIDE ? ADD : kinds[draw(worker, 7)];
    struct record *record = *part = note_part(worker, kind, group, key);
    const struct sdb_slice name = name_of(group, key);
    size_t size = 0;
    int error;

    if (kind != GET)
        return run_single(worker, record);
    error = sdb_get(worker->session, name.data, name.size, worker->buffer, sizeof(worker->buffer), &size);
    if (error == SDB_OK)
        record->digest = digest_of(group, worker->buffer, size);
    return error == SDB_ENOTFOUND ? SDB_OK : error;
}

/* False: another thread holds the shard, and the part did not happen. */
static int run_part(struct worker *worker, unsigned group, unsigned key)
{
    struct record *record;
    const int error = group >= COLLECTIONS ? collection_part(worker, group, &record) : string_part(worker, group, key, &record);

    if (error == SDB_ECONFLICT) {
        record->kind = NOTHING;
        return 0;
    }
    must(error);
    return 1;
}

void transaction(struct worker *worker, unsigned group)
{
    struct sdb_slice names[KEYS_MAX];
    const unsigned keys = keys_of(group), parts = group == WIDE ? keys : 2 + draw(worker, 4);
    const unsigned first = draw(worker, keys);
    const uint64_t invoked = now();
    unsigned count = 0;
    int good = 1;

    for (unsigned i = 0; i < keys; i++)
        names[i] = name_of(group, i);
    const unsigned way = draw(worker, 8);
    must(way == 0 ? sdb_begin_all(worker->session) : sdb_begin(worker->session, names, way < 5 ? keys : 0));
    for (; good && count < parts; count++)
        good = run_part(worker, group, group == WIDE ? (first + count) % keys : draw(worker, keys));
    struct record *record;
    if (good && draw(worker, 10) != 0) {
        record = note_whole(worker, TRANSACTION, group, count, invoked);
        must(sdb_commit(worker->session));
    } else {
        sdb_abort(worker->session);
        record = note_whole(worker, ABORTED, group, count, invoked);
    }
    note_end(worker, record);
}

static void rename_or_copy(struct worker *worker, unsigned group)
{
    const enum kind kind = (enum kind)(RENAME + draw(worker, 4));
    struct record *record = note_draft(worker, kind, group, draw(worker, FAMILY_KEYS));

    record->other = (uint8_t)((record->key + 1 + draw(worker, FAMILY_KEYS - 1)) % FAMILY_KEYS);
    note_publish(worker);
    const struct sdb_slice from = name_of(group, record->key), to = name_of(group, record->other);
    const int replace = kind == RENAME || kind == COPY;
    const int error = kind <= RENAMENX
                          ? sdb_rename(worker->session, from.data, from.size, to.data, to.size, replace)
                          : sdb_copy(worker->session, from.data, from.size, 0, to.data, to.size, replace);
    record->result = error == SDB_ENOTFOUND ? -1 : done(error);
    note_end(worker, record);
}

/*
 * All keys, one right after the other: who saw a part of a transaction must find the rest. What takes time is done before
 * and behind, so that several reads fall into one commit; the order of the records is that of the reads.
 */
static void read_one_by_one(struct worker *worker, unsigned group)
{
    const unsigned keys = keys_of(group), first = draw(worker, keys);
    struct sdb_slice names[KEYS_MAX];
    struct sdb_view views[KEYS_MAX];
    struct record *records[KEYS_MAX];
    int errors[KEYS_MAX];

    for (unsigned i = 0; i < keys; i++) {
        names[i] = name_of(group, (first + i) % keys);
        records[i] = note_begin(worker, GET, group, (first + i) % keys, 0);
    }
    for (unsigned i = 0; i < keys; i++)
        errors[i] = sdb_view(worker->session, names[i].data, names[i].size, &views[i]);
    for (unsigned i = 0; i < keys; i++) {
        if (done(errors[i])) {
            records[i]->digest = digest_of(group, views[i].data, views[i].size);
            sdb_view_release(worker->session, &views[i]);
        }
        note_end(worker, records[i]);
    }
}

void on_family(struct worker *worker, unsigned group)
{
    static const enum kind kinds[] = {GET, SET, APPEND};
    const unsigned choice = draw(worker, 15);

    if (choice < 3)
        single(worker, kinds[choice], group, draw(worker, FAMILY_KEYS), (int64_t)++worker->tag);
    else if (choice < 4)
        read_one_by_one(worker, group);
    else if (choice < 6)
        view_many(worker, group, 0);
    else if (choice < 10)
        transaction(worker, group);
    else if (choice == 10)
        set_many(worker, group, draw(worker, 2) ? MSET : MSETNX);
    else if (choice == 11)
        delete_many(worker, group);
    else
        rename_or_copy(worker, group);
}

void on_wide(struct worker *worker)
{
    const unsigned choice = draw(worker, 4);

    if (choice < 2)
        transaction(worker, WIDE);
    else if (choice == 2)
        view_many(worker, WIDE, 0);
    else
        read_one_by_one(worker, WIDE);
}

/* The places of a record's keys: 0 and 1 in the old database, 2 and 3 in the new one. */
void on_databases(struct worker *worker)
{
    static const enum kind kinds[] = {SET, SET, SET, APPEND, GET, GET, GET, MOVE, MOVE, COPY, SWAP, FLUSH};
    const enum kind kind = kinds[draw(worker, 12)];
    const unsigned database = draw(worker, 2), key = draw(worker, DATABASE_KEYS);
    const struct sdb_slice name = name_of(DATABASES, key);
    const unsigned target = database ? DATABASE_OLD : DATABASE_NEW;
    struct sdb_session *session = worker->session;

    must(sdb_select(session, database ? DATABASE_NEW : DATABASE_OLD));
    if (kind == GET) {
        view_many(worker, DATABASES, database);
        must(sdb_select(session, 0));
        return;
    }
    struct record *record = note_draft(worker, kind, DATABASES, database * DATABASE_KEYS + key);
    record->other = (uint8_t)(key + (database ? 0 : DATABASE_KEYS));
    record->argument = (int64_t)++worker->tag;
    note_publish(worker);
    if (kind == SET)
        record->result = done(set_element(worker, record, name, 0));
    else if (kind == APPEND)
        must(append_element(worker, record, name));
    else if (kind == MOVE)
        record->result = done(sdb_move(session, name.data, name.size, target));
    else if (kind == COPY)
        record->result = done(sdb_copy(session, name.data, name.size, target, name.data, name.size, 1));
    else if (kind == SWAP)
        must(sdb_swap_databases(session, DATABASE_OLD, DATABASE_NEW));
    else
        must(sdb_flush(session));
    note_end(worker, record);
    must(sdb_select(session, 0));
}
