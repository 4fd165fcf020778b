/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * string_handlers.h - the handlers behind the rows of string_commands.c
 */
#ifndef SDB_SERVER_STRING_HANDLERS_H
#define SDB_SERVER_STRING_HANDLERS_H

#include "command.h"

/* set_command.c */
command_handler set_command, setnx_command, setex_command, psetex_command;

/* get_commands.c */
command_handler get_command, getset_command, getdel_command, getex_command;
struct sdb_inline;
int get_reply(struct client *client, const struct sdb_inline *value);

/* many_commands.c */
command_handler mget_command, mset_command, msetnx_command;

/* number_commands.c */
command_handler incr_command, incrby_command, incrbyfloat_command, decr_command, decrby_command;

/* range_commands.c */
command_handler append_command, strlen_command, getrange_command, setrange_command;

/* lcs_command.c */
command_handler lcs_command;

#endif
