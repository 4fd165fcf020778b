/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * command_table.h - numbers and full names of commands and subcommands, for statistics and for lists of them
 *
 * commands_init numbers every command and every subcommand from 0: a command, then its subcommands.
 */
#ifndef SDB_SERVER_COMMAND_TABLE_H
#define SDB_SERVER_COMMAND_TABLE_H

#include <stddef.h>

#include "command.h"

#define COMMAND_FULL_NAME_SIZE 64 /* "client|no-evict" */

/* How many numbers there are. */
size_t command_numbers(void);

/* The command of a number, and its container (NULL where it is none's subcommand; container may be NULL). */
const struct command *command_of_number(size_t number, const struct command **container);

/* The number of a row, or -1 for a foreign one. */
long command_number(const struct command *command);

/* "get", "client|list". Gives the size without the NUL. */
size_t command_full_name(const struct command *command, char name[COMMAND_FULL_NAME_SIZE]);

/* Looks "get" or "client|list" up, in any case. NULL: no such command. */
const struct command *command_find_full(const char *name, size_t size);

/*
 * What the request does to the key at this position, in COMMAND GETKEYSANDFLAGS' words: "RW access update", without a NUL behind
 * them (command_info.c).
 */
const char *command_key_flags(const struct command *command, const struct request_arg *argv, int argc, int position,
                              size_t *size);

/* 1 where argc fits the arity. */
int command_arity_fits(const struct command *command, int argc);

#endif
