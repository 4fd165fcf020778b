/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * members_handlers.h - the handlers behind the rows of members_commands.c
 */
#ifndef SDB_SERVER_MEMBERS_HANDLERS_H
#define SDB_SERVER_MEMBERS_HANDLERS_H

#include "command.h"

/* members_write_commands.c */
command_handler sadd_command, srem_command, spop_command, smove_command, sinterstore_command, sunionstore_command, sdiffstore_command;

/* members_read_commands.c */
command_handler scard_command, smembers_command, sismember_command, smismember_command, srandmember_command, sscan_command;
command_handler sinter_command, sunion_command, sdiff_command, sintercard_command;
command_keys sintercard_keys;

#endif
