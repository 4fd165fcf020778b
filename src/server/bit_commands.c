/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bit_commands.c - SETBIT, GETBIT, BITCOUNT, BITPOS, BITOP, and the table's rows of the bitmap commands
 *
 * Commit:  SETBIT: a transaction of sdb_get_range and sdb_set_range of one byte. BITOP: a transaction of sdb_view for
 *          each source and one sdb_set or sdb_delete.
 * Threads: the client's own.
 * Memory:  BITOP: the result's size, freed before the handler returns.
 */
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "bit_handlers.h"
#include "bitstring.h"
#include "client.h"
#include "errors.h"
#include "transaction.h"

/* A row reads as a paragraph. */
/* clang-format off */
const struct command bit_commands[] = {
    {.name = "bitcount",
     .summary = "Counts the bits that are set in a value or a part of it",
     .since = "2.6.0", .group = "bitmap",
     .complexity = "O(N)",
     .syntax = "key [start end [BYTE | BIT]]",
     .acl_categories = "@read @bitmap @slow",
     .arity = -2, .flags = COMMAND_READONLY,
     .first_key = 1, .last_key = 1, .key_step = 1,
     .handler = bitcount_command},
    {.name = "bitfield",
     .summary = "Reads and writes integers of any width at any bit of a value",
     .since = "3.2.0", .group = "bitmap",
     .complexity = "O(N) where N is the number of operations, for small values",
     .syntax = "key [GET encoding offset | [OVERFLOW <WRAP | SAT | FAIL>] <SET encoding offset value | INCRBY "
               "encoding offset increment> ...]",
     .acl_categories = "@write @bitmap @slow",
     .difference = "An offset in fields (#n) that overflows 64 bits is an error; Redis lets it wrap around. A write "
                   "may not reach beyond 512 MiB by part of a field.",
     .arity = -2, .flags = COMMAND_WRITE | COMMAND_DENYOOM,
     .first_key = 1, .last_key = 1, .key_step = 1,
     .handler = bitfield_command},
    {.name = "bitfield_ro",
     .summary = "Reads integers of any width at any bit of a value",
     .since = "6.0.0", .group = "bitmap",
     .complexity = "O(N) where N is the number of operations",
     .syntax = "key [GET encoding offset [GET encoding offset ...]]",
     .acl_categories = "@read @bitmap @fast",
     .difference = "As BITFIELD.",
     .arity = -2, .flags = COMMAND_READONLY | COMMAND_FAST,
     .first_key = 1, .last_key = 1, .key_step = 1,
     .handler = bitfield_ro_command},
    {.name = "bitop",
     .summary = "Stores the bitwise AND, OR, XOR or NOT of values",
     .since = "2.6.0", .group = "bitmap",
     .complexity = "O(N)",
     .syntax = "<AND | OR | XOR | NOT> destkey key [key ...]",
     .acl_categories = "@write @bitmap @slow",
     .arity = -4, .flags = COMMAND_WRITE | COMMAND_DENYOOM,
     .first_key = 2, .last_key = -1, .key_step = 1,
     .handler = bitop_command},
    {.name = "bitpos",
     .summary = "Finds the first bit that is set, or clear, in a value or a part of it",
     .since = "2.8.7", .group = "bitmap",
     .complexity = "O(N)",
     .syntax = "key bit [start [end [BYTE | BIT]]]",
     .acl_categories = "@read @bitmap @slow",
     .arity = -3, .flags = COMMAND_READONLY,
     .first_key = 1, .last_key = 1, .key_step = 1,
     .handler = bitpos_command},
    {.name = "getbit",
     .summary = "Gives a bit of a value",
     .since = "2.2.0", .group = "bitmap",
     .complexity = "O(1)",
     .syntax = "key offset",
     .acl_categories = "@read @bitmap @fast",
     .arity = 3, .flags = COMMAND_READONLY | COMMAND_FAST,
     .first_key = 1, .last_key = 1, .key_step = 1,
     .handler = getbit_command},
    {.name = "setbit",
     .summary = "Sets or clears a bit of a value and gives the old one",
     .since = "2.2.0", .group = "bitmap",
     .complexity = "O(1) for small values, O(N) in the value's size for others",
     .syntax = "key offset value",
     .acl_categories = "@write @bitmap @slow",
     .arity = 4, .flags = COMMAND_WRITE | COMMAND_DENYOOM,
     .first_key = 1, .last_key = 1, .key_step = 1,
     .handler = setbit_command},
    {.name = NULL},
};
/* clang-format on */

