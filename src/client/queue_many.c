/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * queue_many.c - queues requests of many entries
 */
#include "stream.h"

_Static_assert((int)WIRE_ONE_MOMENT == (int)SDB_CLIENT_ONE_MOMENT, "the flag is the protocol's");

/*
 * Adds what one entry takes to *size. Returns whether it may be so large: each by itself, and all together so far.
 */
static inline int add_entry(const struct sdb_client *client, size_t *size, size_t size_max, size_t key_size, size_t value_size)
{
    if (key_size > client->info.key_size_max || value_size > client->info.value_size_max)
        return 0;
    *size += key_size + value_size;
    return *size <= size_max;
}

static int queue_keys(struct sdb_client *client, uint32_t opcode, uint32_t flags, const struct sdb_slice *keys, size_t count)
{
    size_t fixed = WIRE_HEADER_SIZE + 8 + wire_padded(4 * count), size = fixed;
    int error;
    char *to, *at;

    if (count > client->info.many_max)
        return client_error(SDB_ETOOBIG);
    for (size_t i = 0; i < count; i++) {
        if (!add_entry(client, &size, WIRE_KEYS_SIZE_MAX, keys[i].size, 0))
            return client_error(SDB_ETOOBIG);
    }
    to = client_reserve(client, size, &error);
    if (to == NULL)
        return error;
    at = to + fixed;
    (void)wire_put64(at - 8, 0); /* the padding of the sizes */
    to = wire_put64(to + WIRE_HEADER_SIZE, count);
    for (size_t i = 0; i < count; i++) {
        to = wire_put32(to, (uint32_t)keys[i].size);
        at = client_put(at, keys[i].data, keys[i].size);
    }
    client_queued(client, opcode, flags, size, (uint32_t)count);
    return SDB_OK;
}

int sdb_client_queue_get_many(struct sdb_client *client, const struct sdb_slice *keys, size_t count, uint32_t flags)
{
    if (flags > SDB_CLIENT_ONE_MOMENT)
        return client_error(SDB_EINVAL);
    return queue_keys(client, WIRE_GET_MANY, flags, keys, count);
}

int sdb_client_queue_handle_many(struct sdb_client *client, const struct sdb_slice *keys, size_t count)
{
    return queue_keys(client, WIRE_HANDLE_MANY, 0, keys, count);
}

int sdb_client_queue_delete_many(struct sdb_client *client, const struct sdb_slice *keys, size_t count)
{
    return queue_keys(client, WIRE_DELETE_MANY, 0, keys, count);
}

int sdb_client_queue_get_many_by_handle(struct sdb_client *client, const uint64_t *handles, size_t count)
{
    size_t size = WIRE_HEADER_SIZE + 8 * count;
    int error;
    char *to;

    if (count > client->info.many_max)
        return client_error(SDB_ETOOBIG);
    to = client_reserve(client, size, &error);
    if (to == NULL)
        return error;
    (void)client_put(to + WIRE_HEADER_SIZE, handles, 8 * count); /* little endian, as answer.c asserts */
    client_queued(client, WIRE_GET_MANY_BY_HANDLE, 0, size, (uint32_t)count);
    return SDB_OK;
}

int sdb_client_queue_set_many(struct sdb_client *client, const struct sdb_pair *pairs, size_t count, uint32_t flags)
{
    size_t fixed = WIRE_HEADER_SIZE + 8 + 8 * count, size = fixed;
    size_t most = (size_t)WIRE_KEYS_SIZE_MAX + client->info.value_size_max;
    int error;
    char *to, *at;

    if ((flags & ~(uint32_t)SDB_IF_ABSENT) != 0)
        return client_error(SDB_EINVAL);
    if (count > client->info.many_max)
        return client_error(SDB_ETOOBIG);
    for (size_t i = 0; i < count; i++) {
        if (!add_entry(client, &size, most, pairs[i].key.size, pairs[i].value.size))
            return client_error(SDB_ETOOBIG);
    }
    to = client_reserve(client, size, &error);
    if (to == NULL)
        return error;
    at = to + fixed;
    to = wire_put64(to + WIRE_HEADER_SIZE, count);
    for (size_t i = 0; i < count; i++) {
        to = wire_put32(wire_put32(to, (uint32_t)pairs[i].key.size), (uint32_t)pairs[i].value.size);
        at = client_put(client_put(at, pairs[i].key.data, pairs[i].key.size), pairs[i].value.data, pairs[i].value.size);
    }
    client_queued(client, WIRE_SET_MANY, flags, size, (uint32_t)count);
    return SDB_OK;
}

int sdb_client_queue_set_many_by_handle(struct sdb_client *client, const uint64_t *handles, const struct sdb_slice *values, size_t count)
{
    size_t fixed = WIRE_HEADER_SIZE + 8 + 16 * count, size = fixed;
    size_t most = (size_t)WIRE_KEYS_SIZE_MAX + client->info.value_size_max;
    int error;
    char *to, *at;

    if (count > client->info.many_max)
        return client_error(SDB_ETOOBIG);
    for (size_t i = 0; i < count; i++) {
        if (!add_entry(client, &size, most, 0, values[i].size))
            return client_error(SDB_ETOOBIG);
    }
    to = client_reserve(client, size, &error);
    if (to == NULL)
        return error;
    at = to + fixed;
    to = wire_put64(to + WIRE_HEADER_SIZE, count);
    for (size_t i = 0; i < count; i++) {
        to = wire_put64(wire_put64(to, handles[i]), values[i].size);
        at = client_put(at, values[i].data, values[i].size);
    }
    client_queued(client, WIRE_SET_MANY_BY_HANDLE, 0, size, (uint32_t)count);
    return SDB_OK;
}
