/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stream_handlers.h - the handlers behind the rows of stream_commands.c, and what they share
 */
#ifndef SDB_SERVER_STREAM_HANDLERS_H
#define SDB_SERVER_STREAM_HANDLERS_H

#include "command.h"
#include "superdb/superdb.h"

/* stream_write_commands.c */
command_handler xadd_command, xdel_command, xtrim_command, xsetid_command;

/* stream_range_commands.c */
command_handler xlen_command, xrange_command, xrevrange_command;

/* stream_read_commands.c */
command_handler xread_command, xreadgroup_command;
command_keys xread_keys, xreadgroup_keys;

/* stream_group_commands.c */
command_handler xgroup_create_command, xgroup_createconsumer_command, xgroup_delconsumer_command, xgroup_destroy_command,
    xgroup_setid_command, xack_command;

/* stream_pending_commands.c */
command_handler xpending_command, xclaim_command, xautoclaim_command;

/* stream_info_commands.c */
command_handler xinfo_stream_command, xinfo_groups_command, xinfo_consumers_command;

#endif
