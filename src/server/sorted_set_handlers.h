/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sorted_set_handlers.h - the handlers behind the rows of sorted_set_commands.c
 */
#ifndef SDB_SERVER_SORTED_SET_HANDLERS_H
#define SDB_SERVER_SORTED_SET_HANDLERS_H

#include "command.h"

/* sorted_set_write_commands.c */
command_handler zadd_command, zincrby_command, zrem_command;
command_handler zremrangebyrank_command, zremrangebyscore_command, zremrangebylex_command;

/* sorted_set_read_commands.c */
command_handler zcard_command, zscore_command, zmscore_command, zrank_command, zrevrank_command, zcount_command;
command_handler zlexcount_command, zrandmember_command, zscan_command;

/* sorted_set_range_commands.c */
command_handler zrange_command, zrevrange_command, zrangebyscore_command, zrevrangebyscore_command, zrangebylex_command;
command_handler zrevrangebylex_command, zrangestore_command;

/* sorted_set_pop_commands.c */
command_handler zpopmin_command, zpopmax_command, zmpop_command;
command_handler bzpopmin_command, bzpopmax_command, bzmpop_command;

/* sorted_set_combine_commands.c */
command_handler zunion_command, zinter_command, zdiff_command, zunionstore_command, zinterstore_command, zdiffstore_command;
command_handler zintercard_command;

#endif
