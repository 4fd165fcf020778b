/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * geo_search_commands.c - GEOSEARCH, GEOSEARCHSTORE, GEORADIUS and GEORADIUSBYMEMBER and their _RO forms
 *
 * Commit:  what is stored: a transaction with the look at the places.
 * Threads: the client's own. Memory: the places that were found, and their names.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "errors.h"
#include "geo_handlers.h"
#include "grow.h"
#include "notify.h"
#include "sorted_set_args.h"
#include "transaction.h"

enum form {
    FORM_SEARCH = 1, /* the options say where, and which shape */
    FORM_MEMBER = 2, /* a member is the middle */
    FORM_STORE = 4,  /* GEOSEARCHSTORE */
    FORM_READS = 8,  /* no STORE option */
};

struct query {
    unsigned form;
    int exists; /* the sorted set that is searched */
    struct geo_shape shape;
    int has_middle, has_place, has_radius, has_box;
    int with_distance, with_hash, with_place, any, stores_distance;
    int order; /* -1: the farthest first; 0: none */
    int64_t count;
    const struct request_arg *key, *store;
};

/* ---- options ---------------------------------------------------------------------------------------------------------- */

/* The place of a member. 1, or 0 after an error reply. */
static int get_member(struct client *client, const struct request_arg *arg, struct query *query)
{
    double score;
    int result;

    if (!query->exists)
        return 1;
    result = sdb_zset_score(client->session, query->key->data, query->key->size, arg->data, arg->size, &score);
    if (result == SDB_ENOTFOUND)
        reply_error(&client->reply, "could not decode requested zset member");
    else if (result != SDB_OK)
        command_reply_error(client, result);
    else
        query->shape.middle = geo_place_of(score);
    return result == SDB_OK;
}

static int get_radius(struct client *client, const struct request_arg *args, struct geo_shape *shape)
{
    if (!sorted_set_get_score(client, &args[0], &shape->radius, "need numeric radius"))
        return 0;
    if (shape->radius < 0) {
        reply_error(&client->reply, "radius cannot be negative");
        return 0;
    }
    return geo_get_unit(client, &args[1], &shape->unit);
}

static int get_box(struct client *client, const struct request_arg *args, struct geo_shape *shape)
{
    shape->is_box = 1;
    if (!sorted_set_get_score(client, &args[0], &shape->width, "need numeric width") ||
        !sorted_set_get_score(client, &args[1], &shape->height, "need numeric height"))
        return 0;
    if (shape->width < 0 || shape->height < 0) {
        reply_error(&client->reply, "height or width cannot be negative");
        return 0;
    }
    return geo_get_unit(client, &args[2], &shape->unit);
}

/* Words without anything behind them. 1: it was one. */
static int read_flag(const struct request_arg *arg, struct query *query)
{
    if (args_is(arg, "WITHDIST"))
        query->with_distance = 1;
    else if (args_is(arg, "WITHHASH"))
        query->with_hash = 1;
    else if (args_is(arg, "WITHCOORD"))
        query->with_place = 1;
    else if (args_is(arg, "ANY"))
        query->any = 1;
    else if (args_is(arg, "ASC"))
        query->order = 1;
    else if (args_is(arg, "DESC"))
        query->order = -1;
    else if (query->form & FORM_STORE && args_is(arg, "STOREDIST"))
        query->stores_distance = 1;
    else
        return 0;
    return 1;
}

/* An option of a search: how many words follow it; -1 after an error reply, -2: it is none. */
static int read_shape(struct client *client, const struct request_arg *args, int left, struct query *query)
{
    if (args_is(args, "FROMMEMBER") && left >= 1 && !query->has_place) {
        query->has_middle = 1;
        return get_member(client, &args[1], query) ? 1 : -1;
    }
    if (args_is(args, "FROMLONLAT") && left >= 2 && !query->has_middle) {
        query->has_place = 1;
        return geo_get_place(client, &args[1], &query->shape.middle) ? 2 : -1;
    }
    if (args_is(args, "BYRADIUS") && left >= 2 && !query->has_box) {
        query->has_radius = 1;
        return get_radius(client, &args[1], &query->shape) ? 2 : -1;
    }
    if (args_is(args, "BYBOX") && left >= 3 && !query->has_radius) {
        query->has_box = 1;
        return get_box(client, &args[1], &query->shape) ? 3 : -1;
    }
    return -2;
}

