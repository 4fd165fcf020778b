/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * workload.c - threads of the embedded library that work on the same few keys and note what they see, until the kill
 *
 *     linear_workload POOL JOURNAL THREADS BASE
 *
 * THREADS 0: reads everything once, closes the pool, ends. Else it goes on until it is killed or the journal is full.
 * BASE: where this run's tags begin; no tag is used twice.
 *
 * A value is a list of elements, each a tag and filler that follows from it; SET writes one, APPEND one more. A counter
 * is an integer. Groups of keys, each with operations of its own: single values, counters, families of three values
 * (transactions, renames, copies), one of twelve counters that are raised together, and one of two databases.
 *
 * What an operation in a group of the library's (sdb_group_begin) gave is told to nobody before sdb_group_end.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "journal.h"
#include "superdb/superdb.h"

#define VALUE_SIZE_MAX 65536u
#define ELEMENT_SIZE_MAX 2048u
#define KEYS_MAX 12u
#define GROUPED_MAX 64u /* records in one group of the library's */

/* The groups, as embedded.py lists them. */
enum { SINGLES = 4, COUNTERS = 2, FAMILIES = 3, WIDE = SINGLES + COUNTERS + FAMILIES, DATABASES, GROUPS };
enum { FAMILY_KEYS = 3, DATABASE_KEYS = 2, DATABASE_OLD = 5, DATABASE_NEW = 6 };

struct worker {
    struct sdb_session *session;
    struct track *track;
    uint64_t random;
    uint64_t tag;
    unsigned hot[2]; /* the groups that most of this run's operations go to */
    unsigned grouped; /* records since sdb_group_begin */
    int grouping;
    uint64_t handles[SINGLES];
    timer_t timer; /* one shot, of this interval: see stand_still */
    struct itimerspec interval;
    char buffer[VALUE_SIZE_MAX];
};

static struct sdb_pool *pool;
static struct journal *journal;
static pthread_barrier_t all_are_there;

/* ---- what goes wrong ends the process with a status that the test does not take for a kill ---- */

static void must(int error)
{
    if (error != SDB_OK) {
        (void)fprintf(stderr, "%s: %s\n", sdb_strerror(error), sdb_last_error());
        _exit(3);
    }
}

/* 1 or 0 for done or not; any other error ends the process. */
static int done(int error)
{
    if (error == SDB_ENOTFOUND || error == SDB_ECONDITION)
        return 0;
    must(error);
    return 1;
}

static uint64_t now(void)
{
    struct timespec time;

    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static unsigned draw(struct worker *worker, unsigned below)
{
    worker->random = worker->random * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)((worker->random >> 33) % below);
}

/* ---- keys and values ---- */

/* Every third name stands outside its entry. */
static struct sdb_slice name_of(unsigned group, unsigned key)
{
    static char names[GROUPS][KEYS_MAX][64];
    char *name = names[group][key];

    if (name[0] == 0) /* filled in before the threads begin */
        (void)snprintf(name, sizeof(names[0][0]), "%u:%u%s", group, key,
                       (group + key) % 3 == 2 ? " with a name that does not fit" : "");
    return (struct sdb_slice){name, strlen(name)};
}

static unsigned keys_of(unsigned group)
{
    return group == WIDE ? KEYS_MAX : group == DATABASES ? DATABASE_KEYS : group >= SINGLES + COUNTERS ? FAMILY_KEYS : 1;
}

static int is_counter(unsigned group)
{
    return group == WIDE || (group >= SINGLES && group < SINGLES + COUNTERS);
}

static size_t element_size(uint64_t tag)
{
    static const uint16_t sizes[] = {8, 8, 16, 24, 64, 300, 2000};

    return sizes[tag % 7];
}

static size_t make_element(uint64_t tag, char *data)
{
    const size_t size = element_size(tag);

    memcpy(data, &tag, 8);
    for (size_t i = 8; i < size; i++)
        data[i] = (char)(tag * 0x9e3779b97f4a7c15u >> (i % 50)) ^ (char)i;
    return size;
}

static uint64_t mix(uint64_t digest, uint64_t word)
{
    return (digest ^ word) * 0x100000001b3u;
}

#define DIGEST_LIST 0xcbf29ce484222325u
#define DIGEST_COUNTER 0x84222325cbf29ce4u

