/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dump_stream.c - superdb-pool dump: streams, with their groups (import_stream.h says what they are dumped in)
 *
 * As commands two things are left out that Redis has no command for: what is pending of entries that are gone, and when consumers were seen.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "import_stream.h"
#include "number.h"
#include "pool_dump.h"

#define ID_TEXT_SIZE (2 * NUMBER_TEXT_SIZE + 1)

/* Names and what is pending: noted while they are shown, since nothing else can be asked meanwhile. */
struct notes {
    struct note {
        struct sdb_slice name; /* a copy */
        struct sdb_stream_id id;
        int64_t number, time;
    } * items;
    size_t count, capacity;
    bool failed;
};

struct stream {
    struct dump *dump;
    const struct sdb_slice *key;
    bool resp;
};

/* ---- notes ---- */

static struct note *add(struct notes *notes, const struct sdb_slice *name)
{
    char *copy = malloc(name->size + 1);

    if (notes->count == notes->capacity) {
        const size_t capacity = notes->capacity ? notes->capacity * 2 : 16;
        struct note *items = realloc(notes->items, capacity * sizeof(*items));

        if (items != NULL) {
            notes->items = items;
            notes->capacity = capacity;
        }
    }
    if (copy == NULL || notes->count == notes->capacity) {
        free(copy);
        notes->failed = true;
        return NULL;
    }
    if (name->size)
        memcpy(copy, name->data, name->size);
    struct note *note = &notes->items[notes->count++];
    *note = (struct note){.name.size = name->size};
    note->name.data = copy;
    return note;
}

static void clear(struct notes *notes)
{
    for (size_t i = 0; i < notes->count; i++)
        free((void *)(uintptr_t)notes->items[i].name.data);
    free(notes->items);
    *notes = (struct notes){.count = 0};
}

static int note_group(void *context, const struct sdb_stream_group *group)
{
    struct note *note = add(context, &group->name);

    if (note != NULL) {
        note->id = group->last_id;
        note->number = group->entries_read;
    }
    return note == NULL;
}

static int note_consumer(void *context, const struct sdb_stream_consumer *consumer)
{
    struct note *note = add(context, &consumer->name);

    if (note != NULL)
        note->time = consumer->seen_ms;
    return note == NULL;
}

static int note_pending(void *context, const struct sdb_stream_pending *pending)
{
    struct note *note = add(context, &(struct sdb_slice){"", 0});

    if (note != NULL) {
        note->id = pending->id;
        note->time = pending->delivered_ms;
        note->number = (int64_t)pending->deliveries;
    }
    return note == NULL;
}

/* ---- words ---- */

static void word(const struct stream *s, const char *text)
{
    dump_part(s->dump, text, strlen(text));
}

/* A word that only a command has. */
static void command_word(const struct stream *s, const char *text)
{
    if (s->resp)
        word(s, text);
}

static void slice(const struct stream *s, const struct sdb_slice *slice)
{
    dump_part(s->dump, slice->data, slice->size);
}

static void number(const struct stream *s, int64_t value)
{
    char text[NUMBER_TEXT_SIZE];

    dump_part(s->dump, text, number_format_i64(text, value));
}

static void large_number(const struct stream *s, uint64_t value)
{
    char text[NUMBER_TEXT_SIZE];

    dump_part(s->dump, text, number_format_u64(text, value));
}

static void id(const struct stream *s, const struct sdb_stream_id *id)
{
    char text[ID_TEXT_SIZE];
    size_t size = number_format_u64(text, id->ms);

    text[size++] = '-';
    size += number_format_u64(text + size, id->sequence);
    dump_part(s->dump, text, size);
}

/* The beginning of a piece: a line, or a command of so many words. */
static void begin(const struct stream *s, enum import_item item, size_t words, const char *command, const char *subcommand)
{
    char name[32];

    if (s->resp) {
        dump_command(s->dump, words, command);
        if (subcommand != NULL)
            word(s, subcommand);
        slice(s, s->key);
        return;
    }
    (void)snprintf(name, sizeof(name), "stream %s", import_item_names[item]);
    dump_line(s->dump, s->key, name);
}

/* ---- pieces ---- */

static void print_empty(const struct stream *s)
{
    begin(s, IMPORT_EMPTY, 7, "XADD", NULL);
    command_word(s, "MAXLEN");
    command_word(s, "0");
    command_word(s, "0-1");
    command_word(s, "");
    command_word(s, "");
    dump_end(s->dump);
}

static int print_entry(void *context, const struct sdb_stream_entry *entry)
{
    const struct stream *s = context;
    struct sdb_slice field, value;
    size_t at = 0;

    begin(s, IMPORT_ENTRY, 3 + 2 * (size_t)entry->count, "XADD", NULL);
    id(s, &entry->id);
    while (sdb_stream_field(entry, &at, &field, &value)) {
        slice(s, &field);
        slice(s, &value);
    }
    dump_end(s->dump);
    return ferror(stdout);
}

