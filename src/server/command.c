/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * command.c - from a request to its handler
 *
 * Names are packed into two words (lower case, 15 bytes at most, the size in the top byte) and looked up in a table of four times
 * as many slots as there are names: two loads, a multiplication and, as a rule, one comparison of two words. Names that are longer
 * are few, and stand in a list.
 *
 * Threads: the table is immutable after commands_init. Dispatch runs on the client's worker and writes to that thread's
 *          counters only.
 * Memory:  none on the hot path; the first measured call of a command in a thread allocates its histogram.
 */
#include "command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "acl.h"
#include "block.h"
#include "client.h"
#include "command_table.h"
#include "config.h"
#include "errors.h"
#include "evict.h"
#include "guards.h"
#include "latency.h"
#include "latency_events.h"
#include "multi.h"
#include "notify.h"
#include "script_busy.h"
#include "slowlog.h"
#include "tracking.h"
#include "worker_stats.h"

#define NAME_SIZE_MAX 15 /* of two words */
#define LONG_NAMES_MAX 16
#define SLOT_BITS 10u      /* of 1024 slots less than a half are taken */

/*
 * Commands of constant cost are timed once in so many calls, as long as only milliseconds interest the slow log: two
 * time stamps (20 ns) to each would be a fifth of what a short command costs.
 */
#define SAMPLE_CALLS 16u
#define SAMPLE_THRESHOLD_US 1000

struct name_words {
    uint64_t low, high;
};

struct name_slot {
    struct name_words name;
    struct command_slot is; /* is.command NULL: a free slot */
};

struct numbered {
    const struct command *command;
    const struct command *container;
};

/* Immutable after commands_init. */
static struct name_slot slots[1u << SLOT_BITS], long_names[LONG_NAMES_MAX];
static size_t long_count;
static int is_ready;
static struct numbered *all_commands; /* by number */
static size_t all_count;
static const struct command **top_commands; /* in the table's order */
static size_t top_count;

/* clang-format off */
static const struct command *const tables[] = {
    string_commands,
    bit_commands,
    geo_commands,
    hash_commands,
    hyperloglog_commands,
    members_commands,
    key_commands,
    list_commands,
    handle_commands,
    connection_commands,
    cluster_commands,
    server_commands,
    scrub_commands,
    sorted_set_commands,
    stream_commands,
    transaction_commands,
    pubsub_commands,
    script_commands,
    function_commands,
};
/* clang-format on */

/* ---- names ------------------------------------------------------------------------------------------------------ */

/* Sets bit 5 of each byte from 'A' to 'Z'. */
static inline uint64_t lower_case(uint64_t word)
{
    const uint64_t ones = 0x0101010101010101u;
    uint64_t low_bits = word & (0x7f * ones);
    uint64_t above_z = low_bits + (0x7f - 'Z') * ones;
    uint64_t from_a = low_bits + (0x80 - 'A') * ones;
    uint64_t is_upper = (from_a ^ above_z) & ~word & (0x80 * ones);

    return word | is_upper >> 2;
}

static inline uint64_t load_word(const char *from)
{
    uint64_t word;

    memcpy(&word, from, sizeof(word));
    return word;
}

/* size is 1 to NAME_SIZE_MAX. Reads nothing outside the name: overlapping loads instead of a loop. */
static inline struct name_words pack_name(const char *name, size_t size)
{
    struct name_words words = {0, 0};

    if (size >= 8) {
        words.low = load_word(name);
        if (size > 8)
            words.high = load_word(name + size - 8) >> (8 * (16 - size));
    } else if (size >= 4) {
        uint32_t head, tail;
        memcpy(&head, name, 4);
        memcpy(&tail, name + size - 4, 4);
        words.low = (uint64_t)head | (uint64_t)tail << (8 * (size - 4));
    } else {
        words.low = (uint64_t)(unsigned char)name[0] | (uint64_t)(unsigned char)name[size / 2] << (8 * (size / 2)) |
                    (uint64_t)(unsigned char)name[size - 1] << (8 * (size - 1));
    }
    words.low = lower_case(words.low);
    words.high = lower_case(words.high) | (uint64_t)size << 56;
    return words;
}

