/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * key_handlers.h - the handlers behind the rows of key_commands.c
 */
#ifndef SDB_SERVER_KEY_HANDLERS_H
#define SDB_SERVER_KEY_HANDLERS_H

#include "command.h"

/* keyspace_commands.c */
command_handler del_command, exists_command, touch_command, type_command, randomkey_command;
command_handler sort_command, sort_ro_command;
command_keys sort_keys, sort_ro_keys;
command_handler rename_command, renamenx_command, copy_command, move_command;

/* expire_commands.c */
command_handler expire_command, pexpire_command, expireat_command, pexpireat_command, persist_command;
command_handler ttl_command, pttl_command, expiretime_command, pexpiretime_command;

/* scan_commands.c */
command_handler keys_command, scan_command;

/* payload_commands.c */
command_handler dump_command, restore_command;

/* object_commands.c */
command_handler object_encoding_command, object_freq_command, object_idletime_command, object_refcount_command;
command_handler object_help_command;

/* database_commands.c */
command_handler dbsize_command, flushdb_command, flushall_command, swapdb_command;

#endif
