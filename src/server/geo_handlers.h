/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * geo_handlers.h - the handlers behind the rows of geo_commands.c
 */
#ifndef SDB_SERVER_GEO_HANDLERS_H
#define SDB_SERVER_GEO_HANDLERS_H

#include "client.h"
#include "command.h"
#include "geo.h"

/* geo_place_commands.c */
command_handler geoadd_command, geodist_command, geohash_command, geopos_command;

/* geo_search_commands.c */
command_handler geosearch_command, geosearchstore_command, georadius_command, georadius_ro_command, georadiusbymember_command;
command_handler georadiusbymember_ro_command;
command_keys geo_keys_with_store;

/* geo_place_commands.c, for both. As args.h: 1, or 0 after an error reply. */
int geo_get_place(struct client *client, const struct request_arg *args, struct geo_place *place); /* longitude, latitude */
int geo_get_unit(struct client *client, const struct request_arg *arg, double *unit);
void geo_reply_place(struct client *client, const struct geo_place *place);
void geo_reply_distance(struct client *client, double distance);

#endif
