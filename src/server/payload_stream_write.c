/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * payload_stream_write.c - from a stream to a payload, in nodes of the sizes that Redis would have them
 *
 * How many nodes there are is known behind the last entry, and how many entries a node has, behind its last one: both are kept apart until
 * then.
 * Memory: the nodes, besides the payload; groups, and consumers
 */
#include <stdlib.h>
#include <string.h>

#include "payload.h"
#include "payload_packed.h"
#include "payload_stream.h"
#include "stream_parts.h"

#define NODE_BYTES 4096
#define COUNT_SIZE 4 /* of the number of entries and that of deleted ones, while they are one byte each */

struct writer {
    struct payload_bytes *out;
    struct sdb_session *session;
    const struct sdb_slice *key;
    uint64_t node_entries;
    struct payload_bytes nodes; /* all but the last */
    uint64_t node_count;
    /* the last one */
    struct payload_bytes head, entries; /* its fields, in the form of a listpack without a header; and its entries */
    struct payload_bytes fields;        /* each behind its size */
    struct sdb_stream_id first;
    uint64_t field_count, entry_count, elements;
    uint64_t shown;
};

/* ---- pieces ----------------------------------------------------------------------------------------------------------- */

static void put_packed(struct payload_bytes *bytes, const struct sdb_slice *text)
{
    packed_add_to_listpack(bytes, text);
}

static void put_packed_number(struct payload_bytes *bytes, int64_t number)
{
    char text[NUMBER_TEXT_SIZE];

    put_packed(bytes, &(struct sdb_slice){text, number_format_i64(text, number)});
}

static void put_id(struct payload_bytes *bytes, const struct sdb_stream_id *id)
{
    payload_put_length(bytes, id->ms);
    payload_put_length(bytes, id->sequence);
}

static void put_raw_id(struct payload_bytes *bytes, const struct sdb_stream_id *id)
{
    payload_put_number(bytes, __builtin_bswap64(id->ms), 8);
    payload_put_number(bytes, __builtin_bswap64(id->sequence), 8);
}

/* ---- nodes ------------------------------------------------------------------------------------------------------------ */

/* The node that is full, or the last one. */
static void end_node(struct writer *writer)
{
    struct payload_bytes listpack = {0}, id = {0};

    if (writer->entry_count == 0)
        return;
    packed_begin_listpack(&listpack);
    put_packed_number(&listpack, (int64_t)writer->entry_count);
    put_packed_number(&listpack, 0);
    payload_put(&listpack, writer->head.data, writer->head.size);
    payload_put(&listpack, writer->entries.data, writer->entries.size);
    packed_end_listpack(&listpack, 4 + writer->field_count + writer->elements);
    put_raw_id(&id, &writer->first);
    if (!listpack.failed && !id.failed) {
        payload_put_text(&writer->nodes, &(struct sdb_slice){id.data, id.size});
        payload_put_text(&writer->nodes, &(struct sdb_slice){listpack.data, listpack.size});
    }
    writer->nodes.failed |= listpack.failed | id.failed | writer->head.failed | writer->entries.failed | writer->fields.failed;
    free(listpack.data);
    free(id.data);
    writer->node_count++;
    writer->entry_count = writer->elements = 0;
    writer->head.size = writer->entries.size = writer->fields.size = 0;
}

static void put_field(struct writer *writer, const struct sdb_slice *field)
{
    const uint64_t size = field->size;

    put_packed(&writer->head, field);
    payload_put(&writer->fields, &size, sizeof(size));
    payload_put(&writer->fields, field->data, field->size);
}

static void begin_node(struct writer *writer, const struct sdb_stream_entry *entry)
{
    struct sdb_slice field, value;
    size_t at = 0;

    writer->first = entry->id;
    writer->field_count = entry->count;
    put_packed_number(&writer->head, (int64_t)entry->count);
    while (sdb_stream_field(entry, &at, &field, &value))
        put_field(writer, &field);
    put_packed_number(&writer->head, 0);
}

/* Whether the entry has the node's own fields, in their order. */
static int has_same_fields(const struct writer *writer, const struct sdb_stream_entry *entry)
{
    const uint8_t *known = writer->fields.data;
    struct sdb_slice field, value;
    uint64_t size;
    size_t at = 0;

    if (entry->count != writer->field_count || writer->fields.failed)
        return 0;
    while (sdb_stream_field(entry, &at, &field, &value)) {
        memcpy(&size, known, sizeof(size));
        known += sizeof(size);
        if (size != field.size || (size > 0 && memcmp(known, field.data, size) != 0))
            return 0;
        known += size;
    }
    return 1;
}

/* As Redis has it: by what the new entry's texts have, without their heads. */
static int fits(const struct writer *writer, const struct sdb_stream_entry *entry)
{
    uint64_t size = PACKED_LISTPACK_OVERHEAD + COUNT_SIZE + writer->head.size + writer->entries.size;
    struct sdb_slice field, value;
    size_t at = 0;

    while (sdb_stream_field(entry, &at, &field, &value))
        size += field.size + value.size;
    return size < NODE_BYTES && writer->entry_count < writer->node_entries;
}

