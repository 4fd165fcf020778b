/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lcs_command.c - LCS: the longest common subsequence of two values
 *
 * The textbook table of lengths over all prefixes, walked back from its end. Where two ways lead to a longest
 * one, the walk takes the one that Redis takes, so that replies agree.
 * Threads: the client's own.
 * Memory:  4 bytes for each pair of bytes, limited as in Redis; two rows where only the length is wanted. Freed
 *          before the handler returns.
 */
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "client.h"
#include "errors.h"
#include "string_handlers.h"

struct lcs {
    const unsigned char *a, *b;
    size_t a_size, b_size;
    int length_only, index, with_lengths; /* LEN, IDX, WITHMATCHLEN */
    int64_t length_min;                   /* MINMATCHLEN */
    uint32_t *table;                      /* row i, column j: for the first i bytes of a and the first j of b */
};

static int parse_options(struct client *client, const struct request_arg *argv, int argc, struct lcs *lcs)
{
    for (int i = 3; i < argc; i++) {
        if (args_is(&argv[i], "IDX")) {
            lcs->index = 1;
        } else if (args_is(&argv[i], "LEN")) {
            lcs->length_only = 1;
        } else if (args_is(&argv[i], "WITHMATCHLEN")) {
            lcs->with_lengths = 1;
        } else if (args_is(&argv[i], "MINMATCHLEN") && i + 1 < argc) {
            if (!args_get_int64(client, &argv[++i], &lcs->length_min, NULL))
                return 0;
        } else {
            args_syntax_error(client);
            return 0;
        }
    }
    if (lcs->index && lcs->length_only) {
        reply_error(&client->reply, "If you want both the length and indexes, please just use IDX.");
        return 0;
    }
    return 1;
}