static void print_group(const struct stream *s, const struct note *group)
{
    begin(s, IMPORT_GROUP, 8, "XGROUP", "CREATE");
    slice(s, &group->name);
    id(s, &group->id);
    command_word(s, "MKSTREAM");
    command_word(s, "ENTRIESREAD");
    number(s, group->number);
    dump_end(s->dump);
}

static void print_consumer(const struct stream *s, const struct note *group, const struct note *consumer)
{
    begin(s, IMPORT_CONSUMER, 5, "XGROUP", "CREATECONSUMER");
    slice(s, &group->name);
    slice(s, &consumer->name);
    if (!s->resp)
        number(s, consumer->time);
    dump_end(s->dump);
}

static void print_pending(const struct stream *s, const struct note *group, const struct note *consumer, const struct note *pending)
{
    begin(s, IMPORT_PENDING, 12, "XCLAIM", NULL);
    slice(s, &group->name);
    slice(s, &consumer->name);
    command_word(s, "0");
    id(s, &pending->id);
    command_word(s, "TIME");
    number(s, pending->time);
    command_word(s, "RETRYCOUNT");
    large_number(s, (uint64_t)pending->number);
    command_word(s, "FORCE");
    command_word(s, "JUSTID");
    dump_end(s->dump);
}

static void print_ids(const struct stream *s, const struct sdb_stream_info *info)
{
    begin(s, IMPORT_IDS, 7, "XSETID", NULL);
    id(s, &info->last_id);
    if (s->resp) { /* in another order */
        word(s, "ENTRIESADDED");
        large_number(s, info->entries_added);
        word(s, "MAXDELETEDID");
    }
    id(s, &info->max_deleted_id);
    if (!s->resp)
        large_number(s, info->entries_added);
    dump_end(s->dump);
}

/* ---- the stream ---- */

static int is_there(void *context, const struct sdb_stream_entry *entry)
{
    (void)entry;
    *(bool *)context = true;
    return 1;
}

static int dump_pending(const struct stream *s, const struct note *group, const struct note *consumer)
{
    const struct sdb_stream_pending_range range = {
        .group = group->name, .consumer = consumer->name, .last = SDB_STREAM_ID_MAX, .count = UINT64_MAX};
    struct notes pending = {.count = 0};
    int error = sdb_stream_pending(s->dump->session, s->key->data, s->key->size, &range, note_pending, &pending);

    for (size_t i = 0; i < pending.count && !error && !ferror(stdout); i++) {
        const struct note *one = &pending.items[i];
        const struct sdb_stream_range entry = {one->id, one->id, 0, 1};
        bool there = !s->resp;

        if (!there)
            error = sdb_stream_range(s->dump->session, s->key->data, s->key->size, &entry, is_there, &there);
        if (!error && there)
            print_pending(s, group, consumer, one);
    }
    if (!error && pending.failed)
        error = SDB_ENOMEM;
    clear(&pending);
    return error;
}

static int dump_group(const struct stream *s, const struct note *group)
{
    struct notes consumers = {.count = 0};
    int error;

    print_group(s, group);
    error = sdb_stream_consumers(s->dump->session, s->key->data, s->key->size, &group->name, note_consumer, &consumers);
    for (size_t i = 0; i < consumers.count && !error; i++) {
        print_consumer(s, group, &consumers.items[i]);
        error = dump_pending(s, group, &consumers.items[i]);
    }
    if (!error && consumers.failed)
        error = SDB_ENOMEM;
    clear(&consumers);
    return error;
}

int dump_stream(struct dump *dump, const struct sdb_slice *key)
{
    struct stream s = {dump, key, dump->options->format == TOOL_FORMAT_RESP};
    const struct sdb_stream_range all = {SDB_STREAM_ID_MIN, SDB_STREAM_ID_MAX, 0, UINT64_MAX};
    struct notes groups = {.count = 0};
    struct sdb_stream_info info;
    int error = sdb_stream_info(dump->session, key->data, key->size, &info);

    if (error)
        return error;
    if (info.length == 0)
        print_empty(&s);
    error = sdb_stream_range(dump->session, key->data, key->size, &all, print_entry, &s);
    if (!error)
        error = sdb_stream_groups(dump->session, key->data, key->size, note_group, &groups);
    for (size_t i = 0; i < groups.count && !error; i++)
        error = dump_group(&s, &groups.items[i]);
    if (!error && groups.failed)
        error = SDB_ENOMEM;
    clear(&groups);
    if (!error)
        print_ids(&s, &info);
    return error;
}
