/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * queue.c - queues the requests that concern one key, or the connection
 */
#include "number.h"
#include "stream.h"

_Static_assert((int)WIRE_IF_ABSENT == (int)SDB_IF_ABSENT && (int)WIRE_IF_PRESENT == (int)SDB_IF_PRESENT &&
                   (int)WIRE_IF_VERSION == (int)SDB_IF_VERSION && (int)WIRE_KEEP_EXPIRY == (int)SDB_KEEP_EXPIRY &&
                   (int)WIRE_WANT_HANDLE == (int)SDB_CLIENT_WANT_HANDLE && (int)WIRE_WANT_META == (int)SDB_CLIENT_META,
               "flags are the protocol's");

#define COMMAND_SIZE_MAX WIRE_KEYS_SIZE_MAX

/* [a number], a key */
static inline int queue_key(struct sdb_client *client, uint32_t opcode, uint32_t flags, const uint64_t *number, const void *key,
                            size_t key_size)
{
    size_t size = WIRE_HEADER_SIZE + (number != NULL ? 8 : 0) + key_size;
    int error;
    char *to;

    if (key_size > client->info.key_size_max)
        return client_error(SDB_ETOOBIG);
    to = client_reserve(client, size, &error);
    if (to == NULL)
        return error;
    to += WIRE_HEADER_SIZE;
    if (number != NULL)
        to = wire_put64(to, *number);
    (void)client_put(to, key, key_size);
    client_queued(client, opcode, flags, size, 0);
    return SDB_OK;
}

/* A number, bytes */
static inline int queue_number(struct sdb_client *client, uint32_t opcode, uint32_t flags, uint64_t number, const void *data,
                               size_t data_size)
{
    size_t size = WIRE_HEADER_SIZE + 8 + data_size;
    int error;
    char *to;

    if (data_size > client->info.value_size_max)
        return client_error(SDB_ETOOBIG);
    to = client_reserve(client, size, &error);
    if (to == NULL)
        return error;
    (void)client_put(wire_put64(to + WIRE_HEADER_SIZE, number), data, data_size);
    client_queued(client, opcode, flags, size, 0);
    return SDB_OK;
}

/* ---- reading ---------------------------------------------------------------------------------------------------------- */

int sdb_client_queue_get(struct sdb_client *client, const void *key, size_t key_size, uint32_t flags)
{
    if (flags > SDB_CLIENT_META)
        return client_error(SDB_EINVAL);
    return queue_key(client, WIRE_GET, flags, NULL, key, key_size);
}

int sdb_client_queue_get_by_handle(struct sdb_client *client, uint64_t handle, uint32_t flags)
{
    if (flags > SDB_CLIENT_META)
        return client_error(SDB_EINVAL);
    return queue_number(client, WIRE_GET_BY_HANDLE, flags, handle, NULL, 0);
}

int sdb_client_queue_exists(struct sdb_client *client, const void *key, size_t key_size)
{
    return queue_key(client, WIRE_EXISTS, 0, NULL, key, key_size);
}

int sdb_client_queue_handle(struct sdb_client *client, const void *key, size_t key_size)
{
    return queue_key(client, WIRE_HANDLE, 0, NULL, key, key_size);
}

/* ---- writing ---------------------------------------------------------------------------------------------------------- */

/* The options as the frame has them: flags, and up to two numbers. Returns how many numbers, or -1. */
static int set_numbers(const struct sdb_client_set_options *options, uint32_t *flags, uint64_t numbers[2])
{
    int count = 0;

    *flags = options->flags;
    if ((*flags & ~(uint32_t)(SDB_IF_ABSENT | SDB_IF_PRESENT | SDB_IF_VERSION | SDB_KEEP_EXPIRY | SDB_CLIENT_WANT_HANDLE)) != 0)
        return -1;
    if ((*flags & SDB_IF_VERSION) != 0)
        numbers[count++] = options->version;
    if (options->expire_ms == 0 && options->expire_in_ms == 0)
        return count;
    if ((options->expire_ms != 0 && options->expire_in_ms != 0) || (*flags & SDB_KEEP_EXPIRY) != 0)
        return -1;
    *flags |= options->expire_ms != 0 ? WIRE_EXPIRE_AT : WIRE_EXPIRE_IN;
    numbers[count++] = (uint64_t)(options->expire_ms != 0 ? options->expire_ms : options->expire_in_ms);
    return count;
}