/* 0 is kept for a key that is not there. */
static uint64_t digest_of(unsigned group, const char *data, size_t size)
{
    uint64_t digest = DIGEST_LIST, tag = 0;

    if (is_counter(group)) {
        char text[24] = "";

        memcpy(text, data, size < sizeof(text) ? size : sizeof(text) - 1);
        return mix(DIGEST_COUNTER, (uint64_t)strtoll(text, NULL, 10));
    }
    for (size_t position = 0; position < size; position += element_size(tag)) {
        char element[ELEMENT_SIZE_MAX];

        if (size - position >= 8)
            memcpy(&tag, data + position, 8);
        if (size - position < 8 || make_element(tag, element) > size - position ||
            memcmp(element, data + position, element_size(tag)) != 0) {
            (void)fprintf(stderr, "group %u: bytes that nobody wrote at %zu of %zu\n", group, position, size);
            _exit(7);
        }
        digest = mix(digest, tag);
    }
    return digest;
}

/* ---- the journal ---- */

/* A new record, not yet published. */
static struct record *draft(struct worker *worker, enum kind kind, unsigned group, unsigned key)
{
    struct record *record = &worker->track->records[worker->track->count];

    memset(record, 0, sizeof(*record));
    record->kind = kind;
    record->group = (uint16_t)group;
    record->key = (uint8_t)key;
    record->in_group = (uint16_t)worker->grouping;
    record->invoked = now();
    return record;
}

static void publish(struct worker *worker)
{
    worker->grouped++;
    __atomic_store_n(&worker->track->count, worker->track->count + 1, __ATOMIC_RELEASE);
}

static struct record *begin(struct worker *worker, enum kind kind, unsigned group, unsigned key, int64_t argument)
{
    struct record *record = draft(worker, kind, group, key);

    record->argument = argument;
    publish(worker);
    return record;
}

static void mark_returned(struct record *record)
{
    __atomic_store_n(&record->returned, now(), __ATOMIC_RELEASE);
    __atomic_fetch_add(&journal->returned, 1, __ATOMIC_RELAXED);
}

/* The operation has its result; in a group nobody hears of it yet. */
static void end(struct worker *worker, struct record *record)
{
    if (!worker->grouping && !record->is_part)
        mark_returned(record);
}

/* ---- single operations, alone or as parts ---- */

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

/* Stores one element, on conditions that the record's kind tells. */
static int set(struct worker *worker, struct record *record, struct sdb_slice key, uint64_t version)
{
    char element[ELEMENT_SIZE_MAX];
    const size_t size = make_element((uint64_t)record->argument, element);
    struct sdb_set_options options = {0, version, 0, NULL};

    options.flags = record->kind == SETNX ? SDB_IF_ABSENT
                    : record->kind == SETXX ? SDB_IF_PRESENT
                    : record->kind == CAS ? SDB_IF_VERSION : 0;
    return sdb_set(worker->session, key.data, key.size, element, size, &options);
}

static int append(struct worker *worker, struct record *record, struct sdb_slice key)
{
    char element[ELEMENT_SIZE_MAX];
    const size_t size = make_element((uint64_t)record->argument, element);
    size_t whole = 0;
    const int error = sdb_append(worker->session, key.data, key.size, element, size, &whole);

    record->result = (int64_t)whole;
    return error;
}

/* Runs what the record says; SDB_ECONFLICT in a transaction is the caller's. */
static int run(struct worker *worker, struct record *record)
{
    const struct sdb_slice key = name_of(record->group, record->key);
    struct sdb_session *session = worker->session;
    int error = SDB_OK;

    switch ((enum kind)record->kind) {
    case APPEND:
        error = append(worker, record, key);
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
        error = set(worker, record, key, 0);
        record->result = error == SDB_OK;
        break;
    }
    return error == SDB_ENOTFOUND || error == SDB_ECONDITION ? SDB_OK : error;
}

static void single(struct worker *worker, enum kind kind, unsigned group, unsigned key, int64_t argument)
{
    struct record *record = begin(worker, kind, group, key, argument);

    if (kind == GET)
        get(worker, record, name_of(group, key));
    else
        must(run(worker, record));
    end(worker, record);
}

/* Reads a version, and sets on the condition that it is still the same. */
static void compare_and_set(struct worker *worker, unsigned group)
{
    const struct sdb_slice key = name_of(group, 0);
    struct record *record = begin(worker, GET, group, 0, 0);
    struct sdb_view view;

    if (!done(sdb_view(worker->session, key.data, key.size, &view))) {
        end(worker, record);
        return;
    }
    const uint64_t version = view.version;
    record->digest = digest_of(group, view.data, view.size);
    sdb_view_release(worker->session, &view);
    end(worker, record);
    const uint64_t digest = record->digest;
    record = draft(worker, CAS, group, 0);
    record->argument = (int64_t)++worker->tag;
    record->condition = digest;
    publish(worker);
    record->result = done(set(worker, record, key, version));
    end(worker, record);
}

