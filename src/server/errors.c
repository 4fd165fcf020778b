/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * errors.c - what a client is told when the store refuses
 * Threads: the client's own. sdb_last_error() is the calling thread's.
 */
#include "errors.h"

#include "client.h"
#include "script_busy.h"

static __thread int met_full_pool;

int command_met_full_pool(void)
{
    const int met = met_full_pool;

    met_full_pool = 0;
    return met;
}

/* The store's own story of the failure. */
static void reply_story(struct client *client, const char *code, int error)
{
    const char *story = sdb_last_error();

    if (story == NULL || story[0] == '\0')
        story = sdb_strerror(error);
    reply_errorf(&client->reply, "-%s %s", code, story);
}

void command_reply_error(struct client *client, int code)
{
    switch (code) {
    case SDB_ENOSPC:
        met_full_pool = 1;
        reply_error(&client->reply, "-OOM the pool is full: delete keys, or let it grow (superdb-pool resize)");
        break;
    case SDB_ENOMEM:
        reply_error(&client->reply, "-OOM out of memory");
        break;
    case SDB_EFAILED:
    case SDB_EIO:
        reply_story(client, "MISCONF the pool has failed and refuses writes:", code);
        break;
    case SDB_EREADONLY:
        reply_error(&client->reply, "-READONLY the pool is open for reading only");
        break;
    case SDB_ECORRUPT:
        reply_story(client, "CORRUPT", code);
        break;
    case SDB_ETYPE:
        reply_error(&client->reply, "-WRONGTYPE Operation against a key holding the wrong kind of value");
        break;
    case SDB_ESTALE:
        reply_error(&client->reply, "-STALE the handle's key is gone, or it never was");
        break;
    case SDB_ENOTINT:
        reply_error(&client->reply, "value is not an integer or out of range");
        break;
    case SDB_ENOTFLOAT:
        reply_error(&client->reply, "value is not a valid float");
        break;
    case SDB_EOVERFLOW:
        reply_error(&client->reply, "increment or decrement would overflow");
        break;
    case SDB_ETOOBIG:
        reply_errorf(&client->reply, "key or value is too big: keys take up to %u bytes, values up to %u",
                     SDB_KEY_SIZE_MAX, SDB_VALUE_SIZE_MAX);
        break;
    case SDB_EBUSY: /* the session's patience has ended: a script holds the key */
        reply_error(&client->reply, script_busy_text());
        break;
    case SDB_ECONFLICT:
        reply_error(&client->reply, "-TRYAGAIN another thread holds the key: try again");
        break;
    default:
        reply_error(&client->reply, sdb_strerror(code));
        break;
    }
}

void command_reply_error_instead(struct client *client, size_t mark, int code)
{
    client->reply.size = mark;
    command_reply_error(client, code);
}