int bit_offset_get(struct client *client, const struct request_arg *arg, unsigned field_bits, uint64_t *offset)
{
    const int in_fields = field_bits != 0 && arg->size > 0 && arg->data[0] == '#';
    int64_t number;

    if (!args_parse_int64(arg->data + in_fields, arg->size - (size_t)in_fields, &number) ||
        (in_fields && __builtin_mul_overflow(number, (int64_t)field_bits, &number)) || number < 0 ||
        (uint64_t)number >> 3 >= SDB_VALUE_SIZE_MAX) {
        reply_error(&client->reply, "bit offset is not an integer or out of range");
        return 0;
    }
    *offset = (uint64_t)number;
    return 1;
}

/*
 * The byte that holds a bit, 0 behind the value's end and where there is no key; *exists tells. Errors: those of
 * sdb_get_range.
 */
static int read_byte(struct client *client, const struct request_arg *key, uint64_t offset, unsigned char *byte,
                     int *exists)
{
    size_t size = 0;
    int result;

    *byte = 0;
    result = sdb_get_range(client->session, key->data, key->size, offset / 8, byte, 1, &size);
    *exists = result == SDB_OK && size == 1;
    if (!*exists)
        *byte = 0;
    return result == SDB_ENOTFOUND ? SDB_OK : result;
}

void setbit_command(struct client *client, const struct request_arg *argv, int argc)
{
    const struct sdb_slice key = args_slice(&argv[1]);
    struct transaction transaction;
    uint64_t offset;
    int64_t bit;
    unsigned char byte, changed, mask;
    size_t size;
    int exists;
    int result;

    (void)argc;
    if (!bit_offset_get(client, &argv[2], 0, &offset) ||
        !args_get_int64(client, &argv[3], &bit, "bit is not an integer or out of range"))
        return;
    if (bit != 0 && bit != 1) {
        reply_error(&client->reply, "bit is not an integer or out of range");
        return;
    }
    if (!transaction_begin(&transaction, client, &key, 1))
        return;
    result = read_byte(client, &argv[1], offset, &byte, &exists);
    mask = (unsigned char)(0x80u >> offset % 8);
    changed = (unsigned char)(bit ? byte | mask : byte & ~mask);
    if (result == SDB_OK) {
        reply_integer(&client->reply, (byte & mask) != 0);
        if (!exists || changed != byte) /* a bit of 0 behind the end makes the value longer, too */
            result = sdb_set_range(client->session, key.data, key.size, offset / 8, &changed, 1, &size);
    }
    (void)transaction_end(&transaction, client, result);
}

void getbit_command(struct client *client, const struct request_arg *argv, int argc)
{
    uint64_t offset;
    unsigned char byte;
    int exists;
    int result;

    (void)argc;
    if (!bit_offset_get(client, &argv[2], 0, &offset))
        return;
    result = read_byte(client, &argv[1], offset, &byte, &exists);
    if (result == SDB_OK)
        reply_integer(&client->reply, (byte & (0x80u >> offset % 8)) != 0);
    else
        command_reply_error(client, result);
}

/* BYTE or BIT. 1, or 0 after the reply "syntax error". */
static int get_unit(struct client *client, const struct request_arg *arg, int *in_bits)
{
    *in_bits = args_is(arg, "BIT");
    if (*in_bits || args_is(arg, "BYTE"))
        return 1;
    args_syntax_error(client);
    return 0;
}

