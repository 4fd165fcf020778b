/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * scenario_collections.c - collections as the types' files work with them: packed ones and trees that take each other's place, keys whose
 * last element goes, what takes the place of another type, RENAME, MOVE and COPY of trees, in groups and transactions of several keys
 *
 * What an image may hold is found by rehearsal: each operation is done in a transaction, the keyspace is read in it and noted, and
 * the transaction is taken back. Then it is done again, and crashed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collection.h"
#include "error.h"
#include "hash.h"
#include "scenarios.h"

#define KEYS 5u
#define DATABASES 2u
#define OPERATIONS_MAX 6u
#define SMALL 6u /* elements of a packed collection, at most */
#define BATCH_MAX 24u
#define NOW_MS 1700000000000

struct state {
    uint64_t of[DATABASES * KEYS];
};

enum what { PUT, TAKE, EMPTY, KEEP, STORE, STRING, DROP, EXPIRE, RENAME, MOVE, COPY, PASS, WHAT_COUNT };

/* An operation, told in full: it is done twice. */
struct deed {
    enum what what;
    uint32_t database, key, other, type, count, rank, size, salt;
};

static struct {
    struct oracle *oracle;
    struct state done, journal[OPERATIONS_MAX];
    uint32_t operations;
    uint64_t judged;
    uint32_t reached[WHAT_COUNT]; /* deeds that changed something */
    uint32_t converted;           /* packed collections that became trees */
    uint32_t undone[2];           /* new trees that were emptied before anything led to them: element by element, at once */
} run;

static uint32_t roll(uint32_t n) { return oracle_roll(run.oracle, n); }

static size_t name_of(uint32_t key, char name[64])
{
    /* Inline, and in a blob of its own. */
    return (size_t)snprintf(name, 64, key == 3 ? "a collection whose name is a blob of its own: %u" : "key:%u", key);
}

/* ---- the keyspace ---- */

struct sum {
    uint64_t total, rank;
    bool ordered;
};

static int add_element(void *context, const struct sdb_element *element)
{
    struct sum *sum = context;
    uint64_t parts[4] = {hash_key(4, element->name.data, element->name.size), hash_key(5, element->value.data, element->value.size)};

    memcpy(&parts[2], &element->score, sizeof(parts[2]));
    parts[3] = sum->ordered ? sum->rank : 0;
    sum->rank++;
    sum->total += hash_key(6, parts, sizeof(parts));
    return 0;
}

static int sum_string(struct sdb_session *session, const char *name, size_t size, uint64_t *total)
{
    struct sdb_view view;
    int error = sdb_view(session, name, size, &view);

    if (error)
        return error;
    *total = hash_key(2, view.data, view.size);
    sdb_view_release(session, &view);
    return SDB_OK;
}

/* 0 where there is no such key. */
static int sum_key(struct sdb_session *session, uint32_t key, uint64_t *total)
{
    char name[64];
    const size_t size = name_of(key, name);
    struct sdb_stat stat;
    struct sum sum = {0, 0, false};
    int error = sdb_stat(session, name, size, &stat);

    *total = 0;
    if (error)
        return error == SDB_ENOTFOUND ? SDB_OK : error;
    sum.ordered = stat.type == SDB_TYPE_LIST || stat.type == SDB_TYPE_ZSET;
    if (stat.type == SDB_TYPE_STRING)
        error = sum_string(session, name, size, &sum.total);
    else
        error = sdb_collection_each(session, name, size, stat.type, add_element, &sum);
    const uint64_t parts[4] = {stat.type | (uint64_t)stat.encoding << 8, (uint64_t)stat.expire_ms, sum.total, sum.rank};
    *total = hash_key(3, parts, sizeof(parts)) | 1;
    return !error && stat.type != SDB_TYPE_STRING && stat.size != sum.rank ? SDB_ECORRUPT : error;
}

static int read_all(struct sdb_session *session, struct state *state)
{
    int error = SDB_OK;

    for (uint32_t d = 0; d < DATABASES && !error; d++) {
        error = sdb_select(session, d);
        for (uint32_t k = 0; k < KEYS && !error; k++)
            error = sum_key(session, k, &state->of[d * KEYS + k]);
    }
    return error;
}

/* ---- what is done to one collection ---- */

struct task {
    const struct deed *deed;
    uint32_t salt;
};

