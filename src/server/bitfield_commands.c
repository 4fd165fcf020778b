/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bitfield_commands.c - BITFIELD and BITFIELD_RO: a list of reads and writes of integers of any width at any bit
 *
 * Commit:  a transaction; each operation reads and writes the up to 9 bytes around its field. None where all operations
 *          read.
 * Threads: the client's own.
 * Memory:  none for few operations, else an array of them, freed before the handler returns.
 */
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "bit_handlers.h"
#include "bitstring.h"
#include "client.h"
#include "errors.h"
#include "transaction.h"

#define FEW 16

enum operation_kind { OPERATION_GET, OPERATION_SET, OPERATION_INCRBY };

struct operation {
    enum operation_kind kind;
    struct bitfield_type type;
    enum bitfield_overflow overflow;
    uint64_t offset; /* in bits */
    int64_t number;
};

struct operations {
    struct operation *items;
    size_t count;
    int writes;
    uint64_t last_byte; /* that a write touches: the value reaches so far before the first operation runs */
};

static int parse_overflow(struct client *client, const struct request_arg *arg, enum bitfield_overflow *overflow)
{
    if (args_is(arg, "WRAP")) {
        *overflow = BITFIELD_WRAP;
    } else if (args_is(arg, "SAT")) {
        *overflow = BITFIELD_SATURATE;
    } else if (args_is(arg, "FAIL")) {
        *overflow = BITFIELD_FAIL;
    } else {
        reply_error(&client->reply, "Invalid OVERFLOW type specified");
        return 0;
    }
    return 1;
}

/* Reads the arguments behind GET, SET or INCRBY. */
static int parse_operation(struct client *client, const struct request_arg *argv, struct operation *operation)
{
    if (!bitfield_type_parse(argv[1].data, argv[1].size, &operation->type)) {
        reply_error(&client->reply,
                    "Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but "
                    "i64 is.");
        return 0;
    }
    if (!bit_offset_get(client, &argv[2], operation->type.bits, &operation->offset))
        return 0;
    return operation->kind == OPERATION_GET || args_get_int64(client, &argv[3], &operation->number, NULL);
}

/* items has room for every operation. */
static int parse_operations(struct client *client, const struct request_arg *argv, int argc,
                            struct operations *operations)
{
    enum bitfield_overflow overflow = BITFIELD_WRAP;
    int i = 2;

    while (i < argc) {
        const int left = argc - i - 1;
        struct operation *operation = &operations->items[operations->count];

        if (args_is(&argv[i], "GET") && left >= 2) {
            operation->kind = OPERATION_GET;
        } else if (args_is(&argv[i], "SET") && left >= 3) {
            operation->kind = OPERATION_SET;
        } else if (args_is(&argv[i], "INCRBY") && left >= 3) {
            operation->kind = OPERATION_INCRBY;
        } else if (args_is(&argv[i], "OVERFLOW") && left >= 1) {
            if (!parse_overflow(client, &argv[i + 1], &overflow))
                return 0;
            i += 2;
            continue;
        } else {
            args_syntax_error(client);
            return 0;
        }
        if (!parse_operation(client, &argv[i], operation))
            return 0;
        operation->overflow = overflow;
        operations->count++;
        if (operation->kind != OPERATION_GET) {
            uint64_t last_byte = (operation->offset + operation->type.bits - 1) / 8;
            if (last_byte > operations->last_byte)
                operations->last_byte = last_byte;
            operations->writes = 1;
        }
        i += operation->kind == OPERATION_GET ? 3 : 4;
    }
    return 1;
}

