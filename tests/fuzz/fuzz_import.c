/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fuzz_import.c - the readers of `superdb-pool import`: the same keys however the input arrives, and the same again from what
 * they would be dumped as, in both formats
 *
 * Input: a seed for the sizes of the pieces, then the file.
 */
#include <inttypes.h>

#include "fuzz.h"
#include "import_reader.h"

/* Bytes that are read in pieces, or gathered. */
struct stream {
    const uint8_t *data;
    size_t size, at;
    unsigned seed;
    uint64_t state;
};

struct text {
    char *data;
    size_t size, capacity;
};

static int64_t read_piece(void *context, void *buffer, size_t size)
{
    struct stream *stream = context;
    size_t left = stream->size - stream->at;
    size_t piece = left == 0 ? 0 : fuzz_chunk(&stream->state, stream->seed, left);

    piece = piece < size ? piece : size;
    if (piece == 0)
        return 0;
    memcpy(buffer, stream->data + stream->at, piece);
    stream->at += piece;
    return (int64_t)piece;
}

static void add(struct text *text, const void *data, size_t size)
{
    if (text->size + size > text->capacity) {
        text->capacity = (text->size + size) * 2 + 64;
        text->data = realloc(text->data, text->capacity);
        FUZZ_CHECK(text->data != NULL, "out of memory");
    }
    memcpy(text->data + text->size, data, size);
    text->size += size;
}

static void add_text(struct text *text, const char *string)
{
    add(text, string, strlen(string));
}

static void add_quoted(struct text *text, const struct sdb_slice *slice)
{
    const uint8_t *bytes = slice->data;
    char escaped[8];

    add_text(text, "\"");
    for (size_t i = 0; i < slice->size; i++) {
        if (bytes[i] == '"' || bytes[i] == '\\')
            (void)snprintf(escaped, sizeof(escaped), "\\%c", bytes[i]);
        else
            (void)snprintf(escaped, sizeof(escaped), bytes[i] > ' ' && bytes[i] < 127 ? "%c" : "\\x%02x", bytes[i]);
        add_text(text, escaped);
    }
    add_text(text, "\"");
}

static void add_bulk(struct text *text, const void *data, size_t size)
{
    char header[32];

    (void)snprintf(header, sizeof(header), "$%zu\r\n", size);
    add_text(text, header);
    add(text, data, size);
    add_text(text, "\r\n");
}

static const char *const type_names[] = {"", "", "list", "set", "hash", "zset"};
static const char *const type_commands[] = {"", "", "RPUSH", "SADD", "HSET", "ZADD"};

/* As dump would write it. */
static void dump_text(struct text *text, const struct import_key *key)
{
    struct sdb_slice score;
    char number[64];

    if (key->kind == IMPORT_LIBRARY) {
        add_text(text, "library ");
        add_quoted(text, &key->value);
        add_text(text, "\n");
        return;
    }
    (void)snprintf(number, sizeof(number), "%" PRIu32 " ", key->database);
    add_text(text, number);
    add_quoted(text, &key->key);
    add_text(text, " ");
    switch (key->kind) {
    case IMPORT_STRING:
        add_quoted(text, &key->value);
        (void)snprintf(number, sizeof(number), " %" PRId64, key->expire_ms);
        add_text(text, number);
        break;
    case IMPORT_DELETE:
        add_text(text, "delete");
        break;
    case IMPORT_EXPIRE:
        (void)snprintf(number, sizeof(number), "expire %" PRId64, key->expire_ms);
        add_text(text, number);
        break;
    case IMPORT_ELEMENT:
        add_text(text, type_names[key->type]);
        add_text(text, " ");
        add_quoted(text, &key->name);
        if (key->type == SDB_TYPE_HASH || key->type == SDB_TYPE_ZSET) {
            score = (struct sdb_slice){number, (size_t)snprintf(number, sizeof(number), "%.17g", key->score)};
            add_text(text, " ");
            add_quoted(text, key->type == SDB_TYPE_HASH ? &key->value : &score);
        }
        break;
    case IMPORT_STREAM:
        add_text(text, "stream ");
        add_text(text, import_item_names[key->stream.item]);
        for (size_t i = 0; i < key->stream.count; i++) {
            add_text(text, " ");
            add_quoted(text, &key->stream.words[i]);
        }
        break;
    case IMPORT_LIBRARY:
        break;
    }
    add_text(text, "\n");
}

static bool consumers_seen; /* of which commands do not tell */

/* A small letter is a word of the item: a the first one; k the key; * all that are left. */
static void dump_stream_command(struct text *text, const struct import_key *key)
{
    static const char *const forms[IMPORT_ITEMS][13] = {
        [IMPORT_EMPTY] = {"XADD", "k", "MAXLEN", "0", "0-1", "", ""},
        [IMPORT_ENTRY] = {"XADD", "k", "*"},
        [IMPORT_GROUP] = {"XGROUP", "CREATE", "k", "a", "b", "MKSTREAM", "ENTRIESREAD", "c"},
        [IMPORT_CONSUMER] = {"XGROUP", "CREATECONSUMER", "k", "a", "b"},
        [IMPORT_PENDING] = {"XCLAIM", "k", "a", "b", "0", "c", "TIME", "d", "RETRYCOUNT", "e", "FORCE", "JUSTID"},
        [IMPORT_IDS] = {"XSETID", "k", "a", "ENTRIESADDED", "c", "MAXDELETEDID", "b"},
    };
    const char *const *form = forms[key->stream.item];
    const struct sdb_slice *words = key->stream.words;
    char number[64];
    size_t count = 0;

    consumers_seen |= key->stream.item == IMPORT_CONSUMER && key->stream.count == 3;
    while (count < 13 && form[count])
        count++;
    (void)snprintf(number, sizeof(number), "*%zu\r\n", key->stream.item == IMPORT_ENTRY ? 2 + key->stream.count : count);
    add_text(text, number);
    for (size_t i = 0; i < count; i++) {
        if (form[i][0] == 'k')
            add_bulk(text, key->key.data, key->key.size);
        else if (form[i][0] >= 'a' && form[i][0] <= 'e')
            add_bulk(text, words[form[i][0] - 'a'].data, words[form[i][0] - 'a'].size);
        else if (form[i][0] != '*')
            add_bulk(text, form[i], strlen(form[i]));
    }
    for (size_t i = 0; key->stream.item == IMPORT_ENTRY && i < key->stream.count; i++)
        add_bulk(text, words[i].data, words[i].size);
}