static size_t some_name(const struct task *task, uint32_t type, char name[32])
{
    const uint32_t id = task->salt % 20;

    if (type == SDB_TYPE_SET && task->deed->rank % 2) /* of integers, as long as they are alone */
        return (size_t)snprintf(name, 32, "%u", id);
    return (size_t)snprintf(name, 32, "element:%u", id);
}

static int put_one(struct collection *collection, struct task *task)
{
    static char value[4096];
    const struct deed *deed = task->deed;
    const uint32_t type = collection->type;
    struct collection_element element = {.score = 0};
    char name[32];

    memset(value, 'a' + (int)(task->salt % 26), deed->size);
    task->salt = task->salt * 1103515245u + 12345u;
    element.name = (struct sdb_slice){name, some_name(task, type, name)};
    if (type == SDB_TYPE_LIST) {
        const struct sdb_slice whole = {value, deed->size};

        if (collection->count && task->salt >> 20 & 1)
            return collection_set(collection, (task->salt >> 8) % collection->count, &whole);
        return collection_insert(collection, (task->salt >> 8) % (collection->count + 1), &whole);
    }
    if (type == SDB_TYPE_HASH)
        element.value = (struct sdb_slice){value, deed->size};
    if (type == SDB_TYPE_ZSET)
        element.score = collection_score_word((double)(task->salt >> 10 & 7));
    return collection_put(collection, &element, NULL);
}

static int take_some(struct collection *collection, uint64_t rank, uint64_t count)
{
    struct collection_place place;
    int error = SDB_OK;

    for (uint64_t i = 0; i < count && collection->count && !error; i++) {
        error = collection_at(collection, (rank + i) % collection->count, &place);
        if (!error)
            error = collection_take(collection, &place);
    }
    return error;
}

static int take_all(struct collection *collection) { return take_some(collection, 0, collection->count); }

static int put(struct collection *collection, void *context)
{
    struct task *task = context;
    const bool was_packed = collection->count && !collection->in_tree;
    int error = SDB_OK;

    for (uint32_t i = 0; i < task->deed->count && !error; i++)
        error = put_one(collection, task);
    run.converted += !error && was_packed && collection->in_tree;
    if (!error && task->deed->rank % 8 == 0) { /* what has come goes again */
        run.undone[task->deed->salt % 2] += collection->fresh_tree;
        error = task->deed->salt % 2 ? collection_clear(collection) : take_all(collection);
    }
    if (!error && task->deed->rank % 8 == 1) /* what has come is taken back */
        error = SDB_EINVAL;
    return error;
}

static int take(struct collection *collection, void *context)
{
    const struct deed *deed = ((const struct task *)context)->deed;

    return take_some(collection, deed->rank, deed->count);
}

/* All go: at once, or one behind the other. */
static int empty(struct collection *collection, void *context)
{
    return ((const struct task *)context)->deed->salt % 2 ? collection_clear(collection) : take_all(collection);
}

static int keep(struct collection *collection, void *context)
{
    const struct deed *deed = ((const struct task *)context)->deed;
    const uint64_t rank = collection->count ? deed->rank % collection->count : 0;
    const uint64_t left = collection->count - rank, count = deed->count < left ? deed->count : left;

    return collection->count ? collection_keep(collection, rank, count, deed->salt % 4 == 0) : SDB_OK;
}

/* ---- deeds ---- */

/* One that has a list, or the key itself: only lists are cut, and pass elements on. */
static uint32_t with_a_list(struct sdb_session *session, uint32_t key)
{
    struct sdb_stat stat;
    char name[64];

    for (uint32_t i = 0; i < KEYS; i++)
        if (sdb_stat(session, name, name_of((key + i) % KEYS, name), &stat) == SDB_OK && stat.type == SDB_TYPE_LIST)
            return (key + i) % KEYS;
    return key;
}

static struct deed some_deed(struct sdb_session *session)
{
    static const uint8_t often[] = {PUT,   PUT,  PUT,    PUT,  PUT,    PUT,    TAKE,   TAKE, TAKE, EMPTY, EMPTY, KEEP, KEEP, STORE,
                                    STORE, DROP, STRING, EXPIRE, RENAME, RENAME, MOVE, MOVE, COPY, COPY,  PASS,  PASS};
    static const uint16_t sizes[] = {0, 5, 20, 40, 60, 60, 100, 300, 1500};
    struct deed deed = {.what = often[roll(sizeof(often))], .database = roll(DATABASES), .key = roll(KEYS), .other = roll(KEYS)};
    struct sdb_stat stat;
    char name[64];

