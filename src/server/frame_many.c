/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * frame_many.c - many writes in one frame, all or none: SET_MANY, SET_MANY_BY_HANDLE, DELETE_MANY; and HANDLE_MANY
 *
 * Commit:  one sdb_set_many, one transaction, one sdb_delete_many.
 * Threads: the client's own. Which shards a list of handles needs is the store's knowledge: where another thread holds one, the
 *          transaction begins again, and in the end takes every shard.
 * Memory:  arrays of the entries' number, freed before the reply is sent.
 */
#include <stdlib.h>

#include "client.h"
#include "frame_commands.h"
#include "frame_reply.h"

#define PREFETCH 64u
#define TRIES_MAX 8 /* of a transaction that meets other threads' shards, before it locks all */

static uint32_t reply_result(struct client *client, const struct wire_frame *frame, int result)
{
    if (result != SDB_OK)
        return frame_reply_error(client, frame->header, result);
    frame_reply_status(&client->reply, frame->header, 0);
    return 0;
}

uint32_t frame_set_many(struct client *client, const struct wire_frame *frame)
{
    struct sdb_pair *pairs = malloc((frame->count + 1ul) * sizeof(*pairs));
    struct wire_cursor cursor = {0};
    uint32_t flags = (wire_flags(frame->header) & WIRE_IF_ABSENT) != 0 ? (uint32_t)SDB_IF_ABSENT : 0;
    int result;

    if (pairs == NULL)
        return frame_reply_error(client, frame->header, SDB_ENOMEM);
    for (uint32_t i = 0; i < frame->count; i++) {
        struct wire_entry entry = wire_next_pair(frame, &cursor);

        pairs[i] = (struct sdb_pair){{entry.key, entry.key_size}, {entry.value, entry.value_size}};
    }
    result = sdb_set_many(client->session, pairs, frame->count, flags);
    free(pairs);
    return reply_result(client, frame, result);
}

static void prefetch_from(struct client *client, const struct wire_frame *frame, uint32_t first)
{
    uint32_t count = frame->count - first < PREFETCH ? frame->count - first : PREFETCH;
    uint64_t handles[PREFETCH];

    for (uint32_t i = 0; i < count; i++)
        handles[i] = wire_get64(frame->body + 8 + 16ul * (first + i));
    sdb_prefetch_by_handle(client->session, handles, count);
}

/* Writes all values in the open transaction. */
static int set_values(struct client *client, const struct wire_frame *frame)
{
    struct wire_cursor cursor = {0};
    int result = SDB_OK;

    for (uint32_t i = 0; i < frame->count && result == SDB_OK; i++) {
        struct wire_entry entry;

        if (i % PREFETCH == 0)
            prefetch_from(client, frame, i);
        entry = wire_next_handle(frame, &cursor);
        result = sdb_set_by_handle(client->session, entry.handle, entry.value, entry.value_size);
    }
    return result;
}

uint32_t frame_set_many_by_handle(struct client *client, const struct wire_frame *frame)
{
    int result = SDB_ECONFLICT;

    for (int try = 0; try <= TRIES_MAX && result == SDB_ECONFLICT; try++) {
        result = try < TRIES_MAX ? sdb_begin(client->session, NULL, 0) : sdb_begin_all(client->session);
        if (result != SDB_OK)
            break;
        result = set_values(client, frame);
        if (result == SDB_OK)
            return reply_result(client, frame, sdb_commit(client->session));
        sdb_abort(client->session);
    }
    return reply_result(client, frame, result);
}

static struct sdb_slice *take_keys(const struct wire_frame *frame)
{
    struct sdb_slice *keys = malloc((frame->count + 1ul) * sizeof(*keys));
    struct wire_cursor cursor = {0};

    for (uint32_t i = 0; keys != NULL && i < frame->count; i++) {
        struct wire_entry entry = wire_next_key(frame, &cursor);

        keys[i] = (struct sdb_slice){entry.key, entry.key_size};
    }
    return keys;
}

uint32_t frame_delete_many(struct client *client, const struct wire_frame *frame)
{
    struct sdb_slice *keys = take_keys(frame);
    size_t deleted = 0;
    int result;

    if (keys == NULL)
        return frame_reply_error(client, frame->header, SDB_ENOMEM);
    result = sdb_delete_many(client->session, keys, frame->count, &deleted);
    free(keys);
    if (result != SDB_OK)
        return frame_reply_error(client, frame->header, result);
    frame_reply_number(&client->reply, frame->header, deleted);
    return 0;
}

uint32_t frame_handle_many(struct client *client, const struct wire_frame *frame)
{
    struct sdb_slice *keys = take_keys(frame);
    size_t mark = client->reply.size;
    int result = SDB_OK;
    char *to;

    if (keys == NULL)
        return frame_reply_error(client, frame->header, SDB_ENOMEM);
    to = frame_reply(&client->reply, frame->header, 0, 8ul * frame->count);
    for (uint32_t i = 0; to != NULL && i < frame->count; i++) {
        uint64_t handle = 0;

        if (i % PREFETCH == 0)
            sdb_prefetch(client->session, keys + i, frame->count - i < PREFETCH ? frame->count - i : PREFETCH);
        result = sdb_handle(client->session, keys[i].data, keys[i].size, &handle);
        if (result != SDB_OK && result != SDB_ENOTFOUND)
            break;
        to = wire_put64(to, result == SDB_OK ? handle : 0);
        result = SDB_OK;
    }
    free(keys);
    if (result == SDB_OK)
        return 0;
    client->reply.size = mark;
    return frame_reply_error(client, frame->header, result);
}
