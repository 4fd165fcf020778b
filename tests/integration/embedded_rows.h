/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * embedded_rows.h - a row: a list, a set, a hash, a sorted set and a stream that one transaction changes, and that follow from its version
 *
 * After version v each of them holds the elements of the last ROW_WINDOW versions: the list and the stream in order, the hash under
 * the version's remainder, the sorted set with the version as score. What is found is therefore either one version's row, or wrong.
 * Some rows have short elements and stay packed, the others are trees.
 *
 * For one program alone; its functions are its own.
 */
#ifndef SDB_TESTS_EMBEDDED_ROWS_H
#define SDB_TESTS_EMBEDDED_ROWS_H

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "superdb/hash.h"
#include "superdb/list.h"
#include "superdb/set.h"
#include "superdb/sorted_set.h"
#include "superdb/stream.h"
#include "superdb/superdb.h"

#define ROW_WINDOW 40u
#define ROW_ELEMENT_MAX 400u

enum row_type { ROW_LIST, ROW_SET, ROW_HASH, ROW_ZSET, ROW_STREAM, ROW_TYPES };

struct row {
    struct sdb_session *session;
    const char *name; /* its keys begin with it */
    int is_large;
};

static struct sdb_slice row_key(const struct row *row, enum row_type type, char text[80])
{
    return (struct sdb_slice){text, (size_t)snprintf(text, 80, "%s:%d", row->name, (int)type)};
}

/* The element of a version, which it begins with. */
static struct sdb_slice row_element(const struct row *row, uint64_t version, char text[ROW_ELEMENT_MAX])
{
    size_t size = (size_t)sprintf(text, "%" PRIu64 ".", version), padding = row->is_large ? 40 + version * 7 % 300 : version % 20;

    memset(text + size, (int)('a' + version % 26), padding);
    return (struct sdb_slice){text, size + padding};
}

/* ---- writing: what each returns is the engine's error ---- */

static int row_write_list(const struct row *row, const struct sdb_slice *key, const struct sdb_slice *element, uint64_t version)
{
    int error = sdb_list_push(row->session, key->data, key->size, SDB_LIST_TAIL, element, 1, 0, NULL);

    if (!error && version > ROW_WINDOW)
        error = sdb_list_trim(row->session, key->data, key->size, -(int64_t)ROW_WINDOW, -1);
    return error;
}

static int row_write_members(const struct row *row, const struct sdb_slice *key, const struct sdb_slice *element, uint64_t version,
                             enum row_type type)
{
    const struct sdb_member member = {*element, (double)version};
    char text[ROW_ELEMENT_MAX];
    struct sdb_slice old;
    int error = type == ROW_SET ? sdb_members_add(row->session, key->data, key->size, element, 1, NULL)
                                : sdb_zset_add(row->session, key->data, key->size, &member, 1, 0, NULL, NULL);

    if (error || version <= ROW_WINDOW)
        return error;
    old = row_element(row, version - ROW_WINDOW, text);
    return type == ROW_SET ? sdb_members_remove(row->session, key->data, key->size, &old, 1, NULL)
                           : sdb_zset_remove(row->session, key->data, key->size, &old, 1, NULL);
}

static int row_write_hash(const struct row *row, const struct sdb_slice *key, const struct sdb_slice *element, uint64_t version)
{
    char field[24];
    const struct sdb_pair pair = {{field, (size_t)sprintf(field, "%u", (unsigned)(version % ROW_WINDOW))}, *element};

    return sdb_hash_set(row->session, key->data, key->size, &pair, 1, 0, NULL);
}

static int row_write_stream(const struct row *row, const struct sdb_slice *key, const struct sdb_slice *element, uint64_t version)
{
    const struct sdb_slice fields[2] = {{"f", 1}, *element};
    const struct sdb_stream_trim trim = {.by = SDB_STREAM_BY_LENGTH, .length = ROW_WINDOW};
    const struct sdb_stream_addition addition = {
        .form = SDB_STREAM_ID_GIVEN, .id = {version, 0}, .fields = fields, .count = 1, .trim = &trim};

    return sdb_stream_add(row->session, key->data, key->size, &addition, NULL);
}