    deed.type = SDB_TYPE_LIST + roll(4);
    deed.rank = roll(1000);
    deed.size = sizes[roll(sizeof(sizes) / sizeof(sizes[0]))];
    deed.salt = roll(1u << 30);
    deed.count = deed.rank % 8 == 0 ? BATCH_MAX : 1 + (roll(6) ? roll(3) : roll(BATCH_MAX));
    MUST(sdb_select(session, deed.database));
    if (deed.what == KEEP || deed.what == PASS)
        deed.key = with_a_list(session, deed.key);
    if (deed.what != STORE && sdb_stat(session, name, name_of(deed.key, name), &stat) == SDB_OK && stat.type != SDB_TYPE_STRING)
        deed.type = stat.type;
    if (deed.what == KEEP && deed.type != SDB_TYPE_LIST)
        deed.what = EMPTY;
    return deed;
}

static int set_string(struct sdb_session *session, const char *name, size_t name_size, const struct deed *deed)
{
    static char value[4096];

    memset(value, 's', deed->size);
    return sdb_set(session, name, name_size, value, deed->size, NULL);
}

/* From a list to another one, or within it. */
static int pass(struct sdb_session *session, void *context)
{
    const struct deed *deed = context;
    struct deed one = *deed;
    struct task task = {.deed = &one, .salt = deed->salt};
    char name[64], other[64];
    int error;

    one.count = 1;
    one.rank = 2; /* it stays */
    error = collection_change(session, name, name_of(deed->key, name), SDB_TYPE_LIST, take, &task);
    return error ? error : collection_change(session, other, name_of(deed->other, other), SDB_TYPE_LIST, put, &task);
}

static int perform(struct sdb_session *session, const struct deed *deed)
{
    char name[64], other[64];
    const size_t size = name_of(deed->key, name), other_size = name_of(deed->other, other);
    const struct sdb_slice both[2] = {{name, size}, {other, other_size}};
    struct task task = {.deed = deed, .salt = deed->salt};

    MUST(sdb_select(session, deed->database));
    switch (deed->what) {
    case PUT:
        return collection_change(session, name, size, deed->type, put, &task);
    case TAKE:
        return collection_change(session, name, size, deed->type, take, &task);
    case EMPTY:
        return collection_change(session, name, size, deed->type, empty, &task);
    case KEEP:
        return collection_change(session, name, size, deed->type, keep, &task);
    case STORE:
        return collection_store(session, name, size, deed->type, put, &task);
    case STRING:
        return set_string(session, name, size, deed);
    case DROP:
        return sdb_delete(session, name, size);
    case EXPIRE:
        return sdb_expire(session, name, size, NOW_MS + 1000 + deed->rank);
    case RENAME:
        return sdb_rename(session, name, size, other, other_size, 1);
    case MOVE:
        return sdb_move(session, name, size, 1 - deed->database);
    case PASS:
        return collection_together(session, both, 2, pass, (void *)(uintptr_t)deed);
    default:
        return sdb_copy(session, name, size, (deed->database + deed->rank) % DATABASES, other, other_size, 1);
    }
}

static void do_it(struct sdb_session *session, const struct deed *deed)
{
    const int error = perform(session, deed);

    if (error != SDB_ENOTFOUND && error != SDB_ETYPE && error != SDB_ECONDITION && error != SDB_EINVAL)
        must(error, "a change of a collection");
}

/* What the keyspace is behind each of the deeds. */
static void rehearse(struct sdb_session *session, const struct deed *deeds, uint32_t count)
{
    struct state before = run.done;

    sdb_crashtest_look(run.oracle->test, 0);
    MUST(sdb_begin_all(session));
    for (uint32_t i = 0; i < count; i++) {
        do_it(session, &deeds[i]);
        MUST(read_all(session, &run.journal[i]));
        run.reached[deeds[i].what] += memcmp(&run.journal[i], &before, sizeof(before)) != 0;
        before = run.journal[i];
    }
    sdb_abort(session);
    sdb_crashtest_look(run.oracle->test, 1);
}

