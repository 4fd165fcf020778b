/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * import_reader.c - reads what `superdb-pool dump` writes
 *
 * A key's parts are taken one after another: `at` is how far into the unread bytes the parse came. `fill` may move the buffer,
 * so that parts are kept as offsets from `start` until the key is complete.
 */
#include "import_reader.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "library.h"
#include "number.h"

#define READ_SIZE 65536u
#define HEADER_SIZE_MAX 32u /* of a line "$1234\r\n" */
#define WORDS_MAX (1 << 24)
#define WORD_SIZE_MAX 16u
#define SCORE_SIZE_MAX 64u

enum format { FORMAT_UNKNOWN = 0, FORMAT_TEXT, FORMAT_COMMANDS };

/* Types that have elements. */
struct element_type {
    const char *name, *command;
    uint32_t type;
    bool second; /* an element has a value, or a score */
};
static const struct element_type element_types[] = {
    {"hash", "HSET", SDB_TYPE_HASH, true},
    {"list", "RPUSH", SDB_TYPE_LIST, false},
    {"set", "SADD", SDB_TYPE_SET, false},
    {"zset", "ZADD", SDB_TYPE_ZSET, true},
};

/* What was read of a key. */
struct parts {
    enum import_kind kind;
    const struct element_type *type; /* NULL: a string */
    struct import_part key, name, value;
    int64_t expire_ms;
    int item;     /* of a stream */
    size_t words; /* that it has: the reader's */
};

void import_reader_init(struct import_reader *reader, import_read *read, void *context)
{
    memset(reader, 0, sizeof(*reader));
    reader->read = read;
    reader->context = context;
    reader->lines = 1;
}

void import_reader_free(struct import_reader *reader)
{
    free(reader->buffer);
    free(reader->words);
    free(reader->slices);
    memset(reader, 0, sizeof(*reader));
}

static int fail(struct import_reader *reader, int error, const char *format, ...) __attribute__((format(printf, 3, 4)));

static int fail(struct import_reader *reader, int error, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(reader->error, sizeof(reader->error), format, arguments);
    va_end(arguments);
    return error;
}

/* ---- bytes ------------------------------------------------------------------------------------------------------ */

static int make_room(struct import_reader *reader)
{
    if (reader->start > 0) {
        memmove(reader->buffer, reader->buffer + reader->start, reader->end - reader->start);
        reader->end -= reader->start;
        reader->start = 0;
    }
    if (reader->capacity - reader->end >= READ_SIZE)
        return SDB_OK;
    size_t capacity = reader->capacity * 2 > READ_SIZE * 2 ? reader->capacity * 2 : READ_SIZE * 2;
    uint8_t *buffer = realloc(reader->buffer, capacity);
    if (buffer == NULL)
        return fail(reader, SDB_ENOMEM, "no memory for a key and value of %zu bytes and more", reader->end);
    reader->buffer = buffer;
    reader->capacity = capacity;
    return SDB_OK;
}

/* Makes sure that count unread bytes are there. 1; 0: the input ends before; or an error. */
static int fill(struct import_reader *reader, size_t count)
{
    while (reader->end - reader->start < count) {
        if (reader->ended)
            return 0;
        int error = make_room(reader);
        if (error != SDB_OK)
            return error;
        int64_t got = reader->read(reader->context, reader->buffer + reader->end, reader->capacity - reader->end);
        if (got < 0)
            return fail(reader, SDB_EIO, "reading failed: %s", strerror(errno));
        reader->ended = got == 0;
        reader->end += (size_t)got;
    }
    return 1;
}

/* As fill, where the end is an error. */
static int need(struct import_reader *reader, size_t count)
{
    int result = fill(reader, count);

    return result == 0 ? fail(reader, SDB_EFORMAT, "the input ends in the middle of a key") : result;
}

static uint8_t byte_at(const struct import_reader *reader, size_t at)
{
    return reader->buffer[reader->start + at];
}

static const char *text_at(const struct import_reader *reader, size_t at)
{
    return (const char *)reader->buffer + reader->start + at;
}

static void take(struct import_reader *reader, size_t size)
{
    reader->start += size;
    reader->taken += size;
}

