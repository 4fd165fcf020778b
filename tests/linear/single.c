/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * single.c - operations on one string or counter, alone or as parts of a transaction
 */
#include <string.h>

#include "workload.h"

static void get(struct worker *worker, struct record *record, struct sdb_slice key)
{
    struct sdb_view view;
    size_t size = 0;
    int error;

    if (draw(worker, 2) == 0) {
        error = sdb_view(worker->session, key.data, key.size, &view);
        if (done(error)) {
            record->digest = digest_of(record->group, view.data, view.size);
            sdb_view_release(worker->session, &view);
        }
    } else {
        error = sdb_get(worker->session, key.data, key.size, worker->buffer, sizeof(worker->buffer), &size);
        if (done(error))
            record->digest = digest_of(record->group, worker->buffer, size);
    }
}

int set_element(struct worker *worker, struct record *record, struct sdb_slice key, uint64_t version)
{
    char element[ELEMENT_SIZE_MAX];
    const size_t size = make_element((uint64_t)record->argument, element);
    struct sdb_set_options options = {0, version, 0, NULL};

    options.flags = record->kind == SETNX ? SDB_IF_ABSENT
                    : record->kind == SETXX ? SDB_IF_PRESENT
                    : record->kind == CAS ? SDB_IF_VERSION : 0;
    return sdb_set(worker->session, key.data, key.size, element, size, &options);
}

int append_element(struct worker *worker, struct record *record, struct sdb_slice key)
{
    char element[ELEMENT_SIZE_MAX];
    const size_t size = make_element((uint64_t)record->argument, element);
    size_t whole = 0;
    const int error = sdb_append(worker->session, key.data, key.size, element, size, &whole);

    record->result = (int64_t)whole;
    return error;
}

int run_single(struct worker *worker, struct record *record)
{
    const struct sdb_slice key = name_of(record->group, record->key);
    struct sdb_session *session = worker->session;
    int error = SDB_OK;

    switch ((enum kind)record->kind) {
    case APPEND:
        error = append_element(worker, record, key);
        break;
    case ADD:
        error = sdb_add(session, key.data, key.size, record->argument, &record->result);
        break;
    case DELETE:
        error = sdb_delete(session, key.data, key.size);
        record->result = error == SDB_OK;
        break;
    case EXISTS:
        error = sdb_exists(session, key.data, key.size);
        record->result = error == SDB_OK;
        break;
    default:
        error = set_element(worker, record, key, 0);
        record->result = error == SDB_OK;
        break;
    }
    return error == SDB_ENOTFOUND || error == SDB_ECONDITION ? SDB_OK : error;
}

void single(struct worker *worker, enum kind kind, unsigned group, unsigned key, int64_t argument)
{
    struct record *record = note_begin(worker, kind, group, key, argument);

    if (kind == GET)
        get(worker, record, name_of(group, key));
    else
        must(run_single(worker, record));
    note_end(worker, record);
}

/* Reads a version, and sets on the condition that it is still the same. */
static void compare_and_set(struct worker *worker, unsigned group)
{
    const struct sdb_slice key = name_of(group, 0);
    struct record *record = note_begin(worker, GET, group, 0, 0);
    struct sdb_view view;

    if (!done(sdb_view(worker->session, key.data, key.size, &view))) {
        note_end(worker, record);
        return;
    }
    const uint64_t version = view.version;
    record->digest = digest_of(group, view.data, view.size);
    sdb_view_release(worker->session, &view);
    note_end(worker, record);
    const uint64_t digest = record->digest;
    record = note_draft(worker, CAS, group, 0);
    record->argument = (int64_t)++worker->tag;
    record->condition = digest;
    note_publish(worker);
    record->result = done(set_element(worker, record, key, version));
    note_end(worker, record);
}

/* By a handle that was good once; a stale one says nothing that the model knows. */
static void by_handle(struct worker *worker, unsigned group)
{
    const struct sdb_slice key = name_of(group, 0);
    uint64_t *handle = &worker->handles[group];
    size_t size = 0;

    if (*handle == 0 && !done(sdb_handle(worker->session, key.data, key.size, handle)))
        return;
    struct record *record = draw(worker, 3) != 0 ? note_begin(worker, GET, group, 0, 0)
                                                 : note_begin(worker, SETXX, group, 0, (int64_t)++worker->tag);
    int error;
    if (record->kind == GET) {
        error = sdb_get_by_handle(worker->session, *handle, worker->buffer, sizeof(worker->buffer), &size);
        if (error == SDB_OK)
            record->digest = digest_of(group, worker->buffer, size);
    } else {
        char element[ELEMENT_SIZE_MAX];

        size = make_element((uint64_t)record->argument, element);
        error = sdb_set_by_handle(worker->session, *handle, element, size);
        record->result = 1;
    }
    if (error == SDB_ESTALE) {
        record->kind = NOTHING;
        *handle = 0;
    } else {
        must(error);
    }
    note_end(worker, record);
}

void on_single(struct worker *worker, unsigned group)
{
    static const enum kind kinds[] = {GET,   GET,   GET,    GET,    SET,    SET,
                                      SETNX, SETXX, APPEND, APPEND, DELETE, EXISTS};
    const unsigned choice = draw(worker, 15);

    if (choice == 12)
        compare_and_set(worker, group);
    else if (choice > 12)
        by_handle(worker, group);
    else
        single(worker, kinds[choice], group, 0, (int64_t)++worker->tag);
}

void on_counter(struct worker *worker, unsigned group)
{
    const unsigned choice = draw(worker, 20);

    single(worker, choice == 0 ? DELETE : choice < 8 ? GET : ADD, group, 0, 1 + (int64_t)draw(worker, 5));
}
