/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * function_payload.h - libraries in the form of FUNCTION DUMP, which Redis writes and reads
 * Threads: any.
 */
#ifndef SDB_SERVER_FUNCTION_PAYLOAD_H
#define SDB_SERVER_FUNCTION_PAYLOAD_H

#include "function_library.h"
#include "reply.h"

/* Replies with the payload. */
void function_payload_reply(struct reply *reply, const struct library_set *set);

/* Calls take for the code of each library. 1, or 0 with the words in error. */
typedef int function_payload_take(void *context, const char *code, size_t size, char error[FUNCTION_ERROR_SIZE]);
int function_payload_read(const char *data, size_t size, function_payload_take *take, void *context, char error[FUNCTION_ERROR_SIZE]);

#endif
