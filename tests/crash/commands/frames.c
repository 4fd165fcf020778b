/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * frames.c - requests of the binary protocol for the turns: made of words, parsed, run through the server's own table of frames
 *
 * The words behind the flags, by the frame's shape: a key; a number and a key; a handle and a value; a key, a value and the numbers that
 * the flags ask for; keys; keys and values by turns; handles and values by turns; the words of a RESP request.
 */
#include "frames.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "command.h"
#include "frame.h"
#include "frame_commands.h"
#include "wire.h"

#define FRAME_SIZE_MAX (1u << 20)

enum shape { KEY, NUMBER_KEY, HANDLE_VALUE, SET, KEYS, PAIRS, HANDLE_VALUES, REQUEST };

static const struct {
    const char *name;
    uint8_t opcode;
    enum shape shape;
} kinds[] = {
    {">SET", WIRE_SET, SET},
    {">SET_BY_HANDLE", WIRE_SET_BY_HANDLE, HANDLE_VALUE},
    {">DELETE", WIRE_DELETE, KEY},
    {">ADD", WIRE_ADD, NUMBER_KEY},
    {">EXPIRE", WIRE_EXPIRE, NUMBER_KEY},
    {">SET_MANY", WIRE_SET_MANY, PAIRS},
    {">SET_MANY_BY_HANDLE", WIRE_SET_MANY_BY_HANDLE, HANDLE_VALUES},
    {">DELETE_MANY", WIRE_DELETE_MANY, KEYS},
    {">COMMAND", WIRE_COMMAND, REQUEST},
};

static void fail(const char *what, const char *detail)
{
    fprintf(stderr, "FAILED: %s: %s\n", what, detail);
    exit(1);
}

static char *put(char *to, const struct request_arg *word)
{
    memcpy(to, word->data, word->size);
    return to + word->size;
}

static uint64_t number_of(const struct request_arg *word)
{
    char digits[32] = "";

    memcpy(digits, word->data, word->size < sizeof(digits) ? word->size : sizeof(digits) - 1);
    return strtoull(digits, NULL, 10);
}

/* The count, a table of what each entry is, padded, then the bytes of all. step: words an entry. */
static char *put_many(char *to, enum shape shape, const struct request_arg *words, int count)
{
    int step = shape == KEYS ? 1 : 2;
    char *table = to + 8, *at;

    at = to = wire_put64(to, (uint64_t)(count / step));
    for (int i = 0; i + step <= count; i += step) {
        if (shape == HANDLE_VALUES) {
            at = wire_put64(at, number_of(&words[i]));
            at = wire_put64(at, words[i + 1].size);
            continue;
        }
        at = wire_put32(at, (uint32_t)words[i].size);
        if (shape == PAIRS)
            at = wire_put32(at, (uint32_t)words[i + 1].size);
    }
    to = table + wire_padded((size_t)(at - table));
    memset(at, 0, (size_t)(to - at));
    for (int i = 0; i + step <= count; i += step) {
        if (shape != HANDLE_VALUES)
            to = put(to, &words[i]);
        if (shape != KEYS)
            to = put(to, &words[i + 1]);
    }
    return to;
}

static char *put_set(char *to, const struct request_arg *words, int count)
{
    to = wire_put64(to, words[0].size);
    for (int i = 2; i < count; i++)
        to = wire_put64(to, number_of(&words[i]));
    return put(put(to, &words[0]), &words[1]);
}

static char *put_request(char *to, const struct request_arg *words, int count)
{
    to += sprintf(to, "*%d\r\n", count);
    for (int i = 0; i < count; i++) {
        to += sprintf(to, "$%zu\r\n", words[i].size);
        to = put(to, &words[i]);
        to += sprintf(to, "\r\n");
    }
    return to;
}

static char *put_body(char *to, enum shape shape, const struct request_arg *words, int count)
{
    switch (shape) {
    case KEY:
        return put(to, &words[0]);
    case NUMBER_KEY:
    case HANDLE_VALUE:
        return put(wire_put64(to, number_of(&words[0])), &words[1]);
    case SET:
        return put_set(to, words, count);
    case REQUEST:
        return put_request(to, words, count);
    default:
        return put_many(to, shape, words, count);
    }
}

/* Parsed, so that the lengths are looked at as those of a client are. */
static unsigned run(struct client *client, const char *bytes, size_t size)
{
    const struct wire_limits limits = {.value_size_max = WIRE_VALUE_SIZE_MAX};
    struct wire_frame frame;
    const char *error;
    size_t used, mark = client->reply.size;
    uint32_t status;

    if (wire_parse(&limits, bytes, size, &frame, 1, &used, &error) != 1 || used != size || frame.status != 0)
        fail("no frame", error != NULL ? error : "its size or its flags");
    client->reply.protocol = 0;
    status = frame_kinds[wire_opcode(frame.header)].handler(client, &frame);
    client->reply.protocol = 2;
    if (status != 0)
        fail("a turn's frame", sdb_strerror(-(int)status));
    if (wire_opcode(frame.header) == WIRE_COMMAND && client->reply.data[mark + WIRE_HEADER_SIZE] == '-')
        fail("a command in a frame", client->reply.data + mark + WIRE_HEADER_SIZE);
    return wire_opcode(frame.header);
}

unsigned frames_run_line(struct client *client, const struct request_arg *argv, int argc)
{
    static char bytes[FRAME_SIZE_MAX];
    size_t i = 0, size;

    while (i < sizeof(kinds) / sizeof(kinds[0]) &&
           (strlen(kinds[i].name) != argv[0].size || memcmp(kinds[i].name, argv[0].data, argv[0].size) != 0))
        i++;
    if (i == sizeof(kinds) / sizeof(kinds[0]) || argc < 3)
        fail("no such frame", argv[0].data);
    size = (size_t)(put_body(bytes + WIRE_HEADER_SIZE, kinds[i].shape, argv + 2, argc - 2) - bytes);
    memset(bytes + size, 0, 8);
    wire_put64(bytes, wire_header(kinds[i].opcode, (uint32_t)number_of(&argv[1]), 1, (uint32_t)size));
    return run(client, bytes, wire_padded(size));
}

int frames_may_write(unsigned opcode, const char **name)
{
    const struct frame_kind *kind = &frame_kinds[opcode];
    const struct command *command = kind->command != NULL ? command_find(kind->command, strlen(kind->command)) : NULL;

    *name = command != NULL ? command->name : "any command";
    if (kind->handler == NULL)
        return 0;
    return command == NULL || (command->flags & (COMMAND_WRITE | COMMAND_MAY_WRITE)) != 0;
}