static int read_option(struct client *client, const struct request_arg *args, int left, struct query *query)
{
    if (read_flag(args, query))
        return 0;
    if (args_is(args, "COUNT") && left >= 1) {
        if (!args_get_int64(client, &args[1], &query->count, NULL))
            return -1;
        if (query->count <= 0) {
            reply_error(&client->reply, "COUNT must be > 0");
            return -1;
        }
        return 1;
    }
    if (!(query->form & (FORM_SEARCH | FORM_READS)) && left >= 1 && (args_is(args, "STORE") || args_is(args, "STOREDIST"))) {
        query->stores_distance = args_is(args, "STOREDIST");
        query->store = &args[1];
        return 1;
    }
    return query->form & FORM_SEARCH ? read_shape(client, args, left, query) : -2;
}

/* What does not go together. */
static int check(struct client *client, const struct request_arg *name, const struct query *query)
{
    if (query->store != NULL && (query->with_distance || query->with_hash || query->with_place))
        reply_errorf(&client->reply, "%s is not compatible with WITHDIST, WITHHASH and WITHCOORD options",
                     query->form & FORM_STORE ? "GEOSEARCHSTORE" : "STORE option in GEORADIUS");
    else if (query->form & FORM_SEARCH && !query->has_middle && !query->has_place)
        reply_errorf(&client->reply, "exactly one of FROMMEMBER or FROMLONLAT can be specified for %.*s", (int)name->size, name->data);
    else if (query->form & FORM_SEARCH && !query->has_radius && !query->has_box)
        reply_errorf(&client->reply, "exactly one of BYRADIUS and BYBOX can be specified for %.*s", (int)name->size, name->data);
    else if (query->any && query->count == 0)
        reply_error(&client->reply, "the ANY argument requires COUNT argument");
    else
        return 1;
    return 0;
}

/* 1, or 0 after an error reply. */
static int read_query(struct client *client, const struct request_arg *argv, int argc, struct query *query)
{
    int at = query->form & FORM_STORE ? 3 : 2;

    if (!(query->form & FORM_SEARCH)) {
        at = query->form & FORM_MEMBER ? 5 : 6;
        if (!(query->form & FORM_MEMBER ? get_member(client, &argv[2], query) : geo_get_place(client, &argv[2], &query->shape.middle)))
            return 0;
        if ((query->exists || !(query->form & FORM_MEMBER)) && !get_radius(client, &argv[at - 2], &query->shape))
            return 0;
    }
    for (; at < argc; at++) {
        const int used = read_option(client, &argv[at], argc - at - 1, query);

        if (used == -2)
            args_syntax_error(client);
        if (used < 0)
            return 0;
        at += used;
    }
    return check(client, &argv[0], query);
}

/* ---- what is found ---------------------------------------------------------------------------------------------------- */

struct found {
    size_t at, size; /* of the name */
    struct geo_place place;
    double score, distance; /* in the unit */
};

struct finding {
    const struct query *query;
    struct found *items;
    size_t count, capacity, wanted; /* wanted: any so many; 0: all */
    char *names;
    size_t size, names_capacity;
    int failed;
};

static int make_room(struct finding *finding, size_t size)
{
    return grow(&finding->items, &finding->capacity, finding->count + 1, sizeof(*finding->items)) &&
           grow(&finding->names, &finding->names_capacity, finding->size + size, 1);
}