/* By a handle that was good once; a stale one says nothing that the model knows. */
static void by_handle(struct worker *worker, unsigned group)
{
    const struct sdb_slice key = name_of(group, 0);
    uint64_t *handle = &worker->handles[group];
    size_t size = 0;

    if (*handle == 0 && !done(sdb_handle(worker->session, key.data, key.size, handle)))
        return;
    struct record *record = draw(worker, 3) != 0 ? begin(worker, GET, group, 0, 0)
                                                 : begin(worker, SETXX, group, 0, (int64_t)++worker->tag);
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
    end(worker, record);
}

static void on_single(struct worker *worker, unsigned group)
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

static void on_counter(struct worker *worker, unsigned group)
{
    const unsigned choice = draw(worker, 20);

    single(worker, choice == 0 ? DELETE : choice < 8 ? GET : ADD, group, 0, 1 + (int64_t)draw(worker, 5));
}

/* ---- several keys ---- */

static struct record *begin_part(struct worker *worker, enum kind kind, unsigned group, unsigned key)
{
    struct record *record = draft(worker, kind, group, key);

    record->argument = kind == ADD ? 1 : (int64_t)++worker->tag;
    record->is_part = 1;
    publish(worker);
    return record;
}

/* The record that stands for the parts in front of it. */
static struct record *begin_whole(struct worker *worker, enum kind kind, unsigned group, unsigned parts, uint64_t invoked)
{
    struct record *record = draft(worker, kind, group, 0);

    record->parts = parts;
    record->invoked = invoked;
    publish(worker);
    return record;
}

/* database: added to the keys' places. */
static void view_many(struct worker *worker, unsigned group, unsigned database)
{
    struct sdb_slice names[KEYS_MAX];
    struct sdb_view views[KEYS_MAX];
    struct record *parts[KEYS_MAX];
    int results[KEYS_MAX];
    const unsigned count = keys_of(group);

    for (unsigned i = 0; i < count; i++) {
        names[i] = name_of(group, i);
        parts[i] = begin_part(worker, GET, group, database * DATABASE_KEYS + i);
    }
    struct record *record = begin_whole(worker, MGET, group, count, now());
    must(sdb_view_many(worker->session, names, count, views, results));
    for (unsigned i = 0; i < count; i++) {
        if (!done(results[i]))
            continue;
        parts[i]->digest = digest_of(group, views[i].data, views[i].size);
        sdb_view_release(worker->session, &views[i]);
    }
    end(worker, record);
}

static void set_many(struct worker *worker, unsigned group, enum kind kind)
{
    static _Thread_local char values[FAMILY_KEYS][ELEMENT_SIZE_MAX];
    struct sdb_pair pairs[FAMILY_KEYS];

    for (unsigned i = 0; i < FAMILY_KEYS; i++) {
        const struct record *part = begin_part(worker, SET, group, i);

        pairs[i].key = name_of(group, i);
        pairs[i].value = (struct sdb_slice){values[i], make_element((uint64_t)part->argument, values[i])};
    }
    struct record *record = begin_whole(worker, kind, group, FAMILY_KEYS, now());
    record->result =
        done(sdb_set_many(worker->session, pairs, FAMILY_KEYS, kind == MSETNX ? SDB_IF_ABSENT : 0));
    end(worker, record);
}

static void delete_many(struct worker *worker, unsigned group)
{
    struct sdb_slice names[FAMILY_KEYS];
    size_t deleted = 0;

    for (unsigned i = 0; i < FAMILY_KEYS; i++) {
        names[i] = name_of(group, i);
        (void)begin_part(worker, DELETE, group, i);
    }
    struct record *record = begin_whole(worker, MDELETE, group, FAMILY_KEYS, now());
    must(sdb_delete_many(worker->session, names, FAMILY_KEYS, &deleted));
    record->result = (int64_t)deleted;
    end(worker, record);
}

/* A part of a transaction. False: another thread holds the shard, and the part did not happen. */
static int run_part(struct worker *worker, unsigned group, unsigned key)
{
    static const enum kind kinds[] = {GET, GET, SET, APPEND, APPEND, DELETE, EXISTS};
    const enum kind kind = group == WIDE ? ADD : kinds[draw(worker, 7)];
    struct record *record = begin_part(worker, kind, group, key);
    const struct sdb_slice name = name_of(group, key);
    size_t size = 0;
    int error;

    if (kind == GET) {
        error = sdb_get(worker->session, name.data, name.size, worker->buffer, sizeof(worker->buffer), &size);
        if (error == SDB_OK)
            record->digest = digest_of(group, worker->buffer, size);
        error = error == SDB_ENOTFOUND ? SDB_OK : error;
    } else {
        error = run(worker, record);
    }
    if (error == SDB_ECONFLICT) {
        record->kind = NOTHING;
        return 0;
    }
    must(error);
    return 1;
}

