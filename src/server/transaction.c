/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * transaction.c - a command of several steps, all or none
 * Commit:  sdb_commit, inside the worker's group: no fence of its own.
 * Threads: the client's own.
 */
#include "transaction.h"

#include "client.h"
#include "errors.h"

int transaction_begin(struct transaction *transaction, struct client *client, const struct sdb_slice *keys,
                      size_t count)
{
    int result = sdb_begin(client->session, keys, count);

    transaction->mark = client->reply.size;
    if (result == SDB_OK)
        return 1;
    command_reply_error(client, result);
    return 0;
}

int transaction_end(const struct transaction *transaction, struct client *client, int result)
{
    if (result == SDB_OK)
        result = sdb_commit(client->session);
    else
        sdb_abort(client->session);
    if (result != SDB_OK)
        command_reply_error_instead(client, transaction->mark, result);
    return result;
}

void transaction_leave(struct client *client)
{
    sdb_abort(client->session);
}