static inline size_t slot_of(struct name_words name)
{
    return (size_t)(((name.low ^ name.high * 0x9e3779b97f4a7c15u) * 0xd6e8feb86659fd93u) >> (64 - SLOT_BITS));
}

/* The few that are longer: each is looked at. */
static const struct name_slot *find_long(const char *name, size_t size)
{
    for (size_t i = 0; i < long_count; i++)
        if (strlen(long_names[i].is.command->name) == size && strncasecmp(long_names[i].is.command->name, name, size) == 0)
            return &long_names[i];
    return NULL;
}

static inline const struct name_slot *find_slot(const char *name, size_t size)
{
    const struct name_slot *slot;
    struct name_words words;

    if (size - 1 >= NAME_SIZE_MAX)
        return size == 0 ? NULL : find_long(name, size);
    words = pack_name(name, size);
    for (size_t at = slot_of(words);; at = (at + 1) % (1u << SLOT_BITS)) {
        slot = &slots[at];
        if (__builtin_expect(slot->name.low == words.low && slot->name.high == words.high, 1))
            return slot;
        if (slot->is.command == NULL)
            return NULL;
    }
}

const struct command_slot *command_slot_find(const char *name, size_t size)
{
    const struct name_slot *slot = find_slot(name, size);

    return slot != NULL ? &slot->is : NULL;
}

const struct command *command_find(const char *name, size_t size)
{
    const struct command_slot *slot = command_slot_find(name, size);

    return slot != NULL ? slot->command : NULL;
}

const struct command *command_find_sub(const struct command *command, const char *name, size_t size)
{
    if (command->subcommands == NULL)
        return NULL;
    for (const struct command *sub = command->subcommands; sub->name != NULL; sub++)
        if (strlen(sub->name) == size && strncasecmp(sub->name, name, size) == 0)
            return sub;
    return NULL;
}

const struct command *command_find_full(const char *name, size_t size)
{
    const char *bar = memchr(name, '|', size);
    const struct command *command;

    if (bar == NULL)
        return command_find(name, size);
    command = command_find(name, (size_t)(bar - name));
    return command != NULL ? command_find_sub(command, bar + 1, size - (size_t)(bar + 1 - name)) : NULL;
}

/* ---- the table -------------------------------------------------------------------------------------------------- */

static size_t sub_count(const struct command *command)
{
    size_t count = 0;

    if (command->subcommands != NULL)
        while (command->subcommands[count].name != NULL)
            count++;
    return count;
}

static void count_commands(void)
{
    all_count = top_count = 0;
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
        for (const struct command *row = tables[i]; row->name != NULL; row++, top_count++)
            all_count += 1 + sub_count(row);
}

static void number_commands(void)
{
    size_t top = 0, number = 0;

    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        for (const struct command *row = tables[i]; row->name != NULL; row++) {
            size_t subs = sub_count(row);
            top_commands[top++] = row;
            all_commands[number++] = (struct numbered){row, NULL};
            for (size_t j = 0; j < subs; j++)
                all_commands[number++] = (struct numbered){&row->subcommands[j], row};
        }
    }
}

/* Puts every name into its slot, or the next one that is free, in the tables' order: those that are used most come first. */
static int place_names(void)
{
    for (size_t i = 0; i < all_count; i++) {
        const struct command *command = all_commands[i].command;
        const size_t size = strlen(command->name);
        struct name_words name = {0, 0};
        struct name_slot *slot;
        size_t at;

        if (all_commands[i].container != NULL)
            continue;
        if (command_find(command->name, size) != NULL || (size > NAME_SIZE_MAX && long_count == LONG_NAMES_MAX))
            return -1;
        if (size <= NAME_SIZE_MAX) {
            name = pack_name(command->name, size);
            for (at = slot_of(name); slots[at].is.command != NULL; at = (at + 1) % (1u << SLOT_BITS))
                ;
            slot = &slots[at];
        } else {
            slot = &long_names[long_count++];
        }
        slot->name = name;
        slot->is.command = command;
        slot->is.number = (uint32_t)i;
        slot->is.sampled = command->complexity != NULL && strncmp(command->complexity, "O(1)", 4) == 0;
    }
    return 0;
}