/* Some parts on the group's keys; with the keys named, or without, so that it may meet a conflict; some are aborted. */
static void transaction(struct worker *worker, unsigned group)
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
        record = begin_whole(worker, TRANSACTION, group, count, invoked);
        must(sdb_commit(worker->session));
    } else {
        sdb_abort(worker->session);
        record = begin_whole(worker, ABORTED, group, count, invoked);
    }
    end(worker, record);
}

static void rename_or_copy(struct worker *worker, unsigned group)
{
    const enum kind kind = (enum kind)(RENAME + draw(worker, 4));
    struct record *record = draft(worker, kind, group, draw(worker, FAMILY_KEYS));

    record->other = (uint8_t)((record->key + 1 + draw(worker, FAMILY_KEYS - 1)) % FAMILY_KEYS);
    publish(worker);
    const struct sdb_slice from = name_of(group, record->key), to = name_of(group, record->other);
    const int replace = kind == RENAME || kind == COPY;
    const int error = kind <= RENAMENX
                          ? sdb_rename(worker->session, from.data, from.size, to.data, to.size, replace)
                          : sdb_copy(worker->session, from.data, from.size, 0, to.data, to.size, replace);
    record->result = error == SDB_ENOTFOUND ? -1 : done(error);
    end(worker, record);
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
        records[i] = begin(worker, GET, group, (first + i) % keys, 0);
    }
    for (unsigned i = 0; i < keys; i++)
        errors[i] = sdb_view(worker->session, names[i].data, names[i].size, &views[i]);
    for (unsigned i = 0; i < keys; i++) {
        if (done(errors[i])) {
            records[i]->digest = digest_of(group, views[i].data, views[i].size);
            sdb_view_release(worker->session, &views[i]);
        }
        end(worker, records[i]);
    }
}

static void on_family(struct worker *worker, unsigned group)
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

static void on_wide(struct worker *worker)
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
static void on_databases(struct worker *worker)
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
    struct record *record = draft(worker, kind, DATABASES, database * DATABASE_KEYS + key);
    record->other = (uint8_t)(key + (database ? 0 : DATABASE_KEYS));
    record->argument = (int64_t)++worker->tag;
    publish(worker);
    if (kind == SET)
        record->result = done(set(worker, record, name, 0));
    else if (kind == APPEND)
        must(append(worker, record, name));
    else if (kind == MOVE)
        record->result = done(sdb_move(session, name.data, name.size, target));
    else if (kind == COPY)
        record->result = done(sdb_copy(session, name.data, name.size, target, name.data, name.size, 1));
    else if (kind == SWAP)
        must(sdb_swap_databases(session, DATABASE_OLD, DATABASE_NEW));
    else
        must(sdb_flush(session));
    end(worker, record);
    must(sdb_select(session, 0));
}

/* ---- threads ---- */

static void operate(struct worker *worker)
{
    const unsigned group = draw(worker, 4) != 0 ? worker->hot[draw(worker, 2)] : draw(worker, GROUPS);

    if (group < SINGLES)
        on_single(worker, group);
    else if (group < SINGLES + COUNTERS)
        on_counter(worker, group);
    else if (group < WIDE)
        on_family(worker, group);
    else if (group == WIDE)
        on_wide(worker);
    else
        on_databases(worker);
}

/* Several operations with one fence; all return when that has passed. */
static void operate_grouped(struct worker *worker)
{
    const unsigned count = 2 + draw(worker, 6);
    struct record *record;

    worker->grouped = 0;
    worker->grouping = 1;
    must(sdb_group_begin(worker->session));
    for (unsigned i = 0; i < count && worker->grouped < GROUPED_MAX; i++)
        operate(worker);
    must(sdb_group_end(worker->session));
    worker->grouping = 0;
    record = &worker->track->records[worker->track->count - worker->grouped];
    for (unsigned i = 0; i < worker->grouped; i++)
        if (!record[i].is_part)
            mark_returned(&record[i]);
}

/*
 * In the midst of anything, an operation of the library's above all: others go on meanwhile. The next time is counted from here, not
 * from the last one: on a loaded machine this may take longer than the interval, and nothing else would ever be done.
 */
