/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * frames.c - parses, prefetches and runs frames in windows
 *
 * Frames in a row that ask for the same are a run: GETs, by key or by handle, are read by one call of the store, SETs staged by one; of
 * others the keys are found together, and each is run by itself. A run is timed and counted as a whole.
 */
#include "frames.h"

#include "changes.h"
#include "command.h"
#include "config.h"
#include "connection.h"
#include "evict.h"
#include "frame_commands.h"
#include "frame_reply.h"
#include "guards.h"
#include "latency.h"
#include "notify.h"
#include "number.h"
#include "turn.h"
#include "worker.h"
#include "worker_stats.h"

#define KIND_MASK 0xffffu /* of a header: opcode and flags */

static const struct command_slot *slots[256]; /* Immutable after frames_init. */

void frames_init(void)
{
    for (unsigned i = 0; i < 256; i++) {
        const char *command = frame_kinds[i].command;

        slots[i] = command == NULL ? NULL : command_slot_find(command, strlen(command));
    }
}

void frames_decide(struct connection *connection, char first)
{
    connection->protocol = (uint8_t)first == WIRE_HELLO ? CONNECTION_BINARY : CONNECTION_RESP;
    if (connection->protocol == CONNECTION_RESP)
        return;
    connection->resp = connection->client.reply.protocol;
    connection->client.reply.protocol = 0;
    worker_stats_add(&worker_stats_self->counters.connections_binary, 1);
}

/* Whether a client may do whatever there is: others' frames go one by one, through run_handler, which looks at each. */
static inline int may_do_all(const struct client *client)
{
    return (client->flags & (CLIENT_AUTHENTICATED | CLIENT_RESTRICTED)) == CLIENT_AUTHENTICATED;
}

/* ---- running ---------------------------------------------------------------------------------------------------------- */

static inline size_t size_of(const struct wire_frame *frame)
{
    return wire_padded(wire_size(frame->header));
}

/* What the slow log shows of a request: its command, and its key or handle. Returns how many words. */
static int describe(const struct wire_frame *frame, struct request_arg words[2], char text[NUMBER_TEXT_SIZE])
{
    const struct frame_kind *kind = &frame_kinds[wire_opcode(frame->header)];

    words[0] = (struct request_arg){kind->command, strlen(kind->command)};
    switch (wire_opcode(frame->header)) {
    case WIRE_GET_BY_HANDLE:
    case WIRE_SET_BY_HANDLE:
        words[1] = (struct request_arg){text, number_format_u64(text, frame->number)};
        return 2;
    default:
        words[1] = (struct request_arg){frame->key, frame->key_size};
        return kind->has_key ? 2 : 1;
    }
}

/* `calls` of a run that begins with this frame have run. begin: when, or 0 */
static void keep_count(struct client *client, const struct wire_frame *frame, uint64_t calls, uint64_t begin)
{
    struct request_arg words[2];
    char text[NUMBER_TEXT_SIZE];
    int count = describe(frame, words, text);

    command_ran_together(slots[wire_opcode(frame->header)], client, words, count, calls, begin == 0 ? 0 : latency_ticks() - begin);
}

static __attribute__((cold, noinline)) void count_failure(uint64_t header, uint32_t status)
{
    const char *code = status == WIRE_STATUS_AUTH ? "NOAUTH" : status == WIRE_STATUS_PERMISSION ? "NOPERM" : status >= WIRE_STATUS_MALFORMED ? "PROTOCOL" : "ERR";

    switch (-(int)status) {
    case SDB_ENOTFOUND: /* answers, not failures */
    case SDB_ECONDITION:
        return;
    case SDB_ENOSPC:
    case SDB_ENOMEM:
        code = "OOM";
        break;
    case SDB_EFAILED:
    case SDB_EIO:
        code = "MISCONF";
        break;
    case SDB_ECORRUPT:
        code = "CORRUPT";
        break;
    case SDB_ESTALE:
        code = "STALE";
        break;
    case SDB_ETYPE:
        code = "WRONGTYPE";
        break;
    default:
        break;
    }
    if (slots[wire_opcode(header)] != NULL)
        command_count_failure(slots[wire_opcode(header)], code);
    else
        worker_stats_count_error(code, strlen(code));
}

/* Whether the connection's request may run now; a reason why not is noted. */
static inline int may_run(struct worker *worker, struct connection *connection, uint64_t header)
{
    if (turn_is_held(connection))
        return 0;
    if (__builtin_expect(worker->pause_mode != 0, 0) &&
        (wire_opcode(header) == WIRE_COMMAND || turn_is_postponed(worker, slots[wire_opcode(header)]))) {
        connection->blocked |= CONNECTION_BLOCK_PAUSE;
        return 0;
    }
    return 1;
}

