/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stream_record.c - the bytes of the records that a stream keeps next to its entries
 * Media:   none
 * Holds:   a number has one form, so that a key has one
 * Threads: any
 * Memory:  none
 */
#include "stream_record.h"

#include <string.h>

#define SMALL_MAX 240u

/* ---- numbers ---- */

static size_t put_number(uint8_t *out, uint64_t value)
{
    unsigned bytes;

    if (value <= SMALL_MAX) {
        out[0] = (uint8_t)value;
        return 1;
    }
    bytes = 8 - (unsigned)__builtin_clzll(value) / 8;
    out[0] = (uint8_t)(SMALL_MAX + bytes);
    for (unsigned i = 0; i < bytes; i++)
        out[1 + i] = (uint8_t)(value >> 8 * (bytes - 1 - i));
    return 1 + bytes;
}

/* What is left to read; once something made no sense, nothing does. */
struct reader {
    const uint8_t *at, *end;
    bool bad;
};

static uint64_t get_number(struct reader *reader)
{
    uint64_t value = 0;
    unsigned bytes;

    if (reader->bad || reader->at == reader->end) {
        reader->bad = true;
        return 0;
    }
    if (*reader->at <= SMALL_MAX)
        return *reader->at++;
    bytes = *reader->at++ - SMALL_MAX;
    if (bytes > 8 || bytes > (size_t)(reader->end - reader->at) || *reader->at == 0) {
        reader->bad = true;
        return 0;
    }
    for (; bytes; bytes--)
        value = value << 8 | *reader->at++;
    reader->bad = value <= SMALL_MAX;
    return value;
}

static struct sdb_stream_id get_id(struct reader *reader)
{
    const uint64_t ms = get_number(reader);

    return (struct sdb_stream_id){ms, get_number(reader)};
}

static size_t put_id(uint8_t *out, const struct sdb_stream_id *id)
{
    const size_t n = put_number(out, id->ms);

    return n + put_number(out + n, id->sequence);
}

static struct sdb_slice get_rest(struct reader *reader)
{
    const struct sdb_slice rest = {reader->at, (size_t)(reader->end - reader->at)};

    reader->at = reader->end;
    return rest;
}

/* ---- keys ---- */

size_t stream_record_prefix(enum stream_tag tag, uint64_t group, const uint64_t *consumer, uint8_t head[STREAM_HEAD_MAX])
{
    size_t n = 1;

    head[0] = (uint8_t)tag;
    if (tag >= STREAM_TAG_CONSUMER)
        n += put_number(head + n, group);
    if (consumer)
        n += put_number(head + n, *consumer);
    return n;
}

size_t stream_record_head(const struct stream_record *record, uint8_t head[STREAM_HEAD_MAX])
{
    const bool has_consumer = record->tag == STREAM_TAG_NAME || record->tag == STREAM_TAG_OWNED;
    const size_t n = stream_record_prefix(record->tag, record->group, has_consumer ? &record->consumer : NULL, head);

    return record->tag >= STREAM_TAG_PENDING ? n + put_id(head + n, &record->id) : n;
}

/* ---- elements ---- */

static size_t put_value(const struct stream_record *record, uint8_t *out)
{
    size_t n = 0;

    switch (record->tag) {
    case STREAM_TAG_STREAM:
        n = put_id(out, &record->id);
        n += put_id(out + n, &record->deleted);
        n += put_number(out + n, record->added);
        return n + put_number(out + n, record->next);
    case STREAM_TAG_GROUP:
        n = put_number(out, record->group);
        n += put_id(out + n, &record->id);
        n += put_number(out + n, (uint64_t)record->read + 1);
        return n + put_number(out + n, record->next);
    case STREAM_TAG_CONSUMER:
        n = put_number(out, record->consumer);
        return n + put_number(out + n, (uint64_t)record->time);
    case STREAM_TAG_PENDING:
        n = put_number(out, record->consumer);
        n += put_number(out + n, (uint64_t)record->time);
        return n + put_number(out + n, record->deliveries);
    default:
        return n;
    }
}

void stream_record_write(const struct stream_record *record, struct stream_element *element)
{
    uint8_t head[STREAM_HEAD_MAX];
    const size_t head_size = stream_record_head(record, head);
    const bool has_name = stream_record_is_named(record->tag) || record->tag == STREAM_TAG_NAME;
    size_t n = tree_size_write(element->head, (uint32_t)(head_size + (stream_record_is_named(record->tag) ? record->name.size : 0)));

    memcpy(element->head + n, head, head_size);
    element->parts[0] = (struct sdb_slice){element->head, n + head_size};
    element->parts[1] = has_name ? record->name : (struct sdb_slice){"", 0};
    element->parts[2] = (struct sdb_slice){element->value, put_value(record, element->value)};
}

static void read_key(struct reader *reader, struct stream_record *record)
{
    record->tag = (enum stream_tag)*reader->at++;
    if (record->tag >= STREAM_TAG_CONSUMER)
        record->group = get_number(reader);
    if (record->tag == STREAM_TAG_NAME || record->tag == STREAM_TAG_OWNED)
        record->consumer = get_number(reader);
    if (record->tag >= STREAM_TAG_PENDING)
        record->id = get_id(reader);
    if (stream_record_is_named(record->tag))
        record->name = get_rest(reader);
}

static void read_value(struct reader *reader, struct stream_record *record)
{
    switch (record->tag) {
    case STREAM_TAG_STREAM:
        record->id = get_id(reader);
        record->deleted = get_id(reader);
        record->added = get_number(reader);
        record->next = get_number(reader);
        return;
    case STREAM_TAG_GROUP:
        record->group = get_number(reader);
        record->id = get_id(reader);
        record->read = (int64_t)(get_number(reader) - 1);
        record->next = get_number(reader);
        return;
    case STREAM_TAG_CONSUMER:
        record->consumer = get_number(reader);
        record->time = (int64_t)get_number(reader);
        return;
    case STREAM_TAG_NAME:
        record->name = get_rest(reader);
        return;
    case STREAM_TAG_PENDING:
        record->consumer = get_number(reader);
        record->time = (int64_t)get_number(reader);
        record->deliveries = get_number(reader);
        return;
    case STREAM_TAG_OWNED:
        return;
    default:
        reader->bad = true;
    }
}

bool stream_record_read(const uint8_t *data, size_t size, struct stream_record *record)
{
    uint32_t key_size;
    const size_t n = tree_size_read(data, size, &key_size);
    struct reader key, value;

    *record = (struct stream_record){.name = {"", 0}};
    if (n == 0 || key_size == 0 || key_size > size - n)
        return false;
    key = (struct reader){data + n, data + n + key_size, false};
    value = (struct reader){key.end, data + size, false};
    read_key(&key, record);
    read_value(&value, record);
    return !key.bad && key.at == key.end && !value.bad && value.at == value.end;
}
