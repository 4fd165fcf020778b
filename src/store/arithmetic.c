/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * arithmetic.c - numbers and ranges: read, compute, put, in one operation under the shard's lock
 * Media:   through operations
 * Commit:  one for each call, or the group's or transaction's
 * Threads: the session's
 * Memory:  a copy of the new value, for the call
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arithmetic.h"
#include "entry.h"
#include "error.h"
#include "number.h"
#include "read.h"
#include "session.h"

#define FLOAT_TEXT_MAX SDB_FLOAT_TEXT_MAX /* of a finite long double with 17 digits after the point: 4933 + 1 + 17 and a sign */

/* Computes the new content from the old one; exists tells whether there is an old one. */
typedef int change_fn(void *context, bool exists, struct entry_content *content);

static int change(struct sdb_session *session, const void *key, size_t key_size, change_fn *compute, void *context)
{
    struct operation operation;
    int error, attempt = 0;

    do {
        struct entry_content content = {.value = ""};
        uint8_t scratch[16];

        error = operation_begin(session, session->database, key, key_size, &operation);
        if (error)
            return error;
        if (operation.exists)
            error = operation_content(session, &operation, &content, scratch);
        if (!error && operation.exists && content.type != SDB_TYPE_STRING)
            error = SDB_ETYPE;
        if (!error)
            error = compute(context, operation.exists, &content);
        if (!error)
            error = operation_put(session, &operation, &content);
        error = operation_end(session, &operation.mark, error == SDB_ECONDITION ? SDB_OK : error);
    } while (error == SDB_ENOSPC && session_make_room(session, &attempt));
    return error;
}

struct add {
    int64_t delta;
    int64_t result;
};

static int compute_add(void *context, bool exists, struct entry_content *content)
{
    struct add *add = context;
    int64_t old = 0;

    if (exists && content->value)
        return SDB_ENOTINT;
    if (exists)
        old = content->integer;
    if (__builtin_add_overflow(old, add->delta, &add->result))
        return SDB_EOVERFLOW;
    content->value = NULL;
    content->integer = add->result;
    return SDB_OK;
}

int sdb_add(struct sdb_session *session, const void *key, size_t key_size, int64_t delta, int64_t *result)
{
    struct add add = {.delta = delta};
    int error = change(session, key, key_size, compute_add, &add);

    if (!error && result)
        *result = add.result;
    return error;
}

struct add_float {
    long double delta;
    size_t size;
    char text[FLOAT_TEXT_MAX];
};

bool arithmetic_parse_float(const void *value, size_t size, long double *number)
{
    char text[FLOAT_TEXT_MAX], *end;

    if (size == 0 || size >= sizeof(text))
        return false;
    memcpy(text, value, size);
    text[size] = '\0';
    if (text[0] == ' ' || (text[0] >= '\t' && text[0] <= '\r'))
        return false;
    errno = 0;
    *number = strtold(text, &end);
    if (end != text + size || isnan(*number))
        return false;
    return errno != ERANGE || (!isinf(*number) && fpclassify(*number) != FP_ZERO);
}

int arithmetic_format_float(long double number, char text[FLOAT_TEXT_MAX], size_t *text_size)
{
    int size;

    if (isnan(number) || isinf(number))
        return SDB_EOVERFLOW;
    size = snprintf(text, FLOAT_TEXT_MAX, "%.17Lf", number);
    while (size > 0 && text[size - 1] == '0')
        size--;
    if (size > 0 && text[size - 1] == '.')
        size--;
    if (size == 2 && text[0] == '-' && text[1] == '0') {
        text[0] = '0';
        size = 1;
    }
    *text_size = (size_t)size;
    return SDB_OK;
}

static int compute_add_float(void *context, bool exists, struct entry_content *content)
{
    struct add_float *add = context;
    long double number = 0;
    int error;

    if (exists && !content->value)
        number = (long double)content->integer;
    else if (exists && !arithmetic_parse_float(content->value, content->value_size, &number))
        return SDB_ENOTFLOAT;
    error = arithmetic_format_float(number + add->delta, add->text, &add->size);
    if (!error)
        content_set_value(content, add->text, add->size);
    return error;
}

int sdb_add_float(struct sdb_session *session, const void *key, size_t key_size, long double delta, char *text,
                  size_t *text_size)
{
    struct add_float add = {.delta = delta};
    int error = change(session, key, key_size, compute_add_float, &add);

    if (error)
        return error;
    memcpy(text, add.text, add.size);
    *text_size = add.size;
    return SDB_OK;
}

struct splice {
    uint64_t offset; /* UINT64_MAX: the end */
    const void *data;
    size_t size;
    size_t result;
    char *memory;
};

static int compute_splice(void *context, bool exists, struct entry_content *content)
{
    struct splice *splice = context;
    char integer[32];
    const char *old = content->value;
    size_t old_size = content->value_size, end;
    uint64_t offset = splice->offset;

    (void)exists;
    if (!content->value) {
        old = integer;
        old_size = number_format_i64(integer, content->integer);
    }
    if (offset == UINT64_MAX)
        offset = old_size;
    splice->result = old_size;
    if (splice->size == 0)
        return SDB_ECONDITION; /* nothing to do: the key is not made either */
    if (offset > SDB_VALUE_SIZE_MAX || splice->size > SDB_VALUE_SIZE_MAX - offset) {
        error_set("a value of more than %u bytes", SDB_VALUE_SIZE_MAX);
        return SDB_ETOOBIG;
    }
    end = (size_t)offset + splice->size;
    splice->result = end > old_size ? end : old_size;
    free(splice->memory);
    splice->memory = malloc(splice->result);
    if (!splice->memory)
        return SDB_ENOMEM;
    memcpy(splice->memory, old, old_size);
    if (offset > old_size)
        memset(splice->memory + old_size, 0, (size_t)offset - old_size);
    memcpy(splice->memory + offset, splice->data, splice->size);
    content_set_value(content, splice->memory, splice->result);
    return SDB_OK;
}

static int splice_value(struct sdb_session *session, const void *key, size_t key_size, struct splice *splice,
                        size_t *value_size)
{
    int error = change(session, key, key_size, compute_splice, splice);

    free(splice->memory);
    if (!error && value_size)
        *value_size = splice->result;
    return error;
}

int sdb_append(struct sdb_session *session, const void *key, size_t key_size, const void *data, size_t data_size,
               size_t *value_size)
{
    struct splice splice = {.offset = UINT64_MAX, .data = data, .size = data_size};
    int error = SDB_OK;

    if (data_size == 0) { /* makes the key all the same */
        struct sdb_set_options absent = {.flags = SDB_IF_ABSENT};

        error = sdb_set(session, key, key_size, "", 0, &absent);
        if (error && error != SDB_ECONDITION)
            return error;
    }
    return splice_value(session, key, key_size, &splice, value_size);
}

int sdb_set_range(struct sdb_session *session, const void *key, size_t key_size, uint64_t offset, const void *data,
                  size_t data_size, size_t *value_size)
{
    struct splice splice = {.offset = offset, .data = data, .size = data_size};

    if (offset == UINT64_MAX)
        return SDB_ETOOBIG;
    return splice_value(session, key, key_size, &splice, value_size);
}
