/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * batch.c - parses, prefetches and runs requests in windows
 */
#include "batch.h"

#include <string.h>
#include <strings.h>

#include "changes.h"
#include "command.h"
#include "config.h"
#include "connection.h"
#include "evict.h"
#include "guards.h"
#include "latency.h"
#include "log.h"
#include "multi.h"
#include "string_handlers.h"
#include "turn.h"
#include "worker.h"
#include "worker_stats.h"

#define PREFETCH_KEYS 64
#define TOGETHER_MIN 4 /* GETs in a row, or SETs, that are run together */

/* ---- prefetching ------------------------------------------------------------------------------------------------------ */

/* The request's keys, as far as its command's row tells where they are and there is room. Returns how many. */
static size_t collect_keys(const struct batch_request *request, struct sdb_slice *keys, size_t room)
{
    const struct command *command = request->slot == NULL ? NULL : request->slot->command;
    size_t count = 0;

    if (command == NULL || command->first_key <= 0 || command->key_step <= 0)
        return 0;
    int last = command->last_key < 0 ? request->argc + command->last_key : command->last_key;
    for (int i = command->first_key; i <= last && i < request->argc && count < room; i += command->key_step) {
        keys[count].data = request->argv[i].data;
        keys[count].size = request->argv[i].size;
        count++;
    }
    return count;
}

/* A hint to the store, so errors and misjudged databases (a SELECT within the window) do no harm. */
static void prefetch(struct worker *worker, const struct batch_request *requests, unsigned n)
{
    struct sdb_slice keys[PREFETCH_KEYS];
    size_t count = 0;

    for (unsigned i = 0; i < n; i++) {
        const struct batch_request *request = &requests[i];

        if ((uint32_t)worker->session_database != request->connection->client.database) {
            sdb_prefetch(worker->session, keys, count);
            count = 0;
            turn_select(worker, &request->connection->client);
        }
        count += collect_keys(request, keys + count, PREFETCH_KEYS - count);
    }
    sdb_prefetch(worker->session, keys, count);
}

/* ---- running ---------------------------------------------------------------------------------------------------------- */

static int is_postponed(const struct worker *worker, const struct batch_request *request)
{
    const struct command_slot *slot = request->slot;

    if (worker->pause_mode != 1 || slot == NULL)
        return worker->pause_mode == 2;
    return (slot->command->flags & (COMMAND_WRITE | COMMAND_MAY_WRITE)) != 0 ||
           (strcmp(slot->command->name, "exec") == 0 && (multi_flags(&request->connection->client) & (COMMAND_WRITE | COMMAND_MAY_WRITE)) != 0);
}

/* What a web page makes a browser send to a port like ours: cross-protocol requests, dropped as Redis drops them. */
static int is_http(const struct batch_request *request)
{
    const struct request_arg *name = &request->argv[0];

    return (name->size == 4 && strncasecmp(name->data, "post", 4) == 0) ||
           (name->size == 5 && strncasecmp(name->data, "host:", 5) == 0);
}

/* Runs what may run beside a script that takes too long. */
static __attribute__((noinline)) void refuse_busy(struct worker *worker, const struct batch_request *request)
{
    struct client *client = &request->connection->client;
    size_t mark;

    turn_ready_reply(worker, client);
    mark = client->reply.size;
    turn_select(worker, client);
    command_dispatch_while_busy(request->slot, client, request->argv, request->argc);
    worker->session_database = -1;
    turn_account(worker, request->connection, request->size, mark);
}

static void run_request(struct worker *worker, const struct batch_request *request)
{
    struct connection *connection = request->connection;
    struct client *client = &connection->client;

    if (turn_is_held(connection))
        return;
    if (__builtin_expect(worker->pause_mode == WORKER_SCRIPT_IS_BUSY, 0)) {
        refuse_busy(worker, request);
        return;
    }
    if (worker->pause_mode != 0 && is_postponed(worker, request)) {
        connection->blocked |= CONNECTION_BLOCK_PAUSE;
        return;
    }
    if (__builtin_expect(request->slot == NULL && is_http(request), 0)) {
        log_message(LOG_LEVEL_WARNING, "Possible attack: %s sent an HTTP request. The connection is closed.", client->address);
        connection->blocked |= CONNECTION_BLOCK_CLOSING;
        return;
    }
    turn_ready_reply(worker, client);
    size_t mark = client->reply.size;
    turn_select(worker, client);
    command_dispatch_to(request->slot, client, request->argv, request->argc);
    if (client->database != (uint32_t)worker->session_database)
        worker->session_database = -1; /* a SELECT may have gone to the session, or not */
    turn_account(worker, connection, request->size, mark);
}

