/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * acl_log.c - a list of refusals, newest first
 */
#include "acl_log.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "client_list.h"
#include "config.h"
#include "lock.h"

#include "acl_user.h"

#define SAME_FOR_MS 60000
#define LOOKED_AT_MAX 10 /* newest entries that a refusal is compared with */

struct refusal {
    struct refusal *older, *newer;
    enum acl_log_reason reason;
    enum acl_context context;
    uint64_t count;
    int64_t time_ms;
    size_t object_size, user_size, client_size;
    char *object, *user, *client; /* into text */
    char text[];
};

static struct lock list_lock = LOCK_INIT;
static struct refusal *newest, *oldest; /* Under list_lock, as all below. */
static size_t length;

static void unlink_entry(struct refusal *entry)
{
    if (entry->newer != NULL)
        entry->newer->older = entry->older;
    else
        newest = entry->older;
    if (entry->older != NULL)
        entry->older->newer = entry->newer;
    else
        oldest = entry->newer;
    length--;
}

static void put_first(struct refusal *entry)
{
    entry->newer = NULL;
    entry->older = newest;
    if (newest != NULL)
        newest->newer = entry;
    else
        oldest = entry;
    newest = entry;
    length++;
}

static void trim(size_t max)
{
    while (length > max && oldest != NULL) {
        struct refusal *entry = oldest;

        oldest = entry->newer;
        if (oldest != NULL)
            oldest->older = NULL;
        else
            newest = NULL;
        length--;
        free(entry);
    }
}

static bool is_same(const struct refusal *one, const struct refusal *other)
{
    return one->reason == other->reason && one->context == other->context &&
           one->object_size == other->object_size && memcmp(one->object, other->object, one->object_size) == 0 &&
           one->user_size == other->user_size && memcmp(one->user, other->user, one->user_size) == 0 &&
           one->time_ms - other->time_ms <= SAME_FOR_MS;
}

static char *append(char **to, const char *from, size_t size)
{
    char *at = *to;

    if (size > 0)
        memcpy(at, from, size);
    *to += size;
    return at;
}

static struct refusal *make(const struct client *client, enum acl_context context, enum acl_log_reason reason,
                            const struct request_arg *object, const struct request_arg *user)
{
    struct refusal *entry;
    struct reply line;
    char *to;

    reply_init(&line);
    client_list_describe(&line, client, client_now_ms(client));
    entry = line.failed ? NULL : malloc(sizeof(*entry) + object->size + user->size + line.size);
    if (entry != NULL) {
        *entry = (struct refusal){.reason = reason,
                                  .context = context,
                                  .count = 1,
                                  .time_ms = client_now_ms(client),
                                  .object_size = object->size,
                                  .user_size = user->size,
                                  .client_size = line.size - 1}; /* without the line's end */
        to = entry->text;
        entry->object = append(&to, object->data, object->size);
        entry->user = append(&to, user->data, user->size);
        entry->client = append(&to, line.data, line.size - 1);
    }
    reply_free(&line);
    return entry;
}

void acl_log_add(struct client *client, enum acl_context context, enum acl_log_reason reason, const struct request_arg *object,
                 const struct request_arg *user)
{
    const char *name = client->user != NULL ? client->user->name : "";
    const struct request_arg own = {name, strlen(name)};
    struct refusal *entry = make(client, context, reason, object, user != NULL ? user : &own), *old;
    size_t looked_at = 0;

    if (entry == NULL)
        return;
    lock_acquire(&list_lock);
    for (old = newest; old != NULL && looked_at < LOOKED_AT_MAX && !is_same(entry, old); old = old->older)
        looked_at++;
    if (looked_at == LOOKED_AT_MAX)
        old = NULL;
    if (old != NULL) {
        entry->count += old->count;
        unlink_entry(old);
    }
    put_first(entry);
    free(old);
    trim((size_t)CONFIG_READ(acllog_max_len));
    lock_release(&list_lock);
}

void acl_log_clear(void)
{
    lock_acquire(&list_lock);
    trim(0);
    lock_release(&list_lock);
}

static void reply_entry(struct reply *reply, const struct refusal *entry, int64_t now_ms)
{
    static const char *const contexts[] = {"toplevel", "multi", "lua"};
    static const char *const reasons[] = {"command", "key", "channel", "auth"};

    reply_map(reply, 7);
    reply_bulk_text(reply, "count");
    reply_integer(reply, (int64_t)entry->count);
    reply_bulk_text(reply, "reason");
    reply_bulk_text(reply, reasons[entry->reason]);
    reply_bulk_text(reply, "context");
    reply_bulk_text(reply, contexts[entry->context]);
    reply_bulk_text(reply, "object");
    reply_bulk(reply, entry->object, entry->object_size);
    reply_bulk_text(reply, "username");
    reply_bulk(reply, entry->user, entry->user_size);
    reply_bulk_text(reply, "age-seconds");
    reply_double(reply, now_ms > entry->time_ms ? (double)(now_ms - entry->time_ms) / 1000 : 0); /* another thread's turn */
    reply_bulk_text(reply, "client-info");
    reply_bulk(reply, entry->client, entry->client_size);
}

void acl_log_reply(struct reply *reply, int64_t count, int64_t now_ms)
{
    size_t shown;

    lock_acquire(&list_lock);
    shown = count < (int64_t)length ? (size_t)(count > 0 ? count : 0) : length;
    reply_array(reply, shown);
    for (const struct refusal *entry = newest; shown > 0; entry = entry->older, shown--)
        reply_entry(reply, entry, now_ms);
    lock_release(&list_lock);
}
