/* SPDX-License-Identifier: BSD-3-Clause */
#include "script_busy.h"
#include "client.h"
#include "script_run.h"
void script_busy_begin(struct script_run *run)
{
    (void)run;
}
void script_busy_look(struct script_run *run)
{
    (void)run;
}
void script_busy_end(struct script_run *run)
{
    (void)run;
}
void script_busy_kill(struct client *client, enum lua_vm_kind kind)
{
    (void)kind;
    reply_error(&client->reply, "-NOTBUSY No scripts in execution right now.");
}
