/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * command_dump.h - the table of commands as a document: docs/COMMANDS.md is what this writes
 */
#ifndef SDB_SERVER_COMMAND_DUMP_H
#define SDB_SERVER_COMMAND_DUMP_H

#include <stdio.h>

/* Writes the document in Markdown. commands_init was called. */
void command_dump(FILE *out);

#endif
