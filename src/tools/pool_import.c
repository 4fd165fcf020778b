/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pool_import.c - superdb-pool import: writes what dump wrote into a pool
 *
 * Keys and elements are written in transactions of BATCH_STEPS or BATCH_BYTES, each of which is there as a whole or not at all: where the
 * input is at fault, or the pool is full, or the process is killed, a whole number of batches has been written. To import again is
 * harmless: the same keys get the same values, and a collection begins with nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "import_reader.h"
#include "pool_library.h"
#include "pool_tool.h"

#define BATCH_STEPS 1024u
#define BATCH_BYTES (1u << 20)

struct import {
    const struct tool_options *options;
    const char *source; /* for messages */
    struct sdb_session *session;
    struct import_reader reader;
    uint64_t keys, expired, libraries; /* written durably; and left out, their time having come */
    int64_t batch_keys;               /* in the open transaction */
    uint64_t batch_steps, batch_bytes, batch_expired, batch_libraries;
    int64_t now;
    bool reading; /* the reader failed, not the pool */
};

static int64_t read_descriptor(void *context, void *buffer, size_t size)
{
    ssize_t got;

    do
        got = read(*(const int *)context, buffer, size);
    while (got < 0 && errno == EINTR);
    return got;
}

static int begin(struct import *import)
{
    import->batch_keys = 0;
    import->batch_steps = 0;
    import->batch_bytes = 0;
    import->batch_expired = 0;
    import->batch_libraries = 0;
    return sdb_begin(import->session, NULL, 0);
}

static int commit(struct import *import)
{
    int error = sdb_commit(import->session);

    if (error == SDB_OK) {
        import->keys += (uint64_t)import->batch_keys;
        import->expired += import->batch_expired;
        import->libraries += import->batch_libraries;
    }
    return error;
}

/* A time to live that has come takes the key out again. */
static int put_expiry(struct import *import, const struct import_key *key)
{
    int error = sdb_expire(import->session, key->key.data, key->key.size, key->expire_ms);

    if (error == SDB_OK && key->expire_ms <= import->now) {
        import->batch_expired++;
        import->batch_keys--;
    }
    return error == SDB_ENOTFOUND ? SDB_OK : error;
}

static int put_string(struct import *import, const struct import_key *key)
{
    const struct sdb_set_options options = {.expire_ms = key->expire_ms};

    if (key->expire_ms != 0 && key->expire_ms <= import->now) {
        import->batch_expired++;
        return SDB_OK;
    }
    import->batch_keys++;
    return sdb_set(import->session, key->key.data, key->key.size, key->value.data, key->value.size, &options);
}

static int fill_nothing(void *context, struct sdb_stream_filling *filling)
{
    (void)context;
    (void)filling;
    return SDB_OK;
}

/* A piece of a stream. The first one of a stream that has no entries makes it anew. */
static int put_stream(struct import *import, const struct import_key *key)
{
    struct sdb_session *session = import->session;
    const struct import_stream *s = &key->stream;
    const struct sdb_slice *words = s->words, *name = &key->key;
    const struct sdb_stream_addition entry = {
        .form = SDB_STREAM_ID_GIVEN, .id = s->id, .fields = words + 1, .count = s->count / 2};
    const struct sdb_stream_start start = {.id = s->id, .entries_read = s->read, .flags = SDB_STREAM_MAKE};
    const struct sdb_stream_info info = {.last_id = s->id, .max_deleted_id = s->deleted, .entries_added = s->number};
    struct sdb_stream_pending pending = {.id = s->id, .delivered_ms = s->time, .deliveries = s->number};

    switch (s->item) {
    case IMPORT_EMPTY:
        return sdb_stream_store(session, name->data, name->size, fill_nothing, NULL);
    case IMPORT_ENTRY:
        return sdb_stream_add(session, name->data, name->size, &entry, NULL);
    case IMPORT_GROUP:
        return sdb_stream_group_create(session, name->data, name->size, words[0].data, words[0].size, &start);
    case IMPORT_CONSUMER:
        return sdb_stream_consumer_create(session, name->data, name->size, &words[0], &words[1], s->time, NULL);
    case IMPORT_PENDING:
        pending.consumer = words[1];
        return sdb_stream_pend(session, name->data, name->size, &words[0], &pending);
    default:
        return sdb_stream_set(session, name->data, name->size, &info, SDB_STREAM_SET_ADDED | SDB_STREAM_SET_MAX_DELETED);
    }
}

