/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pool_dump.c - superdb-pool dump: every key with value and time to live, as text or as commands
 *
 * Damage costs the keys that it hit: they are named on stderr, everything else is dumped, and the exit status tells.
 * The entries are walked, not the index: what is wrong with that, `check` tells. Libraries of functions come first.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "number.h"
#include "pool_dump.h"
#include "pool_library.h"

#define SCAN_EFFORT 4096u

static void print_quoted(const void *data, size_t size)
{
    const unsigned char *bytes = data;

    (void)putchar('"');
    for (size_t i = 0; i < size; i++) {
        switch (bytes[i]) {
        case '"':
        case '\\':
            (void)printf("\\%c", bytes[i]);
            break;
        case '\n':
            (void)fputs("\\n", stdout);
            break;
        case '\r':
            (void)fputs("\\r", stdout);
            break;
        case '\t':
            (void)fputs("\\t", stdout);
            break;
        default:
            if (bytes[i] >= ' ' && bytes[i] < 127)
                (void)putchar(bytes[i]);
            else
                (void)printf("\\x%02x", bytes[i]);
        }
    }
    (void)putchar('"');
}

static void print_bulk(const void *data, size_t size)
{
    (void)printf("$%zu\r\n", size);
    (void)fwrite(data, 1, size, stdout);
    (void)fputs("\r\n", stdout);
}

static void print_text(const struct dump *dump, const struct sdb_slice *key, const struct sdb_view *view)
{
    (void)printf("%" PRIu32 " ", dump->database);
    print_quoted(key->data, key->size);
    (void)putchar(' ');
    print_quoted(view->data, view->size);
    (void)printf(" %" PRId64 "\n", view->expire_ms);
}

static void print_select(struct dump *dump)
{
    char number[NUMBER_TEXT_SIZE];
    size_t size;

    if (!dump->selected) {
        (void)fputs("*2\r\n$6\r\nSELECT\r\n", stdout);
        size = number_format_u64(number, dump->database);
        print_bulk(number, size);
        dump->selected = true;
    }
}

static void print_resp(struct dump *dump, const struct sdb_slice *key, const struct sdb_view *view)
{
    char number[NUMBER_TEXT_SIZE];
    size_t size;

    print_select(dump);
    (void)fputs(view->expire_ms != 0 ? "*5\r\n$3\r\nSET\r\n" : "*3\r\n$3\r\nSET\r\n", stdout);
    print_bulk(key->data, key->size);
    print_bulk(view->data, view->size);
    if (view->expire_ms != 0) {
        (void)fputs("$4\r\nPXAT\r\n", stdout);
        size = number_format_i64(number, view->expire_ms);
        print_bulk(number, size);
    }
}

/* ---- collections: see import_reader.h ---- */

struct elements {
    struct dump *dump;
    const struct sdb_scan_item *item;
};

void dump_command(struct dump *dump, size_t words, const char *command)
{
    print_select(dump);
    (void)printf("*%zu\r\n", words);
    print_bulk(command, strlen(command));
}

void dump_line(struct dump *dump, const struct sdb_slice *key, const char *word)
{
    (void)printf("%" PRIu32 " ", dump->database);
    print_quoted(key->data, key->size);
    (void)printf(" %s", word);
}

/* The beginning of a line, or a command of so many words, of which the key is the second. */
static void begin(struct dump *dump, const struct sdb_slice *key, unsigned words, const char *command, const char *word)
{
    if (dump->options->format != TOOL_FORMAT_RESP) {
        dump_line(dump, key, word);
        return;
    }
    dump_command(dump, words, command);
    print_bulk(key->data, key->size);
}

void dump_part(const struct dump *dump, const void *data, size_t size)
{
    if (dump->options->format == TOOL_FORMAT_RESP) {
        print_bulk(data, size);
        return;
    }
    (void)putchar(' ');
    print_quoted(data, size);
}

void dump_end(const struct dump *dump)
{
    if (dump->options->format != TOOL_FORMAT_RESP)
        (void)putchar('\n');
}

static int print_element(void *context, const struct sdb_element *element)
{
    const struct elements *elements = context;
    struct dump *dump = elements->dump;
    const struct sdb_slice *key = &elements->item->key;
    char score[64];
    const size_t score_size = (size_t)snprintf(score, sizeof(score), "%.17g", element->score);

    switch (elements->item->type) {
    case SDB_TYPE_HASH:
        begin(dump, key, 4, "HSET", "hash");
        dump_part(dump, element->name.data, element->name.size);
        dump_part(dump, element->value.data, element->value.size);
        break;
    case SDB_TYPE_ZSET:
        begin(dump, key, 4, "ZADD", "zset");
        if (dump->options->format == TOOL_FORMAT_RESP)
            dump_part(dump, score, score_size);
        dump_part(dump, element->name.data, element->name.size);
        if (dump->options->format != TOOL_FORMAT_RESP)
            dump_part(dump, score, score_size);
        break;
    case SDB_TYPE_SET:
        begin(dump, key, 3, "SADD", "set");
        dump_part(dump, element->name.data, element->name.size);
        break;
    default:
        begin(dump, key, 3, "RPUSH", "list");
        dump_part(dump, element->name.data, element->name.size);
    }
    dump_end(dump);
    return ferror(stdout);
}

