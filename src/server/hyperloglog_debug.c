/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * hyperloglog_debug.c - PFDEBUG and PFSELFTEST
 *
 * Commit:  GETREG and TODENSE store the value anew where it was sparse: a transaction of sdb_view and one sdb_set.
 * Threads: the client's own.
 * Memory:  a copy of the value, and its text
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "client.h"
#include "errors.h"
#include "hyperloglog_handlers.h"

#define RUN_TEXT_MAX 16 /* "v:32,4 ", "Z:16384 " */

/* ---- PFDEBUG ---------------------------------------------------------------------------------------------------------- */

static void reply_registers(struct client *client, const struct hyperloglog *value)
{
    uint8_t registers[HYPERLOGLOG_REGISTERS] = {0};

    (void)hyperloglog_merge(registers, value->data, value->size);
    reply_array(&client->reply, HYPERLOGLOG_REGISTERS);
    for (unsigned i = 0; i < HYPERLOGLOG_REGISTERS; i++)
        reply_integer(&client->reply, registers[i]);
}

/* The runs of a sparse value, as "Z:100 v:1,1 z:3 ...". */
static void reply_runs(struct client *client, const struct hyperloglog *value)
{
    const uint8_t *at = value->data + HYPERLOGLOG_HEADER_SIZE, *end = value->data + value->size;
    char *text = malloc(value->size * RUN_TEXT_MAX + 1);
    size_t size = 0;

    if (hyperloglog_encoding(value->data) != HYPERLOGLOG_SPARSE) {
        reply_error(&client->reply, "HLL encoding is not sparse");
    } else if (text == NULL) {
        command_reply_error(client, SDB_ENOMEM);
    } else {
        while (at < end) {
            const struct hyperloglog_run run = hyperloglog_run_at(at, end);
            size += (size_t)(run.number > 0 ? snprintf(text + size, RUN_TEXT_MAX, "v:%u,%u ", run.number, run.length)
                                            : snprintf(text + size, RUN_TEXT_MAX, "%c:%u ", run.size == 2 ? 'Z' : 'z', run.length));
            at += run.size;
        }
        reply_bulk(&client->reply, text, size > 0 ? size - 1 : 0);
    }
    free(text);
}

/* Makes the key's value dense. *changed: it was not. */
static int store_densely(struct client *client, const struct sdb_slice *key, struct hyperloglog *value, int *changed)
{
    const struct sdb_set_options options = {.flags = SDB_KEEP_EXPIRY};
    enum hyperloglog_result result = hyperloglog_densify(value);

    *changed = result == HYPERLOGLOG_CHANGED;
    if (!*changed)
        return hyperloglog_error(result);
    return sdb_set(client->session, key->data, key->size, value->data, value->size, &options);
}

/* The transaction has the key. SDB_OK: it has replied. */
static int debug_value(struct client *client, const struct request_arg *word, const struct sdb_slice *key, struct hyperloglog *value)
{
    int result = SDB_OK, changed = 0;

    if (args_is(word, "getreg")) {
        result = store_densely(client, key, value, &changed);
        if (result == SDB_OK)
            reply_registers(client, value);
    } else if (args_is(word, "decode")) {
        reply_runs(client, value);
    } else if (args_is(word, "encoding")) {
        reply_status(&client->reply, hyperloglog_encoding(value->data) == HYPERLOGLOG_DENSE ? "dense" : "sparse");
    } else if (args_is(word, "todense")) {
        result = store_densely(client, key, value, &changed);
        if (result == SDB_OK)
            reply_integer(&client->reply, changed);
    } else {
        reply_errorf(&client->reply, "Unknown PFDEBUG subcommand '%.*s'", (int)(word->size < 128 ? word->size : 128), word->data);
    }
    return result;
}

