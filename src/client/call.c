/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * call.c - one request at a time: each function queues its own and takes the reply
 */
#include "stream.h"

/* Nothing else may be on the way: its reply would be taken for this one's. */
static inline int is_free(const struct sdb_client *client)
{
    return client->oldest == client->next;
}

static int not_free(void)
{
    return client_error(SDB_CLIENT_EPENDING);
}

/* queued: what the queueing function returned. Returns the call's error, or else the request's. */
static int take(struct sdb_client *client, int queued, struct sdb_client_reply *reply)
{
    int result = queued == SDB_OK ? sdb_client_reply(client, reply) : queued;

    if (result != SDB_OK)
        return result;
    if (reply->result == SDB_OK || reply->result == SDB_ENOTFOUND || reply->result == SDB_ECONDITION)
        return reply->result;
    return client_refused(reply);
}

static int finish(struct sdb_client *client, int queued)
{
    struct sdb_client_reply reply = {0};

    return take(client, queued, &reply);
}

static int finish_get(struct sdb_client *client, int queued, void *buffer, size_t buffer_size, size_t *value_size)
{
    struct sdb_client_reply reply = {0};
    int result = take(client, queued, &reply);

    if (result != SDB_OK)
        return result;
    (void)client_put(buffer, reply.data, reply.size < buffer_size ? reply.size : buffer_size);
    if (value_size != NULL)
        *value_size = reply.size;
    return SDB_OK;
}

/* ---- reading ---------------------------------------------------------------------------------------------------------- */

int sdb_client_get(struct sdb_client *client, const void *key, size_t key_size, void *buffer, size_t buffer_size, size_t *value_size)
{
    if (!is_free(client))
        return not_free();
    return finish_get(client, sdb_client_queue_get(client, key, key_size, 0), buffer, buffer_size, value_size);
}

int sdb_client_get_by_handle(struct sdb_client *client, uint64_t handle, void *buffer, size_t buffer_size, size_t *value_size)
{
    if (!is_free(client))
        return not_free();
    return finish_get(client, sdb_client_queue_get_by_handle(client, handle, 0), buffer, buffer_size, value_size);
}

int sdb_client_exists(struct sdb_client *client, const void *key, size_t key_size)
{
    return is_free(client) ? finish(client, sdb_client_queue_exists(client, key, key_size)) : not_free();
}

int sdb_client_handle(struct sdb_client *client, const void *key, size_t key_size, uint64_t *handle)
{
    struct sdb_client_reply reply = {0};
    int result = is_free(client) ? take(client, sdb_client_queue_handle(client, key, key_size), &reply) : not_free();

    if (result == SDB_OK)
        *handle = reply.handle;
    return result;
}

/* ---- writing ---------------------------------------------------------------------------------------------------------- */

int sdb_client_set(struct sdb_client *client, const void *key, size_t key_size, const void *value, size_t value_size,
                   const struct sdb_client_set_options *options)
{
    if (!is_free(client))
        return not_free();
    return finish(client, sdb_client_queue_set(client, key, key_size, value, value_size, options));
}

int sdb_client_set_by_handle(struct sdb_client *client, uint64_t handle, const void *value, size_t value_size)
{
    return is_free(client) ? finish(client, sdb_client_queue_set_by_handle(client, handle, value, value_size)) : not_free();
}

int sdb_client_delete(struct sdb_client *client, const void *key, size_t key_size)
{
    return is_free(client) ? finish(client, sdb_client_queue_delete(client, key, key_size)) : not_free();
}

int sdb_client_add(struct sdb_client *client, const void *key, size_t key_size, int64_t delta, int64_t *sum)
{
    struct sdb_client_reply reply = {0};
    int result = is_free(client) ? take(client, sdb_client_queue_add(client, key, key_size, delta), &reply) : not_free();

    if (result == SDB_OK)
        *sum = reply.number;
    return result;
}

int sdb_client_expire(struct sdb_client *client, const void *key, size_t key_size, int64_t expire_ms)
{
    return is_free(client) ? finish(client, sdb_client_queue_expire(client, key, key_size, expire_ms)) : not_free();
}

int sdb_client_set_many(struct sdb_client *client, const struct sdb_pair *pairs, size_t count, uint32_t flags)
{
    return is_free(client) ? finish(client, sdb_client_queue_set_many(client, pairs, count, flags)) : not_free();
}

int sdb_client_delete_many(struct sdb_client *client, const struct sdb_slice *keys, size_t count, size_t *deleted)
{
    struct sdb_client_reply reply = {0};
    int result = is_free(client) ? take(client, sdb_client_queue_delete_many(client, keys, count), &reply) : not_free();

    if (result == SDB_OK && deleted != NULL)
        *deleted = (size_t)reply.number;
    return result;
}
