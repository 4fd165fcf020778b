/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * payload_stream_read.c - from a payload to a stream
 *
 * Memory: a node that is unpacked, with the places of an entry's fields; what is pending of a group
 */
#include <stdlib.h>
#include <string.h>

#include "grow.h"
#include "number.h"
#include "payload.h"
#include "payload_input.h"
#include "payload_packed.h"
#include "payload_stream.h"

#define ID_SIZE 16
#define PENDING_SIZE_MIN (ID_SIZE + 8 + 1)

struct pending {
    struct sdb_stream_id id;
    int64_t delivered_ms;
    uint64_t deliveries;
    int is_taken; /* by a consumer */
};

struct reader {
    struct payload_input input;
    enum payload_form form;
    struct sdb_stream_filling *filling; /* NULL: nothing is stored */
    struct sdb_stream_info info;
    struct sdb_stream_id last_entry;
    /* A node's fields, and those of an entry with its values. They may move while they grow, but not once they are used. */
    struct packed_text *names, *texts;
    struct sdb_slice *slices;
    size_t names_capacity, texts_capacity, slices_capacity;
    struct pending *pending;
    size_t pending_count;
};

/* ---- pieces ----------------------------------------------------------------------------------------------------------- */

static struct sdb_stream_id id_of(const uint8_t *bytes)
{
    struct sdb_stream_id id = {0, 0};

    for (unsigned i = 0; i < 8; i++) {
        id.ms = id.ms << 8 | bytes[i];
        id.sequence = id.sequence << 8 | bytes[8 + i];
    }
    return id;
}

static int take_id(struct reader *reader, struct sdb_stream_id *id)
{
    return payload_take_length(&reader->input, &id->ms) && payload_take_length(&reader->input, &id->sequence);
}

static int take_time(struct reader *reader, int64_t *time)
{
    uint64_t number;

    if (!payload_take_number(&reader->input, 8, 1, &number))
        return 0;
    *time = (int64_t)number;
    return 1;
}

static int next_integer(struct packed_walk *walk, int64_t *number)
{
    struct packed_text text;

    return packed_next(walk, &text) == PACKED_ELEMENT && number_parse_i64(text.slice.data, text.slice.size, number);
}

/* Each of them takes two bytes at least. */
static int next_count(struct packed_walk *walk, uint64_t *count)
{
    int64_t number;

    if (!next_integer(walk, &number) || number < 0 || number > walk->end - walk->at)
        return 0;
    *count = (uint64_t)number;
    return 1;
}

/* ---- entries ---------------------------------------------------------------------------------------------------------- */

static int next_texts(struct packed_walk *walk, struct packed_text *texts, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++)
        if (packed_next(walk, &texts[i]) != PACKED_ELEMENT)
            return 0;
    return 1;
}

/* A node's own fields, and the 0 behind them. */
static int read_names(struct reader *reader, struct packed_walk *walk, uint64_t *count)
{
    int64_t zero;

    if (!next_count(walk, count))
        return SDB_EFORMAT;
    if (!grow(&reader->names, &reader->names_capacity, *count, sizeof(*reader->names)))
        return SDB_ENOMEM;
    return next_texts(walk, reader->names, *count) && next_integer(walk, &zero) && zero == 0 ? SDB_OK : SDB_EFORMAT;
}

/* Field, value, field, value: with the node's fields, or with their own. */
static int read_fields(struct reader *reader, struct packed_walk *walk, int same, uint64_t *count)
{
    uint64_t texts;

    if (!same && !next_count(walk, count))
        return SDB_EFORMAT;
    texts = same ? *count : *count * 2;
    if (!grow(&reader->texts, &reader->texts_capacity, texts, sizeof(*reader->texts)) ||
        !grow(&reader->slices, &reader->slices_capacity, *count * 2, sizeof(*reader->slices)))
        return SDB_ENOMEM;
    if (!next_texts(walk, reader->texts, texts))
        return SDB_EFORMAT;
    for (uint64_t i = 0; i < *count; i++) {
        reader->slices[2 * i] = same ? reader->names[i].slice : reader->texts[2 * i].slice;
        reader->slices[2 * i + 1] = reader->texts[same ? i : 2 * i + 1].slice;
    }
    return SDB_OK;
}

static int store_entry(struct reader *reader, const struct sdb_stream_id *id, uint64_t count)
{
    if (reader->info.length > 0 && sdb_stream_id_compare(id, &reader->last_entry) <= 0)
        return SDB_EFORMAT;
    if (reader->info.length == 0)
        reader->info.first_id = *id;
    reader->last_entry = *id;
    reader->info.length++;
    return sdb_stream_fill_entry(reader->filling, id, reader->slices, count);
}

