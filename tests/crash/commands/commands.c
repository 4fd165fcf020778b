/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * commands.c - every command that writes, on the crash harness: each is there after a crash as a whole, or not at all
 *
 *     crash_commands [--seed N] [--random N] [--states N] [--point N]
 *
 * The turns below are run twice, as a worker runs them: a group, its commands, the fence. The first time the keyspace is noted
 * after each command; the second time it crashes, and what an image holds must be what was noted after a command: one
 * of the turn under way, or the last one of a turn that was acknowledged.
 *
 * A command of the table that writes and is missing here, or that changes nothing in any turn, is a failure.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "command.h"
#include "config.h"
#include "hash.h"
#include "payload_stream.h"
#include "runtime.h"
#include "superdb/crashtest.h"
#include "turns.h"
#include "worker_stats.h"

#define SEED_USUAL 20231115u
#define NOW_MS 1700000000000
#define STATES_MAX 1024u
#define WORDS_MAX 64
#define COMMANDS_MAX 512u

/* The keyspace after each command, and which of them an image may hold. */
struct history {
    uint64_t states[STATES_MAX];
    unsigned count;
    unsigned acknowledged, begun; /* indices */
    int crashing;                 /* the second time */
    int64_t now_ms;
};

static struct client client;
static uint8_t changes[COMMANDS_MAX]; /* by number: the command has changed something */
static char text[1 << 20];

static void fail(const char *what, const char *detail)
{
    fprintf(stderr, "FAILED: %s: %s\n", what, detail);
    exit(1);
}

static void must(int error, const char *what)
{
    if (error != SDB_OK)
        fail(what, sdb_last_error());
}

/* -- the keyspace as one number -- */

struct sum {
    struct sdb_session *session;
    uint64_t database, total;
    int error;
};

struct elements {
    uint64_t total, rank;
    int ordered;
};

static int add_element(void *context, const struct sdb_element *element)
{
    struct elements *elements = context;
    uint64_t parts[4] = {hash_key(4, element->name.data, element->name.size), hash_key(5, element->value.data, element->value.size)};

    memcpy(&parts[2], &element->score, sizeof(parts[2]));
    parts[3] = elements->ordered ? elements->rank : 0;
    elements->rank++;
    elements->total += hash_key(6, parts, sizeof(parts));
    return 0;
}

/* What a key holds that is no string. */
static int sum_elements(struct sum *sum, const struct sdb_scan_item *item, uint64_t *total)
{
    struct elements elements = {.total = item->type, .ordered = item->type == SDB_TYPE_LIST || item->type == SDB_TYPE_ZSET};
    int error = sdb_collection_each(sum->session, item->key.data, item->key.size, item->type, add_element, &elements);

    *total = elements.total;
    return error;
}

/* Entries, ids, groups, consumers and what is pending of them: all that DUMP gives. */
static int sum_stream(const struct sum *sum, const struct sdb_scan_item *item, uint64_t *total)
{
    struct payload_bytes payload = {0};
    int error = payload_stream_write(&payload, sum->session, &item->key, 100);

    if (!error && payload.failed)
        error = SDB_ENOMEM;
    if (!error)
        *total = hash_key(7, payload.data, payload.size);
    free(payload.data);
    return error;
}

static int add_key(void *context, const struct sdb_scan_item *item)
{
    struct sum *sum = context;
    struct sdb_view view;
    uint64_t parts[4] = {sum->database, (uint64_t)item->expire_ms};

    parts[2] = hash_key(1, item->key.data, item->key.size);
    if (item->type == SDB_TYPE_STRING) {
        sum->error = sdb_view(sum->session, item->key.data, item->key.size, &view);
        if (sum->error)
            return 1;
        parts[3] = hash_key(2, view.data, view.size);
        sdb_view_release(sum->session, &view);
    } else {
        sum->error = item->type == SDB_TYPE_STREAM ? sum_stream(sum, item, &parts[3]) : sum_elements(sum, item, &parts[3]);
        if (sum->error)
            return 1;
    }
    sum->total += hash_key(3, parts, sizeof(parts)); /* in whatever order they come */
    return 0;
}