/* Runs one operation and replies with its result. */
static int run(struct client *client, const struct sdb_slice *key, const struct operation *operation)
{
    unsigned char window[BITFIELD_WINDOW] = {0};
    const uint64_t at = operation->offset / 8;
    const unsigned shift = (unsigned)(operation->offset % 8);
    const size_t touched = (shift + operation->type.bits + 7) / 8;
    int64_t old, new;
    size_t size = 0;
    int fits;
    int result = sdb_get_range(client->session, key->data, key->size, at, window, touched, &size);

    if (result != SDB_OK && result != SDB_ENOTFOUND)
        return result;
    old = bitfield_read(window, shift, operation->type);
    if (operation->kind == OPERATION_GET) {
        reply_integer(&client->reply, old);
        return SDB_OK;
    }
    if (operation->kind == OPERATION_SET)
        fits = bitfield_add(operation->number, 0, operation->type, operation->overflow, &new);
    else
        fits = bitfield_add(old, operation->number, operation->type, operation->overflow, &new);
    if (!fits && operation->overflow == BITFIELD_FAIL) {
        reply_null(&client->reply);
        return SDB_OK;
    }
    reply_integer(&client->reply, operation->kind == OPERATION_SET ? old : new);
    if (new == old)
        return SDB_OK;
    bitfield_write(window, shift, operation->type, new);
    return sdb_set_range(client->session, key->data, key->size, at, window, touched, &size);
}

/* Makes the value reach to the last byte that will be written, with zeros. */
static int extend(struct client *client, const struct sdb_slice *key, uint64_t last_byte)
{
    struct sdb_stat stat;
    size_t size;
    int result = sdb_stat(client->session, key->data, key->size, &stat);

    if (result == SDB_OK && stat.type != SDB_TYPE_STRING)
        result = SDB_ETYPE;
    if (result != SDB_OK && result != SDB_ENOTFOUND)
        return result;
    if (result == SDB_OK && stat.size > last_byte)
        return SDB_OK;
    return sdb_set_range(client->session, key->data, key->size, last_byte, "", 1, &size); /* a zero byte */
}

/* Reads alone need no lock: the value is looked up once, and all fields are read from one state of it. */
static void read_all(struct client *client, const struct request_arg *key, const struct operations *operations)
{
    struct sdb_view view;
    size_t size;
    int result = sdb_view(client->session, key->data, key->size, &view);

    if (result != SDB_OK && result != SDB_ENOTFOUND) {
        command_reply_error(client, result);
        return;
    }
    size = result == SDB_OK ? view.size : 0;
    reply_array(&client->reply, operations->count);
    for (size_t i = 0; i < operations->count; i++) {
        const struct operation *operation = &operations->items[i];
        const size_t at = operation->offset / 8;
        unsigned char window[BITFIELD_WINDOW] = {0};
        if (at < size)
            memcpy(window, (const char *)view.data + at, size - at < sizeof(window) ? size - at : sizeof(window));
        reply_integer(&client->reply, bitfield_read(window, (unsigned)(operation->offset % 8), operation->type));
    }
    if (result == SDB_OK)
        sdb_view_release(client->session, &view);
}

static void run_all(struct client *client, const struct request_arg *key_arg, const struct operations *operations)
{
    const struct sdb_slice key = args_slice(key_arg);
    struct transaction transaction;
    int result;

    if (!transaction_begin(&transaction, client, &key, 1))
        return;
    result = extend(client, &key, operations->last_byte);
    reply_array(&client->reply, operations->count);
    for (size_t i = 0; i < operations->count && result == SDB_OK; i++)
        result = run(client, &key, &operations->items[i]);
    (void)transaction_end(&transaction, client, result);
}

static void bitfield(struct client *client, const struct request_arg *argv, int argc, int read_only)
{
    struct operation few[FEW];
    struct operations operations = {.items = few};
    const size_t count_max = (size_t)argc / 3;

    if (count_max > FEW)
        operations.items = malloc(count_max * sizeof(operations.items[0]));
    if (operations.items == NULL) {
        command_reply_error(client, SDB_ENOMEM);
        return;
    }
    if (parse_operations(client, argv, argc, &operations)) {
        if (read_only && operations.writes)
            reply_error(&client->reply, "BITFIELD_RO only supports the GET subcommand");
        else if (!operations.writes)
            read_all(client, &argv[1], &operations);
        else
            run_all(client, &argv[1], &operations);
    }
    if (operations.items != few)
        free(operations.items);
}

void bitfield_command(struct client *client, const struct request_arg *argv, int argc)
{
    bitfield(client, argv, argc, 0);
}

void bitfield_ro_command(struct client *client, const struct request_arg *argv, int argc)
{
    bitfield(client, argv, argc, 1);
}
