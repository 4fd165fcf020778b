/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sort.c - the elements of SORT: collected, weighed, ordered
 * Threads: the client's own.
 */
#include "sort.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "acl.h"
#include "args.h"
#include "client.h"
#include "command.h"
#include "command_table.h"
#include "grow.h"
#include "guards.h"
#include "notify.h"

#define NUMBER_SIZE 128

/* ---- memory ----------------------------------------------------------------------------------------------------------- */

int sort_keep(struct sort *sort, const void *data, size_t size, size_t *at)
{
    if (!grow(&sort->text, &sort->text_capacity, sort->text_size + size, 1))
        return SDB_ENOMEM;
    *at = sort->text_size;
    if (size > 0)
        memcpy(sort->text + sort->text_size, data, size);
    sort->text_size += size;
    return SDB_OK;
}

void sort_reset(struct sort *sort)
{
    sort->item_count = 0;
    sort->text_size = 0;
}

void sort_free(struct sort *sort)
{
    free(sort->items);
    free(sort->text);
}

/* ---- options ---------------------------------------------------------------------------------------------------------- */

static int has_star(const struct request_arg *pattern)
{
    return memchr(pattern->data, '*', pattern->size) != NULL;
}

static int is_element(const struct request_arg *pattern)
{
    return pattern->size == 1 && pattern->data[0] == '#';
}

/* Patterns may stand for any key. */
static int may_read_any(const struct sort *sort)
{
    const struct command *command = command_find(sort->argv[0].data, sort->argv[0].size);

    return (sort->client->flags & CLIENT_RESTRICTED) == 0 || acl_reads_all_keys(sort->client, command, sort->argv, sort->argc);
}

static int refuse(const struct sort *sort, const char *option)
{
    reply_errorf(&sort->client->reply, "%s option of SORT denied due to insufficient ACL permissions.", option);
    return 0;
}

/* BY and GET at argv[i]. 1, or 0 after an error reply. */
static int take_pattern(struct sort *sort, int i)
{
    const struct request_arg *pattern = &sort->argv[i + 1];

    if (args_is(&sort->argv[i], "GET")) {
        if (!may_read_any(sort))
            return refuse(sort, "GET");
        sort->gets++;
        sort->has_patterns |= !is_element(pattern);
        return 1;
    }
    sort->by = pattern;
    if (!has_star(pattern))
        sort->is_sorted = 0;
    else if (!may_read_any(sort))
        return refuse(sort, "BY");
    else
        sort->has_patterns = 1;
    return 1;
}

/* One option at argv[i]: how many words it has, or 0 after an error reply. */
static int take_option(struct sort *sort, int i, int may_store)
{
    const struct request_arg *word = &sort->argv[i];
    const int left = sort->argc - i - 1;

    if (args_is(word, "ASC") || args_is(word, "DESC")) {
        sort->descends = args_is(word, "DESC");
        return 1;
    }
    if (args_is(word, "ALPHA"))
        return sort->alpha = 1;
    if (args_is(word, "LIMIT") && left >= 2)
        return args_get_int64(sort->client, word + 1, &sort->start, NULL) && args_get_int64(sort->client, word + 2, &sort->count, NULL)
                   ? 3
                   : 0;
    if (may_store && args_is(word, "STORE") && left >= 1) {
        sort->store = word + 1;
        return 2;
    }
    if ((args_is(word, "BY") || args_is(word, "GET")) && left >= 1)
        return take_pattern(sort, i) ? 2 : 0;
    args_syntax_error(sort->client);
    return 0;
}

int sort_options(struct sort *sort, struct client *client, const struct request_arg *argv, int argc, int may_store)
{
    *sort = (struct sort){.client = client, .argv = argv, .argc = argc, .is_sorted = 1, .count = -1};
    for (int i = 2, words; i < argc; i += words) {
        words = take_option(sort, i, may_store);
        if (words == 0)
            return 0;
    }
    return 1;
}

/* ---- collecting ------------------------------------------------------------------------------------------------------- */

/* Where the wanted elements begin and end, of so many. */
static void set_range(struct sort *sort, uint64_t count)
{
    const int64_t all = (int64_t)count;
    int64_t first = sort->start < 0 ? 0 : sort->start > all ? all : sort->start;
    int64_t number = sort->count < 0 || sort->count > all - first ? all - first : sort->count;

    sort->first = (size_t)first;
    sort->end = (size_t)(first + number);
}

struct collecting {
    struct sort *sort;
    size_t rank, first, end; /* ranks of those that are copied */
    int failed;
};

static int collect_one(void *context, const struct sdb_element *element)
{
    struct collecting *collecting = context;
    struct sort *sort = collecting->sort;
    const size_t rank = collecting->rank++;
    struct sort_item item = {.size = element->name.size, .by_at = SORT_NOTHING, .rank = rank};

    if (rank < collecting->first)
        return 0;
    if (rank >= collecting->end)
        return 1;
    if (!grow(&sort->items, &sort->capacity, sort->item_count + 1, sizeof(*sort->items)))
        return collecting->failed = 1;
    if (sort_keep(sort, element->name.data, element->name.size, &item.at) != SDB_OK)
        return collecting->failed = 1;
    sort->items[sort->item_count++] = item;
    return 0;
}