static int add_entry(void *context, const struct sdb_stream_entry *entry)
{
    struct writer *writer = context;
    struct sdb_slice field, value;
    uint64_t elements;
    size_t at = 0;
    int same;

    if (writer->entry_count > 0 && !fits(writer, entry))
        end_node(writer);
    if (writer->entry_count == 0)
        begin_node(writer, entry);
    same = has_same_fields(writer, entry);
    elements = same ? entry->count + 3 : 2 * entry->count + 4;
    put_packed_number(&writer->entries, same ? PAYLOAD_ENTRY_SAME_FIELDS : 0);
    put_packed_number(&writer->entries, (int64_t)(entry->id.ms - writer->first.ms));
    put_packed_number(&writer->entries, (int64_t)(entry->id.sequence - writer->first.sequence));
    if (!same)
        put_packed_number(&writer->entries, (int64_t)entry->count);
    while (sdb_stream_field(entry, &at, &field, &value)) {
        if (!same)
            put_packed(&writer->entries, &field);
        put_packed(&writer->entries, &value);
    }
    put_packed_number(&writer->entries, (int64_t)elements);
    writer->elements += elements + 1;
    writer->entry_count++;
    return writer->entries.failed || writer->nodes.failed;
}

static int write_entries(struct writer *writer, const struct sdb_stream_info *info)
{
    const struct sdb_stream_range all = {SDB_STREAM_ID_MIN, SDB_STREAM_ID_MAX, 0, UINT64_MAX};
    struct payload_bytes *out = writer->out;
    int result = sdb_stream_range(writer->session, writer->key->data, writer->key->size, &all, add_entry, writer);

    if (result != SDB_OK)
        return result;
    end_node(writer);
    payload_put_length(out, writer->node_count);
    payload_put(out, writer->nodes.data, writer->nodes.size);
    out->failed |= writer->nodes.failed;
    payload_put_length(out, info->length);
    put_id(out, &info->last_id);
    put_id(out, &info->first_id);
    put_id(out, &info->max_deleted_id);
    payload_put_length(out, info->entries_added);
    return SDB_OK;
}

/* ---- groups ----------------------------------------------------------------------------------------------------------- */

static int put_pending(void *context, const struct sdb_stream_pending *pending)
{
    struct writer *writer = context;

    put_raw_id(writer->out, &pending->id);
    payload_put_number(writer->out, (uint64_t)pending->delivered_ms, 8);
    payload_put_length(writer->out, pending->deliveries);
    return writer->out->failed;
}

static int put_pending_id(void *context, const struct sdb_stream_pending *pending)
{
    struct writer *writer = context;

    put_raw_id(writer->out, &pending->id);
    return writer->out->failed;
}

static int write_pending(struct writer *writer, const struct sdb_slice *group, const struct sdb_slice *consumer)
{
    const struct sdb_stream_pending_range all = {.group = *group,
                                                 .consumer = consumer != NULL ? *consumer : (struct sdb_slice){NULL, 0},
                                                 .first = SDB_STREAM_ID_MIN,
                                                 .last = SDB_STREAM_ID_MAX,
                                                 .count = UINT64_MAX};

    return sdb_stream_pending(writer->session, writer->key->data, writer->key->size, &all,
                              consumer != NULL ? put_pending_id : put_pending, writer);
}

static int write_consumers(struct writer *writer, const struct sdb_slice *group)
{
    struct stream_part *parts;
    int result = stream_parts_consumers(writer->session, writer->key, group, &parts);

    payload_put_length(writer->out, stream_parts_count(parts));
    for (const struct stream_part *part = parts; part != NULL && result == SDB_OK; part = part->next) {
        payload_put_text(writer->out, &part->consumer.name);
        payload_put_number(writer->out, (uint64_t)part->consumer.seen_ms, 8);
        payload_put_length(writer->out, part->consumer.pending);
        if (part->consumer.pending > 0)
            result = write_pending(writer, group, &part->consumer.name);
    }
    stream_parts_free(parts);
    return result;
}

static int write_groups(struct writer *writer)
{
    struct stream_part *parts;
    int result = stream_parts_groups(writer->session, writer->key, &parts);

    payload_put_length(writer->out, stream_parts_count(parts));
    for (const struct stream_part *part = parts; part != NULL && result == SDB_OK; part = part->next) {
        payload_put_text(writer->out, &part->group.name);
        put_id(writer->out, &part->group.last_id);
        payload_put_length(writer->out, (uint64_t)part->group.entries_read);
        payload_put_length(writer->out, part->group.pending);
        if (part->group.pending > 0)
            result = write_pending(writer, &part->group.name, NULL);
        if (result == SDB_OK)
            result = write_consumers(writer, &part->group.name);
    }
    stream_parts_free(parts);
    return result;
}

int payload_stream_write(struct payload_bytes *out, struct sdb_session *session, const struct sdb_slice *key, uint64_t node_entries)
{
    struct writer writer = {.out = out, .session = session, .key = key, .node_entries = node_entries};
    struct sdb_stream_info info;
    int result = sdb_stream_info(session, key->data, key->size, &info);

    payload_put_number(out, PAYLOAD_STREAM_2, 1);
    if (result == SDB_OK)
        result = write_entries(&writer, &info);
    if (result == SDB_OK)
        result = write_groups(&writer);
    free(writer.nodes.data);
    free(writer.head.data);
    free(writer.entries.data);
    free(writer.fields.data);
    return result;
}
