/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * script_commands.h - what the loop does about scripts
 */
#ifndef SDB_SERVER_SCRIPT_COMMANDS_H
#define SDB_SERVER_SCRIPT_COMMANDS_H

/* The thread ends: its Lua state is given back. */
void script_leave(void);

#endif
