/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * transaction.h - a command of several steps, all or none: sdb_begin, sdb_commit and sdb_abort with the replies that
 * go with them
 *
 *     struct transaction transaction;
 *     if (!transaction_begin(&transaction, client, &key, 1))
 *         return;                                             // it has replied
 *     ... result = sdb_set(...);
 *     reply_integer(&client->reply, 1);
 *     transaction_end(&transaction, client, result);          // commits, or aborts and replies with the error instead
 */
#ifndef SDB_SERVER_TRANSACTION_H
#define SDB_SERVER_TRANSACTION_H

#include <stddef.h>

#include "superdb/superdb.h"

struct client;

struct transaction {
    size_t mark; /* the reply's size at the beginning */
};

/* 1, or 0 after an error reply. */
int transaction_begin(struct transaction *transaction, struct client *client, const struct sdb_slice *keys,
                      size_t count);

/*
 * result SDB_OK: commits. Otherwise, and where the commit fails: nothing takes effect, and what was replied since
 * transaction_begin gives way to the error's reply. Gives the result, or the commit's.
 */
int transaction_end(const struct transaction *transaction, struct client *client, int result);

/* Aborts what wrote nothing; the reply stands. */
void transaction_leave(struct client *client);

#endif
