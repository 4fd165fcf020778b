/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * frame_cells.c - many values in one reply: GET_MANY, GET_MANY_BY_HANDLE
 *
 * The store writes its struct sdb_inline straight into the reply: that is what a cell is. Values that do not fit into theirs follow behind
 * the cells.
 * Threads: the client's own. Memory: none; with WIRE_ONE_MOMENT the store's views, freed before the reply is sent.
 */
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "frame_commands.h"
#include "frame_reply.h"

#define CHUNK 64u /* keys that are read together */

_Static_assert(sizeof(struct sdb_inline) == WIRE_CELL_SIZE, "a cell is what the store writes");
_Static_assert(offsetof(struct sdb_inline, result) == WIRE_CELL_RESULT && offsetof(struct sdb_inline, size) == WIRE_CELL_SIZE_AT &&
                   offsetof(struct sdb_inline, encoding) == WIRE_CELL_ENCODING && offsetof(struct sdb_inline, value) == WIRE_CELL_VALUE,
               "field by field");
_Static_assert((int)WIRE_ENCODING_INT == (int)SDB_ENCODING_INT && (int)WIRE_ENCODING_INLINE == (int)SDB_ENCODING_INLINE &&
                   (int)WIRE_ENCODING_FAR == (int)SDB_ENCODING_BLOB,
               "and by encoding");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "cells are written as they lie in memory");

/* A reply that is being written. Its buffer may move. */
struct cells {
    struct client *client;
    const struct wire_frame *frame;
    size_t start; /* of the frame, in the reply */
};

/* The cells, in the reply: of one buffer, until that moves. Frames are multiples of 8 bytes, so they are aligned. */
static struct sdb_inline *cell_at(const struct cells *cells, size_t index)
{
    return (struct sdb_inline *)(void *)(cells->client->reply.data + cells->start + WIRE_HEADER_SIZE + 8 + index * WIRE_CELL_SIZE);
}

static int begin_cells(struct cells *cells, struct client *client, const struct wire_frame *frame)
{
    char *to;

    *cells = (struct cells){client, frame, client->reply.size};
    to = frame_reply(&client->reply, frame->header, 0, 8 + (size_t)frame->count * WIRE_CELL_SIZE);
    if (to == NULL)
        return 0;
    wire_put64(to, frame->count);
    return 1;
}

/* The frame's size is known now. */
static uint32_t end_cells(const struct cells *cells)
{
    struct reply *reply = &cells->client->reply;

    if (!reply->failed)
        wire_put64(reply->data + cells->start,
                   frame_reply_header(cells->frame->header, 0, reply->size - cells->start - WIRE_HEADER_SIZE));
    return 0;
}

static void set_error(const struct cells *cells, size_t index, int error)
{
    *cell_at(cells, index) = (struct sdb_inline){.result = error};
}

/* Puts a value behind the cells. */
static void append(const struct cells *cells, size_t index, const void *data, size_t size)
{
    struct reply *reply = &cells->client->reply;
    size_t offset = reply->size - cells->start, padded = wire_padded(size);
    struct sdb_inline cell = {.result = SDB_OK, .encoding = WIRE_ENCODING_FAR};
    char *to;

    if (offset + padded > WIRE_REPLY_SIZE_MAX) {
        set_error(cells, index, SDB_ETOOBIG);
        return;
    }
    to = reply_reserve(reply, padded);
    if (to == NULL)
        return;
    memset(to + padded - 8, 0, 8);
    memcpy(to, data, size);
    reply->size += padded;
    memcpy(cell.value.data, &(uint64_t){size}, 8);
    memcpy(cell.value.data + 8, &(uint64_t){offset}, 8);
    *cell_at(cells, index) = cell;
}

/* Fetches a value that does not fit into its cell. Returns 1 where it was the same when it was read with the others. */
static int fetch(const struct cells *cells, size_t index, uint64_t handle, uint64_t version)
{
    struct client *client = cells->client;
    struct sdb_view view;
    int result = sdb_view_by_handle(client->session, handle, &view);
    int same;

    if (result != SDB_OK) {
        set_error(cells, index, result == SDB_ESTALE && wire_opcode(cells->frame->header) == WIRE_GET_MANY ? SDB_ENOTFOUND : result);
        return 0;
    }
    same = view.version == version;
    if (view.size > sizeof(cell_at(cells, index)->value.data)) {
        append(cells, index, view.data, view.size);
    } else {
        struct sdb_inline cell = {.result = SDB_OK, .size = (uint8_t)view.size, .encoding = WIRE_ENCODING_INLINE};

        memcpy(cell.value.data, view.data, view.size);
        *cell_at(cells, index) = cell;
    }
    sdb_view_release(client->session, &view);
    return same;
}

