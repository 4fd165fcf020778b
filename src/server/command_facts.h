/* SPDX-License-Identifier: BSD-3-Clause */
/* command_facts.h - what COMMAND says of commands and their rows do not hold */
#ifndef SDB_SERVER_COMMAND_FACTS_H
#define SDB_SERVER_COMMAND_FACTS_H

struct command;

/* How a command treats its keys, in Redis' words; groups of keys stand apart by ';'. Static. */
const char *command_key_flags_of(const struct command *command);

/* Hints for proxies; "": none. Static. */
const char *command_tips_of(const struct command *command);

#endif
