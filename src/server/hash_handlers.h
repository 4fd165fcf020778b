/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * hash_handlers.h - the handlers behind the rows of hash_commands.c
 */
#ifndef SDB_SERVER_HASH_HANDLERS_H
#define SDB_SERVER_HASH_HANDLERS_H

#include "command.h"

/* hash_write_commands.c */
command_handler hset_command, hmset_command, hsetnx_command, hdel_command, hincrby_command, hincrbyfloat_command;

/* hash_read_commands.c */
command_handler hget_command, hmget_command, hgetall_command, hkeys_command, hvals_command, hlen_command, hstrlen_command;
command_handler hexists_command, hrandfield_command, hscan_command;

#endif