/* Of what is not sorted, only the wanted elements are copied. */
static void take_over_range(struct sort *sort, struct collecting *collecting, size_t count, int backwards)
{
    collecting->first = backwards ? count - sort->end : sort->first;
    collecting->end = backwards ? count - sort->first : sort->end;
    sort->end -= sort->first;
    sort->first = 0;
}

/* Shows the wanted elements alone, however many come before them. Not of a set, which has no ranks. */
static int visit_range(const struct sort *sort, uint32_t type, struct collecting *collecting)
{
    const struct request_arg *key = &sort->argv[1];
    struct sdb_session *session = sort->client->session;
    const int64_t first = (int64_t)collecting->first, last = (int64_t)collecting->end - 1;
    struct sdb_zset_range range = SDB_ZSET_BY_RANK(first, last);

    collecting->rank = collecting->first;
    if (last < first)
        return SDB_OK;
    return type == SDB_TYPE_LIST ? sdb_list_range(session, key->data, key->size, first, last, collect_one, collecting)
                                 : sdb_zset_range(session, key->data, key->size, &range, collect_one, collecting);
}

static void turn_round(struct sort *sort)
{
    for (size_t i = 0, j = sort->item_count; i + 1 < j; i++, j--) {
        const struct sort_item item = sort->items[i];

        sort->items[i] = sort->items[j - 1];
        sort->items[j - 1] = item;
    }
}

int sort_collect(struct sort *sort)
{
    const struct request_arg *key = &sort->argv[1];
    struct sdb_session *session = sort->client->session;
    struct collecting collecting = {.sort = sort, .end = SIZE_MAX};
    struct sdb_stat stat;
    int backwards, result = sdb_stat(session, key->data, key->size, &stat);

    set_range(sort, result == SDB_OK ? stat.size : 0);
    if (result == SDB_ENOTFOUND)
        return SDB_OK;
    if (result == SDB_OK && stat.type != SDB_TYPE_LIST && stat.type != SDB_TYPE_SET && stat.type != SDB_TYPE_ZSET)
        result = SDB_ETYPE;
    if (result != SDB_OK)
        return result;
    /* A set has no order of its own: what is kept, or seen by a script, is to be the same each time. */
    if (stat.type == SDB_TYPE_SET && !sort->is_sorted && (sort->store != NULL || command_is_nested())) {
        sort->is_sorted = sort->alpha = 1;
        sort->by = NULL;
    }
    backwards = !sort->is_sorted && sort->descends && stat.type != SDB_TYPE_SET;
    if (!sort->is_sorted)
        take_over_range(sort, &collecting, stat.size, backwards);
    if (!sort->is_sorted && stat.type != SDB_TYPE_SET)
        result = visit_range(sort, stat.type, &collecting);
    else
        result = sdb_collection_each(session, key->data, key->size, stat.type, collect_one, &collecting);
    if (backwards)
        turn_round(sort);
    return result == SDB_OK && collecting.failed ? SDB_ENOMEM : result;
}

/* ---- patterns --------------------------------------------------------------------------------------------------------- */

struct named {
    char few[256], *key;
    size_t key_size;
    const char *field; /* NULL: the key is a string */
    size_t field_size;
};

/* The first "->" behind the star that has something behind it: where the field begins. NULL: there is none. */
static const char *find_field(const char *from, const char *end)
{
    const char *arrow = memmem(from, (size_t)(end - from), "->", 2);

    return arrow != NULL && arrow + 2 < end ? arrow + 2 : NULL;
}

/* The key and field that the pattern stands for. named->key is freed by the caller where it is not `few`. */
static int name_key(const struct sort *sort, const struct request_arg *pattern, const struct sort_item *item, struct named *named)
{
    const char *star = memchr(pattern->data, '*', pattern->size), *end = pattern->data + pattern->size;
    const size_t before = (size_t)(star - pattern->data);
    size_t behind;

    named->field = find_field(star + 1, end);
    named->field_size = named->field != NULL ? (size_t)(end - named->field) : 0;
    behind = (size_t)((named->field != NULL ? named->field - 2 : end) - (star + 1));
    named->key_size = before + item->size + behind;
    named->key = named->key_size > sizeof(named->few) ? malloc(named->key_size) : named->few;
    if (named->key == NULL)
        return SDB_ENOMEM;
    memcpy(named->key, pattern->data, before);
    memcpy(named->key + before, sort->text + item->at, item->size);
    memcpy(named->key + before + item->size, star + 1, behind);
    return SDB_OK;
}

/* What a hash's function shows, a value, is passed on as the name. */
struct passed_on {
    sdb_element_fn *visit;
    void *context;
};

static int pass_value_on(void *context, const struct sdb_element *element)
{
    const struct passed_on *to = context;
    const struct sdb_element shown = {.name = element->name.data != NULL ? element->value : element->name};

    return to->visit(to->context, &shown);
}

