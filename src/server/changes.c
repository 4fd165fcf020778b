/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * changes.c - the server's observer
 * Threads: any; wanted_lock is a leaf.
 */
#include "changes.h"

#include "block.h"
#include "client.h"
#include "lock.h"
#include "notify.h"
#include "request.h"
#include "runtime.h"
#include "tracking.h"
#include "watch.h"

static struct lock wanted_lock = LOCK_INIT;
static unsigned wanted; /* Under wanted_lock; read by anyone. */

static void on_change(const struct sdb_change *change)
{
    watch_on_change(change);
    notify_on_change(change);
    tracking_on_change(change);
    block_on_change(change);
}

int changes_are_wanted(void)
{
    return __atomic_load_n(&wanted, __ATOMIC_RELAXED) != 0;
}

void changes_pretend(const struct client *client, const struct request_arg *key)
{
    const struct sdb_change change = {.session = client->session, .kind = SDB_CHANGE_STORED, .database = client->database,
                                      .other = client->database, .key = {key->data, key->size}};

    if (changes_are_wanted())
        on_change(&change);
}

void changes_begin(void)
{
    lock_acquire(&wanted_lock);
    sdb_observe(runtime.pool, wanted != 0 ? on_change : NULL);
    lock_release(&wanted_lock);
}

void changes_wanted(int more)
{
    lock_acquire(&wanted_lock);
    __atomic_store_n(&wanted, wanted + (unsigned)more, __ATOMIC_RELAXED);
    if (runtime.pool != NULL) /* else the options are being read: changes_begin */
        sdb_observe(runtime.pool, wanted != 0 ? on_change : NULL);
    lock_release(&wanted_lock);
}