void pfdebug_command(struct client *client, const struct request_arg *argv, int argc)
{
    const struct sdb_slice key = args_slice(&argv[2]);
    const size_t mark = client->reply.size;
    struct hyperloglog value = {0};
    struct sdb_view view;
    int result = sdb_begin(client->session, &key, 1);

    (void)argc;
    if (result != SDB_OK) {
        command_reply_error(client, result);
        return;
    }
    result = hyperloglog_view(client, &key, &view);
    if (result == SDB_OK) {
        result = hyperloglog_error(hyperloglog_copy(&value, view.data, view.size, 0));
        sdb_view_release(client->session, &view);
    }
    if (result == SDB_OK)
        result = debug_value(client, &argv[1], &key, &value);
    if (result == SDB_OK)
        result = sdb_commit(client->session);
    else
        sdb_abort(client->session);
    hyperloglog_free(&value);
    if (result == SDB_OK)
        return;
    client->reply.size = mark;
    if (result == SDB_ENOTFOUND)
        reply_error(&client->reply, "The specified key does not exist");
    else
        hyperloglog_reply_error(client, result);
}

/* ---- PFSELFTEST ------------------------------------------------------------------------------------------------------- */

#define TEST_ELEMENTS 100000
#define TEST_SPARSE_MAX 3000

/* Each register of a dense value takes what is stored there, and none but this one does. NULL, or what is wrong. */
static const char *test_registers(struct hyperloglog *value)
{
    uint8_t registers[HYPERLOGLOG_REGISTERS] = {0};

    for (unsigned number = 1; number < 64; number++)
        for (unsigned i = number % 7; i < HYPERLOGLOG_REGISTERS; i += 1 + number % 5)
            if (hyperloglog_raise(value, i, number) != HYPERLOGLOG_CHANGED)
                return "-TESTFAILED a register is not raised";
    if (hyperloglog_merge(registers, value->data, value->size) != HYPERLOGLOG_SAME)
        return "-TESTFAILED a dense value counts as corrupted";
    for (unsigned i = 0; i < HYPERLOGLOG_REGISTERS; i++) {
        unsigned expected = 0;
        for (unsigned number = 1; number < 64; number++)
            if (i >= number % 7 && (i - number % 7) % (1 + number % 5) == 0)
                expected = number;
        if (registers[i] != expected)
            return "-TESTFAILED a register is not what was stored there";
    }
    return NULL;
}

/* Dense and sparse values agree, and are about right. NULL, or what is wrong. */
static const char *test_estimates(struct hyperloglog *dense, struct hyperloglog *sparse)
{
    const double error = 1.04 / sqrt(HYPERLOGLOG_REGISTERS);
    uint64_t a, b, seed = 0x9e3779b97f4a7c15ull;

    for (uint64_t i = 1, next = 1; i <= TEST_ELEMENTS; i++) {
        seed = seed * 6364136223846793005ull + 1442695040888963407ull;
        if (hyperloglog_add(dense, &seed, sizeof(seed)) < 0 || hyperloglog_add(sparse, &seed, sizeof(seed)) < 0)
            return "-TESTFAILED an element was not added";
        if (i != next)
            continue;
        next *= 10;
        if (hyperloglog_count(dense->data, dense->size, &a) < 0 || hyperloglog_count(sparse->data, sparse->size, &b) < 0)
            return "-TESTFAILED a value counts as corrupted";
        if (a != b)
            return "-TESTFAILED dense and sparse values disagree";
        if (fabs((double)a - (double)i) > ceil(error * 6 * (double)i))
            return "-TESTFAILED an estimate is too far off";
    }
    return NULL;
}

void pfselftest_command(struct client *client, const struct request_arg *argv, int argc)
{
    struct hyperloglog registers = {0}, dense = {0}, sparse = {0};
    const char *wrong = NULL;

    (void)argv;
    (void)argc;
    if (hyperloglog_create(&registers, 0) < 0 || hyperloglog_densify(&registers) < 0 || hyperloglog_create(&dense, 0) < 0 ||
        hyperloglog_densify(&dense) < 0 || hyperloglog_create(&sparse, TEST_SPARSE_MAX) < 0)
        wrong = "-OOM out of memory";
    if (wrong == NULL)
        wrong = test_registers(&registers);
    if (wrong == NULL)
        wrong = test_estimates(&dense, &sparse);
    hyperloglog_free(&registers);
    hyperloglog_free(&dense);
    hyperloglog_free(&sparse);
    if (wrong == NULL)
        reply_ok(&client->reply);
    else
        reply_error(&client->reply, wrong);
}