static int keyspace(struct sdb_session *session, uint64_t *total)
{
    struct sum sum = {.session = session};

    for (sum.database = 0; sum.database <= SDB_DATABASE_SYSTEM && !sum.error; sum.database++) {
        uint64_t cursor = 0;

        must(sdb_select(session, (uint32_t)sum.database), "select");
        do {
            int error = sdb_scan(session, &cursor, 100000, add_key, &sum);

            sum.error = sum.error ? sum.error : error;
        } while (cursor && !sum.error);
    }
    must(sdb_select(session, client.database), "select");
    *total = sum.total;
    return sum.error;
}

/* -- running -- */

/* A word of a turn: {c*n} is n times a character, ^HH a byte, @key the key's handle. Returns where the next one begins. */
static const char *take_word(const char *at, char **out, struct request_arg *arg)
{
    char *begin = *out;

    for (; *at != '\0' && *at != ' ' && *at != '\n'; at++) {
        if (*at == '{') {
            long times = strtol(at + 3, NULL, 10);

            memset(*out, at[1], (size_t)times);
            *out += times;
            at = strchr(at, '}');
        } else if (*at == '^') {
            const char digits[] = {at[1], at[2], '\0'};

            *(*out)++ = (char)strtol(digits, NULL, 16);
            at += 2;
        } else {
            *(*out)++ = *at == '`' ? '\n' : *at;
        }
    }
    if (*begin == '@') {
        uint64_t handle = 0;

        must(sdb_handle(client.session, begin + 1, (size_t)(*out - begin - 1), &handle), "handle");
        *out = begin + sprintf(begin, "%" PRIu64, handle);
    }
    *arg = (struct request_arg){begin, (size_t)(*out - begin)};
    return *at == ' ' ? at + 1 : at;
}

/* Runs the command at the beginning of a line. Returns where the next line begins. */
static const char *run_command(const char *at, size_t *number)
{
    struct request_arg argv[WORDS_MAX];
    const struct command_slot *slot;
    char *out = text;
    int argc = 0;

    must(sdb_select(client.session, client.database), "select");
    while (*at != '\0' && *at != '\n')
        at = take_word(at, &out, &argv[argc++]);
    slot = command_slot_find(argv[0].data, argv[0].size);
    if (slot == NULL)
        fail("no such command", argv[0].data);
    client.reply.size = 0;
    command_dispatch(&client, argv, argc);
    if (client.reply.size == 0 || client.reply.data[0] == '-') {
        reply_raw(&client.reply, "", 1);
        fail("a turn's command", client.reply.data);
    }
    *number = slot->number % COMMANDS_MAX;
    return *at == '\n' ? at + 1 : at;
}

/* The first time: what the keyspace is now. Returns whether it is another one than before. */
static int note_state(struct history *history)
{
    if (history->count == STATES_MAX)
        fail("too many commands", "");
    must(keyspace(client.session, &history->states[history->count]), "keyspace");
    history->count++;
    return history->count > 1 && history->states[history->count - 1] != history->states[history->count - 2];
}

static unsigned commands_of(const char *turn)
{
    unsigned count = *turn != '\0';

    for (; *turn != '\0'; turn++)
        count += *turn == '\n';
    return count;
}

static void run_turn(struct history *history, struct sdb_crashtest *test, const char *turn)
{
    if (*turn == '+') { /* time goes by, and keys with it */
        history->now_ms += strtol(turn, NULL, 10);
        client_set_now_ms(history->now_ms);
        sdb_crashtest_set_time(test, history->now_ms);
        turn = strchr(turn, ' ') + 1;
        history->acknowledged = ++history->begun;
        if (!history->crashing)
            (void)note_state(history);
    }
    history->begun += commands_of(turn);
    sdb_crashtest_begin(test);
    must(sdb_group_begin(client.session), "group");
    while (*turn != '\0') {
        size_t number;

        turn = run_command(turn, &number);
        if (!history->crashing && note_state(history))
            changes[number] = 1;
    }
    must(sdb_group_end(client.session), "the end of a group");
    history->acknowledged = history->begun;
    sdb_crashtest_end(test);
}