int sdb_client_queue_set(struct sdb_client *client, const void *key, size_t key_size, const void *value, size_t value_size,
                         const struct sdb_client_set_options *options)
{
    uint64_t numbers[2];
    uint32_t flags = 0;
    int count = options == NULL ? 0 : set_numbers(options, &flags, numbers);
    size_t size;
    int error;
    char *to;

    if (count < 0)
        return client_error(SDB_EINVAL);
    if (key_size > client->info.key_size_max || value_size > client->info.value_size_max)
        return client_error(SDB_ETOOBIG);
    size = WIRE_HEADER_SIZE + 8 + 8ul * (unsigned)count + key_size + value_size;
    to = client_reserve(client, size, &error);
    if (to == NULL)
        return error;
    to = wire_put64(to + WIRE_HEADER_SIZE, key_size);
    for (int i = 0; i < count; i++)
        to = wire_put64(to, numbers[i]);
    (void)client_put(client_put(to, key, key_size), value, value_size);
    client_queued(client, WIRE_SET, flags, size, 0);
    return SDB_OK;
}

int sdb_client_queue_set_by_handle(struct sdb_client *client, uint64_t handle, const void *value, size_t value_size)
{
    return queue_number(client, WIRE_SET_BY_HANDLE, 0, handle, value, value_size);
}

int sdb_client_queue_delete(struct sdb_client *client, const void *key, size_t key_size)
{
    return queue_key(client, WIRE_DELETE, 0, NULL, key, key_size);
}

int sdb_client_queue_add(struct sdb_client *client, const void *key, size_t key_size, int64_t delta)
{
    return queue_key(client, WIRE_ADD, 0, &(uint64_t){(uint64_t)delta}, key, key_size);
}

int sdb_client_queue_expire(struct sdb_client *client, const void *key, size_t key_size, int64_t expire_ms)
{
    return queue_key(client, WIRE_EXPIRE, expire_ms != 0 ? WIRE_EXPIRE_AT : 0, &(uint64_t){(uint64_t)expire_ms}, key, key_size);
}

int sdb_client_queue_expire_in(struct sdb_client *client, const void *key, size_t key_size, int64_t expire_in_ms)
{
    return queue_key(client, WIRE_EXPIRE, expire_in_ms != 0 ? WIRE_EXPIRE_IN : 0, &(uint64_t){(uint64_t)expire_in_ms}, key, key_size);
}

/* ---- the connection, and commands ------------------------------------------------------------------------------------- */

int sdb_client_queue_ping(struct sdb_client *client, const void *data, size_t size)
{
    int error;
    char *to;

    if (size > WIRE_SMALL_SIZE_MAX - WIRE_HEADER_SIZE)
        return client_error(SDB_ETOOBIG);
    to = client_reserve(client, WIRE_HEADER_SIZE + size, &error);
    if (to == NULL)
        return error;
    (void)client_put(to + WIRE_HEADER_SIZE, data, size);
    client_queued(client, WIRE_PING, 0, WIRE_HEADER_SIZE + size, 0);
    return SDB_OK;
}

int sdb_client_queue_select(struct sdb_client *client, uint32_t database)
{
    return queue_number(client, WIRE_SELECT, 0, database, NULL, 0);
}

/* "$5\r\n" or "*5\r\n" */
static char *put_line(char *to, char sign, size_t number)
{
    *to++ = sign;
    to += number_format_u64(to, number);
    return client_put(to, "\r\n", 2);
}

int sdb_client_queue_command(struct sdb_client *client, const struct sdb_slice *words, size_t count)
{
    char scratch[1 + NUMBER_TEXT_SIZE + 2];
    size_t most = (size_t)COMMAND_SIZE_MAX + client->info.value_size_max;
    size_t size = WIRE_HEADER_SIZE + (size_t)(put_line(scratch, '*', count) - scratch);
    int error;
    char *to;

    if (count == 0)
        return client_error(SDB_EINVAL);
    for (size_t i = 0; i < count; i++) {
        if (words[i].size > most - size)
            return client_error(SDB_ETOOBIG);
        size += (size_t)(put_line(scratch, '$', words[i].size) - scratch) + words[i].size + 2;
        if (size > most)
            return client_error(SDB_ETOOBIG);
    }
    to = client_reserve(client, size, &error);
    if (to == NULL)
        return error;
    to = put_line(to + WIRE_HEADER_SIZE, '*', count);
    for (size_t i = 0; i < count; i++)
        to = client_put(client_put(put_line(to, '$', words[i].size), words[i].data, words[i].size), "\r\n", 2);
    client_queued(client, WIRE_COMMAND, 0, size, 0);
    return SDB_OK;
}
