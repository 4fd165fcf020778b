/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * acl_log.h - what was refused of late: commands, keys, channels, passwords
 *
 * Holds:   at most acllog-max-len entries, the newest first; the same refusal again within a minute is counted in its entry
 * Threads: any; one lock, taken only where something is refused, and by ACL LOG.
 * Memory:  an entry is one allocation; a refusal that meets no memory is not logged.
 */
#ifndef SDB_SERVER_ACL_LOG_H
#define SDB_SERVER_ACL_LOG_H

#include <stddef.h>
#include <stdint.h>

#include "reply.h"
#include "request.h"

struct client;

/* Where the request came from. */
enum acl_context { ACL_TOP_LEVEL, ACL_MULTI, ACL_LUA };

enum acl_log_reason { ACL_LOG_COMMAND, ACL_LOG_KEY, ACL_LOG_CHANNEL, ACL_LOG_AUTH };

/* object: the command's name, the key, the channel. user: NULL for the client's own. */
void acl_log_add(struct client *client, enum acl_context context, enum acl_log_reason reason, const struct request_arg *object,
                 const struct request_arg *user);

void acl_log_clear(void);

/* Writes an array of the newest entries, at most count. */
void acl_log_reply(struct reply *reply, int64_t count, int64_t now_ms);

#endif