static int read_entry(struct reader *reader, struct packed_walk *walk, const struct sdb_stream_id *first, uint64_t names,
                      uint64_t *deleted)
{
    int64_t flags, ms, sequence, elements;
    struct sdb_stream_id id;
    uint64_t count = names;
    int same, result;

    if (!next_integer(walk, &flags) || !next_integer(walk, &ms) || !next_integer(walk, &sequence))
        return SDB_EFORMAT;
    same = (flags & PAYLOAD_ENTRY_SAME_FIELDS) != 0;
    id = (struct sdb_stream_id){first->ms + (uint64_t)ms, first->sequence + (uint64_t)sequence};
    result = read_fields(reader, walk, same, &count);
    if (result != SDB_OK)
        return result;
    if (!next_integer(walk, &elements) || elements != (int64_t)(same ? count + 3 : 2 * count + 4))
        return SDB_EFORMAT;
    if ((flags & PAYLOAD_ENTRY_DELETED) == 0)
        return store_entry(reader, &id, count);
    ++*deleted;
    return SDB_OK;
}

static int read_listpack(struct reader *reader, const struct sdb_slice *listpack, const struct sdb_stream_id *first)
{
    uint64_t live = 0, deleted = 0, names = 0, deleted_found = 0;
    struct packed_walk walk;
    struct packed_text more;
    int result;

    if (!packed_open_listpack(&walk, listpack->data, listpack->size) || !next_count(&walk, &live) || !next_count(&walk, &deleted))
        return SDB_EFORMAT;
    result = read_names(reader, &walk, &names);
    for (uint64_t i = 0; i < live + deleted && result == SDB_OK; i++)
        result = read_entry(reader, &walk, first, names, &deleted_found);
    if (result == SDB_OK && (packed_next(&walk, &more) != PACKED_END || deleted_found != deleted))
        result = SDB_EFORMAT;
    return result;
}

static int read_node(struct reader *reader)
{
    struct payload_text id, listpack = {.own = NULL};
    struct sdb_stream_id first;
    int result = payload_take_text(&reader->input, &id);

    if (result == SDB_OK && id.slice.size != ID_SIZE)
        result = SDB_EFORMAT;
    if (result == SDB_OK) {
        first = id_of(id.slice.data);
        result = payload_take_text(&reader->input, &listpack);
    }
    if (result == SDB_OK)
        result = read_listpack(reader, &listpack.slice, &first);
    payload_drop(&id);
    payload_drop(&listpack);
    return result;
}

static int read_entries(struct reader *reader)
{
    uint64_t nodes, told, ignored_ms, ignored_sequence;
    struct sdb_stream_info *info = &reader->info;
    int result = SDB_OK;

    if (!payload_take_length(&reader->input, &nodes))
        return SDB_EFORMAT;
    for (uint64_t i = 0; i < nodes && result == SDB_OK; i++)
        result = read_node(reader);
    if (result != SDB_OK)
        return result;
    if (!payload_take_length(&reader->input, &told) || told != info->length || !take_id(reader, &info->last_id))
        return SDB_EFORMAT;
    info->entries_added = info->length;
    if (reader->form != PAYLOAD_STREAM &&
        (!payload_take_length(&reader->input, &ignored_ms) || !payload_take_length(&reader->input, &ignored_sequence) ||
         !take_id(reader, &info->max_deleted_id) || !payload_take_length(&reader->input, &info->entries_added)))
        return SDB_EFORMAT;
    return sdb_stream_fill_info(reader->filling, info);
}

/* ---- groups ----------------------------------------------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
    return sdb_stream_id_compare(&((const struct pending *)a)->id, &((const struct pending *)b)->id);
}

static int take_raw_id(struct reader *reader, struct sdb_stream_id *id)
{
    const uint8_t *bytes = payload_take(&reader->input, ID_SIZE);

    if (bytes == NULL)
        return 0;
    *id = id_of(bytes);
    return 1;
}

/* What is pending of a group, by id; which consumer each belongs to is told later. */
static int read_pending(struct reader *reader)
{
    uint64_t count;

    free(reader->pending);
    reader->pending = NULL;
    reader->pending_count = 0;
    if (!payload_take_length(&reader->input, &count) || count > (uint64_t)(reader->input.end - reader->input.at) / PENDING_SIZE_MIN)
        return SDB_EFORMAT;
    reader->pending = calloc(count + 1, sizeof(*reader->pending));
    if (reader->pending == NULL)
        return SDB_ENOMEM;
    reader->pending_count = count;
    for (struct pending *pending = reader->pending; pending < reader->pending + count; pending++)
        if (!take_raw_id(reader, &pending->id) || !take_time(reader, &pending->delivered_ms) ||
            !payload_take_length(&reader->input, &pending->deliveries))
            return SDB_EFORMAT;
    qsort(reader->pending, count, sizeof(*reader->pending), compare);
    for (uint64_t i = 1; i < count; i++)
        if (compare(&reader->pending[i - 1], &reader->pending[i]) == 0)
            return SDB_EFORMAT;
    return SDB_OK;
}

