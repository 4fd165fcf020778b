/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * frame_commands.c - the requests of the binary protocol that concern one key, or the connection
 *
 * Commit:  each write is one call of the store, inside the turn's group.
 * Threads: the client's own. Memory: none, but for WIRE_COMMAND's list of arguments.
 */
#include "frame_commands.h"

#include <string.h>
#include <strings.h>

#include "acl.h"
#include "client.h"
#include "args.h"
#include "command.h"
#include "config.h"
#include "connection.h"
#include "frame_reply.h"
#include "number.h"
#include "request.h"

_Static_assert(WIRE_KEY_SIZE_MAX == SDB_KEY_SIZE_MAX && WIRE_VALUE_SIZE_MAX == SDB_VALUE_SIZE_MAX, "the protocol's limits are the store's");
_Static_assert((int)WIRE_IF_ABSENT == (int)SDB_IF_ABSENT && (int)WIRE_IF_PRESENT == (int)SDB_IF_PRESENT &&
                   (int)WIRE_IF_VERSION == (int)SDB_IF_VERSION && (int)WIRE_KEEP_EXPIRY == (int)SDB_KEEP_EXPIRY,
               "a SET's flags are the store's");

/* ---- errors ----------------------------------------------------------------------------------------------------------- */

uint32_t frame_reply_error(struct client *client, uint64_t header, int error)
{
    const char *story;

    if (error == SDB_ENOTFOUND || error == SDB_ECONDITION || error == SDB_ESTALE) {
        frame_reply_status(&client->reply, header, (uint32_t)-error);
        return (uint32_t)-error;
    }
    story = error == SDB_ECORRUPT || error == SDB_EFAILED || error == SDB_EIO ? sdb_last_error() : "";
    frame_reply_text(&client->reply, header, (uint32_t)-error, story[0] != '\0' ? story : sdb_strerror(error));
    return (uint32_t)-error;
}

void frame_reply_malformed(struct client *client, uint64_t header, const char *why)
{
    frame_reply_text(&client->reply, wire_header(WIRE_ERROR, 0, wire_tag(header), 0), WIRE_STATUS_MALFORMED, why);
    client->flags |= CLIENT_CLOSE_AFTER_REPLY;
}

/* A reply without a body. */
static inline uint32_t reply_result(struct client *client, uint64_t header, int result)
{
    if (__builtin_expect(result != SDB_OK, 0))
        return frame_reply_error(client, header, result);
    frame_reply_status(&client->reply, header, 0);
    return 0;
}

/* ---- the connection --------------------------------------------------------------------------------------------------- */

static uint64_t version_word(void)
{
    return (uint64_t)SDB_VERSION_MAJOR | (uint64_t)SDB_VERSION_MINOR << 16 | (uint64_t)SDB_VERSION_PATCH << 32;
}

static uint32_t hello(struct client *client, const struct wire_frame *frame)
{
    struct connection *connection = connection_of(client);
    int wants_password = (client->flags & CLIENT_AUTHENTICATED) == 0 && !acl_is_open();
    int64_t value_size_max = CONFIG_READ(proto_max_bulk_len);
    char *to;

    if (connection->greeted || wire_get64(frame->body) != WIRE_MAGIC) {
        frame_reply_malformed(client, frame->header, connection->greeted ? "a hello comes once" : "this is no hello of the binary protocol");
        return WIRE_STATUS_MALFORMED;
    }
    if (wire_get32(frame->body + 8) < WIRE_VERSION) {
        frame_reply_text(&client->reply, frame->header, WIRE_STATUS_VERSION, "the oldest version that is spoken here is 1");
        client->flags |= CLIENT_CLOSE_AFTER_REPLY;
        return WIRE_STATUS_VERSION;
    }
    to = frame_reply(&client->reply, frame->header, 0, WIRE_HELLO_REPLY_SIZE - WIRE_HEADER_SIZE);
    if (to == NULL)
        return 0;
    connection->greeted = 1;
    to = wire_put32(wire_put64(to, WIRE_MAGIC), WIRE_VERSION);
    to = wire_put64(wire_put32(to, wants_password ? WIRE_HELLO_AUTH : 0), 0);
    to = wire_put32(to, WIRE_KEY_SIZE_MAX);
    to = wire_put32(to, value_size_max < WIRE_VALUE_SIZE_MAX ? (uint32_t)value_size_max : WIRE_VALUE_SIZE_MAX);
    to = wire_put32(wire_put32(to, WIRE_MANY_MAX), SDB_DATABASES);
    (void)wire_put64(wire_put64(to, client->id), version_word());
    return 0;
}