static struct sdb_slice slice_of(const struct import_reader *reader, struct import_part part)
{
    return (struct sdb_slice){reader->buffer + reader->start + part.at, part.size};
}

static int add_word(struct import_reader *reader, size_t *count, struct import_part word)
{
    if (*count == reader->words_capacity) {
        const size_t capacity = reader->words_capacity ? reader->words_capacity * 2 : 64;
        struct import_part *words = realloc(reader->words, capacity * sizeof(*words));
        struct sdb_slice *slices;

        if (words != NULL)
            reader->words = words;
        slices = words != NULL ? realloc(reader->slices, capacity * sizeof(*slices)) : NULL;
        if (slices == NULL)
            return fail(reader, SDB_ENOMEM, "no memory for %zu words", capacity);
        reader->slices = slices;
        reader->words_capacity = capacity;
    }
    reader->words[(*count)++] = word;
    return 1;
}

/* ---- what both formats say ---------------------------------------------------------------------------------------- */

static bool is_word(const struct import_reader *reader, struct import_part part, const char *word)
{
    return part.size == strlen(word) && memcmp(text_at(reader, part.at), word, part.size) == 0;
}

static const struct element_type *element_type_of(const struct import_reader *reader, struct import_part word, int command)
{
    for (size_t i = 0; i < sizeof(element_types) / sizeof(element_types[0]); i++)
        if (is_word(reader, word, command ? element_types[i].command : element_types[i].name))
            return &element_types[i];
    return NULL;
}

static bool parse_score(const struct import_reader *reader, struct import_part part, double *score)
{
    char text[SCORE_SIZE_MAX + 1], *end;

    if (part.size == 0 || part.size > SCORE_SIZE_MAX)
        return false;
    memcpy(text, text_at(reader, part.at), part.size);
    text[part.size] = '\0';
    *score = strtod(text, &end);
    return end == text + part.size && *score == *score && strchr("-.0123456789i", text[0]) != NULL;
}

/* The words, as slices: the bytes stay where they are from now on. */
static void slice_words(struct import_reader *reader, size_t count)
{
    for (size_t i = 0; i < count; i++)
        reader->slices[i] = slice_of(reader, reader->words[i]);
}

static int stream_of(struct import_reader *reader, int item, size_t words, struct import_key *key)
{
    key->kind = IMPORT_STREAM;
    key->type = SDB_TYPE_STREAM;
    key->stream = (struct import_stream){.item = (enum import_item)item, .words = reader->slices, .count = words};
    if (!import_stream_read(&key->stream))
        return fail(reader, SDB_EFORMAT, "the words of a stream's %s make no sense", import_item_names[item]);
    return 1;
}

static int library_of(struct import_reader *reader, struct import_part code, struct import_key *key)
{
    char name[LIBRARY_NAME_SIZE], error[LIBRARY_ERROR_SIZE];

    *key = (struct import_key){.kind = IMPORT_LIBRARY, .type = SDB_TYPE_STRING, .value = slice_of(reader, code)};
    if (!library_name(key->value.data, code.size, name, sizeof(name), error))
        return fail(reader, SDB_EFORMAT, "no library: %s", error);
    return 1;
}

static int key_of(struct import_reader *reader, uint32_t database, const struct parts *parts, struct import_key *key)
{
    *key = (struct import_key){.kind = parts->kind,
                               .type = parts->type ? parts->type->type : SDB_TYPE_STRING,
                               .database = database,
                               .key = slice_of(reader, parts->key),
                               .name = slice_of(reader, parts->name),
                               .value = slice_of(reader, parts->value),
                               .expire_ms = parts->expire_ms};
    if (key->type == SDB_TYPE_ZSET && !parse_score(reader, parts->value, &key->score))
        return fail(reader, SDB_EFORMAT, "a score is no number");
    if (parts->kind != IMPORT_STREAM)
        return 1;
    slice_words(reader, parts->words);
    return stream_of(reader, parts->item, parts->words, key);
}

/* ---- text ------------------------------------------------------------------------------------------------------- */

