/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * commands.c - every command that writes, on the crash harness: each is there after a crash as a whole, or not at all
 *
 *     crash_commands [--domain adr|eadr|pages] [--seed|--random|--states|--lines|--every|--kills|--nested|--point N] [SECTION...]
 *     crash_commands --list
 *
 * The turns of turns.h are run twice, as a worker runs them: a group, its commands, the fence. The first time the keyspace is noted
 * after each command; the second time it crashes, and what an image holds must be what was noted after a command: one
 * of the turn under way, or the last one of a turn that was acknowledged.
 *
 * A command or subcommand of the table that writes, or may write, and is missing there, or that changes nothing in any turn, is a failure;
 * so is a request of the binary protocol. Sections that are named crash alone: the others run, without a look at their fences.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "config.h"
#include "connection.h"
#include "frames.h"
#include "function_store.h"
#include "hash.h"
#include "payload_stream.h"
#include "runtime.h"
#include "script_commands.h"
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
    char **sections;              /* that are looked at then; none: all */
    int section_count;
    int64_t now_ms;
};

static struct connection connection;
static const struct command *changed[COMMANDS_MAX]; /* that have changed something */
static uint8_t frame_changes[256];                  /* by opcode: the request has */
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
    must(sdb_select(session, connection.client.database), "select");
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

        must(sdb_handle(connection.client.session, begin + 1, (size_t)(*out - begin - 1), &handle), "handle");
        *out = begin + sprintf(begin, "%" PRIu64, handle);
    }
    *arg = (struct request_arg){begin, (size_t)(*out - begin)};
    return *at == ' ' ? at + 1 : at;
}

/* What ran: a command, or a frame's opcode. */
struct what {
    const struct command *command;
    unsigned opcode;
};

/* The row of a command, or of its subcommand. */
static const struct command *row_of(const struct request_arg *argv, int argc)
{
    const struct command *command = command_find(argv[0].data, argv[0].size), *sub = NULL;

    if (command == NULL)
        fail("no such command", argv[0].data);
    if (argc > 1)
        sub = command_find_sub(command, argv[1].data, argv[1].size);
    return sub != NULL ? sub : command;
}

/* Runs the command at the beginning of a line. Returns where the next line begins. */
static const char *run_command(const char *at, struct what *what)
{
    struct request_arg argv[WORDS_MAX];
    char *out = text;
    int argc = 0;

    must(sdb_select(connection.client.session, connection.client.database), "select");
    while (*at != '\0' && *at != '\n')
        at = take_word(at, &out, &argv[argc++]);
    connection.client.reply.size = 0;
    *what = (struct what){0};
    if (argv[0].data[0] == '>') {
        what->opcode = frames_run_line(&connection.client, argv, argc);
    } else {
        what->command = row_of(argv, argc);
        command_dispatch(&connection.client, argv, argc);
        if (connection.client.reply.size == 0 || connection.client.reply.data[0] == '-') {
            reply_raw(&connection.client.reply, "", 1);
            fail("a turn's command", connection.client.reply.data);
        }
    }
    return *at == '\n' ? at + 1 : at;
}

/* The first time: what the keyspace is now. Returns whether it is another one than before. */
static int note_state(struct history *history)
{
    if (history->count == STATES_MAX)
        fail("too many commands", "");
    must(keyspace(connection.client.session, &history->states[history->count]), "keyspace");
    history->count++;
    return history->count > 1 && history->states[history->count - 1] != history->states[history->count - 2];
}

static int has_changed(const struct command *command)
{
    size_t i = 0;

    while (changed[i] != NULL && changed[i] != command)
        i++;
    return changed[i] != NULL;
}

static void note_change(const struct what *what)
{
    size_t i = 0;

    if (what->command == NULL)
        frame_changes[what->opcode] = 1;
    while (what->command != NULL && changed[i] != NULL && changed[i] != what->command)
        i++;
    if (i + 1 >= COMMANDS_MAX)
        fail("too many commands that write", "");
    if (what->command != NULL)
        changed[i] = what->command;
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
    must(sdb_group_begin(connection.client.session), "group");
    while (*turn != '\0') {
        struct what what;

        turn = run_command(turn, &what);
        if (!history->crashing && note_state(history))
            note_change(&what);
    }
    must(sdb_group_end(connection.client.session), "the end of a group");
    history->acknowledged = history->begun;
    sdb_crashtest_end(test);
}

/* Whether what this section does is to crash. */
static int is_wanted(const struct history *history, const char *section)
{
    int wanted = history->section_count == 0;

    for (int i = 0; i < history->section_count; i++)
        wanted |= strcmp(history->sections[i], section) == 0;
    return history->crashing && wanted;
}

