/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * slowlog.h - the last commands that took longer than slowlog-log-slower-than
 *
 * Holds:   1. at most slowlog-max-len entries, the newest first
 *          2. ids count up from 0 and are never used twice, also after a reset
 * Threads: any; one lock, taken only for commands that are slow, and by SLOWLOG.
 * Memory:  an entry is one allocation; a command that meets no memory is not logged.
 */
#ifndef SDB_SERVER_SLOWLOG_H
#define SDB_SERVER_SLOWLOG_H

#include <stddef.h>
#include <stdint.h>

#include "reply.h"
#include "request.h"

/*
 * Remembers a command: at most 32 arguments, and 128 bytes of each. `secret` is the first argument not to be shown;
 * 0: none.
 */
void slowlog_add(const struct request_arg *argv, int argc, int secret, int64_t duration_us, const char *address,
                 const char *name);

size_t slowlog_length(void);
void slowlog_clear(void);

/* Drops the oldest entries beyond what slowlog-max-len allows now. */
void slowlog_trim(void);

/* Writes an array of the newest entries, at most count (negative: all). */
void slowlog_reply(struct reply *reply, int64_t count);

#endif