/* A number and the byte behind it. */
static int text_number(struct import_reader *reader, size_t *at, char behind, int64_t *number)
{
    size_t size = 0;

    for (;; size++) {
        int result = fill(reader, *at + size + 1);

        if (result < 0)
            return result;
        if (result == 0 || size == NUMBER_TEXT_SIZE || byte_at(reader, *at + size) == (uint8_t)behind)
            break;
    }
    /* The last line may lack its end. */
    bool complete = *at + size < reader->end - reader->start ? byte_at(reader, *at + size) == (uint8_t)behind : behind == '\n';
    if (!complete || !number_parse_i64(text_at(reader, *at), size, number))
        return fail(reader, SDB_EFORMAT, "a number is expected at byte %llu", (unsigned long long)(reader->taken + *at));
    *at += size + (*at + size < reader->end - reader->start);
    return 1;
}

static int hex_digit(uint8_t byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

/* What stands behind a backslash at `at`; moves it behind that. */
static int unescape(struct import_reader *reader, size_t *at, uint8_t *byte)
{
    static const char names[] = "nrt\"\\", bytes[] = "\n\r\t\"\\";
    int result = need(reader, *at + 1);

    if (result < 0)
        return result;
    uint8_t name = byte_at(reader, (*at)++);
    const char *known = name == 0 ? NULL : strchr(names, name);
    if (known != NULL) {
        *byte = (uint8_t)bytes[known - names];
        return 1;
    }
    if (name == 'x') {
        result = need(reader, *at + 2);
        if (result < 0)
            return result;
        int high = hex_digit(byte_at(reader, *at)), low = hex_digit(byte_at(reader, *at + 1));
        *at += 2;
        if (high >= 0 && low >= 0) {
            *byte = (uint8_t)(high * 16 + low);
            return 1;
        }
    }
    return fail(reader, SDB_EFORMAT, "an unknown escape at byte %llu", (unsigned long long)(reader->taken + *at));
}

/* The byte behind a part: a blank, or the end of the line, which the last line may lack. */
static int text_behind(struct import_reader *reader, size_t *at, char behind)
{
    int result = behind == '\n' ? fill(reader, *at + 1) : need(reader, *at + 1);

    if (result < 0)
        return result;
    if (result > 0 && byte_at(reader, *at) != (uint8_t)behind)
        return fail(reader, SDB_EFORMAT, behind == ' ' ? "a blank is expected at byte %llu" : "the line's end is expected at byte %llu",
                    (unsigned long long)(reader->taken + *at));
    *at += (size_t)result;
    return 1;
}

/* A quoted part, unquoted in place (it never becomes longer). */
static int text_quotes(struct import_reader *reader, size_t *at, size_t size_max, const char *what, struct import_part *part)
{
    int result = need(reader, *at + 1);

    if (result < 0)
        return result;
    if (byte_at(reader, *at) != '"')
        return fail(reader, SDB_EFORMAT, "a quote is expected at byte %llu", (unsigned long long)(reader->taken + *at));
    *part = (struct import_part){++*at, 0};
    for (;;) {
        result = need(reader, *at + 1);
        if (result < 0)
            return result;
        uint8_t byte = byte_at(reader, (*at)++);
        if (byte == '"')
            break;
        if (byte < ' ' || byte > '~')
            return fail(reader, SDB_EFORMAT, "a byte 0x%02x that is not escaped, at byte %llu", byte,
                        (unsigned long long)(reader->taken + *at - 1));
        if (byte == '\\') {
            result = unescape(reader, at, &byte);
            if (result < 0)
                return result;
        }
        if (part->size == size_max)
            return fail(reader, SDB_ETOOBIG, "a %s of more than %zu bytes", what, size_max);
        reader->buffer[reader->start + part->at + part->size++] = byte;
    }
    return 1;
}

/* The same, and the byte behind it. */
static int text_quoted(struct import_reader *reader, size_t *at, char behind, size_t size_max, const char *what, struct import_part *part)
{
    const int result = text_quotes(reader, at, size_max, what, part);

    return result < 0 ? result : text_behind(reader, at, behind);
}

static int text_element(struct import_reader *reader, size_t *at, const struct element_type *type, struct parts *parts)
{
    int result = text_quoted(reader, at, type->second ? ' ' : '\n', SDB_ELEMENT_SIZE_MAX, "element", &parts->name);

    parts->kind = IMPORT_ELEMENT;
    parts->type = type;
    if (result > 0 && type->second)
        result = text_quoted(reader, at, '\n', SDB_ELEMENT_SIZE_MAX, "value", &parts->value);
    return result;
}

/* A word that is not quoted. */
static int text_bare(struct import_reader *reader, size_t *at, struct import_part *word)
{
    int result;

    *word = (struct import_part){*at, 0};
    while ((result = fill(reader, *at + 1)) > 0 && byte_at(reader, *at) != ' ' && byte_at(reader, *at) != '\n' && word->size < WORD_SIZE_MAX) {
        word->size++;
        ++*at;
    }
    return result < 0 ? result : 1;
}

/* A line of a stream: what it is, and quoted words. */
static int text_stream(struct import_reader *reader, size_t *at, struct parts *parts)
{
    struct import_part word;
    int result = text_bare(reader, at, &word);

    parts->kind = IMPORT_STREAM;
    for (parts->item = 0; result > 0 && parts->item < IMPORT_ITEMS; parts->item++)
        if (is_word(reader, word, import_item_names[parts->item]))
            break;
    if (result > 0 && parts->item == IMPORT_ITEMS)
        return fail(reader, SDB_EFORMAT, "a part of a stream is expected at byte %llu", (unsigned long long)(reader->taken + word.at));
    while (result > 0 && (result = fill(reader, *at + 1)) > 0 && byte_at(reader, *at) == ' ') {
        ++*at;
        result = text_quotes(reader, at, SDB_ELEMENT_SIZE_MAX, "word", &word);
        if (result > 0)
            result = add_word(reader, &parts->words, word);
    }
    return result < 0 ? result : text_behind(reader, at, '\n');
}

/* What stands behind the key, where it is no value. */
static int text_word(struct import_reader *reader, size_t *at, struct parts *parts)
{
    struct import_part word;
    int result = text_bare(reader, at, &word);

    if (result < 0)
        return result;
    if (is_word(reader, word, "delete")) {
        parts->kind = IMPORT_DELETE;
        return text_behind(reader, at, '\n');
    }
    const struct element_type *type = element_type_of(reader, word, 0);
    const bool is_stream = is_word(reader, word, "stream");
    if (type == NULL && !is_stream && !is_word(reader, word, "expire"))
        return fail(reader, SDB_EFORMAT, "a value or a type is expected at byte %llu", (unsigned long long)(reader->taken + word.at));
    result = text_behind(reader, at, ' ');
    if (result < 0)
        return result;
    if (is_stream)
        return text_stream(reader, at, parts);
    if (type != NULL)
        return text_element(reader, at, type, parts);
    parts->kind = IMPORT_EXPIRE;
    return text_number(reader, at, '\n', &parts->expire_ms);
}

/* A line that is none of a database's. */
static int text_library(struct import_reader *reader, struct import_key *key, size_t *size)
{
    struct import_part word;
    size_t at = 0;
    int result = text_bare(reader, &at, &word);

    if (result > 0 && !is_word(reader, word, "library"))
        return fail(reader, SDB_EFORMAT, "a number is expected at byte %llu", (unsigned long long)reader->taken);
    if (result > 0)
        result = text_behind(reader, &at, ' ');
    if (result > 0)
        result = text_quoted(reader, &at, '\n', SDB_VALUE_SIZE_MAX, "library", &word);
    if (result < 0)
        return result;
    *size = at;
    reader->lines++;
    return library_of(reader, word, key);
}

static int next_text(struct import_reader *reader, struct import_key *key, size_t *size)
{
    struct parts parts = {0};
    int64_t database = 0;
    size_t at = 0;
    int result;

    if (byte_at(reader, 0) == 'l')
        return text_library(reader, key, size);
    result = text_number(reader, &at, ' ', &database);
    if (result < 0)
        return result;
    if (database < 0 || database >= (int64_t)SDB_DATABASES)
        return fail(reader, SDB_EFORMAT, "there is no database %lld", (long long)database);
    result = text_quoted(reader, &at, ' ', SDB_KEY_SIZE_MAX, "key", &parts.key);
    if (result > 0)
        result = need(reader, at + 1);
    if (result > 0 && byte_at(reader, at) == '"') {
        result = text_quoted(reader, &at, ' ', SDB_VALUE_SIZE_MAX, "value", &parts.value);
        if (result > 0)
            result = text_number(reader, &at, '\n', &parts.expire_ms);
    } else if (result > 0) {
        result = text_word(reader, &at, &parts);
    }
    if (result < 0)
        return result;
    if (parts.expire_ms < 0 || (parts.kind == IMPORT_EXPIRE && parts.expire_ms == 0))
        return fail(reader, SDB_EFORMAT, parts.expire_ms < 0 ? "a negative time to live" : "a time to live of 0");
    *size = at;
    reader->lines++;
    return key_of(reader, (uint32_t)database, &parts, key);
}

/* ---- commands --------------------------------------------------------------------------------------------------- */

/* "?digits\r\n" */
static int command_header(struct import_reader *reader, size_t *at, char kind, int64_t *number)
{
    size_t size = 0;
    int result;

    do
        result = need(reader, *at + ++size);
    while (result > 0 && byte_at(reader, *at + size - 1) != '\n' && size < HEADER_SIZE_MAX);
    if (result < 0)
        return result;
    if (size < 4 || byte_at(reader, *at) != (uint8_t)kind || byte_at(reader, *at + size - 1) != '\n' ||
        byte_at(reader, *at + size - 2) != '\r' || !number_parse_i64(text_at(reader, *at + 1), size - 3, number) || *number < 0)
        return fail(reader, SDB_EFORMAT, "'%c' and a number are expected at byte %llu", kind,
                    (unsigned long long)(reader->taken + *at));
    *at += size;
    return 1;
}

static int command_argument(struct import_reader *reader, size_t *at, struct import_part *part)
{
    int64_t size = 0;
    int result = command_header(reader, at, '$', &size);

    if (result < 0)
        return result;
    if (size > (int64_t)SDB_VALUE_SIZE_MAX)
        return fail(reader, SDB_ETOOBIG, "an argument of %lld bytes", (long long)size);
    result = need(reader, *at + (size_t)size + 2);
    if (result < 0)
        return result;
    *part = (struct import_part){*at, (size_t)size};
    *at += (size_t)size + 2;
    if (byte_at(reader, *at - 2) != '\r' || byte_at(reader, *at - 1) != '\n')
        return fail(reader, SDB_EFORMAT, "a line end is expected at byte %llu", (unsigned long long)(reader->taken + *at - 2));
    return 1;
}

static int select_database(struct import_reader *reader, struct import_part part)
{
    int64_t database;

    if (!number_parse_i64(text_at(reader, part.at), part.size, &database) || database < 0 ||
        database >= (int64_t)SDB_DATABASES)
        return fail(reader, SDB_EFORMAT, "there is no such database");
    reader->database = (uint32_t)database;
    return 0;
}

static int take_set(struct import_reader *reader, const struct import_part *words, int64_t count, struct import_key *key)
{
    struct parts parts = {.key = words[1], .value = words[2]};

    if (count == 5 && (!is_word(reader, words[3], "PXAT") ||
                       !number_parse_i64(text_at(reader, words[4].at), words[4].size, &parts.expire_ms) || parts.expire_ms <= 0))
        return fail(reader, SDB_EFORMAT, "SET takes PXAT and a time, as dump writes it, and nothing else");
    return key_of(reader, reader->database, &parts, key);
}

static int take_element(struct import_reader *reader, const struct import_part *words, const struct element_type *type, struct import_key *key)
{
    struct parts parts = {.kind = IMPORT_ELEMENT, .type = type, .key = words[1], .name = words[2]};

    if (type->second)
        parts.value = words[3];
    if (type->type == SDB_TYPE_ZSET) { /* the score comes first */
        parts.name = words[3];
        parts.value = words[2];
    }
    return key_of(reader, reader->database, &parts, key);
}

static int take_expiry(struct import_reader *reader, const struct import_part *words, struct import_key *key)
{
    struct parts parts = {.kind = IMPORT_EXPIRE, .key = words[1]};

    if (!number_parse_i64(text_at(reader, words[2].at), words[2].size, &parts.expire_ms) || parts.expire_ms <= 0)
        return fail(reader, SDB_EFORMAT, "PEXPIREAT takes a time");
    return key_of(reader, reader->database, &parts, key);
}

static int take_stream(struct import_reader *reader, size_t count, struct import_key *key)
{
    int item;

    *key = (struct import_key){.database = reader->database};
    slice_words(reader, count);
    item = import_stream_command(reader->slices, reader->slices, &count, &key->key);
    if (item < 0)
        return fail(reader, SDB_EFORMAT, "a command that dump does not write");
    if (key->key.size > SDB_KEY_SIZE_MAX)
        return fail(reader, SDB_ETOOBIG, "a key of %zu bytes", key->key.size);
    return stream_of(reader, item, count, key);
}

/* 1: a key; 0: a SELECT. */
static int next_command(struct import_reader *reader, struct import_key *key, size_t *size)
{
    const struct import_part *words;
    struct import_part word;
    int64_t count = 0;
    size_t at = 0, read = 0;
    int result = command_header(reader, &at, '*', &count);

    if (result < 0)
        return result;
    if (count < 1 || count > WORDS_MAX)
        return fail(reader, SDB_EFORMAT, "a command of %lld words, which dump does not write", (long long)count);
    for (int64_t i = 0; i < count; i++) {
        result = command_argument(reader, &at, &word);
        if (result > 0)
            result = add_word(reader, &read, word);
        if (result < 0)
            return result;
    }
    words = reader->words;
    *size = at;
    if (words[0].size > 1 && byte_at(reader, words[0].at) == 'X')
        return take_stream(reader, read, key);
    if (count == 2 && is_word(reader, words[0], "SELECT"))
        return select_database(reader, words[1]);
    if (count > 1 && words[1].size > SDB_KEY_SIZE_MAX)
        return fail(reader, SDB_ETOOBIG, "a key of %zu bytes", words[1].size);
    if ((count == 3 || count == 5) && is_word(reader, words[0], "SET"))
        return take_set(reader, words, count, key);
    if (count == 2 && is_word(reader, words[0], "DEL"))
        return key_of(reader, reader->database, &(struct parts){.kind = IMPORT_DELETE, .key = words[1]}, key);
    if (count == 3 && is_word(reader, words[0], "PEXPIREAT"))
        return take_expiry(reader, words, key);
    if (count == 4 && is_word(reader, words[0], "FUNCTION") && is_word(reader, words[1], "LOAD") && is_word(reader, words[2], "REPLACE"))
        return library_of(reader, words[3], key);
    const struct element_type *type = element_type_of(reader, words[0], 1);
    if (type != NULL && count == (type->second ? 4 : 3))
        return take_element(reader, words, type, key);
    return fail(reader, SDB_EFORMAT, "a command that dump does not write");
}

/* ---- both ------------------------------------------------------------------------------------------------------- */

static int skip_blank_lines(struct import_reader *reader)
{
    int result;

    while ((result = fill(reader, 1)) > 0 && (byte_at(reader, 0) == '\n' || byte_at(reader, 0) == '\r')) {
        reader->lines += byte_at(reader, 0) == '\n';
        take(reader, 1);
    }
    return result;
}

int import_reader_next(struct import_reader *reader, struct import_key *key)
{
    int result;

    do {
        size_t size = 0;

        result = skip_blank_lines(reader);
        reader->line = reader->lines;
        reader->offset = reader->taken;
        if (result <= 0)
            return result;
        if (reader->format == FORMAT_UNKNOWN)
            reader->format = byte_at(reader, 0) == '*' ? FORMAT_COMMANDS : FORMAT_TEXT;
        result = reader->format == FORMAT_TEXT ? next_text(reader, key, &size) : next_command(reader, key, &size);
        if (result >= 0)
            take(reader, size);
    } while (result == 0);
    return result;
}