static int work(void *context, struct sdb_crashtest *test, struct sdb_pool *pool)
{
    struct history *history = context;

    history->now_ms = NOW_MS;
    history->acknowledged = history->begun = 0;
    client.database = 0;
    sdb_crashtest_set_time(test, NOW_MS);
    sdb_crashtest_look(test, history->crashing);
    must(sdb_session_open(pool, &client.session), "session");
    runtime.pool = pool;
    client_set_now_ms(NOW_MS);
    if (!history->crashing)
        (void)note_state(history);
    for (size_t i = 0; turns[i] != NULL; i++)
        run_turn(history, test, turns[i]);
    sdb_session_close(client.session);
    return SDB_OK;
}

static int judge(void *context, struct sdb_session *session, struct sdb_crashtest_image *image)
{
    const struct history *history = context;
    uint64_t total;

    if (keyspace(session, &total) != SDB_OK) {
        (void)snprintf(image->why, sizeof(image->why), "a key cannot be read: %s", sdb_last_error());
        return 1;
    }
    for (unsigned i = history->acknowledged; i <= history->begun; i++)
        if (history->states[i] == total)
            return 0;
    (void)snprintf(image->why, sizeof(image->why), "no state after commands %u to %u of the turns", history->acknowledged,
                   history->begun);
    return 1;
}

/* -- the table -- */

static int is_complete(void)
{
    const struct command *command;
    int complete = 1;

    for (size_t i = 0; (command = command_at(i)) != NULL; i++) {
        const struct command_slot *slot = command_slot_find(command->name, strlen(command->name));

        if (!(command->flags & COMMAND_WRITE) || (slot != NULL && changes[slot->number]))
            continue;
        printf("FAILED: no turn in which %s changes something\n", command->name);
        complete = 0;
    }
    return complete;
}

struct pass {
    struct history *history;
    const struct sdb_crashtest_options *options;
    int passed;
};

static void *run(void *context)
{
    struct pass *pass = context;
    struct history *history = pass->history;
    struct sdb_crashtest_case mine = {.context = history, .work = work, .invariant = judge};
    struct sdb_crashtest_report report;
    int error = SDB_ENOMEM;

    if (worker_stats_attach() != NULL)
        error = sdb_crashtest_run(pass->options, &mine, &report);
    if (error)
        printf("FAILED: %s: %s\n", sdb_strerror(error), error != SDB_ENOMEM && report.failed_point ? report.failure : sdb_last_error());
    else if (history->crashing)
        printf("commands: seed %" PRIu64 ": %u commands, %" PRIu64 " fences, %" PRIu64 " points, 10^%.1f states, %" PRIu64
               " images (%" PRIu64 " in recoveries), %.1f s\n",
               report.seed, history->count - 1, report.fences, report.points, report.states_log10, report.images, report.nested,
               report.seconds);
    pass->passed = error == SDB_OK;
    return NULL;
}

/* In a thread of its own: its random numbers begin with the time that the engine is told, and are the same each time. */
static int run_apart(struct history *history, const struct sdb_crashtest_options *options)
{
    struct pass pass = {.history = history, .options = options};
    pthread_t thread;

    if (pthread_create(&thread, NULL, run, &pass) != 0)
        fail("no thread", "");
    (void)pthread_join(thread, NULL);
    return pass.passed;
}

int main(int argc, char **argv)
{
    static struct history history;
    struct sdb_crashtest_options options = SDB_CRASHTEST_OPTIONS_INIT;

    options.seed = SEED_USUAL;
    options.shards = 2;
    options.pool_size = 32u << 20;
    options.states_max = 64;
    options.random_images = 64;
    options.lines_max = 16;
    options.nested_every = 64;
    for (int i = 1; i + 1 < argc; i += 2) {
        uint64_t value = strtoull(argv[i + 1], NULL, 10);

        if (strcmp(argv[i], "--seed") == 0)
            options.seed = value;
        else if (strcmp(argv[i], "--random") == 0)
            options.random_images = (uint32_t)value;
        else if (strcmp(argv[i], "--states") == 0)
            options.states_max = (uint32_t)value;
        else if (strcmp(argv[i], "--point") == 0)
            options.only_point = value;
        else
            fail("no such option", argv[i]);
    }
    client.flags = CLIENT_AUTHENTICATED;
    reply_init(&client.reply);
    if (config_init() != 0 || commands_init() != 0)
        fail("out of memory", "");
    if (!run_apart(&history, &options) || !is_complete())
        return 1;
    history.crashing = 1;
    return run_apart(&history, &options) ? 0 : 1;
}