static void stand_still(int number, siginfo_t *information, void *context)
{
    const struct worker *worker = information->si_value.sival_ptr;
    const struct timespec moment = {0, 20000};
    const int saved = errno;

    (void)number;
    (void)context;
    (void)nanosleep(&moment, NULL);
    (void)timer_settime(worker->timer, 0, &worker->interval, NULL);
    errno = saved;
}

/*
 * Few cores and short operations would leave threads to work one behind the other. So each is stopped now and then, wherever
 * it is, for the length of many operations.
 */
static void disturb_this_thread(struct worker *worker)
{
    struct sigevent event = {0};

    worker->interval.it_value.tv_nsec = 100000 + (long)draw(worker, 200000);
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_signo = SIGUSR1;
    event.sigev_value.sival_ptr = worker;
    event._sigev_un._tid = gettid();
    if (timer_create(CLOCK_MONOTONIC, &event, &worker->timer) != 0 ||
        timer_settime(worker->timer, 0, &worker->interval, NULL) != 0)
        _exit(8);
}

static void *work(void *context)
{
    struct worker *worker = context;

    (void)pthread_barrier_wait(&all_are_there);
    disturb_this_thread(worker);
    while (worker->track->count + GROUPED_MAX * 2 < TRACK_RECORDS) {
        if (draw(worker, 5) == 0)
            operate_grouped(worker);
        else
            operate(worker);
        if (draw(worker, 200) == 0)
            must(sdb_maintain(worker->session, 100, NULL));
        if (draw(worker, 16) == 0)
            (void)sched_yield();
    }
    __atomic_store_n(&journal->full, 1, __ATOMIC_RELEASE);
    for (;;)
        (void)pause(); /* for the kill */
    return NULL;
}

/* Everything as it is after the start, for one thread. */
static void read_all(struct worker *worker)
{
    for (unsigned group = 0; group < DATABASES; group++)
        view_many(worker, group, 0);
    for (unsigned database = 0; database < 2; database++) {
        must(sdb_select(worker->session, database ? DATABASE_NEW : DATABASE_OLD));
        view_many(worker, DATABASES, database);
    }
    must(sdb_select(worker->session, 0));
}

static struct worker *make_worker(unsigned number, uint64_t base)
{
    struct worker *worker = calloc(1, sizeof(*worker));

    if (worker == NULL)
        _exit(4);
    must(sdb_session_open(pool, &worker->session));
    worker->track = &journal->tracks[number];
    worker->tag = base + ((uint64_t)(number + 1) << 24);
    worker->random = base;
    for (unsigned i = 0; i < 2; i++)
        worker->hot[i] = draw(worker, GROUPS); /* the same for all threads */
    worker->random += worker->tag;
    return worker;
}

static void open_all(const char *path, const char *journal_path)
{
    struct sdb_options options = SDB_OPTIONS_INIT;
    const int fd = open(journal_path, O_RDWR | O_CLOEXEC);

    journal = mmap(NULL, sizeof(*journal), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (fd < 0 || journal == MAP_FAILED)
        _exit(5);
    options.pool_size = 64u << 20;
    options.shards = 4;
    options.flags = SDB_CREATE;
    must(sdb_open(path, &options, &pool));
    for (unsigned group = 0; group < GROUPS; group++)
        for (unsigned key = 0; key < keys_of(group); key++)
            (void)name_of(group, key);
}

int main(int argc, char **argv)
{
    if (argc != 5)
        return 2;
    const unsigned threads = (unsigned)atoi(argv[3]);
    const uint64_t base = strtoull(argv[4], NULL, 10);
    pthread_t thread;

    open_all(argv[1], argv[2]);
    struct worker *first = make_worker(0, base);
    read_all(first);
    __atomic_store_n(&journal->opened, 1, __ATOMIC_RELEASE);
    if (threads == 0) {
        sdb_session_close(first->session);
        free(first);
        must(sdb_close(pool));
        return 0;
    }
    struct sigaction action = {0};
    action.sa_sigaction = stand_still;
    action.sa_flags = SA_RESTART | SA_SIGINFO;
    if (threads > TRACKS || sigaction(SIGUSR1, &action, NULL) != 0 ||
        pthread_barrier_init(&all_are_there, NULL, threads) != 0)
        _exit(6);
    for (unsigned i = 1; i < threads; i++)
        if (pthread_create(&thread, NULL, work, make_worker(i, base)) != 0)
            _exit(6);
    (void)work(first);
    return 0;
}
