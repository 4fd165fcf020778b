/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SDB_SERVER_SCRIPT_BUSY_H
#define SDB_SERVER_SCRIPT_BUSY_H
#include "lua_vm.h"
struct client;
struct script_run;
void script_busy_kill(struct client *client, enum lua_vm_kind kind);
void script_busy_begin(struct script_run *run);
void script_busy_look(struct script_run *run);
void script_busy_end(struct script_run *run);
#endif
