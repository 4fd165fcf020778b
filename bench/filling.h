/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * filling.h - a blocking connection that fills a server with collections and asks it single questions
 */
#ifndef BENCH_FILLING_H
#define BENCH_FILLING_H

#include "cases.h"
#include "replies.h"

#define FILLING_AHEAD 65536u /* bytes sent before their replies are waited for: less than what sockets hold */

struct filling {
    int fd;
    char *bytes;
    size_t size; /* of them, not yet sent */
    uint64_t sent, answered;
    struct reply_counter counter;
};

/* 0, or -1 after a message; filling_close is due in both cases. */
int filling_open(struct filling *filling, const struct network_target *target);
void filling_close(struct filling *filling);

/* Fills every collection of fill. 0, or -1 after a message. */
int fill_server(struct filling *filling, const struct fill *fill);

/* The same unless it was done before: a key says so. again: deletes what is there first. */
int fill_server_once(struct filling *filling, const struct fill *fill, int again);

/*
 * Sends one command, words with spaces between them, and copies its reply, as it came, to reply, with a zero byte behind it. 0, or -1
 * after a message.
 */
int filling_ask(struct filling *filling, const char *command, char *reply, size_t reply_size);

/* A line of the server's INFO memory, a number, such as "used_memory". 0, or -1 after a message. */
int filling_memory(struct filling *filling, const char *field, uint64_t *bytes);

#endif