static int look_at_named(const struct sort *sort, const struct named *named, sdb_element_fn *visit, void *context)
{
    struct sdb_session *session = sort->client->session;
    const struct sdb_slice key = {named->key, named->key_size}, field = {named->field, named->field_size};
    struct passed_on to = {visit, context};
    struct sdb_view view;
    int result;

    if ((guards_now() & GUARD_MISSES) != 0)
        notify_miss(sort->client, &key);
    if (named->field != NULL) {
        result = sdb_hash_get_many(session, key.data, key.size, &field, 1, pass_value_on, &to);
    } else {
        result = sdb_view(session, key.data, key.size, &view);
        if (result == SDB_OK) {
            (void)visit(context, &(struct sdb_element){.name = {view.data, view.size}});
            sdb_view_release(session, &view);
        }
    }
    if (result != SDB_ENOTFOUND && result != SDB_ETYPE)
        return result;
    (void)visit(context, &(struct sdb_element){.name = {NULL, 0}});
    return SDB_OK;
}

int sort_look_up(struct sort *sort, const struct request_arg *pattern, const struct sort_item *item, sdb_element_fn *visit, void *context)
{
    struct named named;
    int result;

    if (is_element(pattern)) {
        (void)visit(context, &(struct sdb_element){.name = {sort->text + item->at, item->size}});
        return SDB_OK;
    }
    if (!has_star(pattern)) {
        (void)visit(context, &(struct sdb_element){.name = {NULL, 0}});
        return SDB_OK;
    }
    result = name_key(sort, pattern, item, &named);
    if (result != SDB_OK)
        return result;
    result = look_at_named(sort, &named, visit, context);
    if (named.key != named.few)
        free(named.key);
    return result;
}

/* ---- weighing --------------------------------------------------------------------------------------------------------- */

/* As strtod reads it, up to a NUL. 0: it is no number. */
static int to_number(const char *data, size_t size, double *number)
{
    char few[NUMBER_SIZE], *text = size < sizeof(few) ? few : malloc(size + 1), *end;
    int good = text != NULL;

    if (good) {
        memcpy(text, data, size);
        text[size] = '\0';
        errno = 0;
        *number = strtod(text, &end);
        good = *end == '\0' && errno != ERANGE && !isnan(*number);
    }
    if (text != few)
        free(text);
    return good;
}

struct weighing {
    struct sort *sort;
    struct sort_item *item;
    int bad, result;
};

static int weigh_by(void *context, const struct sdb_element *element)
{
    struct weighing *weighing = context;
    struct sort_item *item = weighing->item;

    if (element->name.data == NULL)
        return 0;
    if (!weighing->sort->alpha) {
        weighing->bad |= !to_number(element->name.data, element->name.size, &item->score);
        return 0;
    }
    item->by_size = element->name.size;
    weighing->result = sort_keep(weighing->sort, element->name.data, element->name.size, &item->by_at);
    return 0;
}

int sort_weigh(struct sort *sort, int *bad)
{
    struct weighing weighing = {.sort = sort};
    int result = SDB_OK;

    for (size_t i = 0; i < sort->item_count && sort->is_sorted && result == SDB_OK; i++) {
        struct sort_item *item = &sort->items[i];

        weighing.item = item;
        if (sort->by != NULL)
            result = sort_look_up(sort, sort->by, item, weigh_by, &weighing);
        else if (!sort->alpha)
            weighing.bad |= !to_number(sort->text + item->at, item->size, &item->score);
        if (result == SDB_OK)
            result = weighing.result;
    }
    *bad = weighing.bad;
    return result;
}

/* ---- ordering --------------------------------------------------------------------------------------------------------- */

static int compare_text(const struct sort *sort, size_t a, size_t a_size, size_t b, size_t b_size)
{
    const int order = memcmp(sort->text + a, sort->text + b, a_size < b_size ? a_size : b_size);

    return order != 0 ? order : (a_size > b_size) - (a_size < b_size);
}

static int compare_weights(const struct sort *sort, const struct sort_item *a, const struct sort_item *b)
{
    if (sort->alpha && sort->by != NULL) {
        if (a->by_at == SORT_NOTHING || b->by_at == SORT_NOTHING)
            return (a->by_at != SORT_NOTHING) - (b->by_at != SORT_NOTHING);
        return compare_text(sort, a->by_at, a->by_size, b->by_at, b->by_size);
    }
    if (!sort->alpha && a->score != b->score)
        return a->score < b->score ? -1 : 1;
    return compare_text(sort, a->at, a->size, b->at, b->size);
}

static int compare(const void *left, const void *right, void *context)
{
    const struct sort *sort = context;
    const struct sort_item *a = left, *b = right;
    const int order = compare_weights(sort, a, b);

    if (order == 0)
        return (a->rank > b->rank) - (a->rank < b->rank);
    return sort->descends ? -order : order;
}

void sort_order(struct sort *sort)
{
    if (sort->is_sorted && sort->item_count > 1)
        qsort_r(sort->items, sort->item_count, sizeof(*sort->items), compare, sort);
}
