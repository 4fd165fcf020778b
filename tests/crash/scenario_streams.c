/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * scenario_streams.c - streams: adding with and without trimming, what is deleted, groups, what is given, acknowledged and claimed,
 * streams that are filled in, renamed, moved, copied and dropped, in groups and transactions
 *
 * What an image may hold is found by rehearsal, as in scenario_collections.c.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "hash.h"
#include "scenarios.h"

#define KEYS 3u
#define DATABASES 2u
#define GROUPS 2u
#define CONSUMERS 2u
#define IDS 40u /* times of entries are below it, most of the time */
#define OPERATIONS_MAX 6u
#define NOW_MS 1700000000000

struct state {
    uint64_t of[DATABASES * KEYS];
};

enum what {
    ADD, ADD_MANY, TRIM, ERASE, SET_IDS, MAKE, DESTROY, CONSUMER, READ, AGAIN, ACK, CLAIM, CLAIM_ALL, FILL, DROP, RENAME, MOVE, COPY,
    WHAT_COUNT
};

/* An operation, told in full: it is done twice. */
struct deed {
    enum what what;
    uint32_t database, key, other, group, consumer, count, salt;
};

static struct {
    struct oracle *oracle;
    struct state done, journal[OPERATIONS_MAX];
    uint32_t operations;
    uint64_t judged;
    uint32_t reached[WHAT_COUNT]; /* deeds that changed something */
} run;

static uint32_t roll(uint32_t n) { return oracle_roll(run.oracle, n); }

static size_t name_of(uint32_t key, char name[64])
{
    /* Inline, and in a blob of its own. */
    return (size_t)snprintf(name, 64, key == 1 ? "a stream whose name is a blob of its own: %u" : "key:%u", key);
}

static struct sdb_slice group_of(uint32_t group, char name[16])
{
    return (struct sdb_slice){name, (size_t)snprintf(name, 16, "group:%u", group)};
}

static struct sdb_slice consumer_of(uint32_t consumer, char name[16])
{
    return (struct sdb_slice){name, (size_t)snprintf(name, 16, "c%u", consumer)};
}

/* ---- the keyspace ---- */

/* What is shown goes into the sum one behind the other. */
static void add_to(uint64_t *sum, const void *data, size_t size)
{
    *sum = hash_key(*sum, data, size);
}

static int sum_entry(void *context, const struct sdb_stream_entry *entry)
{
    add_to(context, &entry->id, sizeof(entry->id));
    add_to(context, entry->packed.data, entry->packed.size);
    return 0;
}

static int sum_consumer(void *context, const struct sdb_stream_consumer *consumer)
{
    const uint64_t words[2] = {(uint64_t)consumer->seen_ms, consumer->pending};

    add_to(context, consumer->name.data, consumer->name.size);
    add_to(context, words, sizeof(words));
    return 0;
}

static int sum_pending(void *context, const struct sdb_stream_pending *pending)
{
    const uint64_t words[4] = {pending->id.ms, pending->id.sequence, (uint64_t)pending->delivered_ms, pending->deliveries};

    add_to(context, pending->consumer.data, pending->consumer.size);
    add_to(context, words, sizeof(words));
    return 0;
}

static int sum_group(struct sdb_session *session, const char *name, size_t size, uint32_t number, uint64_t *sum)
{
    char text[16], consumer[16];
    struct sdb_stream_pending_range range = {.group = group_of(number, text), .last = SDB_STREAM_ID_MAX, .count = UINT64_MAX};
    struct sdb_stream_group group;
    int error = sdb_stream_group(session, name, size, range.group.data, range.group.size, &group);

    if (error)
        return error == SDB_ECONDITION ? SDB_OK : error;
    const uint64_t words[5] = {group.last_id.ms, group.last_id.sequence, (uint64_t)group.entries_read, group.consumers, group.pending};
    add_to(sum, words, sizeof(words));
    error = sdb_stream_consumers(session, name, size, &range.group, sum_consumer, sum);
    if (!error)
        error = sdb_stream_pending(session, name, size, &range, sum_pending, sum);
    for (uint32_t c = 0; c < CONSUMERS && !error; c++) {
        range.consumer = consumer_of(c, consumer);
        error = sdb_stream_pending(session, name, size, &range, sum_pending, sum);
    }
    return error;
}