/*
 * Turns start and end (negative: from the value's end), in bits or bytes, into the first and last bit of a value of
 * size bytes. 0: there is nothing between them.
 */
static int clamp_range(int64_t start, int64_t end, int in_bits, size_t size, uint64_t *first, uint64_t *last)
{
    const int64_t total = in_bits ? (int64_t)size * 8 : (int64_t)size;

    if (start < 0)
        start = start + total < 0 ? 0 : start + total;
    if (end < 0)
        end = end + total < 0 ? 0 : end + total;
    if (end >= total)
        end = total - 1;
    if (start > end)
        return 0;
    *first = in_bits ? (uint64_t)start : (uint64_t)start * 8;
    *last = in_bits ? (uint64_t)end : (uint64_t)end * 8 + 7;
    return 1;
}

static void count_bits(struct client *client, const struct request_arg *argv, int argc, const struct sdb_view *view)
{
    int64_t start = 0, end = -1;
    uint64_t first, last;
    int in_bits = 0;

    if (argc != 2 && argc != 4 && argc != 5) {
        args_syntax_error(client);
        return;
    }
    if (argc >= 4) {
        if (!args_get_int64(client, &argv[2], &start, NULL) || !args_get_int64(client, &argv[3], &end, NULL))
            return;
        if (start < 0 && end < 0 && start > end) {
            reply_integer(&client->reply, 0);
            return;
        }
    }
    if (argc == 5 && !get_unit(client, &argv[4], &in_bits))
        return;
    if (clamp_range(start, end, in_bits, view->size, &first, &last))
        reply_integer(&client->reply, (int64_t)bitstring_count(view->data, first, last));
    else
        reply_integer(&client->reply, 0);
}

void bitcount_command(struct client *client, const struct request_arg *argv, int argc)
{
    struct sdb_view view;
    int result = sdb_view(client->session, argv[1].data, argv[1].size, &view);

    if (result == SDB_OK) {
        count_bits(client, argv, argc, &view);
        sdb_view_release(client->session, &view);
    } else if (result == SDB_ENOTFOUND) {
        reply_integer(&client->reply, 0);
    } else {
        command_reply_error(client, result);
    }
}

static void find_bit(struct client *client, const struct request_arg *argv, int argc, const struct sdb_view *view,
                     int bit)
{
    int64_t start = 0, end = -1, found;
    uint64_t first, last;
    int in_bits = 0;

    if (argc > 6) {
        args_syntax_error(client);
        return;
    }
    if (argc >= 4 && !args_get_int64(client, &argv[3], &start, NULL))
        return;
    if (argc == 6 && !get_unit(client, &argv[5], &in_bits))
        return;
    if (argc >= 5 && !args_get_int64(client, &argv[4], &end, NULL))
        return;
    if (!clamp_range(start, end, in_bits, view->size, &first, &last)) {
        reply_integer(&client->reply, -1);
        return;
    }
    found = bitstring_find(view->data, first, last, bit);
    /* Without an end the value counts as followed by zeros. */
    if (found < 0 && !bit && argc < 5)
        found = (int64_t)view->size * 8;
    reply_integer(&client->reply, found);
}

void bitpos_command(struct client *client, const struct request_arg *argv, int argc)
{
    struct sdb_view view;
    int64_t bit;
    int result;

    if (!args_get_int64(client, &argv[2], &bit, NULL))
        return;
    if (bit != 0 && bit != 1) {
        reply_error(&client->reply, "The bit argument must be 1 or 0.");
        return;
    }
    result = sdb_view(client->session, argv[1].data, argv[1].size, &view);
    if (result == SDB_OK) {
        find_bit(client, argv, argc, &view, (int)bit);
        sdb_view_release(client->session, &view);
    } else if (result == SDB_ENOTFOUND) {
        reply_integer(&client->reply, bit ? -1 : 0);
    } else {
        command_reply_error(client, result);
    }
}

