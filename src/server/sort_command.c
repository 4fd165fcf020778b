/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sort_command.c - SORT, SORT_RO: what comes of the sorted elements, replied or stored
 *
 * Commit:  one transaction around reading and storing; where patterns stand for other keys, under the locks of all.
 * Threads: the client's own. Memory: sort.h; of what is stored, a place for each element.
 */
#include <stdint.h>
#include <stdlib.h>

#include "args.h"
#include "client.h"
#include "errors.h"
#include "key_handlers.h"
#include "sort.h"

/* ---- replying --------------------------------------------------------------------------------------------------------- */

static int reply_found(void *context, const struct sdb_element *element)
{
    struct reply *reply = context;

    if (element->name.data != NULL)
        reply_bulk(reply, element->name.data, element->name.size);
    else
        reply_null(reply);
    return 0;
}

/* Shows what comes of one element: itself, or what each GET finds. */
static int show_item(struct sort *sort, const struct sort_item *item, sdb_element_fn *visit, void *context)
{
    int result = SDB_OK;

    if (sort->gets == 0)
        (void)visit(context, &(struct sdb_element){.name = {sort->text + item->at, item->size}});
    for (int i = 2; i < sort->argc - 1 && sort->gets > 0 && result == SDB_OK;) {
        const struct request_arg *word = &sort->argv[i];

        if (args_is(word, "GET"))
            result = sort_look_up(sort, word + 1, item, visit, context);
        i += args_is(word, "LIMIT") ? 3 : args_is(word, "GET") || args_is(word, "BY") || args_is(word, "STORE") ? 2 : 1;
    }
    return result;
}

static size_t count_output(const struct sort *sort)
{
    return (sort->end - sort->first) * (size_t)(sort->gets > 0 ? sort->gets : 1);
}

static int reply_all(struct sort *sort)
{
    struct reply *reply = &sort->client->reply;
    int result = SDB_OK;

    reply_array(reply, count_output(sort));
    for (size_t i = sort->first; i < sort->end && result == SDB_OK && !reply->failed; i++)
        result = show_item(sort, &sort->items[i], reply_found, reply);
    return result;
}

/* ---- storing ---------------------------------------------------------------------------------------------------------- */

/* Places in the sort's text, until all of it is there: then they become elements. */
struct stored {
    struct sort *sort;
    struct {
        size_t at, size;
    } *places;
    size_t count;
    int result;
};

static int keep_found(void *context, const struct sdb_element *element)
{
    struct stored *stored = context;
    const struct sort *sort = stored->sort;
    const uintptr_t from = (uintptr_t)element->name.data, text = (uintptr_t)sort->text;
    size_t at = from - text;

    if (from < text || from > text + sort->text_size) /* otherwise it is an element, which is there */
        stored->result = sort_keep(stored->sort, element->name.data, element->name.size, &at);
    stored->places[stored->count].at = at;
    stored->places[stored->count++].size = element->name.size;
    return 0;
}

static int fill(void *context, struct sdb_filling *filling)
{
    const struct stored *stored = context;
    int added, result = SDB_OK;

    for (size_t i = 0; i < stored->count && result == SDB_OK; i++) {
        const struct sdb_element element = {.name = {stored->sort->text + stored->places[i].at, stored->places[i].size}};

        result = sdb_collection_fill(filling, &element, &added);
    }
    return result;
}

static int store_all(struct sort *sort)
{
    struct stored stored = {.sort = sort, .places = calloc(count_output(sort) + 1, sizeof(*stored.places))};
    int result = stored.places != NULL ? SDB_OK : SDB_ENOMEM;

    for (size_t i = sort->first; i < sort->end && result == SDB_OK; i++) {
        result = show_item(sort, &sort->items[i], keep_found, &stored);
        if (result == SDB_OK)
            result = stored.result;
    }
    if (result == SDB_OK)
        result = sdb_collection_store(sort->client->session, sort->store->data, sort->store->size, SDB_TYPE_LIST, fill, &stored);
    if (result == SDB_OK)
        reply_integer(&sort->client->reply, (int64_t)stored.count);
    free(stored.places);
    return result;
}

/* ---- the commands ----------------------------------------------------------------------------------------------------- */

static int run(struct sort *sort)
{
    int bad = 0, result = sort_collect(sort);

    if (result == SDB_OK)
        result = sort_weigh(sort, &bad);
    if (result != SDB_OK)
        return result;
    if (bad) {
        reply_error(&sort->client->reply, "One or more scores can't be converted into double");
        return SDB_OK;
    }
    sort_order(sort);
    return sort->store != NULL ? store_all(sort) : reply_all(sort);
}

static int begin(const struct sort *sort, int everything)
{
    struct sdb_slice keys[2] = {args_slice(&sort->argv[1])};

    if (sort->store != NULL)
        keys[1] = args_slice(sort->store);
    return everything ? sdb_begin_all(sort->client->session) : sdb_begin(sort->client->session, keys, sort->store != NULL ? 2 : 1);
}

/* One try. What it has replied stands where the result is SDB_OK. */
static int run_once(struct sort *sort, int everything)
{
    struct sdb_session *session = sort->client->session;
    int result = begin(sort, everything);

    if (result != SDB_OK)
        return result;
    result = run(sort);
    if (result == SDB_OK)
        return sdb_commit(session);
    sdb_abort(session);
    return result;
}

static void sort_any(struct client *client, const struct request_arg *argv, int argc, int may_store)
{
    const size_t mark = client->reply.size;
    struct sort sort;
    int result;

    if (!sort_options(&sort, client, argv, argc, may_store))
        return;
    result = run_once(&sort, sort.has_patterns);
    if (result == SDB_ECONFLICT && !sort.has_patterns) { /* a key that was renamed lies where no name leads */
        sort_reset(&sort);
        client->reply.size = mark;
        result = run_once(&sort, 1);
    }
    if (result != SDB_OK)
        command_reply_error_instead(client, mark, result);
    sort_free(&sort);
}

void sort_command(struct client *client, const struct request_arg *argv, int argc)
{
    sort_any(client, argv, argc, 1);
}

void sort_ro_command(struct client *client, const struct request_arg *argv, int argc)
{
    sort_any(client, argv, argc, 0);
}

int sort_ro_keys(const struct request_arg *argv, int argc, int *positions, int max)
{
    (void)argv;
    (void)argc;
    positions[0] = 1;
    return max > 0;
}

/* The key, and the last STORE's. What options take along is no option. */
int sort_keys(const struct request_arg *argv, int argc, int *positions, int max)
{
    int count = 1, store = 0;

    for (int i = 2; i < argc; i++) {
        if (args_is(&argv[i], "LIMIT"))
            i += 2;
        else if (args_is(&argv[i], "GET") || args_is(&argv[i], "BY"))
            i++;
        else if (args_is(&argv[i], "STORE") && i + 1 < argc)
            store = i + 1;
    }
    positions[0] = 1;
    if (store != 0 && max > 1)
        positions[count++] = store;
    return count;
}