/* The values of cells [from, to) that do not fit. Returns behind which cell those that were read are older than what was fetched: read again. */
static size_t fetch_far(const struct cells *cells, size_t from, size_t to)
{
    for (size_t i = from; i < to && !cells->client->reply.failed; i++) {
        const struct sdb_inline *cell = cell_at(cells, i);

        if (__builtin_expect(cell->result == SDB_ETOOBIG, 0) && !fetch(cells, i, cell->value.big.handle, cell->value.big.version))
            return i + 1;
    }
    return to;
}

uint32_t frame_get_many_by_handle(struct client *client, const struct wire_frame *frame)
{
    const uint64_t *handles = (const uint64_t *)(const void *)frame->value;
    uint64_t aligned[CHUNK];
    int is_aligned = ((uintptr_t)frame->value & 7) == 0;
    struct cells cells;

    if (!begin_cells(&cells, client, frame))
        return 0;
    for (size_t i = 0; i < frame->count && !client->reply.failed;) {
        size_t left = frame->count - i, count = is_aligned || left < CHUNK ? left : CHUNK;

        if (!is_aligned)
            memcpy(aligned, frame->value + i * 8, count * 8);
        sdb_get_many_by_handle(client->session, is_aligned ? handles + i : aligned, count, cell_at(&cells, i));
        i = fetch_far(&cells, i, i + count);
    }
    return end_cells(&cells);
}

/* All keys as of one moment. */
static uint32_t get_one_moment(struct client *client, const struct wire_frame *frame, const struct sdb_slice *keys)
{
    struct sdb_view *views = malloc((frame->count + 1ul) * sizeof(*views));
    int *results = malloc((frame->count + 1ul) * sizeof(*results));
    int result = views == NULL || results == NULL ? SDB_ENOMEM
                                                  : sdb_view_many(client->session, keys, frame->count, views, results);
    struct cells cells;

    if (result != SDB_OK) {
        (void)frame_reply_error(client, frame->header, result);
        goto free_views;
    }
    if (begin_cells(&cells, client, frame)) {
        for (size_t i = 0; i < frame->count && !client->reply.failed; i++) {
            struct sdb_inline cell = {.result = results[i]};

            if (results[i] == SDB_OK && views[i].size > sizeof(cell.value.data)) {
                append(&cells, i, views[i].data, views[i].size);
                continue;
            }
            if (results[i] == SDB_OK) {
                cell.size = (uint8_t)views[i].size;
                cell.encoding = WIRE_ENCODING_INLINE;
                memcpy(cell.value.data, views[i].data, views[i].size);
            }
            *cell_at(&cells, i) = cell;
        }
        (void)end_cells(&cells);
    }
    for (size_t i = 0; i < frame->count; i++) {
        if (results[i] == SDB_OK)
            sdb_view_release(client->session, &views[i]);
    }

free_views:
    free(results);
    free(views);
    return (uint32_t)-result;
}

static uint32_t get_many_one_moment(struct client *client, const struct wire_frame *frame)
{
    struct sdb_slice *keys = malloc((frame->count + 1ul) * sizeof(*keys));
    struct wire_cursor cursor = {0};
    uint32_t status;

    if (keys == NULL)
        return frame_reply_error(client, frame->header, SDB_ENOMEM);
    for (uint32_t i = 0; i < frame->count; i++) {
        struct wire_entry entry = wire_next_key(frame, &cursor);

        keys[i] = (struct sdb_slice){entry.key, entry.key_size};
    }
    status = get_one_moment(client, frame, keys);
    free(keys);
    return status;
}

uint32_t frame_get_many(struct client *client, const struct wire_frame *frame)
{
    struct sdb_slice keys[CHUNK];
    struct wire_cursor cursor = {0};
    struct cells cells;

    if ((wire_flags(frame->header) & WIRE_ONE_MOMENT) != 0)
        return get_many_one_moment(client, frame);
    if (!begin_cells(&cells, client, frame))
        return 0;
    for (size_t from = 0; from < frame->count && !client->reply.failed;) {
        size_t count = frame->count - from < CHUNK ? frame->count - from : CHUNK;

        for (size_t i = 0; i < count; i++) {
            struct wire_entry entry = wire_next_key(frame, &cursor);

            keys[i] = (struct sdb_slice){entry.key, entry.key_size};
        }
        for (size_t done = 0; done < count && !client->reply.failed;) {
            sdb_get_many(client->session, keys + done, count - done, cell_at(&cells, from + done));
            done = fetch_far(&cells, from + done, from + count) - from;
        }
        from += count;
    }
    return end_cells(&cells);
}