/* ---- GETs and SETs together ------------------------------------------------------------------------------------------ */

/* Requests from the window's first on that are worth running together: GETs or SETs without options, of one database. */
static unsigned count_alike(const struct batch_request *requests, unsigned count)
{
    const struct command_slot *slot = requests[0].slot;
    uint32_t database = requests[0].connection->client.database;
    command_handler *handler;
    unsigned n = 0;
    int argc;

    if (count < TOGETHER_MIN || slot == NULL)
        return 0;
    handler = slot->command->handler;
    argc = handler == get_command ? 2 : handler == set_command ? 3 : 0;
    if (argc == 0 || (argc == 3 && changes_are_wanted())) /* which are told of command by command */
        return 0;
    if (guards_now() != 0 && ((argc == 2 && (guards_now() & GUARD_MISSES) != 0) ||
                              (argc == 3 && !evict_has_room(requests[0].connection->client.session))))
        return 0;
    while (n < count && requests[n].slot == slot && requests[n].argc == argc && requests[n].connection->client.database == database)
        n++;
    return n >= TOGETHER_MIN ? n : 0;
}

/* Whether a request of the client's may be run, and by others' hands than command_dispatch's. */
static inline int is_plain(const struct connection *connection)
{
    return connection->blocked == 0 &&
           (connection->client.flags & (CLIENT_FLAGS_APART | CLIENT_AUTHENTICATED)) == CLIENT_AUTHENTICATED;
}

/* What became of a GET whose value was read together with others'. */
enum together { TOGETHER_REPLIED, TOGETHER_APART, TOGETHER_OVER };

/*
 * Replies with a value that was read, where the client can do with it now; otherwise the request is run by itself. TOGETHER_OVER: what
 * it read then is newer than what was read for those behind it.
 */
static enum together reply_get(struct worker *worker, const struct batch_request *request, const struct sdb_inline *value)
{
    struct connection *connection = request->connection;
    struct client *client = &connection->client;

    if (__builtin_expect(!is_plain(connection), 0)) {
        run_request(worker, request);
        return TOGETHER_APART;
    }
    turn_ready_reply(worker, client);
    size_t mark = client->reply.size;
    if (__builtin_expect(!get_reply(client, value), 0)) {
        run_request(worker, request);
        return TOGETHER_OVER;
    }
    client->last_command = request->slot->command;
    client->commands++;
    turn_account(worker, connection, request->size, mark);
    return TOGETHER_REPLIED;
}

/* Reads first, replies then: nothing in between can change a value. Returns how many it did, one at least. */
static unsigned run_gets(struct worker *worker, const struct batch_request *requests, unsigned count)
{
    struct sdb_slice keys[BATCH_REQUESTS];
    struct sdb_inline values[BATCH_REQUESTS];
    uint64_t begin = latency_ticks();
    unsigned replied = 0, done = 0;
    enum together became = TOGETHER_REPLIED;

    unsigned i = 0;
    do {
        keys[i].data = requests[i].argv[1].data;
        keys[i].size = requests[i].argv[1].size;
    } while (++i < count);
    turn_select(worker, &requests[0].connection->client);
    sdb_get_many(worker->session, keys, count, values);
    while (done < count && became != TOGETHER_OVER) {
        became = reply_get(worker, &requests[done], &values[done]);
        replied += became == TOGETHER_REPLIED;
        done++;
    }
    if (replied > 0)
        command_ran_together(requests[0].slot, &requests[0].connection->client, requests[0].argv, requests[0].argc, replied,
                             latency_ticks() - begin);
    return done;
}

/* The reply to a SET that was done together with others. */
static void answer_set(struct worker *worker, const struct batch_request *request)
{
    struct connection *connection = request->connection;
    struct client *client = &connection->client;

    turn_ready_reply(worker, client);
    size_t mark = client->reply.size;
    reply_ok(&client->reply);
    client->last_command = request->slot->command;
    client->commands++;
    turn_account(worker, connection, request->size, mark);
}