int commands_init(void)
{
    if (is_ready)
        return 0;
    latency_init();
    count_commands();
    all_commands = calloc(all_count, sizeof(*all_commands));
    top_commands = calloc(top_count, sizeof(const struct command *));
    if (all_commands == NULL || top_commands == NULL)
        return -1;
    number_commands();
    is_ready = top_count <= sizeof(slots) / sizeof(slots[0]) / 2 && place_names() == 0;
    return is_ready ? 0 : -1;
}

const struct command *command_at(size_t index)
{
    return index < top_count ? top_commands[index] : NULL;
}

size_t command_numbers(void)
{
    return all_count;
}

const struct command *command_of_number(size_t number, const struct command **container)
{
    if (container != NULL)
        *container = all_commands[number].container;
    return all_commands[number].command;
}

long command_number(const struct command *command)
{
    for (size_t i = 0; i < all_count; i++)
        if (all_commands[i].command == command)
            return (long)i;
    return -1;
}

size_t command_full_name(const struct command *command, char name[COMMAND_FULL_NAME_SIZE])
{
    const struct command *container = NULL;
    long number = command_number(command);
    int size;

    if (number >= 0)
        container = all_commands[number].container;
    if (container != NULL)
        size = snprintf(name, COMMAND_FULL_NAME_SIZE, "%s|%s", container->name, command->name);
    else
        size = snprintf(name, COMMAND_FULL_NAME_SIZE, "%s", command->name);
    return size < COMMAND_FULL_NAME_SIZE ? (size_t)size : COMMAND_FULL_NAME_SIZE - 1;
}

int command_arity_fits(const struct command *command, int argc)
{
    return command->arity >= 0 ? argc == command->arity : argc >= -command->arity;
}

int command_key_positions(const struct command *command, const struct request_arg *argv, int argc, int *positions,
                          int max)
{
    int count = 0, last;

    if (!command_arity_fits(command, argc))
        return -1;
    if (command->keys != NULL)
        return command->keys(argv, argc, positions, max);
    if (command->first_key == 0)
        return 0;
    last = command->last_key >= 0 ? command->last_key : argc + command->last_key;
    for (int i = command->first_key; i <= last && i < argc && count < max; i += command->key_step)
        positions[count++] = i;
    return count;
}

/* ---- refusing --------------------------------------------------------------------------------------------------- */

/* Line breaks would end the reply early: they become blanks. */
static void reply_text_error(struct client *client, char *text)
{
    for (char *at = text; *at != '\0'; at++)
        if (*at == '\r' || *at == '\n')
            *at = ' ';
    reply_error(&client->reply, text);
}

static void refuse_unknown(struct client *client, const struct request_arg *argv, int argc)
{
    char text[512];
    size_t at, start;

    at = (size_t)snprintf(text, sizeof(text), "ERR unknown command '%.*s', with args beginning with: ",
                          (int)(argv[0].size < 128 ? argv[0].size : 128), argv[0].data);
    start = at;
    for (int i = 1; i < argc && at - start < 128; i++) {
        size_t left = 128 - (at - start);
        at += (size_t)snprintf(text + at, sizeof(text) - at, "'%.*s' ",
                               (int)(argv[i].size < left ? argv[i].size : left), argv[i].data);
    }
    reply_text_error(client, text);
}

static void refuse_unknown_sub(struct client *client, const struct command *container, const struct request_arg *arg)
{
    char text[256], name[32];
    size_t i;

    for (i = 0; i < sizeof(name) - 1 && container->name[i] != '\0'; i++)
        name[i] = (char)(container->name[i] >= 'a' && container->name[i] <= 'z' ? container->name[i] - 32
                                                                                : container->name[i]);
    name[i] = '\0';
    (void)snprintf(text, sizeof(text), "ERR unknown subcommand '%.*s'. Try %s HELP.",
                   (int)(arg->size < 128 ? arg->size : 128), arg->data, name);
    reply_text_error(client, text);
}

/* In RESP2 a message cannot be told from a reply. */
static void refuse_subscribed(struct client *client, const struct command *command)
{
    char name[COMMAND_FULL_NAME_SIZE];

    command_full_name(command, name);
    reply_errorf(&client->reply,
                 "ERR Can't execute '%s': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context",
                 name);
}