/* The one place where a client is asked whether it may: for every request, but those that is_plain lets run together. */
static uint32_t run_handler(struct client *client, const struct wire_frame *frame)
{
    const struct frame_kind *kind = &frame_kinds[wire_opcode(frame->header)];

    if (__builtin_expect((client->flags & CLIENT_AUTHENTICATED) == 0 && !kind->without_auth, 0)) {
        frame_reply_text(&client->reply, frame->header, WIRE_STATUS_AUTH, "authenticate first");
        return WIRE_STATUS_AUTH;
    }
    if (__builtin_expect(frame->status != 0 || kind->handler == NULL, 0)) {
        frame_reply_text(&client->reply, frame->header, WIRE_STATUS_OPCODE, "an opcode, flag or field that this version does not know");
        return WIRE_STATUS_OPCODE;
    }
    if (__builtin_expect((client->flags & CLIENT_RESTRICTED) != 0, 0) && !frame_is_allowed(client, frame))
        return WIRE_STATUS_PERMISSION;
    if (__builtin_expect(guards_now() & GUARD_MEMORY, 0) && slots[wire_opcode(frame->header)] != NULL &&
        !evict_make_room(client->session) && (slots[wire_opcode(frame->header)]->command->flags & COMMAND_DENYOOM) != 0)
        return frame_reply_error(client, frame->header, SDB_ENOSPC);
    if (__builtin_expect(guards_now() & GUARD_MISSES, 0) && wire_opcode(frame->header) == WIRE_GET)
        notify_miss(client, &(struct sdb_slice){frame->key, frame->key_size});
    return kind->handler(client, frame);
}

/* Who wants keyspace events is told of what the frame changed, as if the RESP command that does the same had done it. */
static __attribute__((cold, noinline)) void tell_changes(struct client *client, const struct wire_frame *frame, uint32_t status)
{
    static const struct request_arg expiring[] = {{"SET", 3}, {"", 0}, {"", 0}, {"PX", 2}};
    const struct command_slot *slot = slots[wire_opcode(frame->header)];
    int expires = (wire_flags(frame->header) & (WIRE_EXPIRE_AT | WIRE_EXPIRE_IN)) != 0;

    if (wire_opcode(frame->header) == WIRE_EXPIRE && !expires)
        slot = command_slot_find("persist", 7);
    if (slot != NULL)
        notify_command_ended(client, slot->command, expiring, wire_opcode(frame->header) == WIRE_SET && expires ? 4 : 3, status != 0);
}

/* Runs one frame by itself. Returns 1 where it ran. */
static int run_one(struct worker *worker, struct connection *connection, const struct wire_frame *frame)
{
    struct client *client = &connection->client;
    uint32_t status;
    size_t mark;

    if (!may_run(worker, connection, frame->header))
        return 0;
    turn_ready_reply(worker, client);
    mark = client->reply.size;
    turn_select(worker, client);
    worker_stats_self->client = client;
    status = run_handler(client, frame);
    if (__builtin_expect(status == (uint32_t)-SDB_ENOSPC, 0) && CONFIG_READ(maxmemory_policy) != EVICT_NONE &&
        evict_for_full_pool(client->session)) { /* it has changed nothing */
        reply_truncate(&client->reply, mark);
        status = run_handler(client, frame);
    }
    if (__builtin_expect((client->flags & CLIENT_EVENTS) != 0, 0))
        tell_changes(client, frame, status);
    if (client->database != (uint32_t)worker->session_database)
        worker->session_database = -1;
    if (__builtin_expect(status != 0, 0))
        count_failure(frame->header, status);
    if (slots[wire_opcode(frame->header)] != NULL)
        client->last_command = slots[wire_opcode(frame->header)]->command;
    client->commands++;
    turn_account(worker, connection, size_of(frame), mark);
    return 1;
}

/* ---- runs ------------------------------------------------------------------------------------------------------------- */

/* How many frames from `first` on ask for the same, in the same database. */
static unsigned run_length(const struct frames *frames, unsigned first)
{
    uint64_t kind = frames->frames[first].header & KIND_MASK;
    uint32_t database = frames->connections[first]->client.database;
    unsigned end = first + 1;

    while (end < frames->count && (frames->frames[end].header & KIND_MASK) == kind &&
           (frames->connections[end] == frames->connections[end - 1] || frames->connections[end]->client.database == database))
        end++;
    return end - first;
}