static void dump_commands(struct text *text, const struct import_key *key)
{
    const int two = key->kind == IMPORT_ELEMENT && (key->type == SDB_TYPE_HASH || key->type == SDB_TYPE_ZSET);
    const char *command = key->kind == IMPORT_STRING    ? "SET"
                          : key->kind == IMPORT_DELETE  ? "DEL"
                          : key->kind == IMPORT_EXPIRE  ? "PEXPIREAT"
                                                        : type_commands[key->type];
    char number[64];

    if (key->kind == IMPORT_LIBRARY) {
        add_text(text, "*4\r\n$8\r\nFUNCTION\r\n$4\r\nLOAD\r\n$7\r\nREPLACE\r\n");
        add_bulk(text, key->value.data, key->value.size);
        return;
    }
    (void)snprintf(number, sizeof(number), "%" PRIu32, key->database);
    add_text(text, "*2\r\n$6\r\nSELECT\r\n");
    add_bulk(text, number, strlen(number));
    if (key->kind == IMPORT_STREAM) {
        dump_stream_command(text, key);
        return;
    }
    (void)snprintf(number, sizeof(number), "*%d\r\n",
                   key->kind == IMPORT_DELETE ? 2 : key->kind == IMPORT_STRING && key->expire_ms != 0 ? 5 : two ? 4 : 3);
    add_text(text, number);
    add_bulk(text, command, strlen(command));
    add_bulk(text, key->key.data, key->key.size);
    if (key->kind == IMPORT_ELEMENT && key->type == SDB_TYPE_ZSET) {
        (void)snprintf(number, sizeof(number), "%.17g", key->score);
        add_bulk(text, number, strlen(number));
    }
    if (key->kind == IMPORT_ELEMENT)
        add_bulk(text, key->name.data, key->name.size);
    if (key->kind == IMPORT_STRING || (key->kind == IMPORT_ELEMENT && key->type == SDB_TYPE_HASH))
        add_bulk(text, key->value.data, key->value.size);
    if (key->kind == IMPORT_STRING && key->expire_ms != 0)
        add_bulk(text, "PXAT", 4);
    if (key->expire_ms != 0) {
        (void)snprintf(number, sizeof(number), "%" PRId64, key->expire_ms);
        add_bulk(text, number, strlen(number));
    }
}

/* Reads all keys, and gives them as they would be dumped. Returns what the reader said last. */
static int read_all(const void *data, size_t size, unsigned seed, struct text *as_text, struct text *as_commands,
                    struct import_reader *reader)
{
    struct stream stream = {data, size, 0, seed, seed * 0x9e3779b97f4a7c15ull + 1};
    struct import_key key;
    int result;

    import_reader_init(reader, read_piece, &stream);
    while ((result = import_reader_next(reader, &key)) > 0) {
        FUZZ_CHECK(key.database < SDB_DATABASES && key.expire_ms >= 0 && key.key.size <= SDB_KEY_SIZE_MAX, "a wrong key");
        dump_text(as_text, &key);
        if (as_commands != NULL)
            dump_commands(as_commands, &key);
    }
    FUZZ_CHECK(result == 0 || result == SDB_EFORMAT || result == SDB_ETOOBIG, "%d", result);
    FUZZ_CHECK((result == 0) == (reader->error[0] == '\0'), "%d %s", result, reader->error);
    FUZZ_CHECK(reader->offset <= size && reader->line <= size + 1, "an impossible place");
    return result;
}

static void expect_same(const struct text *a, const struct text *b)
{
    FUZZ_CHECK(a->size == b->size && (a->size == 0 || memcmp(a->data, b->data, a->size) == 0), "other keys");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    unsigned seed = (unsigned)fuzz_take(&input, 1);
    struct text text = {0}, commands = {0}, again = {0}, from_commands = {0}, pieces = {0};
    struct import_reader reader, other;

    consumers_seen = false;
    int result = read_all(input.data, input.size, 255, &text, &commands, &reader);
    FUZZ_CHECK(read_all(input.data, input.size, seed, &pieces, NULL, &other) == result, "%s", other.error);
    FUZZ_CHECK(other.line == reader.line && other.offset == reader.offset && strcmp(other.error, reader.error) == 0,
               "\"%s\" and \"%s\"", reader.error, other.error);
    import_reader_free(&reader);
    import_reader_free(&other);
    expect_same(&text, &pieces);
    FUZZ_CHECK(read_all(text.data, text.size, seed, &again, NULL, &reader) == 0, "%s", reader.error);
    import_reader_free(&reader);
    FUZZ_CHECK(read_all(commands.data, commands.size, seed, &from_commands, NULL, &reader) == 0, "%s", reader.error);
    import_reader_free(&reader);
    expect_same(&text, &again);
    if (!consumers_seen)
        expect_same(&text, &from_commands);
    free(text.data);
    free(commands.data);
    free(again.data);
    free(from_commands.data);
    free(pieces.data);
    return 0;
}
