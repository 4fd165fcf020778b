/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * frames.h - lines of turns.h that stand for requests of the binary protocol: ">NAME FLAGS word..."
 */
#ifndef SDB_TESTS_CRASH_FRAMES_H
#define SDB_TESTS_CRASH_FRAMES_H

#include "request.h"

struct client;

/*
 * Makes the frame, parses it as what came from a client, and runs it. Returns its opcode; ends the program where the words make no frame, or
 * the reply is an error.
 */
unsigned frames_run_line(struct client *client, const struct request_arg *argv, int argc);

/* Whether an opcode may write, by the flags of the command as whose call it counts. *name is that command's. */
int frames_may_write(unsigned opcode, const char **name);

#endif