static int note(void *context, const struct sdb_element *element)
{
    struct finding *finding = context;
    const struct geo_shape *shape = &finding->query->shape;
    struct found found = {.at = finding->size, .size = element->name.size, .score = element->score};

    found.place = geo_place_of(element->score);
    if (!geo_is_within(shape, &found.place, &found.distance))
        return 0;
    if (!make_room(finding, element->name.size)) {
        finding->failed = 1;
        return 1;
    }
    found.distance /= shape->unit;
    if (element->name.size > 0)
        memcpy(finding->names + finding->size, element->name.data, element->name.size);
    finding->size += element->name.size;
    finding->items[finding->count++] = found;
    return finding->wanted != 0 && finding->count >= finding->wanted;
}

static int nearest_first(const void *a, const void *b)
{
    const struct found *x = a, *y = b;

    if (x->distance != y->distance)
        return x->distance < y->distance ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

static int farthest_first(const void *a, const void *b)
{
    const struct found *x = a, *y = b;

    if (x->distance != y->distance)
        return x->distance > y->distance ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

static int find(struct client *client, const struct query *query, struct finding *finding)
{
    struct geo_cell cells[GEO_CELLS_MAX];
    const int count = query->exists ? geo_cells(&query->shape, cells) : 0;
    const int order = query->order == 0 && query->count != 0 && !query->any ? 1 : query->order;
    int result = SDB_OK;

    finding->wanted = query->any ? (size_t)query->count : 0;
    for (int i = 0; i < count && result == SDB_OK && !(finding->wanted != 0 && finding->count >= finding->wanted); i++) {
        struct sdb_zset_range range = SDB_ZSET_BY_SCORE(cells[i].min, cells[i].max);

        range.flags = SDB_ZSET_MAX_EXCLUDED;
        result = sdb_zset_range(client->session, query->key->data, query->key->size, &range, note, finding);
        if (result == SDB_OK && finding->failed)
            result = SDB_ENOMEM;
    }
    if (result != SDB_OK && result != SDB_ENOTFOUND)
        return result;
    if (order != 0 && finding->count > 1)
        qsort(finding->items, finding->count, sizeof(*finding->items), order > 0 ? nearest_first : farthest_first);
    if (query->count != 0 && finding->count > (size_t)query->count)
        finding->count = (size_t)query->count;
    return SDB_OK;
}

/* ---- replies ---------------------------------------------------------------------------------------------------------- */

static void reply_found(struct client *client, const struct query *query, const struct finding *finding)
{
    const int more = query->with_distance + query->with_hash + query->with_place;

    reply_array(&client->reply, finding->count);
    for (size_t i = 0; i < finding->count; i++) {
        const struct found *found = &finding->items[i];

        if (more > 0)
            reply_array(&client->reply, (size_t)more + 1);
        reply_bulk(&client->reply, finding->names + found->at, found->size);
        if (query->with_distance)
            geo_reply_distance(client, found->distance);
        if (query->with_hash)
            reply_integer(&client->reply, (int64_t)found->score);
        if (query->with_place)
            geo_reply_place(client, &found->place);
    }
}

static int store_found(struct client *client, const struct query *query, const struct finding *finding)
{
    struct sdb_member *members = malloc((finding->count + 1) * sizeof(*members));
    int result;

    if (members == NULL)
        return SDB_ENOMEM;
    for (size_t i = 0; i < finding->count; i++)
        members[i] = (struct sdb_member){{finding->names + finding->items[i].at, finding->items[i].size},
                                         query->stores_distance ? finding->items[i].distance : finding->items[i].score};
    if (finding->count > 0)
        notify_call(client, query->form & FORM_STORE ? "geosearchstore" : "georadiusstore", NOTIFY_ZSET);
    result = sdb_zset_store(client->session, query->store->data, query->store->size, members, finding->count);
    free(members);
    if (result == SDB_OK)
        reply_integer(&client->reply, (int64_t)finding->count);
    return result;
}

/* With the keys locked: what is found, and where it is stored, is of one moment. */
static int find_and_reply(struct client *client, const struct query *query)
{
    struct finding finding = {.query = query};
    int result = find(client, query, &finding);

    if (result == SDB_OK && query->store != NULL)
        result = store_found(client, query, &finding);
    else if (result == SDB_OK)
        reply_found(client, query, &finding);
    free(finding.items);
    free(finding.names);
    return result;
}

static int look_at_key(struct client *client, struct query *query)
{
    uint64_t count;
    int result;

    assert(query->key != NULL);
    result = sdb_collection_count(client->session, query->key->data, query->key->size, SDB_TYPE_ZSET, &count);
    query->exists = result == SDB_OK;
    return result == SDB_ENOTFOUND ? SDB_OK : result;
}

/* Where STORE or STOREDIST stands in front of a key: the last of them counts. */
static const struct request_arg *find_store(unsigned form, const struct request_arg *argv, int argc)
{
    const struct request_arg *store = form & FORM_STORE ? &argv[1] : NULL;

    for (int i = form & FORM_MEMBER ? 5 : 6; i + 1 < argc && !(form & (FORM_SEARCH | FORM_READS)); i++)
        if (args_is(&argv[i], "STORE") || args_is(&argv[i], "STOREDIST"))
            store = &argv[++i];
    return store;
}

static void search(struct client *client, const struct request_arg *argv, int argc, unsigned form)
{
    struct query query = {.form = form, .key = &argv[form & FORM_STORE ? 2 : 1]};
    const struct request_arg *store = find_store(form, argv, argc);
    const struct sdb_slice keys[2] = {args_slice(query.key), args_slice(store != NULL ? store : query.key)};
    struct transaction transaction;
    int result;

    if (form & FORM_STORE)
        query.store = store;
    if (!transaction_begin(&transaction, client, keys, store != NULL ? 2 : 1))
        return;
    result = look_at_key(client, &query);
    if (result == SDB_OK && !read_query(client, argv, argc, &query)) {
        transaction_leave(client);
        return;
    }
    if (result == SDB_OK)
        result = find_and_reply(client, &query);
    (void)transaction_end(&transaction, client, result);
}

/* The argument behind the first such word; 0: there is none. */
static int first_behind(unsigned form, const char *word, const struct request_arg *argv, int argc)
{
    for (int i = form & FORM_MEMBER ? 5 : 6; i + 1 < argc; i++)
        if (args_is(&argv[i], word))
            return i + 1;
    return 0;
}

/* As Redis: behind the first STORE and the first STOREDIST; and what is stored to, which is behind the last of both. */
int geo_keys_with_store(const struct request_arg *argv, int argc, int *positions, int max)
{
    const unsigned form = args_is(&argv[0], "GEORADIUSBYMEMBER") ? FORM_MEMBER : 0;
    const struct request_arg *store = find_store(form, argv, argc);
    const int first = first_behind(form, "STORE", argv, argc), second = first_behind(form, "STOREDIST", argv, argc);
    const int found[4] = {1, first, second, store != NULL && store - argv != first && store - argv != second ? (int)(store - argv) : 0};
    int count = 0;

    for (int i = 0; i < 4; i++)
        if (found[i] != 0 && count < max)
            positions[count++] = found[i];
    return count;
}

void geosearch_command(struct client *client, const struct request_arg *argv, int argc)
{
    search(client, argv, argc, FORM_SEARCH | FORM_READS);
}

void geosearchstore_command(struct client *client, const struct request_arg *argv, int argc)
{
    search(client, argv, argc, FORM_SEARCH | FORM_STORE);
}

void georadius_command(struct client *client, const struct request_arg *argv, int argc)
{
    search(client, argv, argc, 0);
}

void georadius_ro_command(struct client *client, const struct request_arg *argv, int argc)
{
    search(client, argv, argc, FORM_READS);
}

void georadiusbymember_command(struct client *client, const struct request_arg *argv, int argc)
{
    search(client, argv, argc, FORM_MEMBER);
}

void georadiusbymember_ro_command(struct client *client, const struct request_arg *argv, int argc)
{
    search(client, argv, argc, FORM_MEMBER | FORM_READS);
}
