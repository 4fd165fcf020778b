/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * list_handlers.h - the handlers behind the rows of list_commands.c, and what they share
 */
#ifndef SDB_SERVER_LIST_HANDLERS_H
#define SDB_SERVER_LIST_HANDLERS_H

#include "command.h"
#include "superdb/superdb.h"

/* list_write_commands.c */
command_handler lpush_command, rpush_command, lpushx_command, rpushx_command, lset_command, linsert_command, lrem_command, ltrim_command;

/* list_read_commands.c */
command_handler llen_command, lrange_command, lindex_command, lpos_command;

/* list_pop_commands.c */
command_handler lpop_command, rpop_command, lmove_command, rpoplpush_command, lmpop_command;
command_keys lmpop_keys, blmpop_keys;

/* list_block_commands.c */
command_handler blpop_command, brpop_command, blmove_command, brpoplpush_command, blmpop_command;

/* -- shared -- */

/* The element's bytes as a bulk string; context: struct reply. list_read_commands.c */
sdb_element_fn list_show_element;

/* LEFT or RIGHT. 1, or 0 after an error reply. */
int list_get_end(struct client *client, const struct request_arg *arg, enum sdb_list_end *end);

/* What LMPOP and BLMPOP are asked for, from numkeys on. */
struct list_wanted {
    const struct request_arg *keys;
    int key_count;
    enum sdb_list_end end;
    int64_t count;
};

/* 1, or 0 after an error reply. */
int list_get_wanted(struct client *client, const struct request_arg *argv, int argc, struct list_wanted *wanted);

/*
 * Take elements and reply with the key and what was taken: one (BLPOP), or up to count (LMPOP). SDB_OK: it has replied. SDB_ENOTFOUND and
 * other errors: it has not.
 */
int list_pop_one(struct client *client, const struct sdb_slice *key, enum sdb_list_end end);
int list_pop_some(struct client *client, const struct sdb_slice *key, enum sdb_list_end end, int64_t count);

/* Moves an element and replies with it. SDB_OK: it has replied. SDB_ENOTFOUND (the source) and other errors: it has not. */
int list_move(struct client *client, const struct sdb_slice *source, enum sdb_list_end source_end, const struct sdb_slice *destination,
              enum sdb_list_end destination_end);

#endif