/* One by itself, several in a group, several in a transaction: of that only the end counts. */
static void work_some(struct sdb_session *session)
{
    struct deed deeds[OPERATIONS_MAX];
    const uint32_t how = roll(6), count = how < 4 ? 1 : 2 + roll(OPERATIONS_MAX - 1);

    for (uint32_t i = 0; i < count; i++)
        deeds[i] = some_deed(session);
    rehearse(session, deeds, count);
    if (how == 4)
        run.journal[0] = run.journal[count - 1];
    run.operations = how == 4 ? 1 : count;
    oracle_begin(run.oracle);
    if (how == 4)
        MUST(sdb_begin_all(session));
    if (how == 5)
        MUST(sdb_group_begin(session));
    for (uint32_t i = 0; i < count; i++)
        do_it(session, &deeds[i]);
    if (how == 4)
        MUST(sdb_commit(session));
    if (how == 5)
        MUST(sdb_group_end(session));
    run.done = run.journal[run.operations - 1];
    run.operations = 0;
    sdb_crashtest_end(run.oracle->test);
}

/* ---- the scenarios ---- */

static void prepare(struct oracle *oracle, struct sdb_crashtest_options *options)
{
    memset(&run, 0, sizeof(run));
    run.oracle = oracle;
    options->shards = 2;
    options->states_max = 24;
    options->random_images = 8;
    options->lines_max = 2;
    options->kill_every = 16;
    options->nested_images = 8;
    options->every = 12;
}

void prepare_collections(struct oracle *oracle, struct sdb_crashtest_options *options)
{
    prepare(oracle, options);
}

void prepare_collections_pages(struct oracle *oracle, struct sdb_crashtest_options *options)
{
    prepare(oracle, options);
    options->domain = SDB_CRASHTEST_PAGES;
    options->every = 24;
}

static bool is_legal(const struct state *found)
{
    bool legal = memcmp(found, &run.done, sizeof(*found)) == 0;

    for (uint32_t i = 0; i < run.operations && !legal; i++)
        legal = memcmp(found, &run.journal[i], sizeof(*found)) == 0;
    return legal;
}

/* What waits to be reclaimed is reclaimed, and all else stays. */
static int reclaim(struct sdb_session *session, struct sdb_crashtest_image *image, const struct state *before)
{
    struct sdb_check result;
    struct state after;
    int error = SDB_OK, done = 0;

    for (unsigned i = 0; i < 1000 && !done && !error; i++)
        error = sdb_maintain(session, 4000, &done);
    if (!error)
        error = sdb_check(image->pool, NULL, NULL, &result);
    if (!error)
        error = read_all(session, &after);
    return error ? error : memcmp(before, &after, sizeof(after)) != 0;
}

int judge_collections(void *context, struct sdb_session *session, struct sdb_crashtest_image *image)
{
    struct state found;
    int error = read_all(session, &found);

    (void)context;
    if (error) {
        (void)snprintf(image->why, 200, "a key cannot be read: %s: %.120s", sdb_strerror(error), sdb_last_error());
        return 1;
    }
    if (!is_legal(&found)) {
        size_t n = (size_t)snprintf(image->why, 200, "of %u operations none explains key", run.operations);

        for (uint32_t i = 0; i < DATABASES * KEYS && n < 200; i++)
            if (found.of[i] != run.done.of[i])
                n += (size_t)snprintf(image->why + n, 20, " %u", i);
        return 2;
    }
    if (run.judged++ % 8 == 0 && reclaim(session, image, &found)) {
        (void)snprintf(image->why, 200, "reclaiming: %.120s", sdb_last_error());
        return 3;
    }
    return 0;
}

int work_collections(void *context, struct sdb_crashtest *test, struct sdb_pool *pool)
{
    const struct sdb_limits limits = {SMALL, 64, SMALL, SMALL, SMALL, 64};
    struct sdb_session *sessions[2];

    (void)context;
    sdb_set_limits(pool, &limits);
    sdb_crashtest_set_time(test, NOW_MS);
    MUST(sdb_session_open(pool, &sessions[0]));
    MUST(sdb_session_open(pool, &sessions[1]));
    MUST(read_all(sessions[0], &run.done));
    for (unsigned i = 0; i < 350; i++) {
        struct sdb_session *session = sessions[roll(2)];

        work_some(session);
        if (roll(4) == 0) {
            oracle_begin(run.oracle);
            MUST(sdb_maintain(session, 1 + roll(40), NULL));
            sdb_crashtest_end(run.oracle->test);
        }
    }
    sdb_session_close(sessions[0]);
    sdb_session_close(sessions[1]);
    for (unsigned i = 0; i < WHAT_COUNT; i++)
        must(run.reached[i] ? SDB_OK : SDB_EINVAL, "an operation that never changed anything");
    must(run.converted && run.undone[0] && run.undone[1] ? SDB_OK : SDB_EINVAL, "trees that never came about");
    return SDB_OK;
}