static uint32_t larger(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

/* Fills in the row of prefix i of a from the row above it. */
static void fill_row(const struct lcs *lcs, size_t i, const uint32_t *above, uint32_t *row)
{
    const unsigned char byte = lcs->a[i - 1];

    row[0] = 0;
    for (size_t j = 1; j <= lcs->b_size; j++)
        row[j] = byte == lcs->b[j - 1] ? above[j - 1] + 1 : larger(above[j], row[j - 1]);
}

/* The length alone, in two rows. */
static uint32_t measure(const struct lcs *lcs)
{
    const size_t width = lcs->b_size + 1;
    uint32_t *above = lcs->table;
    uint32_t *row = lcs->table + width;

    memset(above, 0, width * sizeof(*above));
    for (size_t i = 1; i <= lcs->a_size; i++) {
        uint32_t *swap = above;
        fill_row(lcs, i, above, row);
        above = row;
        row = swap;
    }
    return above[lcs->b_size];
}

/* A run of bytes that both values share: a[a_at..a_at + size) and b[b_at..b_at + size). */
struct run {
    size_t a_at, b_at, size;
};

/* Walks back from (*i, *j) to the next run of the subsequence, and past it. 0: there is none any more. */
static int next_run(const struct lcs *lcs, size_t *i, size_t *j, struct run *run)
{
    const size_t width = lcs->b_size + 1;

    while (*i > 0 && *j > 0 && lcs->a[*i - 1] != lcs->b[*j - 1]) {
        if (lcs->table[(*i - 1) * width + *j] > lcs->table[*i * width + *j - 1])
            --*i;
        else
            --*j;
    }
    run->size = 0;
    while (*i > 0 && *j > 0 && lcs->a[*i - 1] == lcs->b[*j - 1]) {
        --*i;
        --*j;
        run->size++;
    }
    run->a_at = *i;
    run->b_at = *j;
    return run->size > 0;
}

static void reply_range(struct reply *reply, size_t first, size_t size)
{
    reply_array(reply, 2);
    reply_integer(reply, (int64_t)first);
    reply_integer(reply, (int64_t)(first + size - 1));
}

static void reply_index(struct client *client, const struct lcs *lcs, uint32_t length)
{
    struct reply *reply = &client->reply;
    size_t i = lcs->a_size, j = lcs->b_size, count = 0, where;
    struct run run;

    reply_map(reply, 2);
    reply_bulk_text(reply, "matches");
    where = reply_array_later(reply);
    while (next_run(lcs, &i, &j, &run)) {
        if (lcs->length_min > 0 && run.size < (size_t)lcs->length_min)
            continue;
        reply_array(reply, lcs->with_lengths ? 3 : 2);
        reply_range(reply, run.a_at, run.size);
        reply_range(reply, run.b_at, run.size);
        if (lcs->with_lengths)
            reply_integer(reply, (int64_t)run.size);
        count++;
    }
    reply_array_set(reply, where, count);
    reply_bulk_text(reply, "len");
    reply_integer(reply, length);
}

static void reply_text(struct client *client, const struct lcs *lcs, uint32_t length)
{
    char *text = malloc(length == 0 ? 1 : length);
    size_t i = lcs->a_size, j = lcs->b_size, at = length;
    struct run run;

    if (text == NULL) {
        command_reply_error(client, SDB_ENOMEM);
        return;
    }
    while (next_run(lcs, &i, &j, &run)) {
        at -= run.size;
        memcpy(text + at, lcs->a + run.a_at, run.size);
    }
    reply_bulk(&client->reply, text, length);
    free(text);
}

/* Allocates the table and replies. The limits are those of Redis' whole table, whichever reply is wanted. */
static void compare(struct client *client, struct lcs *lcs)
{
    const size_t width = lcs->b_size + 1;
    const size_t rows = lcs->length_only ? 2 : lcs->a_size + 1;
    uint32_t length;

    if (width > SDB_VALUE_SIZE_MAX / sizeof(uint32_t) / (lcs->a_size + 1)) {
        reply_error(&client->reply, "Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len");
        return;
    }
    lcs->table = malloc(rows * width * sizeof(uint32_t));
    if (lcs->table == NULL) {
        reply_error(&client->reply, "Insufficient memory, failed allocating transient memory for LCS");
        return;
    }
    if (lcs->length_only) {
        reply_integer(&client->reply, measure(lcs));
    } else {
        memset(lcs->table, 0, width * sizeof(uint32_t));
        for (size_t i = 1; i <= lcs->a_size; i++)
            fill_row(lcs, i, lcs->table + (i - 1) * width, lcs->table + i * width);
        length = lcs->table[lcs->a_size * width + lcs->b_size];
        if (lcs->index)
            reply_index(client, lcs, length);
        else
            reply_text(client, lcs, length);
    }
    free(lcs->table);
}

void lcs_command(struct client *client, const struct request_arg *argv, int argc)
{
    struct sdb_slice keys[2] = {args_slice(&argv[1]), args_slice(&argv[2])};
    struct lcs lcs = {.a = (const unsigned char *)"", .b = (const unsigned char *)""};
    struct sdb_view views[2];
    int results[2];
    int result;

    result = sdb_view_many(client->session, keys, 2, views, results);
    if (result != SDB_OK) {
        command_reply_error(client, result);
        return;
    }
    for (int i = 0; i < 2; i++) {
        if (results[i] != SDB_OK && results[i] != SDB_ENOTFOUND)
            result = results[i];
    }
    if (results[0] == SDB_OK) {
        lcs.a = views[0].data;
        lcs.a_size = views[0].size;
    }
    if (results[1] == SDB_OK) {
        lcs.b = views[1].data;
        lcs.b_size = views[1].size;
    }
    if (result == SDB_ETYPE)
        reply_error(&client->reply, "The specified keys must contain string values");
    else if (result != SDB_OK)
        command_reply_error(client, result);
    else if (parse_options(client, argv, argc, &lcs))
        compare(client, &lcs);
    for (int i = 0; i < 2; i++) {
        if (results[i] == SDB_OK)
            sdb_view_release(client->session, &views[i]);
    }
}