static void refuse_arity(struct client *client, const struct command *command)
{
    char name[COMMAND_FULL_NAME_SIZE];

    command_full_name(command, name);
    reply_errorf(&client->reply, "ERR wrong number of arguments for '%s' command", name);
}

static void refuse_by_acl(struct client *client, const struct command *command, enum acl_verdict verdict)
{
    char name[COMMAND_FULL_NAME_SIZE];

    command_full_name(command, name);
    if (verdict == ACL_DENIED_COMMAND)
        reply_errorf(&client->reply, "NOPERM this user has no permissions to run the '%s' command", name);
    else
        reply_errorf(&client->reply, "NOPERM this user has no permissions to access one of the %s used as arguments",
                     verdict == ACL_DENIED_KEY ? "keys" : "channels");
}

/* ---- running ---------------------------------------------------------------------------------------------------- */

/* The first argument that the slow log must not show; 0: none. */
static int secret_argument(const struct command *command, const struct request_arg *argv, int argc)
{
    if (strcmp(command->name, "auth") == 0)
        return 1;
    if (strcmp(command->name, "hello") == 0 && argc > 2)
        return 2;
    if (strcmp(command->name, "setuser") == 0)
        return 3;
    if (strcmp(command->name, "set") == 0 && argv[0].size == 6) /* CONFIG SET, not SET */
        for (int i = 2; i < argc; i += 2)
            if (argv[i].size == 11 && strncasecmp(argv[i].data, "requirepass", 11) == 0)
                return i + 1;
    return 0;
}

static __attribute__((noinline)) void log_slow(struct client *client, const struct command *command,
                                               const struct request_arg *argv, int argc, uint64_t us)
{
    if (command->flags & COMMAND_SKIP_SLOWLOG)
        return;
    slowlog_add(argv, argc, secret_argument(command, argv, argc), (int64_t)us, client->address, client->name);
}

/* Accounts for a measured call, and for those since the last measured one as if they had taken as long. */
static void keep_time(struct client *client, const struct command *command, size_t number,
                      const struct request_arg *argv, int argc, uint64_t ticks)
{
    struct worker_stats *stats = worker_stats_self;
    struct command_stats *counters = &stats->commands[number];
    uint64_t ns = latency_ns(ticks), weight = counters->unmeasured + 1;
    int64_t threshold = CONFIG_READ(slowlog_log_slower_than), monitor = CONFIG_READ(latency_monitor_threshold);

    worker_stats_add(&counters->ticks, ticks * weight);
    __atomic_store_n(&counters->unmeasured, 0, __ATOMIC_RELAXED);
    if (CONFIG_READ(latency_tracking)) {
        struct latency_histogram *histogram = stats->histograms[number];
        if (histogram == NULL) {
            histogram = calloc(1, sizeof(*histogram));
            __atomic_store_n(&stats->histograms[number], histogram, __ATOMIC_RELEASE);
        }
        if (histogram != NULL)
            latency_record(histogram, ns, weight);
    }
    if (monitor > 0 && ns / 1000000 >= (uint64_t)monitor)
        latency_event_add(command->flags & COMMAND_FAST ? LATENCY_FAST_COMMAND : LATENCY_COMMAND,
                          (int64_t)(ns / 1000000));
    if (threshold >= 0 && ns / 1000 >= (uint64_t)threshold)
        log_slow(client, command, argv, argc, ns / 1000);
}

static void count_failure(struct client *client, size_t before)
{
    const char *text = client->reply.data + before + 1;
    size_t size = client->reply.size - before - 1;

    worker_stats_count_error(text, size);
}

static inline int failed(const struct client *client, size_t before)
{
    return client->reply.size > before && client->reply.data[before] == '-';
}

/* CLIENT REPLY: drops this command's reply where it was asked for, and passes SKIP on to the next command. */
static void drop_reply(struct client *client, size_t before)
{
    if (client->flags & (CLIENT_REPLY_OFF | CLIENT_REPLY_SKIP) && !(client->flags & CLIENT_REPLY_KEEP) &&
        client->reply.size > before)
        client->reply.size = before;
    client->flags &= ~(unsigned)CLIENT_REPLY_KEEP;
    if (client->reply.too_large) /* nobody was to have it */
        client->reply.too_large = client->reply.failed = 0;
    client->flags &= ~(unsigned)CLIENT_REPLY_SKIP;
    if (client->flags & CLIENT_REPLY_SKIP_NEXT)
        client->flags = (client->flags & ~(unsigned)CLIENT_REPLY_SKIP_NEXT) | CLIENT_REPLY_SKIP;
}