static uint32_t ping(struct client *client, const struct wire_frame *frame)
{
    frame_reply_bytes(&client->reply, frame->header, frame->value, frame->value_size);
    return 0;
}

static uint32_t auth(struct client *client, const struct wire_frame *frame)
{
    const struct request_arg user = {frame->key_size > 0 ? frame->key : NULL, frame->key_size}, name = {"AUTH", 4};

    if (client_authenticate(client, user, (struct request_arg){frame->value, frame->value_size}, &name))
        return reply_result(client, frame->header, SDB_OK);
    frame_reply_text(&client->reply, frame->header, WIRE_STATUS_AUTH, "invalid username-password pair");
    return WIRE_STATUS_AUTH;
}

static uint32_t select_database(struct client *client, const struct wire_frame *frame)
{
    if (frame->number >= SDB_DATABASES)
        return frame_reply_error(client, frame->header, SDB_EINVAL);
    client->database = (uint32_t)frame->number;
    return reply_result(client, frame->header, SDB_OK);
}

/* What answers more than once, or not at all, or later: it has no place in a frame. Publishing is a command like any other. */
static int is_refused(const struct command *command, const struct request_parser *parser)
{
    if ((strcmp(command->group, "pubsub") == 0 && strstr(command->name, "subscribe") != NULL) ||
        strcmp(command->group, "transactions") == 0 || strcmp(command->name, "monitor") == 0)
        return 1;
    return strcmp(command->name, "client") == 0 && parser->argc > 1 &&
           (args_is(&parser->argv[1], "reply") || args_is(&parser->argv[1], "tracking"));
}

/* The command's reply, behind a header whose size is known only then. */
static uint32_t dispatch(struct client *client, const struct wire_frame *frame, const struct command_slot *slot,
                         const struct request_parser *parser)
{
    struct connection *connection = connection_of(client);
    struct reply *reply = &client->reply;
    size_t before = reply->size, size;
    char *padding;

    if (frame_reply(reply, frame->header, 0, 0) == NULL)
        return 0;
    reply->protocol = connection->resp;
    command_dispatch_to(slot, client, parser->argv, (int)parser->argc);
    connection->resp = reply->protocol;
    reply->protocol = 0;
    size = reply->size - before;
    padding = reply_reserve(reply, 8);
    if (padding == NULL)
        return 0;
    if (size > UINT32_MAX) {
        reply->failed = 1;
        return 0;
    }
    memset(padding, 0, 8);
    reply->size = before + wire_padded(size);
    wire_put64(reply->data + before, frame_reply_header(frame->header, 0, size - WIRE_HEADER_SIZE));
    return 0;
}

static uint32_t command(struct client *client, const struct wire_frame *frame)
{
    const struct request_limits limits = {
        .inline_size_max = REQUEST_INLINE_SIZE_MAX, .bulk_size_max = WIRE_VALUE_SIZE_MAX, .args_max = INT32_MAX};
    const struct command_slot *slot;
    struct request_parser parser;
    uint32_t status = (uint32_t)-SDB_EINVAL;
    size_t consumed = 0;

    request_parser_init(&parser);
    if (request_parse(&parser, &limits, frame->value, frame->value_size, &consumed) != REQUEST_COMPLETE ||
        consumed != frame->value_size || parser.argc == 0) {
        frame_reply_text(&client->reply, frame->header, status, "not one request in RESP");
        goto free_parser;
    }
    slot = command_slot_find(parser.argv[0].data, parser.argv[0].size);
    if (slot != NULL && is_refused(slot->command, &parser)) {
        status = WIRE_STATUS_REFUSED;
        frame_reply_text(&client->reply, frame->header, status, "this command cannot be run in a frame");
        goto free_parser;
    }
    status = dispatch(client, frame, slot, &parser);

free_parser:
    request_parser_free(&parser);
    return status;
}

