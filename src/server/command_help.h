/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * command_help.h - what the handlers of connection and server commands share
 */
#ifndef SDB_SERVER_COMMAND_HELP_H
#define SDB_SERVER_COMMAND_HELP_H

#include "client.h"
#include "command.h"

/* The subcommands of containers, for the rows in connection_commands.c and server_commands.c. */
extern const struct command client_subcommands[];  /* client_command.c */
extern const struct command acl_subcommands[];     /* acl_command.c */
extern const struct command command_subcommands[]; /* command_info.c */
extern const struct command config_subcommands[];  /* config_command.c */
extern const struct command slowlog_subcommands[]; /* latency_command.c */
extern const struct command latency_subcommands[]; /* latency_command.c */
extern const struct command memory_subcommands[];  /* memory_command.c */

command_handler command_all;   /* COMMAND; command_info.c */
command_handler info_command;  /* info.c */
command_handler debug_command; /* debug_command.c */

/* The handler of every HELP subcommand: an array of lines, made from the rows. */
command_handler command_help;

/*
 * An integer within min and max, else Redis' error (error: another text for both failures; NULL: the usual). 1, or 0
 * after replying.
 */
int command_get_integer(struct client *client, const struct request_arg *arg, int64_t min, int64_t max,
                        const char *error, int64_t *value);

/* Gives the client a name; "" takes it away. 1, or 0 after an error reply. */
int client_set_name(struct client *client, const struct request_arg *name);

/* "ERR unknown subcommand or wrong number of arguments for 'pause'. Try CLIENT HELP." */
void command_subcommand_error(struct client *client, const struct request_arg *argv);

/* "ERR syntax error" */
void command_syntax_error(struct client *client);

#endif