static int work(void *context, struct sdb_crashtest *test, struct sdb_pool *pool)
{
    struct history *history = context;

    history->now_ms = NOW_MS;
    history->acknowledged = history->begun = 0;
    connection.client.database = 0;
    sdb_crashtest_set_time(test, NOW_MS);
    sdb_crashtest_look(test, 0);
    must(sdb_session_open(pool, &connection.client.session), "session");
    runtime.pool = pool;
    client_set_now_ms(NOW_MS);
    if (!history->crashing)
        (void)note_state(history);
    for (size_t i = 0; turns[i] != NULL; i++) {
        if (turns[i][0] == '=')
            sdb_crashtest_look(test, is_wanted(history, turns[i] + 1));
        else
            run_turn(history, test, turns[i]);
    }
    sdb_session_close(connection.client.session);
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

/* What may write, but not to the pool: messages wait for the end of CLIENT PAUSE WRITE, as in Redis, and that is all. */
static int is_demanded(const struct command *command)
{
    return (command->flags & COMMAND_WRITE) != 0 || strcmp(command->name, "exec") == 0 ||
           ((command->flags & COMMAND_MAY_WRITE) != 0 && strcmp(command->group, "pubsub") != 0);
}

static int demand(const char *container, const struct command *command)
{
    if (command->handler == NULL || !is_demanded(command) || has_changed(command))
        return 1;
    printf("FAILED: no turn in which %s%s changes something\n", container, command->name);
    return 0;
}

/* Rows, their subcommands, and what frames do. */
static int is_complete(void)
{
    const struct command *command;
    const char *name;
    int complete = 1;

    for (size_t i = 0; (command = command_at(i)) != NULL; i++) {
        char container[64];

        complete &= demand("", command);
        (void)snprintf(container, sizeof(container), "%s ", command->name);
        for (const struct command *sub = command->subcommands; sub != NULL && sub->name != NULL; sub++)
            complete &= demand(container, sub);
    }
    for (unsigned opcode = 0; opcode < 256; opcode++) {
        if (!frames_may_write(opcode, &name) || frame_changes[opcode])
            continue;
        printf("FAILED: no turn in which frame %02x (%s) changes something\n", opcode, name);
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
    script_leave();
    function_store_leave();
    pass->passed = error == SDB_OK;
    script_leave();
    function_store_leave();
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

static void list_sections(void)
{
    for (size_t i = 0; turns[i] != NULL; i++)
        if (turns[i][0] == '=')
            printf("%s\n", turns[i] + 1);
}

static void must_be_a_section(const char *name)
{
    size_t i = 0;

    while (turns[i] != NULL && (turns[i][0] != '=' || strcmp(turns[i] + 1, name) != 0))
        i++;
    if (turns[i] == NULL)
        fail("no such section", name);
}

static uint32_t domain_of(const char *name)
{
    if (strcmp(name, "eadr") == 0)
        return SDB_CRASHTEST_EADR;
    if (strcmp(name, "pages") == 0)
        return SDB_CRASHTEST_PAGES;
    if (strcmp(name, "adr") != 0)
        fail("no such domain", name);
    return SDB_CRASHTEST_ADR;
}

/* Takes the options. Returns the index of the first section's name. */
static int parse(int argc, char **argv, struct sdb_crashtest_options *options)
{
    struct {
        const char *name;
        uint32_t *value;
    } numbers[] = {{"--random", &options->random_images}, {"--states", &options->states_max}, {"--lines", &options->lines_max},
                   {"--every", &options->every}, {"--kills", &options->kill_every}, {"--nested", &options->nested_every}};
    int i = 1;

    if (argc > 1 && strcmp(argv[1], "--list") == 0) {
        list_sections();
        exit(0);
    }
    for (; i + 1 < argc && strncmp(argv[i], "--", 2) == 0; i += 2) {
        uint64_t value = strtoull(argv[i + 1], NULL, 10);
        size_t n = 0;

        if (strcmp(argv[i], "--domain") == 0) {
            options->domain = domain_of(argv[i + 1]);
        } else if (strcmp(argv[i], "--seed") == 0) {
            options->seed = value;
        } else if (strcmp(argv[i], "--point") == 0) {
            options->only_point = value;
        } else {
            while (n < sizeof(numbers) / sizeof(numbers[0]) && strcmp(argv[i], numbers[n].name) != 0)
                n++;
            if (n == sizeof(numbers) / sizeof(numbers[0]))
                fail("no such option", argv[i]);
            *numbers[n].value = (uint32_t)value;
        }
    }
    for (int section = i; section < argc; section++)
        must_be_a_section(argv[section]);
    return i;
}

int main(int argc, char **argv)
{
    static struct history history;
    struct sdb_crashtest_options options = SDB_CRASHTEST_OPTIONS_INIT;
    int first;

    options.seed = SEED_USUAL;
    options.shards = 2;
    options.pool_size = 32u << 20;
    options.states_max = 64;
    options.random_images = 64;
    options.lines_max = 16;
    options.nested_every = 64;
    first = parse(argc, argv, &options);
    history.sections = argv + first;
    history.section_count = argc - first;
    connection.client.flags = CLIENT_AUTHENTICATED;
    connection.resp = 2;
    reply_init(&connection.client.reply);
    if (config_init() != 0 || commands_init() != 0)
        fail("out of memory", "");
    if (!run_apart(&history, &options) || !is_complete())
        return 1;
    history.crashing = 1;
    return run_apart(&history, &options) ? 0 : 1;
}