/* ---- reading ---------------------------------------------------------------------------------------------------------- */

static void reply_view(struct client *client, uint64_t header, const struct sdb_view *view)
{
    int has_meta = (wire_flags(header) & WIRE_WANT_META) != 0;
    char *to = frame_reply(&client->reply, header, 0, view->size + (has_meta ? WIRE_META_SIZE : 0));

    if (to == NULL)
        return;
    if (has_meta)
        to = wire_put64(wire_put64(wire_put64(to, view->version), view->handle), (uint64_t)view->expire_ms);
    if (view->size > 0)
        memcpy(to, view->data, view->size);
}

static uint32_t get(struct client *client, const struct wire_frame *frame)
{
    struct sdb_view view;
    int result = wire_opcode(frame->header) == WIRE_GET ? sdb_view(client->session, frame->key, frame->key_size, &view)
                                                        : sdb_view_by_handle(client->session, frame->number, &view);

    if (result != SDB_OK)
        return frame_reply_error(client, frame->header, result);
    reply_view(client, frame->header, &view);
    sdb_view_release(client->session, &view);
    return 0;
}

/* A value outside of its entry, as it was when the entry was read. */
static int reply_far(struct client *client, uint64_t header, uint64_t handle, const struct sdb_inline *value)
{
    struct sdb_view view;
    int same;

    if (sdb_view_by_handle(client->session, handle, &view) != SDB_OK)
        return 0;
    same = view.version == value->value.big.version;
    if (same)
        reply_view(client, header, &view);
    sdb_view_release(client->session, &view);
    return same;
}

int frame_reply_value(struct client *client, uint64_t header, uint64_t handle, const struct sdb_inline *value)
{
    struct reply *reply = &client->reply;
    size_t size = value->size;
    char *to;

    if (__builtin_expect(value->result != SDB_OK, 0)) {
        if (value->result == SDB_ETOOBIG)
            return reply_far(client, header, wire_opcode(header) == WIRE_GET ? value->value.big.handle : handle, value);
        (void)frame_reply_error(client, header, value->result);
        return 1;
    }
    to = reply_reserve(reply, WIRE_HEADER_SIZE + 32);
    if (to == NULL)
        return 1;
    if (value->encoding == SDB_ENCODING_INT) {
        memset(to + WIRE_HEADER_SIZE, 0, 32);
        size = number_format_i64(to + WIRE_HEADER_SIZE, value->value.integer);
    } else {
        memcpy(to + WIRE_HEADER_SIZE, value->value.data, sizeof(value->value.data)); /* padded with zero bytes */
    }
    wire_put64(to, frame_reply_header(header, 0, size));
    reply->size += wire_padded(WIRE_HEADER_SIZE + size);
    return 1;
}

static uint32_t exists(struct client *client, const struct wire_frame *frame)
{
    return reply_result(client, frame->header, sdb_exists(client->session, frame->key, frame->key_size));
}

static uint32_t handle_of_key(struct client *client, const struct wire_frame *frame)
{
    uint64_t handle;
    int result = sdb_handle(client->session, frame->key, frame->key_size, &handle);

    if (result != SDB_OK)
        return frame_reply_error(client, frame->header, result);
    frame_reply_number(&client->reply, frame->header, handle);
    return 0;
}

/* ---- writing ---------------------------------------------------------------------------------------------------------- */

/* A time as the flags say. Errors: 0, none that can be. */
static int expiry(const struct client *client, const struct wire_frame *frame, int64_t *expire_ms)
{
    int64_t time = (int64_t)frame->number;

    if ((wire_flags(frame->header) & WIRE_EXPIRE_IN) != 0 && __builtin_add_overflow(time, client_now_ms(client), &time))
        return 0;
    *expire_ms = time;
    return time > 0;
}