/* Values for GETs, by key or by handle, of one run. */
static void read_together(struct worker *worker, const struct frames *frames, unsigned first, unsigned count, struct sdb_inline *values)
{
    const struct wire_frame *frame = &frames->frames[first];

    if (wire_opcode(frame->header) == WIRE_GET) {
        struct sdb_slice keys[FRAMES_WINDOW];

        unsigned i = 0;
        do
            keys[i] = (struct sdb_slice){frame[i].key, frame[i].key_size};
        while (++i < count);
        turn_select(worker, &frames->connections[first]->client);
        sdb_get_many(worker->session, keys, count, values);
    } else {
        uint64_t handles[FRAMES_WINDOW];

        unsigned i = 0;
        do
            handles[i] = frame[i].number;
        while (++i < count);
        sdb_get_many_by_handle(worker->session, handles, count, values);
    }
}

/* Reads first, replies then. Returns how many frames it dealt with, one at least; *ran: how many of them ran. */
static unsigned run_gets(struct worker *worker, struct frames *frames, unsigned first, unsigned count, unsigned *ran)
{
    struct sdb_inline values[FRAMES_WINDOW];
    unsigned i;

    read_together(worker, frames, first, count, values);
    for (i = 0; i < count; i++) {
        struct connection *connection = frames->connections[first + i];
        const struct wire_frame *frame = &frames->frames[first + i];
        struct client *client = &connection->client;
        size_t mark;

        if (__builtin_expect(!may_run(worker, connection, frame->header), 0))
            continue;
        if (__builtin_expect(!may_do_all(client), 0)) { /* a RESET before it */
            *ran += (unsigned)run_one(worker, connection, frame);
            continue;
        }
        turn_ready_reply(worker, client);
        mark = client->reply.size;
        if (__builtin_expect(!frame_reply_value(client, frame->header, frame->number, &values[i]), 0)) {
            *ran += (unsigned)run_one(worker, connection, frame);
            return i + 1; /* it is newer than what was read for those behind it */
        }
        if (__builtin_expect(values[i].result != SDB_OK && values[i].result != SDB_ETOOBIG, 0))
            count_failure(frame->header, (uint32_t)-values[i].result);
        client->last_command = slots[wire_opcode(frame->header)]->command;
        client->commands++;
        turn_account(worker, connection, size_of(frame), mark);
        (*ran)++;
    }
    return i;
}

/* The reply to a SET that was done together with others. */
static void answer_set(struct worker *worker, struct connection *connection, const struct wire_frame *frame)
{
    struct client *client = &connection->client;
    size_t mark;

    turn_ready_reply(worker, client);
    mark = client->reply.size;
    frame_reply_status(&client->reply, frame->header, 0);
    client->last_command = slots[WIRE_SET]->command;
    client->commands++;
    turn_account(worker, connection, size_of(frame), mark);
}

/* Sets first, replies then. The one that fails is run by itself, to fail with a reply. Returns as run_gets. */
static unsigned run_sets(struct worker *worker, struct frames *frames, unsigned first, unsigned count, unsigned *ran)
{
    struct sdb_pair pairs[FRAMES_WINDOW];
    struct connection **connections = &frames->connections[first];
    const struct wire_frame *frame = &frames->frames[first];
    size_t done = 0;
    unsigned n = 0;

    for (; n < count; n++) {
        if (frame[n].status != 0 || !may_do_all(&connections[n]->client) || !may_run(worker, connections[n], frame[n].header))
            break;
        pairs[n] = (struct sdb_pair){{frame[n].key, frame[n].key_size}, {frame[n].value, frame[n].value_size}};
    }
    if (n > 0) {
        turn_select(worker, &connections[0]->client);
        worker_stats_self->client = NULL; /* who wants to be told of changes from now on is told from the next command on */
        (void)sdb_set_each(worker->session, pairs, n, &done);
        for (size_t i = 0; i < done; i++)
            answer_set(worker, connections[i], &frame[i]);
        *ran += (unsigned)done;
    }
    if (done < n || n == 0) {
        *ran += (unsigned)run_one(worker, connections[done], &frame[done]);
        done++;
    }
    return (unsigned)done;
}

static void prefetch_by_handle(struct worker *worker, const struct wire_frame *frame, unsigned count)
{
    uint64_t handles[FRAMES_WINDOW];

    for (unsigned i = 0; i < count; i++)
        handles[i] = frame[i].number;
    sdb_prefetch_by_handle(worker->session, handles, count);
}

static void prefetch(struct worker *worker, const struct frames *frames, unsigned first, unsigned count)
{
    struct sdb_slice keys[FRAMES_WINDOW];

    for (unsigned i = 0; i < count; i++)
        keys[i] = (struct sdb_slice){frames->frames[first + i].key, frames->frames[first + i].key_size};
    turn_select(worker, &frames->connections[first]->client);
    sdb_prefetch(worker->session, keys, count);
}