static inline void finish(struct client *client, size_t before)
{
    if (__builtin_expect(client->flags & CLIENT_FLAGS_REPLY, 0))
        drop_reply(client, before);
}

static __thread unsigned nesting; /* of EXEC's commands, and scripts' */

int command_is_nested(void)
{
    return nesting != 0;
}

/* Behind a command that ran. */
static __attribute__((noinline)) void finish_rare(struct client *client, const struct command *command,
                                                  const struct request_arg *argv, int argc, size_t before)
{
    if ((client->flags & CLIENT_EVENTS) != 0)
        notify_command_ended(client, command, argv, argc, failed(client, before));
    finish(client, before);
    if ((client->flags & CLIENT_INVALIDATED) != 0 && nesting == 0)
        tracking_tell_self(client);
    if ((client->flags & CLIENT_WAKES) != 0 && nesting == 0) {
        client->flags &= ~(uint32_t)CLIENT_WAKES;
        block_serve_ready(client->worker);
    }
}

/* Outside of a transaction a command's errors are its own. Where EXEC is refused, all that was queued is refused with it. */
static void refuse_exec(struct client *client, size_t before)
{
    char why[512];
    const char *reply = client->reply.data + before;
    size_t size = client->reply.size - before;
    size_t code = size > 5 && memcmp(reply, "-ERR ", 5) == 0 ? 5 : 1; /* the plain code is left out */

    multi_discard(client);
    if (client->reply.failed || size < code + 2)
        return;
    size -= code + 2;
    size = size < sizeof(why) ? size : sizeof(why) - 1;
    memcpy(why, reply + code, size);
    why[size] = '\0';
    reply_truncate(&client->reply, before);
    reply_errorf(&client->reply, "EXECABORT Transaction discarded because of: %s", why);
}

static int is_exec(const struct command *command)
{
    return command != NULL && strcmp(command->name, "exec") == 0;
}

/* Behind the error that says why. */
static __attribute__((noinline)) void finish_refused(struct client *client, size_t before,
                                                     const struct command *command)
{
    long number = command != NULL ? command_number(command) : -1;

    if (is_exec(command))
        refuse_exec(client, before);
    if (number >= 0)
        worker_stats_add(&worker_stats_self->commands[number].rejected, 1);
    if (failed(client, before))
        count_failure(client, before);
    client->last_command = command;
    multi_fail(client);
    finish(client, before);
}

static int is_queued(const struct client *client, const struct command *command)
{
    return (client->flags & CLIENT_MULTI) != 0 && !(command->flags & COMMAND_UNQUEUED);
}

/* maxmemory: makes room. 1: there is none, and the command was refused. */
static int refuse_for_memory(struct client *client, const struct command *command, size_t before)
{
    if ((guards_now() & GUARD_MEMORY) == 0 || evict_make_room(client->session))
        return 0;
    if (((is_exec(command) ? multi_flags(client) : command->flags) & COMMAND_DENYOOM) == 0 && !is_queued(client, command))
        return 0;
    reply_error(&client->reply, "OOM command not allowed when used memory > 'maxmemory'.");
    finish_refused(client, before, command);
    return 1;
}

/* A command that found the pool full has changed nothing: where keys may be evicted, it is run once more. */
static __attribute__((noinline)) void repeat_with_room(struct client *client, const struct command *command,
                                                       const struct request_arg *argv, int argc, size_t before)
{
    if (nesting != 0 || !command_met_full_pool() || CONFIG_READ(maxmemory_policy) == EVICT_NONE)
        return;
    if ((client->flags & CLIENT_EVENTS) != 0)
        notify_command_ended(client, command, argv, argc, 1);
    if (!evict_for_full_pool(client->session))
        return;
    reply_truncate(&client->reply, before);
    command->handler(client, argv, argc);
}

