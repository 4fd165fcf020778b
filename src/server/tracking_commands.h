/* SPDX-License-Identifier: BSD-3-Clause */
/* tracking_commands.h - between the rows of CLIENT and tracking_commands.c */
#ifndef SDB_SERVER_TRACKING_COMMANDS_H
#define SDB_SERVER_TRACKING_COMMANDS_H

#include "command.h"

command_handler client_tracking, client_trackinginfo, client_caching, client_getredir;

#endif
