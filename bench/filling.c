/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * filling.c - commands sent ahead of their replies
 */
#include "filling.h"

#include "connection.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define TOGETHER_MAX 1000u /* elements of a command */
#define COMMAND_MAX ((size_t)CASE_REQUEST_MAX * 2 + (size_t)TOGETHER_MAX * 160)

static const struct reply_format any_reply = {.protocol = PROTOCOL_RESP};

static int complain(const struct filling *filling, const char *what)
{
    fprintf(stderr, "superdb-bench: %s: %s\n", what, filling->counter.errors ? filling->counter.first_error : strerror(errno));
    return -1;
}

int filling_open(struct filling *filling, const struct network_target *target)
{
    memset(filling, 0, sizeof *filling);
    reply_counter_init(&filling->counter);
    filling->bytes = malloc(FILLING_AHEAD + COMMAND_MAX);
    filling->fd = connection_open(target);
    return filling->bytes && filling->fd >= 0 ? 0 : complain(filling, "cannot connect");
}

void filling_close(struct filling *filling)
{
    if (filling->fd >= 0)
        close(filling->fd);
    free(filling->bytes);
}

/* Sends what is there, and waits for all replies. */
static int settle(struct filling *filling)
{
    char received[16384];

    if (connection_send(filling->fd, filling->bytes, filling->size))
        return complain(filling, "filling");
    filling->size = 0;
    while (filling->answered < filling->sent) {
        ssize_t size = recv(filling->fd, received, sizeof received, 0);

        if (size < 0 && errno == EINTR)
            continue;
        if (size <= 0)
            return complain(filling, "filling");
        filling->answered += replies_count(&filling->counter, &any_reply, received, (size_t)size);
        if (filling->counter.broken || filling->counter.errors)
            return complain(filling, "filling");
    }
    return 0;
}

static int room_for_command(struct filling *filling)
{
    int failed = filling->size > FILLING_AHEAD ? settle(filling) : 0;

    filling->sent++;
    return failed;
}

/* One command with `count` elements from number `element` on. */
static int fill_some(struct filling *filling, const struct fill *fill, struct case_numbers *numbers, uint64_t element, uint64_t count)
{
    struct case_words command, words;
    char *out;

    if (room_for_command(filling))
        return -1;
    case_words_split(&command, fill->command);
    case_words_split(&words, fill->element);
    out = filling->bytes + filling->size;
    out += sprintf(out, "*%llu\r\n", (unsigned long long)(command.count + count * words.count));
    numbers->element = fill->first + element;
    out += case_words_write(&command, fill, numbers, out);
    for (uint64_t i = 0; i < count; i++) {
        numbers->element = fill->first + element + i;
        out += case_words_write(&words, fill, numbers, out);
    }
    filling->size = (size_t)(out - filling->bytes);
    return 0;
}

static int fill_after(struct filling *filling, const struct fill *fill, struct case_numbers *numbers)
{
    for (const char *at = fill->after; *at; at += *at == ';') {
        struct case_words words;
        char command[sizeof words.text];
        size_t size = strcspn(at, ";");

        if (room_for_command(filling))
            return -1;
        snprintf(command, sizeof command, "%.*s", (int)size, at);
        case_words_split(&words, command);
        filling->size += case_command_write(&words, fill, numbers, filling->bytes + filling->size);
        at += size;
    }
    return 0;
}

int fill_server(struct filling *filling, const struct fill *fill)
{
    struct case_numbers numbers = {.state = 1};
    uint64_t together = fill->together < TOGETHER_MAX ? fill->together : TOGETHER_MAX;

    for (numbers.key = 0; numbers.key < fill->keys; numbers.key++) {
        for (uint64_t element = 0; element < fill->elements; element += together) {
            uint64_t left = fill->elements - element;

            if (fill_some(filling, fill, &numbers, element, left < together ? left : together))
                return -1;
        }
        if (fill->after && fill_after(filling, fill, &numbers))
            return -1;
    }
    return settle(filling);
}

int filling_ask(struct filling *filling, const char *command, char *reply, size_t reply_size)
{
    struct case_words words;
    size_t size = 0;

    case_words_split(&words, command);
    filling->size = case_command_write(&words, NULL, NULL, filling->bytes);
    if (connection_send(filling->fd, filling->bytes, filling->size))
        return complain(filling, command);
    filling->size = 0;
    for (uint64_t replies = 0; !replies;) {
        ssize_t received = recv(filling->fd, reply + size, reply_size - size - 1, 0);

        if (received < 0 && errno == EINTR)
            continue;
        if (received <= 0)
            return complain(filling, command);
        replies = replies_count(&filling->counter, &any_reply, reply + size, (size_t)received);
        size += (size_t)received;
        if (filling->counter.broken || filling->counter.errors)
            return complain(filling, command);
    }
    reply[size] = 0;
    return 0;
}

int fill_server_once(struct filling *filling, const struct fill *fill, int again)
{
    char command[128], reply[256];

    snprintf(command, sizeof command, "GET filled:%s", fill->name);
    if (filling_ask(filling, command, reply, sizeof reply))
        return -1;
    if (!again && !strncmp(reply, "$1", 2))
        return 0;
    for (uint64_t key = 0; again && key < fill->keys; key++) {
        snprintf(command, sizeof command, "DEL %s:%06llu", fill->name, (unsigned long long)key);
        if (filling_ask(filling, command, reply, sizeof reply))
            return -1;
    }
    snprintf(command, sizeof command, "SET filled:%s 1", fill->name);
    return fill_server(filling, fill) || filling_ask(filling, command, reply, sizeof reply) ? -1 : 0;
}

int filling_memory(struct filling *filling, const char *field, uint64_t *bytes)
{
    char reply[8192], line[64];
    const char *found;

    if (filling_ask(filling, "INFO memory", reply, sizeof reply))
        return -1;
    snprintf(line, sizeof line, "\n%s:", field);
    found = strstr(reply, line);
    if (!found) {
        fprintf(stderr, "superdb-bench: INFO memory has no %s\n", field);
        return -1;
    }
    *bytes = strtoull(found + strlen(line), NULL, 10);
    return 0;
}
