/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * import_stream.c - what the words say that streams are dumped in
 */
#include "import_stream.h"

#include <string.h>

#include "number.h"

const char *const import_item_names[IMPORT_ITEMS] = {"empty", "entry", "group", "consumer", "pending", "ids"};

/* ---- words ---- */

static bool is_word(const struct sdb_slice *slice, const char *word)
{
    return slice->size == strlen(word) && memcmp(slice->data, word, slice->size) == 0;
}

/* Digits, and no zeros before them. */
static bool read_number(const char *text, size_t size, uint64_t *number)
{
    uint64_t value = 0;

    if (size == 0 || (size > 1 && text[0] == '0'))
        return false;
    for (size_t i = 0; i < size; i++)
        if (text[i] < '0' || text[i] > '9' || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(text[i] - '0'), &value))
            return false;
    *number = value;
    return true;
}

static bool read_id(const struct sdb_slice *word, struct sdb_stream_id *id)
{
    const char *text = word->data, *dash = word->size ? memchr(text, '-', word->size) : NULL;

    return dash && read_number(text, (size_t)(dash - text), &id->ms) &&
           read_number(dash + 1, word->size - (size_t)(dash - text) - 1, &id->sequence);
}

static bool read_signed(const struct sdb_slice *word, int64_t *number)
{
    return number_parse_i64(word->data, word->size, number);
}

bool import_stream_read(struct import_stream *s)
{
    const struct sdb_slice *words = s->words;

    switch (s->item) {
    case IMPORT_EMPTY:
        return s->count == 0;
    case IMPORT_ENTRY:
        return s->count % 2 == 1 && read_id(&words[0], &s->id);
    case IMPORT_GROUP:
        return s->count == 3 && read_id(&words[1], &s->id) && read_signed(&words[2], &s->read) && s->read >= SDB_STREAM_UNKNOWN;
    case IMPORT_CONSUMER:
        return s->count == 2 || (s->count == 3 && read_signed(&words[2], &s->time));
    case IMPORT_PENDING:
        return s->count == 5 && read_id(&words[2], &s->id) && read_signed(&words[3], &s->time) &&
               read_number(words[4].data, words[4].size, &s->number);
    case IMPORT_IDS:
        return s->count == 3 && read_id(&words[0], &s->id) && read_id(&words[1], &s->deleted) &&
               read_number(words[2].data, words[2].size, &s->number);
    default:
        return false;
    }
}

/* ---- commands ---- */

/* A command: its words, a capital letter standing for itself, a small one for a word of the item: a the first one, k the key. */
struct form {
    enum import_item item;
    const char *name;
    const char *words[11];
    size_t count;
};
static const struct form forms[] = {
    {IMPORT_EMPTY, "XADD", {"k", "MAXLEN", "0", "0-1", "", ""}, 6},
    {IMPORT_GROUP, "XGROUP", {"CREATE", "k", "a", "b", "MKSTREAM", "ENTRIESREAD", "c"}, 7},
    {IMPORT_CONSUMER, "XGROUP", {"CREATECONSUMER", "k", "a", "b"}, 4},
    {IMPORT_PENDING, "XCLAIM", {"k", "a", "b", "0", "c", "TIME", "d", "RETRYCOUNT", "e", "FORCE", "JUSTID"}, 11},
    {IMPORT_IDS, "XSETID", {"k", "a", "ENTRIESADDED", "c", "MAXDELETEDID", "b"}, 6},
};

static bool takes_form(const struct form *form, const struct sdb_slice *command, size_t count, struct sdb_slice words[5], size_t *taken,
                       struct sdb_slice *key)
{
    if (count != form->count + 1 || !is_word(&command[0], form->name))
        return false;
    *taken = 0;
    for (size_t i = 0; i < form->count; i++) {
        const char *word = form->words[i];
        const struct sdb_slice *given = &command[i + 1];

        if (word[0] == 'k') {
            *key = *given;
        } else if (word[0] >= 'a' && word[0] <= 'e') {
            words[word[0] - 'a'] = *given;
            ++*taken;
        } else if (!is_word(given, word)) {
            return false;
        }
    }
    return true;
}

int import_stream_command(const struct sdb_slice *command, struct sdb_slice *words, size_t *count, struct sdb_slice *key)
{
    struct sdb_slice few[5];
    size_t taken;

    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        if (!takes_form(&forms[i], command, *count, few, &taken, key))
            continue;
        memcpy(words, few, taken * sizeof(*words));
        *count = taken;
        return (int)forms[i].item;
    }
    if (*count < 3 || !is_word(&command[0], "XADD"))
        return -1;
    *key = command[1];
    *count -= 2;
    memmove(words, command + 2, *count * sizeof(*words));
    return IMPORT_ENTRY;
}