static inline void run(struct client *client, const struct command *command, size_t number, int sampled,
                       const struct request_arg *argv, int argc, size_t before)
{
    struct worker_stats *stats = worker_stats_self;
    struct command_stats *counters = &stats->commands[number];
    int64_t threshold = CONFIG_READ(slowlog_log_slower_than);
    uint64_t start;

    client->last_command = command;
    client->commands++;
    stats->client = client;
    if (sampled && counters->calls % SAMPLE_CALLS != 0 && !(threshold >= 0 && threshold < SAMPLE_THRESHOLD_US)) {
        command->handler(client, argv, argc);
        __atomic_store_n(&counters->unmeasured, counters->unmeasured + 1, __ATOMIC_RELAXED);
    } else {
        start = latency_ticks();
        command->handler(client, argv, argc);
        keep_time(client, command, number, argv, argc, latency_ticks() - start);
    }
    worker_stats_add(&counters->calls, 1);
    worker_stats_add(&stats->counters.commands, 1);
    if (__builtin_expect(failed(client, before), 0)) {
        repeat_with_room(client, command, argv, argc, before);
        if (failed(client, before)) {
            worker_stats_add(&counters->failed, 1);
            count_failure(client, before);
        }
    }
    if (__builtin_expect(client->flags & (CLIENT_FLAGS_REPLY | CLIENT_EVENTS | CLIENT_INVALIDATED | CLIENT_WAKES), 0))
        finish_rare(client, command, argv, argc, before);
}

void command_run_queued(struct client *client, const struct command *command, size_t number, const struct request_arg *argv,
                        int argc)
{
    const uint32_t skips = CLIENT_REPLY_SKIP | CLIENT_REPLY_SKIP_NEXT;
    uint32_t kept = client->flags & skips;

    client->flags &= ~skips;
    if ((guards_now() & GUARD_MISSES) != 0)
        notify_misses(client, command, argv, argc);
    if ((client->flags & CLIENT_TRACKING) != 0)
        tracking_before(client, command, argv, argc);
    nesting++;
    run(client, command, number, 0, argv, argc, client->reply.size);
    nesting--;
    if ((client->flags & skips) != 0) /* CLIENT REPLY SKIP: the one behind EXEC is meant */
        kept |= CLIENT_REPLY_SKIP_NEXT;
    client->flags = (client->flags & ~skips) | kept;
}

/* Inside MULTI. */
static void queue(struct client *client, const struct command *command, size_t number, const struct request_arg *argv, int argc,
                  size_t before)
{
    client->last_command = command;
    if ((command->flags & COMMAND_NO_MULTI) != 0) {
        reply_error(&client->reply, "ERR Command not allowed inside a transaction");
        finish_refused(client, before, command);
    } else if (!multi_queue(client, command, number, argv, argc)) {
        reply_error(&client->reply, "OOM out of memory for the transaction");
        finish_refused(client, before, command);
    } else {
        reply_status(&client->reply, "QUEUED");
        finish(client, before);
    }
}