static int dump_collection(struct dump *dump, const struct sdb_scan_item *item)
{
    struct elements elements = {dump, item};
    char number[NUMBER_TEXT_SIZE];
    int error;

    begin(dump, &item->key, 2, "DEL", "delete");
    dump_end(dump);
    error = item->type == SDB_TYPE_STREAM
                ? dump_stream(dump, &item->key)
                : sdb_collection_each(dump->session, item->key.data, item->key.size, item->type, print_element, &elements);
    if (item->expire_ms != 0) {
        const size_t size = number_format_i64(number, item->expire_ms);

        begin(dump, &item->key, 3, "PEXPIREAT", "expire ");
        if (dump->options->format == TOOL_FORMAT_RESP)
            print_bulk(number, size);
        else
            (void)fwrite(number, 1, size, stdout);
        dump_end(dump);
    }
    return error;
}

static void report_damage(struct dump *dump, const struct sdb_slice *key)
{
    dump->damaged = true;
    (void)fprintf(stderr, "superdb-pool: %s: %s", dump->options->path, sdb_last_error());
    if (key != NULL)
        (void)fprintf(stderr, " (key of %zu bytes: %.*s)", key->size, key->size > 64 ? 64 : (int)key->size,
                      (const char *)key->data);
    (void)fputc('\n', stderr);
}

/* What has expired and was not swept yet counts, and is not shown. */
static bool is_expired(const struct dump *dump, int64_t expire_ms)
{
    return expire_ms != 0 && expire_ms <= dump->now;
}

static void visit_string(struct dump *dump, const struct sdb_scan_item *item, const struct sdb_view *view)
{
    if (!is_expired(dump, view->expire_ms) && dump->options->format == TOOL_FORMAT_RESP)
        print_resp(dump, &item->key, view);
    else if (!is_expired(dump, view->expire_ms))
        print_text(dump, &item->key, view);
}

static int visit(void *context, const struct sdb_scan_item *item)
{
    struct dump *dump = context;
    struct sdb_view view;

    /* By handle, so that a key to which a damaged index does not lead any more is dumped all the same. */
    int error = item->type == SDB_TYPE_STRING ? sdb_view_by_handle(dump->session, item->handle, &view) : SDB_ETYPE;
    const bool is_string = error == SDB_OK;
    if (error == SDB_ETYPE)
        error = is_expired(dump, item->expire_ms) ? SDB_OK : dump_collection(dump, item);
    if (error == SDB_ECORRUPT || error == SDB_ESTALE || error == SDB_ENOTFOUND) {
        report_damage(dump, &item->key);
        return 0;
    }
    if (error != SDB_OK) {
        dump->error = error;
        return 1;
    }
    dump->visited++;
    if (is_string) {
        visit_string(dump, item, &view);
        sdb_view_release(dump->session, &view);
    }
    return ferror(stdout);
}

/*
 * Keys that the pool counts and that were not met: their entries are lost, though nothing is wrong with what is
 * there.
 */
static int compare_count(struct dump *dump)
{
    uint64_t count = 0;

    int error = sdb_count(dump->session, &count);
    if (error == SDB_ECORRUPT) {
        report_damage(dump, NULL);
        return SDB_OK;
    }
    if (error == SDB_OK && count > dump->visited) {
        dump->damaged = true;
        (void)fprintf(stderr, "superdb-pool: %s: %" PRIu64 " keys of database %" PRIu32 " are missing\n",
                      dump->options->path, count - dump->visited, dump->database);
    }
    return error;
}

static int dump_database(struct dump *dump, uint32_t database)
{
    uint64_t cursor = 0;

    dump->database = database;
    dump->selected = false;
    dump->visited = 0;
    int error = sdb_select(dump->session, database);
    if (error != SDB_OK)
        return error;
    do {
        error = sdb_scan(dump->session, &cursor, SCAN_EFFORT, visit, dump);
        if (error == SDB_ECORRUPT)
            report_damage(dump, NULL);
        else if (error != SDB_OK)
            return error;
        if (dump->error != SDB_OK || ferror(stdout))
            return dump->error;
    } while (cursor != 0);
    return compare_count(dump);
}

static int dump_all(struct dump *dump)
{
    int error = dump_libraries(dump);

    if (error == SDB_ECORRUPT) {
        report_damage(dump, NULL);
        error = SDB_OK;
    }
    for (uint32_t i = 0; i < SDB_DATABASES && error == SDB_OK; i++)
        error = dump_database(dump, i);
    return error;
}

enum tool_status tool_dump(const struct tool_options *options)
{
    struct dump dump = {.options = options, .now = clock_ms()};
    struct sdb_pool *pool;

    int error = tool_open(options->path, options->durability, &pool);
    if (error != SDB_OK)
        return tool_error(options->path, error);
    (void)setvbuf(stdout, NULL, _IOFBF, 1u << 20);
    error = sdb_session_open(pool, &dump.session);
    if (error == SDB_OK) {
        sdb_session_set_time(dump.session,
                             1); /* a time at which nothing had expired: every key is visited, and counted */
        error = options->database >= 0 ? dump_database(&dump, (uint32_t)options->database) : dump_all(&dump);
        sdb_session_close(dump.session);
    }
    enum tool_status status = dump.damaged ? TOOL_DAMAGED : TOOL_OK;
    if (error != SDB_OK)
        status = tool_error(options->path, error);
    error = sdb_close(pool);
    if (error != SDB_OK && status == TOOL_OK)
        status = tool_error(options->path, error);
    return status;
}
