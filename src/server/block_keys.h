/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * block_keys.h - commands that take something from the first of several keys that has it, and otherwise wait: BLPOP, BZPOPMIN and their like
 *
 * Commit:  a transaction that names the keys, so that nobody adds to them between the look at them and the waiting (block.h). One key is
 *          tried without, first.
 */
#ifndef SDB_SERVER_BLOCK_KEYS_H
#define SDB_SERVER_BLOCK_KEYS_H

#include "block.h"

/* What the command does with one of its keys. SDB_OK: it has replied. SDB_ENOTFOUND: there is nothing; nothing is replied. Other errors. */
typedef int block_try(struct client *client, const struct request_arg *argv, int argc, const struct sdb_slice *key);

struct block_keys {
    const struct request_arg *keys;
    int key_count;  /* that it waits for */
    int lock_count; /* that it may change: those, and what follows them */
    int64_t timeout_ms;
    block_try *try;
    block_serve *serve;
    block_give_up *reply_nothing; /* where it may not wait */
};

/* Tries the keys, and waits. It replies, now or later. */
void block_keys_run(struct client *client, const struct request_arg *argv, int argc, const struct block_keys *waiting);

/* What `serve` does: of a key that is ready, and has this type, or is of no use. */
enum block_served block_keys_serve(struct client *client, const struct request_arg *argv, int argc, const struct sdb_slice *key,
                                   unsigned type, block_try *try);

/* A null array: also of those whose time is over, whatever they would have replied with. */
void block_keys_give_up(struct client *client);

/* Seconds, with a fraction. 1, or 0 after an error reply. */
int block_get_timeout(struct client *client, const struct request_arg *arg, int64_t *timeout_ms);

#endif