/* Commands with subcommands, and every refusal: off the hot path. */
static __attribute__((noinline)) void dispatch_rest(struct client *client, const struct command_slot *slot,
                                                    const struct request_arg *argv, int argc, size_t before, int is_busy)
{
    const struct command *command = NULL, *container;
    enum acl_verdict verdict;
    enum acl_context context;
    size_t number;

    if (worker_stats_self == NULL && worker_stats_attach() == NULL) {
        client->reply.failed = 1;
        return;
    }
    if (slot == NULL) {
        refuse_unknown(client, argv, argc);
        finish_refused(client, before, NULL);
        return;
    }
    command = container = slot->command;
    if (argc > 1 && container->subcommands != NULL) {
        command = command_find_sub(container, argv[1].data, argv[1].size);
        if (command == NULL) {
            refuse_unknown_sub(client, container, &argv[1]);
            finish_refused(client, before, NULL);
            return;
        }
    }
    if (!command_arity_fits(command, argc) || command->handler == NULL) {
        refuse_arity(client, command);
        finish_refused(client, before, command);
        return;
    }
    if (!(client->flags & CLIENT_AUTHENTICATED) && !(command->flags & COMMAND_NO_AUTH) && !acl_is_open()) {
        reply_error(&client->reply, "NOAUTH Authentication required.");
        finish_refused(client, before, command);
        return;
    }
    number = slot->number + (command == container ? 0 : 1u + (size_t)(command - container->subcommands));
    context = (client->flags & CLIENT_MULTI) != 0 ? ACL_MULTI : ACL_TOP_LEVEL;
    if ((client->flags & CLIENT_RESTRICTED) != 0 && !acl_allows(client, context, command, number, argv, argc, &verdict)) {
        refuse_by_acl(client, command, verdict);
        finish_refused(client, before, command);
        return;
    }
    if ((client->flags & CLIENT_PUBSUB) != 0 && client->reply.protocol == 2 && !(command->flags & COMMAND_SUBSCRIBED)) {
        refuse_subscribed(client, command);
        finish_refused(client, before, command);
        return;
    }
    if (is_busy && !(command->flags & COMMAND_ALLOW_BUSY)) {
        reply_error(&client->reply, script_busy_text());
        finish_refused(client, before, command);
        return;
    }
    if (guards_now() != 0 && refuse_for_memory(client, command, before))
        return;
    if ((guards_now() & GUARD_MISSES) != 0 && !is_queued(client, command))
        notify_misses(client, command, argv, argc);
    if (is_queued(client, command)) {
        queue(client, command, number, argv, argc, before);
    } else {
        if ((client->flags & CLIENT_TRACKING) != 0)
            tracking_before(client, command, argv, argc);
        run(client, command, number, command == container && slot->sampled, argv, argc, before);
    }
    if ((client->flags & CLIENT_TRACKING) != 0)
        tracking_after(client, container);
}

void command_dispatch(struct client *client, const struct request_arg *argv, int argc)
{
    command_dispatch_to(command_slot_find(argv[0].data, argv[0].size), client, argv, argc);
}

void command_dispatch_to(const struct command_slot *slot, struct client *client, const struct request_arg *argv, int argc)
{
    size_t before = client->reply.size;
    const struct command *command;

    if (__builtin_expect(slot == NULL || worker_stats_self == NULL, 0)) {
        dispatch_rest(client, slot, argv, argc, before, 0);
        return;
    }
    command = slot->command;
    if (__builtin_expect(command->subcommands != NULL || !command_arity_fits(command, argc) ||
                             ((client->flags & CLIENT_FLAGS_PLAIN) ^ CLIENT_AUTHENTICATED) | guards_now(),
                         0)) {
        dispatch_rest(client, slot, argv, argc, before, 0);
        return;
    }
    run(client, command, slot->number, (int)slot->sampled, argv, argc, before);
}

void command_dispatch_while_busy(const struct command_slot *slot, struct client *client, const struct request_arg *argv, int argc)
{
    dispatch_rest(client, slot, argv, argc, client->reply.size, 1);
}

int command_may_run_together(void)
{
    int64_t threshold = CONFIG_READ(slowlog_log_slower_than);

    return worker_stats_self != NULL && (threshold < 0 || threshold >= SAMPLE_THRESHOLD_US);
}

int command_is_timed(const struct command_slot *slot)
{
    return !slot->sampled || worker_stats_self->commands[slot->number].calls % SAMPLE_CALLS == 0 || !command_may_run_together();
}

void command_count_failure(const struct command_slot *slot, const char *text)
{
    worker_stats_add(&worker_stats_self->commands[slot->number].failed, 1);
    worker_stats_count_error(text, strlen(text));
}

void command_ran_together(const struct command_slot *slot, struct client *client, const struct request_arg *argv, int argc,
                          uint64_t calls, uint64_t ticks)
{
    struct command_stats *counters = &worker_stats_self->commands[slot->number];

    if (ticks == 0) {
        __atomic_store_n(&counters->unmeasured, counters->unmeasured + calls, __ATOMIC_RELAXED);
    } else {
        __atomic_store_n(&counters->unmeasured, counters->unmeasured + calls - 1, __ATOMIC_RELAXED);
        keep_time(client, slot->command, slot->number, argv, argc, ticks / calls);
    }
    worker_stats_add(&counters->calls, calls);
    worker_stats_add(&worker_stats_self->counters.commands, calls);
}