static int read_pending_of_consumer(struct reader *reader, const struct sdb_slice *consumer)
{
    struct pending wanted = {.is_taken = 0}, *found;
    struct sdb_stream_pending pending = {.consumer = *consumer};

    if (!take_raw_id(reader, &wanted.id))
        return SDB_EFORMAT;
    found = bsearch(&wanted, reader->pending, reader->pending_count, sizeof(*reader->pending), compare);
    if (found == NULL || found->is_taken)
        return SDB_EFORMAT;
    found->is_taken = 1;
    pending.id = found->id;
    pending.delivered_ms = found->delivered_ms;
    pending.deliveries = found->deliveries;
    return sdb_stream_fill_pending(reader->filling, &pending);
}

static int read_consumer(struct reader *reader)
{
    struct sdb_stream_consumer consumer = {.pending = 0};
    struct payload_text name;
    int64_t active_ms;
    int result = payload_take_text(&reader->input, &name);

    consumer.name = name.slice;
    if (result == SDB_OK && (!take_time(reader, &consumer.seen_ms) || (reader->form == PAYLOAD_STREAM_3 && !take_time(reader, &active_ms)) ||
                             !payload_take_length(&reader->input, &consumer.pending)))
        result = SDB_EFORMAT;
    if (result == SDB_OK)
        result = sdb_stream_fill_consumer(reader->filling, &consumer);
    for (uint64_t i = 0; i < consumer.pending && result == SDB_OK; i++)
        result = read_pending_of_consumer(reader, &consumer.name);
    payload_drop(&name);
    return result;
}

/* How many entries a group has read of which only the last is told: a stream of this form has lost none. */
static int64_t entries_read(const struct sdb_stream_info *info, const struct sdb_stream_id *last_id)
{
    const int to_last = sdb_stream_id_compare(last_id, &info->last_id);
    const int to_first = sdb_stream_id_compare(last_id, &info->first_id);

    if (info->length == 0)
        return 0;
    if (to_last >= 0)
        return to_last == 0 ? (int64_t)info->length : SDB_STREAM_UNKNOWN;
    return to_first < 0 ? 0 : to_first == 0 ? 1 : SDB_STREAM_UNKNOWN;
}

static int take_group(struct reader *reader, struct sdb_stream_group *group)
{
    uint64_t number;

    if (!take_id(reader, &group->last_id))
        return SDB_EFORMAT;
    group->entries_read = entries_read(&reader->info, &group->last_id);
    if (reader->form == PAYLOAD_STREAM)
        return SDB_OK;
    if (!payload_take_length(&reader->input, &number))
        return SDB_EFORMAT;
    group->entries_read = (int64_t)number;
    return group->entries_read >= SDB_STREAM_UNKNOWN ? SDB_OK : SDB_EFORMAT;
}

static int read_group(struct reader *reader)
{
    struct sdb_stream_group group = {.lag = 0};
    struct payload_text name;
    uint64_t consumers = 0;
    int result = payload_take_text(&reader->input, &name);

    group.name = name.slice;
    if (result == SDB_OK)
        result = take_group(reader, &group);
    if (result == SDB_OK)
        result = sdb_stream_fill_group(reader->filling, &group); /* the name stays until the group ends */
    if (result == SDB_OK)
        result = read_pending(reader);
    if (result == SDB_OK && !payload_take_length(&reader->input, &consumers))
        result = SDB_EFORMAT;
    for (uint64_t i = 0; i < consumers && result == SDB_OK; i++)
        result = read_consumer(reader);
    for (size_t i = 0; i < reader->pending_count && result == SDB_OK; i++)
        result = reader->pending[i].is_taken ? SDB_OK : SDB_EFORMAT;
    payload_drop(&name);
    return result;
}

static int read_groups(struct reader *reader)
{
    uint64_t groups;
    int result = SDB_OK;

    if (!payload_take_length(&reader->input, &groups))
        return SDB_EFORMAT;
    for (uint64_t i = 0; i < groups && result == SDB_OK; i++)
        result = read_group(reader);
    return result;
}

int payload_stream_read(const void *data, size_t size, struct sdb_stream_filling *filling)
{
    struct reader reader = {.input = {data, (const uint8_t *)data + size}, .filling = filling};
    const uint8_t *form = payload_take(&reader.input, 1);
    int result;

    if (form == NULL)
        return SDB_EFORMAT;
    reader.form = (enum payload_form)form[0];
    result = read_entries(&reader);
    if (result == SDB_OK)
        result = read_groups(&reader);
    free(reader.names);
    free(reader.texts);
    free(reader.slices);
    free(reader.pending);
    return result == SDB_EINVAL ? SDB_EFORMAT : result; /* what makes no sense to the store */
}
