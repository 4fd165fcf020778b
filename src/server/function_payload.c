/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * function_payload.c - libraries in the form of FUNCTION DUMP
 *
 * For each library the byte 245 and its code, a string as in all payloads (payload.h), and the same footer.
 */
#include "function_payload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "payload.h"
#include "payload_input.h"
#include "payload_output.h"

#define OPCODE 245u
#define OPCODE_BEFORE 246u /* of Redis 7's release candidates */

void function_payload_reply(struct reply *reply, const struct library_set *set)
{
    struct payload_bytes bytes = {0};

    for (size_t i = 0; i < set->count; i++) {
        payload_put_number(&bytes, OPCODE, 1);
        payload_put_text(&bytes, &(struct sdb_slice){set->libraries[i]->code, set->libraries[i]->code_size});
    }
    if (payload_put_footer(&bytes))
        reply_bulk(reply, bytes.data, bytes.size);
    else
        reply_error(reply, "-OOM out of memory");
    free(bytes.data);
}

/* The next string. The caller owes a payload_drop. 1, or 0 with the words in error. */
static int take_text(struct payload_input *input, struct payload_text *text, const char *what, char *error)
{
    const int result = payload_take_text(input, text);

    if (result == SDB_ENOMEM)
        (void)snprintf(error, FUNCTION_ERROR_SIZE, "-OOM out of memory");
    else if (result != SDB_OK)
        (void)snprintf(error, FUNCTION_ERROR_SIZE, "Failed loading %s", what);
    return result == SDB_OK;
}

static int take_library(struct payload_input *input, function_payload_take *take, void *context, char *error)
{
    struct payload_text code;
    int taken = take_text(input, &code, "library payload", error) && take(context, code.slice.data, code.slice.size, error);

    payload_drop(&code);
    return taken;
}

/* ---- the form of Redis 7's release candidates: name, engine and description stand before the code ----------------------- */

static int take_described(struct payload_input *input, struct payload_text *code, char *error)
{
    struct payload_text description;
    uint64_t is_described;
    int taken;

    code->own = NULL;
    if (!payload_take_length(input, &is_described)) {
        (void)snprintf(error, FUNCTION_ERROR_SIZE, "Failed loading library description indicator");
        return 0;
    }
    if (is_described) {
        taken = take_text(input, &description, "library description", error);
        payload_drop(&description);
        if (!taken)
            return 0;
    }
    return take_text(input, code, "library blob", error);
}

/* The code with the line in front that it has today. */
static int take_joined(const struct payload_text texts[3], function_payload_take *take, void *context, char *error)
{
    struct payload_bytes bytes = {0};
    int taken = 0;

    payload_put(&bytes, "#!", 2);
    payload_put(&bytes, texts[1].slice.data, strnlen(texts[1].slice.data, texts[1].slice.size));
    payload_put(&bytes, " name=", 6);
    payload_put(&bytes, texts[0].slice.data, strnlen(texts[0].slice.data, texts[0].slice.size));
    payload_put(&bytes, "\n", 1);
    payload_put(&bytes, texts[2].slice.data, strnlen(texts[2].slice.data, texts[2].slice.size));
    if (bytes.failed)
        (void)snprintf(error, FUNCTION_ERROR_SIZE, "-OOM out of memory");
    else
        taken = take(context, (const char *)bytes.data, bytes.size, error);
    free(bytes.data);
    return taken;
}

static int take_old(struct payload_input *input, function_payload_take *take, void *context, char *error)
{
    struct payload_text texts[3] = {{.own = NULL}, {.own = NULL}, {.own = NULL}}; /* name, engine, code */
    int taken = take_text(input, &texts[0], "library name", error) && take_text(input, &texts[1], "engine name", error) &&
                take_described(input, &texts[2], error) && take_joined(texts, take, context, error);

    for (int i = 0; i < 3; i++)
        payload_drop(&texts[i]);
    return taken;
}

int function_payload_read(const char *data, size_t size, function_payload_take *take, void *context, char error[FUNCTION_ERROR_SIZE])
{
    struct payload_input input = {(const uint8_t *)data, (const uint8_t *)data + size}; /* its footer included, as Redis does */
    int taken = 1;

    if (!payload_is_whole(data, size)) {
        (void)snprintf(error, FUNCTION_ERROR_SIZE, "DUMP payload version or checksum are wrong");
        return 0;
    }
    error[0] = '\0';
    while (taken && input.end - input.at > PAYLOAD_FOOTER_SIZE) {
        const unsigned opcode = *input.at++;

        if (opcode != OPCODE && opcode != OPCODE_BEFORE) {
            (void)snprintf(error, FUNCTION_ERROR_SIZE, "given type is not a function");
            return 0;
        }
        taken = opcode == OPCODE ? take_library(&input, take, context, error) : take_old(&input, take, context, error);
    }
    return taken;
}