/* Frames that are all understood, of clients that may do what they want; others go one by one. */
static int is_plain(const struct frames *frames, unsigned first)
{
    return frames->frames[first].status == 0 && may_do_all(&frames->connections[first]->client) &&
           slots[wire_opcode(frames->frames[first].header)] != NULL;
}

/* Runs some frames from `first` on. Returns how many it dealt with. */
static unsigned run_some(struct worker *worker, struct frames *frames, unsigned first)
{
    const struct wire_frame *frame = &frames->frames[first];
    uint8_t opcode = wire_opcode(frame->header);
    unsigned count, done = 0, ran = 0;
    uint64_t begin;

    if (__builtin_expect(!is_plain(frames, first), 0)) {
        (void)run_one(worker, frames->connections[first], frame);
        return 1;
    }
    count = command_may_run_together() ? run_length(frames, first) : 1;
    begin = count > 1 || command_is_timed(slots[opcode]) ? latency_ticks() : 0;
    if (((frame->header & KIND_MASK) == WIRE_GET && (guards_now() & GUARD_MISSES) == 0) ||
        (frame->header & KIND_MASK) == WIRE_GET_BY_HANDLE) {
        done = run_gets(worker, frames, first, count, &ran);
    } else if (count > 1 && (frame->header & KIND_MASK) == WIRE_SET && !changes_are_wanted() &&
               ((guards_now() & GUARD_MEMORY) == 0 || evict_has_room(worker->session))) { /* which are told of one by one */
        done = run_sets(worker, frames, first, count, &ran);
    } else {
        if (count > 1 && frame_kinds[opcode].has_key)
            prefetch(worker, frames, first, count);
        else if (count > 1 && (opcode == WIRE_SET_BY_HANDLE || opcode == WIRE_GET_BY_HANDLE))
            prefetch_by_handle(worker, frame, count);
        for (; done < count; done++)
            ran += (unsigned)run_one(worker, frames->connections[first + done], &frame[done]);
    }
    if (ran > 0 && opcode != WIRE_COMMAND)
        keep_count(&frames->connections[first]->client, frame, ran, begin);
    return done;
}

void frames_run(struct worker *worker)
{
    struct frames *frames = &worker->batch.frames;

    if (frames->count == 0)
        return;
    worker_open_group(worker);
    for (unsigned i = 0; i < frames->count;)
        i += run_some(worker, frames, i);
    frames->count = 0;
}

/* ---- parsing ---------------------------------------------------------------------------------------------------------- */

static void refuse(struct worker *worker, struct connection *connection, const char *why)
{
    frames_run(worker);
    if (turn_is_held(connection)) /* it comes here again */
        return;
    worker_open_group(worker);
    turn_ready_reply(worker, &connection->client);
    frame_reply_malformed(&connection->client, wire_get64(connection->segment + connection->segment_done), why);
    worker_stats_count_error("PROTOCOL", 8);
}

void frames_feed(struct worker *worker, struct connection *connection)
{
    struct frames *frames = &worker->batch.frames;
    int64_t value_size_max = CONFIG_READ(proto_max_bulk_len);
    struct wire_limits limits = {.value_size_max = value_size_max < WIRE_VALUE_SIZE_MAX ? (uint64_t)value_size_max : WIRE_VALUE_SIZE_MAX};

    while (connection->segment_parsed < connection->segment_size) {
        /* The frames of a client that may not do everything come one by one: each may depend on the one before. */
        int apart = !connection->greeted || !may_do_all(&connection->client);
        unsigned room = apart ? 1 : FRAMES_WINDOW - frames->count, n;
        const char *error;
        size_t used;

        limits.unauthenticated = !connection->greeted || (connection->client.flags & CLIENT_AUTHENTICATED) == 0;
        if (apart) {
            frames_run(worker);
            if (turn_is_held(connection))
                return;
        }
        n = wire_parse(&limits, connection->segment + connection->segment_parsed, connection->segment_size - connection->segment_parsed,
                       frames->frames + frames->count, room, &used, &error);
        for (unsigned i = 0; i < n; i++)
            frames->connections[frames->count + i] = connection;
        frames->count += n;
        connection->segment_parsed += used;
        if (__builtin_expect(error != NULL, 0)) {
            refuse(worker, connection, error);
            return;
        }
        if (n < room)
            return;
        frames_run(worker);
        if (turn_is_held(connection))
            return;
    }
}