/* From the version before to this one, inside the session's transaction. Returns the first error. */
static int row_write(const struct row *row, uint64_t version)
{
    char text[ROW_ELEMENT_MAX], key_text[80];
    const struct sdb_slice element = row_element(row, version, text);
    int error = SDB_OK;

    for (int type = 0; type < ROW_TYPES && !error; type++) {
        const struct sdb_slice key = row_key(row, (enum row_type)type, key_text);

        if (type == ROW_LIST)
            error = row_write_list(row, &key, &element, version);
        else if (type == ROW_HASH)
            error = row_write_hash(row, &key, &element, version);
        else if (type == ROW_STREAM)
            error = row_write_stream(row, &key, &element, version);
        else
            error = row_write_members(row, &key, &element, version, (enum row_type)type);
    }
    return error;
}

/* ---- reading ---- */

struct row_found {
    const struct row *row;
    uint64_t version;         /* that the list says; the others must be of it */
    uint64_t next;            /* of those in order: the version that comes now */
    unsigned seen, different; /* elements, and those that are none of this version's */
};

static uint64_t row_first(uint64_t version)
{
    return version > ROW_WINDOW ? version - ROW_WINDOW + 1 : 1;
}

static void row_compare(struct row_found *found, const struct sdb_slice *element, uint64_t version)
{
    char text[ROW_ELEMENT_MAX];
    const struct sdb_slice wanted = row_element(found->row, version, text);

    found->seen++;
    if (version < row_first(found->version) || version > found->version || wanted.size != element->size ||
        memcmp(wanted.data, element->data, wanted.size) != 0)
        found->different++;
}

/* A number that an element begins with. */
static uint64_t row_number(const struct sdb_slice *element)
{
    char digits[24] = "";

    memcpy(digits, element->data, element->size < sizeof(digits) ? element->size : sizeof(digits) - 1);
    return strtoull(digits, NULL, 10);
}

static int row_see_ordered(void *context, const struct sdb_element *element)
{
    struct row_found *found = context;

    row_compare(found, &element->name, found->next++);
    return 0;
}

static int row_see_member(void *context, const struct sdb_element *element)
{
    row_compare(context, &element->name, row_number(&element->name));
    return 0;
}

static int row_see_scored(void *context, const struct sdb_element *element)
{
    struct row_found *found = context;

    found->different += element->score != (double)found->next;
    return row_see_ordered(context, element);
}

static int row_see_field(void *context, const struct sdb_element *element)
{
    struct row_found *found = context;
    uint64_t version = row_number(&element->value);

    found->different += row_number(&element->name) != version % ROW_WINDOW;
    row_compare(found, &element->value, version);
    return 0;
}

static int row_see_entry(void *context, const struct sdb_stream_entry *entry)
{
    struct row_found *found = context;
    struct sdb_slice field, value;
    size_t at = 0;

    found->different += entry->id.ms != found->next || !sdb_stream_field(entry, &at, &field, &value);
    if (found->different == 0)
        row_compare(found, &value, found->next);
    found->next++;
    return 0;
}

static int row_see_last(void *context, const struct sdb_element *element)
{
    *(uint64_t *)context = row_number(&element->name);
    return 0;
}

/*
 * The version that the row has, 0 where there is none, in *version. Returns the type whose content is not that version's, or -1. Errors of
 * the engine go to *error.
 */
static int row_read(const struct row *row, uint64_t *version, int *error)
{
    static const uint32_t types[] = {SDB_TYPE_LIST, SDB_TYPE_SET, SDB_TYPE_HASH, SDB_TYPE_ZSET};
    static sdb_element_fn *const see[] = {row_see_ordered, row_see_member, row_see_field, row_see_scored};
    const struct sdb_stream_range all = {.first = SDB_STREAM_ID_MIN, .last = SDB_STREAM_ID_MAX, .count = UINT64_MAX};
    char text[80];
    struct sdb_slice key = row_key(row, ROW_LIST, text);

    *version = 0;
    *error = sdb_list_range(row->session, key.data, key.size, -1, -1, row_see_last, version);
    for (int type = 0; type < ROW_TYPES && (*error == SDB_OK || *error == SDB_ENOTFOUND); type++) {
        struct row_found found = {.row = row, .version = *version, .next = row_first(*version)};
        unsigned wanted = *version < ROW_WINDOW ? (unsigned)*version : ROW_WINDOW;

        key = row_key(row, (enum row_type)type, text);
        *error = type == ROW_STREAM ? sdb_stream_range(row->session, key.data, key.size, &all, row_see_entry, &found)
                                    : sdb_collection_each(row->session, key.data, key.size, types[type], see[type], &found);
        if (found.seen != wanted || found.different > 0)
            return type;
    }
    *error = *error == SDB_ENOTFOUND ? SDB_OK : *error;
    return -1;
}

#endif