static uint32_t set_with_options(struct client *client, const struct wire_frame *frame)
{
    uint8_t flags = wire_flags(frame->header);
    uint64_t handle = 0;
    struct sdb_set_options options = {
        .flags = flags & (SDB_IF_ABSENT | SDB_IF_PRESENT | SDB_IF_VERSION | SDB_KEEP_EXPIRY),
        .version = (flags & WIRE_IF_VERSION) != 0 ? frame->version : 0,
        .handle = &handle,
    };
    int expires = (flags & (WIRE_EXPIRE_AT | WIRE_EXPIRE_IN)) != 0;
    int result;

    if ((expires && !expiry(client, frame, &options.expire_ms)) || (expires && (flags & WIRE_KEEP_EXPIRY) != 0))
        return frame_reply_error(client, frame->header, SDB_EINVAL);
    result = sdb_set(client->session, frame->key, frame->key_size, frame->value, frame->value_size, &options);
    if (result != SDB_OK || (flags & WIRE_WANT_HANDLE) == 0)
        return reply_result(client, frame->header, result);
    frame_reply_number(&client->reply, frame->header, handle);
    return 0;
}

static uint32_t set(struct client *client, const struct wire_frame *frame)
{
    if (__builtin_expect(wire_flags(frame->header) != 0, 0))
        return set_with_options(client, frame);
    return reply_result(client, frame->header,
                        sdb_set(client->session, frame->key, frame->key_size, frame->value, frame->value_size, NULL));
}

static uint32_t set_by_handle(struct client *client, const struct wire_frame *frame)
{
    return reply_result(client, frame->header, sdb_set_by_handle(client->session, frame->number, frame->value, frame->value_size));
}

static uint32_t delete_key(struct client *client, const struct wire_frame *frame)
{
    return reply_result(client, frame->header, sdb_delete(client->session, frame->key, frame->key_size));
}

static uint32_t add(struct client *client, const struct wire_frame *frame)
{
    int64_t sum;
    int result = sdb_add(client->session, frame->key, frame->key_size, (int64_t)frame->number, &sum);

    if (result != SDB_OK)
        return frame_reply_error(client, frame->header, result);
    frame_reply_number(&client->reply, frame->header, (uint64_t)sum);
    return 0;
}

static uint32_t expire(struct client *client, const struct wire_frame *frame)
{
    uint8_t flags = wire_flags(frame->header);
    int64_t expire_ms = 0;

    if (flags == (WIRE_EXPIRE_AT | WIRE_EXPIRE_IN) || (flags != 0 && !expiry(client, frame, &expire_ms)) ||
        (flags == 0 && frame->number != 0))
        return frame_reply_error(client, frame->header, SDB_EINVAL);
    return reply_result(client, frame->header, sdb_expire(client->session, frame->key, frame->key_size, expire_ms));
}

/* ---- the table -------------------------------------------------------------------------------------------------------- */

const struct frame_kind frame_kinds[256] = {
    [WIRE_HELLO] = {hello, "hello", 0, 1},
    [WIRE_PING] = {ping, "ping", 0, 0},
    [WIRE_AUTH] = {auth, "auth", 0, 1},
    [WIRE_SELECT] = {select_database, "select", 0, 0},
    [WIRE_COMMAND] = {command, NULL, 0, 0},
    [WIRE_GET] = {get, "get", 1, 0},
    [WIRE_GET_BY_HANDLE] = {get, "sdb.geth", 0, 0},
    [WIRE_SET] = {set, "set", 1, 0},
    [WIRE_SET_BY_HANDLE] = {set_by_handle, "sdb.seth", 0, 0},
    [WIRE_DELETE] = {delete_key, "del", 1, 0},
    [WIRE_EXISTS] = {exists, "exists", 1, 0},
    [WIRE_ADD] = {add, "incrby", 1, 0},
    [WIRE_HANDLE] = {handle_of_key, "sdb.handle", 1, 0},
    [WIRE_EXPIRE] = {expire, "pexpireat", 1, 0},
    [WIRE_GET_MANY] = {frame_get_many, "mget", 0, 0},
    [WIRE_GET_MANY_BY_HANDLE] = {frame_get_many_by_handle, "sdb.geth", 0, 0},
    [WIRE_SET_MANY] = {frame_set_many, "mset", 0, 0},
    [WIRE_SET_MANY_BY_HANDLE] = {frame_set_many_by_handle, "sdb.seth", 0, 0},
    [WIRE_DELETE_MANY] = {frame_delete_many, "del", 0, 0},
    [WIRE_HANDLE_MANY] = {frame_handle_many, "sdb.handle", 0, 0},
};