/* What BITOP makes of its sources. */
struct combination {
    unsigned char *data;
    size_t size;
};

/* The longest source's size. */
static int measure(struct client *client, const struct sdb_slice *keys, size_t count, size_t *size)
{
    struct sdb_stat stat;

    *size = 0;
    for (size_t i = 0; i < count; i++) {
        int result = sdb_stat(client->session, keys[i].data, keys[i].size, &stat);
        if (result == SDB_OK && stat.type != SDB_TYPE_STRING)
            result = SDB_ETYPE;
        if (result != SDB_OK && result != SDB_ENOTFOUND)
            return result;
        if (result == SDB_OK && stat.size > *size)
            *size = stat.size;
    }
    return SDB_OK;
}

/* Combines the sources into memory that the caller frees. A key that does not exist is an empty string. */
static int combine(struct client *client, const struct sdb_slice *keys, size_t count, int invert,
                   enum bitstring_operation operation, struct combination *combination)
{
    struct sdb_view view;
    int result = measure(client, keys, count, &combination->size);

    combination->data = NULL;
    if (result != SDB_OK || combination->size == 0)
        return result;
    combination->data = calloc(1, combination->size);
    if (combination->data == NULL)
        return SDB_ENOMEM;
    for (size_t i = 0; i < count; i++) {
        result = sdb_view(client->session, keys[i].data, keys[i].size, &view);
        if (result != SDB_OK && result != SDB_ENOTFOUND)
            return result;
        if (result == SDB_ENOTFOUND)
            bitstring_combine(combination->data, combination->size, "", 0, operation);
        else if (i == 0)
            memcpy(combination->data, view.data, view.size);
        else
            bitstring_combine(combination->data, combination->size, view.data, view.size, operation);
        if (result == SDB_OK)
            sdb_view_release(client->session, &view);
    }
    if (invert)
        bitstring_invert(combination->data, combination->size);
    return SDB_OK;
}

/* keys[0] is where the result goes; without a byte in it, the key goes. */
static void combine_and_store(struct client *client, const struct args_slices *keys, int invert,
                              enum bitstring_operation operation)
{
    const struct sdb_slice *target = &keys->items[0];
    struct combination combination;
    struct transaction transaction;
    int result;

    if (!transaction_begin(&transaction, client, keys->items, keys->count))
        return;
    result = combine(client, keys->items + 1, keys->count - 1, invert, operation, &combination);
    if (result == SDB_OK && combination.size > 0) {
        result = sdb_set(client->session, target->data, target->size, combination.data, combination.size, NULL);
    } else if (result == SDB_OK) {
        result = sdb_delete(client->session, target->data, target->size);
        if (result == SDB_ENOTFOUND)
            result = SDB_OK;
    }
    free(combination.data);
    reply_integer(&client->reply, (int64_t)combination.size);
    (void)transaction_end(&transaction, client, result);
}

void bitop_command(struct client *client, const struct request_arg *argv, int argc)
{
    enum bitstring_operation operation = BITSTRING_OR;
    struct args_slices keys;
    const int invert = args_is(&argv[1], "NOT");
    int result;

    if (args_is(&argv[1], "AND")) {
        operation = BITSTRING_AND;
    } else if (args_is(&argv[1], "XOR")) {
        operation = BITSTRING_XOR;
    } else if (!invert && !args_is(&argv[1], "OR")) {
        args_syntax_error(client);
        return;
    }
    if (invert && argc != 4) {
        reply_error(&client->reply, "BITOP NOT must be called with a single source key.");
        return;
    }
    result = args_slices_take(&keys, argv + 2, argc - 2);
    if (result != SDB_OK) {
        command_reply_error(client, result);
        return;
    }
    combine_and_store(client, &keys, invert, operation);
    args_slices_free(&keys);
}