/* Sets first, replies then. The one that fails is run by itself, to fail with a reply. Returns how many it did, one at least. */
static unsigned run_sets(struct worker *worker, const struct batch_request *requests, unsigned count)
{
    struct sdb_pair pairs[BATCH_REQUESTS];
    uint64_t begin = latency_ticks();
    size_t done = 0;
    unsigned n = 0;

    for (; n < count && is_plain(requests[n].connection); n++) {
        pairs[n].key.data = requests[n].argv[1].data;
        pairs[n].key.size = requests[n].argv[1].size;
        pairs[n].value.data = requests[n].argv[2].data;
        pairs[n].value.size = requests[n].argv[2].size;
    }
    if (n > 0) {
        turn_select(worker, &requests[0].connection->client);
        worker_stats_self->client = NULL; /* who wants to be told of changes from now on is told from the next command on */
        (void)sdb_set_each(worker->session, pairs, n, &done);
        for (unsigned i = 0; i < done; i++)
            answer_set(worker, &requests[i]);
    }
    if (done > 0)
        command_ran_together(requests[0].slot, &requests[0].connection->client, requests[0].argv, requests[0].argc, done,
                             latency_ticks() - begin);
    if (done < n || n == 0)
        run_request(worker, &requests[done++]);
    return (unsigned)done;
}

/* Runs requests up to the next that are worth running together. Returns how many. */
static unsigned run_apart(struct worker *worker, const struct batch_request *requests, unsigned count, int together)
{
    unsigned n = 1;

    while (n < count && !(together && count_alike(requests + n, count - n) > 0))
        n++;
    if (n > 1)
        prefetch(worker, requests, n);
    for (unsigned i = 0; i < n; i++)
        run_request(worker, &requests[i]);
    return n;
}

void batch_run(struct worker *worker)
{
    struct batch *batch = &worker->batch;

    if (batch->frames.count > 0)
        frames_run(worker);
    if (batch->count == 0)
        return;
    worker_open_group(worker);
    for (unsigned i = 0, alike; i < batch->count;) {
        const struct batch_request *requests = &batch->requests[i];
        /* What ran before may have changed it: CLIENT PAUSE, CONFIG SET. */
        int together = worker->pause_mode == 0 && command_may_run_together();

        alike = together ? count_alike(requests, batch->count - i) : 0;
        if (alike == 0)
            i += run_apart(worker, requests, batch->count - i, together);
        else if (requests->argc == 2)
            i += run_gets(worker, requests, alike);
        else
            i += run_sets(worker, requests, alike);
    }
    batch->count = 0;
    batch->args_count = 0;
}

/* ---- parsing ---------------------------------------------------------------------------------------------------------- */

static void add(struct batch *batch, struct connection *connection, const struct command_slot *slot,
                const struct request_arg *argv, int argc, size_t size)
{
    struct batch_request *request = &batch->requests[batch->count];

    request->slot = slot;
    request->connection = connection;
    request->argv = argv;
    request->argc = argc;
    request->size = size;
    connection->segment_parsed += size;
    batch->count++;
}

/* Takes one small complete request, in a pipeline mostly one that begins as the one before. Returns 0 where there is none. */
static inline int add_simple(struct batch *batch, struct connection *connection)
{
    const char *data = connection->segment + connection->segment_parsed;
    size_t left = connection->segment_size - connection->segment_parsed;
    struct request_arg *argv = &batch->args[batch->args_count];
    int argc = (int)batch->prefix.argc;
    size_t size = request_parse_alike(&batch->prefix, data, left, argv);

    if (size == 0) {
        size = request_parse_simple(data, left, argv, &argc);
        if (size == 0)
            return 0;
        request_prefix_set(&batch->prefix, data, left, argv, argc);
        batch->prefix_slot = command_slot_find(argv[0].data, argv[0].size);
    }
    batch->args_count += (unsigned)argc;
    add(batch, connection, batch->prefix_slot, argv, argc, size);
    return 1;
}