/* 0 where there is no such key. */
static int sum_key(struct sdb_session *session, uint32_t key, uint64_t *total)
{
    const struct sdb_stream_range all = {SDB_STREAM_ID_MIN, SDB_STREAM_ID_MAX, 0, UINT64_MAX};
    char name[64];
    const size_t size = name_of(key, name);
    struct sdb_stream_info info;
    uint64_t sum = 1;
    int error = sdb_stream_info(session, name, size, &info);

    *total = 0;
    if (error)
        return error == SDB_ENOTFOUND ? SDB_OK : error;
    add_to(&sum, &info, sizeof(info));
    error = sdb_stream_range(session, name, size, &all, sum_entry, &sum);
    for (uint32_t g = 0; g < GROUPS && !error; g++)
        error = sum_group(session, name, size, g, &sum);
    *total = sum | 1;
    return error;
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

/* ---- deeds ---- */

static struct deed some_deed(void)
{
    static const uint8_t often[] = {ADD,  ADD,  ADD,  ADD,     ADD,  ADD_MANY, ADD_MANY, ADD_MANY, TRIM,     TRIM,  ERASE, ERASE,
                                    MAKE, MAKE, MAKE, DESTROY, READ, READ,     READ,     READ,     CONSUMER, AGAIN, ACK,   ACK,
                                    ACK,  CLAIM, CLAIM, CLAIM_ALL, FILL, DROP, RENAME,   MOVE,     COPY,     SET_IDS, CONSUMER};
    struct deed deed = {.what = (enum what)often[roll(sizeof(often))], .database = roll(DATABASES), .key = roll(KEYS), .other = roll(KEYS)};

    deed.group = roll(GROUPS);
    deed.consumer = roll(CONSUMERS);
    deed.salt = roll(1u << 30);
    deed.count = deed.what == ADD_MANY ? 10 + roll(30) : 1 + roll(4);
    return deed;
}

static struct sdb_stream_id some_id(uint32_t *salt)
{
    *salt = *salt * 1103515245u + 12345u;
    return (struct sdb_stream_id){1 + (*salt >> 8) % IDS, (*salt >> 20) % 3};
}

static int add(struct sdb_session *session, const char *name, size_t size, const struct deed *deed, uint32_t i)
{
    static char value[2048];
    const uint32_t salt = deed->salt + i * 7;
    const struct sdb_slice fields[4] = {{"a", 1}, {value, salt % 9 == 0 ? 300 + salt % 1500 : salt % 90}, {"", 0}, {value, salt % 5}};
    const struct sdb_stream_trim trim = {.by = SDB_STREAM_BY_LENGTH, .length = 20 + salt % 40, .block = salt % 2 ? 7 : 0};
    const struct sdb_stream_addition what = {.form = SDB_STREAM_ID_MS,
                                             .id = {1 + (i ? IDS : salt % IDS), 0},
                                             .fields = fields,
                                             .count = 1 + salt % 2,
                                             .trim = salt % 6 == 0 ? &trim : NULL};
    const struct sdb_stream_addition behind = {.now_ms = 1, .fields = fields, .count = 1};
    int error;

    memset(value, 'a' + (int)(salt % 26), sizeof(value));
    error = sdb_stream_add(session, name, size, i ? &behind : &what, NULL);
    return error == SDB_ECONDITION ? sdb_stream_add(session, name, size, &behind, NULL) : error;
}

static int add_many(struct sdb_session *session, const char *name, size_t size, const struct deed *deed)
{
    int error = SDB_OK;

    for (uint32_t i = 0; i < deed->count && !error; i++)
        error = add(session, name, size, deed, i);
    return error;
}

static int see_nothing(void *context, const struct sdb_stream_entry *entry)
{
    (void)context;
    (void)entry;
    return 0;
}

static int fill(void *context, struct sdb_stream_filling *filling)
{
    const struct deed *deed = context;
    const struct sdb_slice fields[2] = {{"f", 1}, {"filled in", deed->salt % 10}};
    char text[16], name[16];
    const struct sdb_stream_group group = {.name = group_of(deed->group, text), .last_id = {5, 0}, .entries_read = 2};
    const struct sdb_stream_consumer consumer = {.name = consumer_of(deed->consumer, name), .seen_ms = NOW_MS};
    int error = SDB_OK;

    for (uint32_t i = 1; i <= deed->count * 9 && !error; i++)
        error = sdb_stream_fill_entry(filling, &(struct sdb_stream_id){i, 0}, fields, 1);
    if (!error)
        error = sdb_stream_fill_group(filling, &group);
    if (!error)
        error = sdb_stream_fill_consumer(filling, &consumer);
    for (uint32_t i = 1; i <= deed->count * 11 && !error; i++)
        error = sdb_stream_fill_pending(filling, &(struct sdb_stream_pending){{i, 0}, consumer.name, NOW_MS, i});
    return error ? error : deed->salt % 4 ? SDB_OK : SDB_EINVAL; /* what has come is taken back */
}

static int of_group(struct sdb_session *session, const char *name, size_t size, const struct deed *deed)
{
    char text[16], other[16];
    const struct sdb_slice group = group_of(deed->group, text), consumer = consumer_of(deed->consumer, other);
    uint32_t salt = deed->salt;
    const struct sdb_stream_id ids[4] = {some_id(&salt), some_id(&salt), some_id(&salt), some_id(&salt)};
    const struct sdb_stream_start start = {.id = ids[0], .entries_read = (int64_t)(salt % 3) - 1, .flags = salt % 4};
    const struct sdb_stream_reading reading = {.group = group,
                                               .consumer = consumer,
                                               .count = salt % 2 ? 0 : deed->count,
                                               .flags = deed->what == AGAIN ? SDB_STREAM_HISTORY : salt % 8 == 1 ? SDB_STREAM_NO_ACK : 0};
    const struct sdb_stream_claim claim = {
        .group = group, .consumer = consumer, .ids = ids, .count = 4, .flags = salt % 2 ? SDB_STREAM_FORCE : 0};
    const struct sdb_stream_autoclaim all = {.group = group, .consumer = consumer, .count = 5};

    switch (deed->what) {
    case MAKE:
        return salt % 3 ? sdb_stream_group_create(session, name, size, group.data, group.size, &start)
                        : sdb_stream_group_set(session, name, size, group.data, group.size, &start);
    case DESTROY:
        return sdb_stream_group_destroy(session, name, size, group.data, group.size);
    case CONSUMER:
        return salt % 2 ? sdb_stream_consumer_create(session, name, size, &group, &consumer, 0, NULL)
                        : sdb_stream_consumer_delete(session, name, size, &group, &consumer, NULL, NULL);
    case ACK:
        return sdb_stream_acknowledge(session, name, size, &group, ids, 4, NULL);
    case CLAIM:
        return sdb_stream_claim(session, name, size, &claim, NULL, see_nothing, NULL);
    case CLAIM_ALL:
        return sdb_stream_autoclaim(session, name, size, &all, NULL, see_nothing, see_nothing, NULL);
    default:
        return sdb_stream_read_group(session, name, size, &reading, NULL, see_nothing, NULL);
    }
}

static int perform(struct sdb_session *session, const struct deed *deed)
{
    char name[64], other[64];
    const size_t size = name_of(deed->key, name), other_size = name_of(deed->other, other);
    uint32_t salt = deed->salt;
    const struct sdb_stream_id ids[3] = {some_id(&salt), some_id(&salt), some_id(&salt)};
    const struct sdb_stream_trim trim = {.by = salt % 2 ? SDB_STREAM_BY_ID : SDB_STREAM_BY_LENGTH, .length = salt % 5 ? salt % 30 : salt / 8 % 3, .id = ids[0]};
    const struct sdb_stream_info info = {.last_id = {IDS + salt % 50, 3}, .entries_added = 500 + salt % 9, .max_deleted_id = ids[1]};

    MUST(sdb_select(session, deed->database));
    switch (deed->what) {
    case ADD:
    case ADD_MANY:
        return add_many(session, name, size, deed);
    case TRIM:
        return sdb_stream_trim(session, name, size, &trim, NULL);
    case ERASE:
        return sdb_stream_delete(session, name, size, ids, 3, NULL);
    case SET_IDS:
        return sdb_stream_set(session, name, size, &info, salt % 4);
    case FILL:
        return sdb_stream_store(session, name, size, fill, (void *)(uintptr_t)deed);
    case DROP:
        return sdb_delete(session, name, size);
    case RENAME:
        return sdb_rename(session, name, size, other, other_size, 1);
    case MOVE:
        return sdb_move(session, name, size, 1 - deed->database);
    case COPY:
        return sdb_copy(session, name, size, (deed->database + salt) % DATABASES, other, other_size, 1);
    default:
        return of_group(session, name, size, deed);
    }
}

static void do_it(struct sdb_session *session, const struct deed *deed)
{
    const int error = perform(session, deed);

    if (error != SDB_ENOTFOUND && error != SDB_ECONDITION && error != SDB_EINVAL)
        must(error, "a change of a stream");
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
    bool together = how == 4;

    for (uint32_t i = 0; i < count; i++) {
        deeds[i] = some_deed();
        together |= deeds[i].what == ADD || deeds[i].what == ADD_MANY; /* which are many operations */
    }
    rehearse(session, deeds, count);
    if (together)
        run.journal[0] = run.journal[count - 1];
    run.operations = together ? 1 : count;
    oracle_begin(run.oracle);
    if (together)
        MUST(sdb_begin_all(session));
    else if (how == 5)
        MUST(sdb_group_begin(session));
    for (uint32_t i = 0; i < count; i++)
        do_it(session, &deeds[i]);
    if (together)
        MUST(sdb_commit(session));
    else if (how == 5)
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

void prepare_streams(struct oracle *oracle, struct sdb_crashtest_options *options)
{
    prepare(oracle, options);
}

void prepare_streams_pages(struct oracle *oracle, struct sdb_crashtest_options *options)
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

int judge_streams(void *context, struct sdb_session *session, struct sdb_crashtest_image *image)
{
    struct state found;
    int error = read_all(session, &found);

    (void)context;
    if (error) {
        (void)snprintf(image->why, 200, "a stream cannot be read: %s: %.120s", sdb_strerror(error), sdb_last_error());
        return 1;
    }
    if (!is_legal(&found)) {
        (void)snprintf(image->why, 200, "of %u operations none explains the streams", run.operations);
        return 2;
    }
    if (run.judged++ % 8 == 0 && reclaim(session, image, &found)) {
        (void)snprintf(image->why, 200, "reclaiming: %.120s", sdb_last_error());
        return 3;
    }
    return 0;
}

int work_streams(void *context, struct sdb_crashtest *test, struct sdb_pool *pool)
{
    struct sdb_session *sessions[2];

    (void)context;
    sdb_crashtest_set_time(test, NOW_MS);
    MUST(sdb_session_open(pool, &sessions[0]));
    MUST(sdb_session_open(pool, &sessions[1]));
    for (unsigned i = 0; i < 2; i++)
        sdb_session_set_time(sessions[i], NOW_MS);
    MUST(read_all(sessions[0], &run.done));
    for (unsigned i = 0; i < 300; i++) {
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
    return SDB_OK;
}