static int put_library(struct import *import, const struct sdb_slice *code)
{
    size_t written = 0;
    int error = library_import(import->session, code, &written);

    import->batch_libraries++;
    import->batch_bytes += written;
    return error;
}

static int put(struct import *import, const struct import_key *key)
{
    const struct sdb_element element = {key->name, key->value, key->score};
    int error = sdb_select(import->session, key->database);

    import->batch_steps++;
    import->batch_bytes += key->key.size + key->name.size + key->value.size;
    for (size_t i = 0; key->kind == IMPORT_STREAM && i < key->stream.count; i++)
        import->batch_bytes += key->stream.words[i].size;
    if (error != SDB_OK)
        return error;
    switch (key->kind) {
    case IMPORT_ELEMENT:
        return sdb_collection_add(import->session, key->key.data, key->key.size, key->type, &element);
    case IMPORT_DELETE: /* a collection begins */
        import->batch_keys++;
        error = sdb_delete(import->session, key->key.data, key->key.size);
        return error == SDB_ENOTFOUND ? SDB_OK : error;
    case IMPORT_STREAM:
        return put_stream(import, key);
    case IMPORT_LIBRARY:
        return put_library(import, &key->value);
    case IMPORT_EXPIRE:
        return put_expiry(import, key);
    default:
        return put_string(import, key);
    }
}

/* Every key of the input, the open transaction committed at its end, aborted where something is wrong. */
static int import_all(struct import *import)
{
    struct import_key key;
    int error = begin(import), more = 0;

    while (error == SDB_OK && (more = import_reader_next(&import->reader, &key)) > 0) {
        error = put(import, &key);
        if (error == SDB_OK && (import->batch_steps == BATCH_STEPS || import->batch_bytes >= BATCH_BYTES)) {
            error = commit(import);
            if (error == SDB_OK)
                error = begin(import);
        }
    }
    if (error == SDB_OK && more == 0)
        return commit(import);
    import->reading = error == SDB_OK;
    sdb_abort(import->session);
    return error != SDB_OK ? error : more;
}

/* Where in the input it happened, and what is in the pool now. */
static enum tool_status report(const struct import *import, int error)
{
    const struct import_reader *reader = &import->reader;
    const char *path = import->options->path;

    if (import->reading)
        (void)fprintf(stderr, "superdb-pool: %s: line %" PRIu64 ", byte %" PRIu64 ": %s\n", import->source, reader->line,
                      reader->offset, reader->error);
    else
        (void)tool_error(path, error);
    (void)fprintf(stderr, "superdb-pool: %s: %" PRIu64 " keys were imported before %s:%" PRIu64 " (byte %" PRIu64 ")\n", path,
                  import->keys, import->source, reader->line, reader->offset);
    return error == SDB_ECORRUPT ? TOOL_DAMAGED : TOOL_FAILED;
}

static enum tool_status import_into(struct import *import, struct sdb_pool *pool)
{
    int error = sdb_session_open(pool, &import->session);

    if (error != SDB_OK)
        return tool_error(import->options->path, error);
    error = import_all(import);
    sdb_session_close(import->session);
    if (error != SDB_OK)
        return report(import, error);
    if (!import->options->quiet) {
        (void)printf("%s: %" PRIu64 " keys imported, %" PRIu64 " had expired", import->options->path, import->keys, import->expired);
        (void)printf(import->libraries == 0 ? "\n" : "; %" PRIu64 " libraries of functions\n", import->libraries);
    }
    return TOOL_OK;
}

enum tool_status tool_import(const struct tool_options *options)
{
    const bool is_file = options->input != NULL && strcmp(options->input, "-") != 0;
    struct import import = {.options = options, .source = is_file ? options->input : "standard input", .now = clock_ms()};
    struct sdb_options open_options = SDB_OPTIONS_INIT;
    struct sdb_pool *pool;
    int input = is_file ? open(options->input, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;

    if (input < 0) {
        (void)fprintf(stderr, "superdb-pool: %s: %s\n", import.source, strerror(errno));
        return TOOL_FAILED;
    }
    enum tool_status status;
    open_options.cache_size = 0;
    int error = sdb_open(options->path, &open_options, &pool);
    if (error != SDB_OK) {
        status = tool_error(options->path, error);
    } else {
        import_reader_init(&import.reader, read_descriptor, &input);
        status = import_into(&import, pool);
        import_reader_free(&import.reader);
        error = sdb_close(pool);
        if (error != SDB_OK && status == TOOL_OK)
            status = tool_error(options->path, error);
    }
    if (is_file)
        (void)close(input);
    return status;
}