/* Takes small complete requests for as long as there are any. Returns 1 where the rest is for the full parser. */
static int feed_simple(struct worker *worker, struct connection *connection)
{
    struct batch *batch = &worker->batch;

    if ((connection->client.flags & CLIENT_AUTHENTICATED) == 0 || request_parser_is_midway(&connection->parser))
        return 1;
    while (connection->segment_parsed < connection->segment_size) {
        if (!add_simple(batch, connection))
            return 1;
        if (batch->count == BATCH_REQUESTS) {
            batch_run(worker);
            if (turn_is_held(connection))
                return 0;
        }
    }
    return 0;
}

static void reply_invalid(struct connection *connection, const char *error)
{
    reply_error(&connection->client.reply, error);
    connection->client.flags |= CLIENT_CLOSE_AFTER_REPLY;
}

/* Takes one request of any kind, alone in its window. Returns 1 where there may be more behind it. */
static int feed_any(struct worker *worker, struct connection *connection)
{
    struct request_limits limits = {
        .inline_size_max = REQUEST_INLINE_SIZE_MAX,
        .bulk_size_max = CONFIG_READ(proto_max_bulk_len),
        .args_max = INT32_MAX,
        .unauthenticated = (connection->client.flags & CLIENT_AUTHENTICATED) == 0,
    };
    struct request_parser *parser = &connection->parser;
    size_t size = 0;

    /* All before it must have run: it may depend on it (AUTH), and the parser's position counts from the first byte kept. */
    batch_run(worker);
    if (turn_is_held(connection))
        return 0;
    switch (request_parse(parser, &limits, connection->segment + connection->segment_done,
                          connection->segment_size - connection->segment_done, &size)) {
    case REQUEST_COMPLETE:
        if (parser->argc == 0) {
            connection->segment_parsed += size;
            connection->segment_done += size;
            return 1;
        }
        add(&worker->batch, connection, command_slot_find(parser->argv[0].data, parser->argv[0].size), parser->argv,
            (int)parser->argc, size);
        batch_run(worker);
        return !turn_is_held(connection);
    case REQUEST_INVALID:
        reply_invalid(connection, parser->error);
        return 0;
    case REQUEST_NO_MEMORY:
        reply_invalid(connection, "OOM out of memory for the request");
        return 0;
    case REQUEST_INCOMPLETE:
    default:
        return 0;
    }
}

void batch_feed(struct worker *worker, struct connection *connection, const char *data, size_t size, int is_input)
{
    connection_touch(connection);
    connection->segment = data;
    connection->segment_size = size;
    connection->segment_parsed = 0;
    connection->segment_done = 0;
    connection->segment_is_input = (uint8_t)(is_input != 0);
    connection->in_batch = 1;
    connection->batch_next = worker->batch.segments;
    worker->batch.segments = connection;
    if (__builtin_expect(connection->protocol != CONNECTION_RESP, 0)) {
        if (connection->protocol == CONNECTION_UNDECIDED)
            frames_decide(connection, data[0]);
        if (connection->protocol == CONNECTION_BINARY) {
            frames_feed(worker, connection);
            return;
        }
    }
    while (connection->segment_parsed < size && feed_simple(worker, connection)) {
        if (!feed_any(worker, connection))
            break;
    }
}

/* What did not run stays: in the connection's own buffer, where the kernel's is given back. */
static void finish_segment(struct worker *worker, struct connection *connection)
{
    size_t left = connection->segment_size - connection->segment_done;

    connection->in_batch = 0;
    if (connection->segment_is_input) {
        connection->input_start += connection->segment_done;
    } else if (left > 0 && (connection->client.flags & CLIENT_CLOSE_AFTER_REPLY) == 0) {
        if (!connection_keep(connection, connection->segment + connection->segment_done, left))
            connection->blocked |= CONNECTION_BLOCK_CLOSING;
    }
    if (connection_input_size(connection) == 0)
        connection_trim_input(connection);
    connection->client.query_bytes = connection_input_size(connection);
    if ((connection->blocked & CONNECTION_BLOCK_TURN) != 0)
        worker_make_ready(worker, connection);
}

void batch_finish(struct worker *worker)
{
    struct connection *connection;

    batch_run(worker);
    connection = worker->batch.segments;
    worker->batch.segments = NULL;
    while (connection != NULL) {
        struct connection *next = connection->batch_next;

        finish_segment(worker, connection);
        connection = next;
    }
    worker->io_operations->release(worker->io);
}
