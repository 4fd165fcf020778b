/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * frame_commands.h - what each request of the binary protocol does
 */
#ifndef SDB_SERVER_FRAME_COMMANDS_H
#define SDB_SERVER_FRAME_COMMANDS_H

#include "frame.h"
#include "superdb/superdb.h"

struct client;

/*
 * Runs a request, whose lengths the parser has checked: writes one reply frame. It runs inside the thread's group, with the client's
 * database selected. Returns the reply's status.
 */
typedef uint32_t frame_handler(struct client *client, const struct wire_frame *frame);

struct frame_kind {
    frame_handler *handler; /* NULL: no such request */
    const char *command;    /* as whose call it counts; with its flags */
    uint8_t has_key;        /* frame->key is worth a prefetch */
    uint8_t without_auth;
};

extern const struct frame_kind frame_kinds[256];

/* Replies with a status and, but for misses, its story. Returns the status. */
uint32_t frame_reply_error(struct client *client, uint64_t header, int error);

/* The protocol is not understood: tells why and closes. */
void frame_reply_malformed(struct client *client, uint64_t header, const char *why);

/*
 * Replies with a value that was read together with others. Returns 0, having written nothing, where it has to be read again: what is read then
 * is newer than those.
 */
int frame_reply_value(struct client *client, uint64_t header, uint64_t handle, const struct sdb_inline *value);

/* frame_access.c: 1, or 0 where the client's user may not do this, which the reply says. */
int frame_is_allowed(struct client *client, const struct wire_frame *frame);

/* frame_cells.c */
frame_handler frame_get_many, frame_get_many_by_handle;

/* frame_many.c */
frame_handler frame_set_many, frame_set_many_by_handle, frame_delete_many, frame_handle_many;

#endif
